#!/usr/bin/env bash
# Debian's firewalld on the relay: no punch comes through; punchctl doctor says why, and the command
# that it prints lets them in, also after firewalld has loaded its rules anew. The same with --fix,
# and where the device is in a zone of its own. What is translated it lets pass by itself.
#
#   sender ---+
#            net --- nat --- client
#   relay  ---+
#   (firewalld and its bus, in a mount namespace with an /etc of its own)
. "$(dirname "$0")/lib.sh"
. "$TOP/tests/doctor.sh"
plan 30

firewalld_up() {
	private dbus-daemon --system --fork --nopidfile || return
	start relay firewalld nsenter -t "$(pid_of private)" -m -- /usr/sbin/firewalld --nofork --nopid
	wait_for 20 private firewall-cmd --state
}

firewall() { # OPTION...: what it says, as one line
	private firewall-cmd "$@" 2>&1 | tr '\n' ' '
}

lab_up
relayd_conf "address = { \"$RELAY4\", \"$RELAY6\" }"
stream_conf cam 'listen = "9099"'
stream_conf cam6 'listen = "9100"'
ok "files of its own" private_up
ok "relayd starts" relayd_start
ok "firewalld is there" firewalld_up

start client punch-cam "$PUNCHCTL" punch "cam@$RELAY4" --key-file "$T/cam.key" --port 5004 --to 9099
ok "no punch comes through" not wait_for 1 stream_is cam ready
ok "doctor names firewalld" found punch stops
ok "that is an error" not doctor
ok "the command that it prints" run_all_printed punch
stop punch-cam
ok "opens the way for punches" punches cam "$RELAY4" 5004
ok "the stream flows" flows
ok "over IPv6 too" punches cam6 "$RELAY6" 5006 9100
ok "it flows there" flows "[$SENDER6]:7000" "[$RELAY6]:9100" 5006
ok "nothing else would stop it" doctor
note "$(firewall --reload)"
stop punch-cam
ok "after firewalld's reload punches come through" punches cam "$RELAY4" 5004
ok "and the stream flows" flows

# --- a firewalld that does not let pass what is translated, as some versions and settings do not

strict() {
	local handle
	handle=$(private nft -a list chain inet firewalld filter_FORWARD |
		sed -n 's/.*ct status dnat accept.*handle //p')
	private nft delete rule inet firewalld filter_FORWARD handle "$handle"
}
# What is no stream: an echo request that the relay is asked to forward, and sends back.
stray_before=0
stray_packets() {
	in_ns relay nft list counter inet witness stray | sed -n 's/.*packets \([0-9]*\) .*/\1/p'
}
stray() {
	in_ns net ping -q -c 1 -W 1 -t 2 192.0.2.200 >"$T/ping.out"
	[ "$(stray_packets)" -gt "$stray_before" ]
}
in_ns relay nft -f - <<-'RULES'
	table inet witness {
		counter stray { }
		chain leaves {
			type filter hook postrouting priority 300
			ip protocol icmp ip daddr 192.0.2.200 counter name stray
		}
	}
RULES
ip -n "${P}net" route add 192.0.2.200 via "$RELAY4"
ok "without that rule" strict
in_ns relay conntrack -D -p udp --orig-port-dst 9099 >"$T/flows.out" 2>&1
ok "the stream is dead" dead
ok "doctor says why" found forward stops
ok "the command that it prints" run_all_printed forward
ok "without that rule again" strict
ok "it lets nothing pass but UDP" not stray
in_ns relay conntrack -D -p udp --orig-port-dst 9099 >"$T/flows.out" 2>&1
ok "the stream flows" flows

# --- the device in another zone, and --fix

note "$(firewall --permanent --zone=dmz --change-interface=eth0)"
note "$(firewall --reload)"
ok "in another zone, doctor finds it again" found punch stops
ok "doctor --fix mends it" doctor --fix --yes
is "in that zone" "$(firewall --permanent --zone=dmz --query-port=3478/udp)" "yes "
stop punch-cam
ok "punches come through" punches cam "$RELAY4" 5004
note "$(firewall --permanent --delete-policy=relayd)"
note "$(firewall --permanent --zone=dmz --remove-forward)"
note "$(firewall --reload)"
ok "without the rule for what is translated" strict
in_ns relay conntrack -D -p udp --orig-port-dst 9099 >"$T/flows.out" 2>&1
ok "the command that it prints" run_all_printed forward
strict
in_ns relay conntrack -D -p udp --orig-port-dst 9099 >"$T/flows.out" 2>&1
ok "lets the stream flow" flows
is "from that zone" "$(firewall --permanent --policy=relayd --list-ingress-zones)" "dmz "
ok "nothing is outside" not grep -rq 3478 /etc/firewalld
