#!/usr/bin/env bash
# explain names the step at which a packet would be lost, and says when it would arrive: one step
# after the other is broken and mended, and each time a real packet is sent to see who is right.
#
#   sender 198.51.100.175 ---+
#   other  198.51.101.66  --net --- nat --- client
#   relay  203.0.113.7    ---+
. "$(dirname "$0")/lib.sh"
plan 74

OTHER4=198.51.101.66
FROM=7000  # the sender's port
STREAM=cam # that is explained

# The step that stops a packet, as explain says; "arrives" when there is none. The exit status
# has to say the same. Of a chain, its table.
verdict() { # [OPTION...]
	local status said
	pctl --json explain "$STREAM" "$@" >"$T/explain.json"
	status=$?
	said=$(json "$T/explain.json" '"%s " % d["arrives"] + ([s.get("table", s["step"]) for s in d["paths"][0]["steps"] if s["stops"] and s["step"] == d["paths"][0]["cause"]] + ["arrives"])[0]')
	case "$status $said" in
	"0 True arrives") ;;
	"1 False arrives" | *" True "* | "0 "*) echo "status $status disagrees" ;;
	esac
	echo "${said#* }"
}

says() { # STEP [OPTION...]
	[ "$(verdict "${@:2}")" = "$1" ]
}

# That it cannot be told, because of the table.
unknown() { # TABLE
	pctl explain "$STREAM" >"$T/explained"
	[ $? = 4 ] || return
	pctl --json explain "$STREAM" >"$T/explain.json"
	[ $? = 4 ] && [ "$(json "$T/explain.json" 'd["arrives"]')" = null ] &&
		text_of "$1" >"$T/sentence" && contains "$T/sentence" "cannot be told" &&
		contains "$T/explained" "^ +UNKNOWN +chain "
}

# A sentence of a step, for one who is to read it.
text_of() { # STEP
	json "$T/explain.json" "[s['text'] for p in d['paths'] for s in p['steps'] if s['step'] == '$1' or s.get('table') == '$1'][0]"
}

# Media that the client's NAT has got from the relay.
media_count() {
	in_ns nat nft list counter inet witness media | sed -n 's/.*packets \([0-9]*\) .*/\1/p'
}

more_media() { # THAN
	[ "$(media_count)" -gt "$1" ]
}

packet() { # HOST ADDRESS
	in_ns "$1" "$UDPTOOL" send --from "$2:$FROM" --to "$RELAY4:9101" --count 1 --rate 1 --rtp
}

arrives() {
	local before
	before=$(media_count)
	packet sender "$SENDER4" && wait_for 3 more_media "$before"
}

# What the relay answers after it has handled the packet shows that this is over.
lost() { # [HOST ADDRESS]
	local before
	before=$(media_count)
	packet "${1-sender}" "${2-$SENDER4}" || return
	in_ns sender ping -q -c 1 -W 1 "$RELAY4"
	not more_media "$before"
}

broken() { # DESCRIPTION STEP
	ok "$1: named" wait_for 15 says "$2"
	note "$(text_of "$2")"
	ok "$1: a packet is lost" lost
}

mended() { # DESCRIPTION
	ok "$1 mended: said" wait_for 8 says arrives
	ok "$1 mended: a packet arrives" arrives
}

foreign() { # RULES...
	printf '%s\n' "$@" | in_ns relay nft -f -
}

# What --trace says happened to a packet, of whom, in the end.
traced() { # WHOSE VERDICT
	pctl --json explain cam --trace >"$T/trace.json"
	json "$T/trace.json" '[s["text"] for p in d["paths"] for s in p["steps"] if s["step"] == "trace"][-1]' >"$T/traced"
	contains "$T/traced" "$1 came to fw forward, which $2"
}

real_packet_dropped() {
	start sender keep "$UDPTOOL" send --from "$SENDER4:$FROM" --to "$RELAY4:9101" --count 6000 --rate 50 --rtp
	wait_for 5 traced "a packet of the sender" "drops it"
	local status=$?
	stop keep
	return "$status"
}

probe_dropped() {
	wait_for 5 traced "the probe" "drops it"
}

punch() {
	start client punch "$PUNCHCTL" punch "cam@$RELAY4" --key-file "$T/cam.key" --port 5004 --to 9101
	wait_for 5 stream_is cam ready
}

flow_gone() {
	not in_ns relay conntrack -L -p udp --orig-port-dst 9101 2>/dev/null | grep -q dport=9101
}

lab_up
public_host other eth0 "$OTHER4" || bail "no network"
in_ns nat nft -f - <<-RULES
	table inet witness {
		counter media { }
		chain wire {
			type filter hook prerouting priority -400
			ip saddr $RELAY4 @th,64,2 2 counter name media
		}
	}
RULES
# A probe comes from a TUN device, which distributions let everybody open.
cat >"$T/relayd-tun" <<-RELAYD
	#!/bin/sh
	mkdir -p "$T/dev" && mount -t tmpfs -o mode=755 none "$T/dev" && mknod -m 666 "$T/dev/tun" c 10 200 &&
		mount --bind "$T/dev/tun" /dev/net/tun
	exec "$RELAYD" "\$@"
RELAYD
chmod +x "$T/relayd-tun"
RELAYD=$T/relayd-tun
relayd_conf "consent = $(seconds 10)" "address = { \"$RELAY4\", \"$RELAY6\" }"
stream_conf cam 'listen = "9101"' "source = \"$SENDER4\""
stream_conf six 'listen = "9106"' 'source = "any"'
stream_conf game 'peers = 4'
ok "relayd starts" relayd_start
broken "nobody has punched" map
ok "the client punches" punch
mended "the punch"

ok "another sender sends" lost other "$OTHER4"
start other other "$UDPTOOL" send --from "$OTHER4:$FROM" --to "$RELAY4:9101" --count 2000 --rate 20 --rtp
ok "another sender is refused: named" wait_for 5 says source
note "$(text_of source)"
ok "asked about the one that may: would arrive" says arrives --from "$SENDER4:$FROM"
stop other
ok "the one that may sends: a packet arrives" arrives
ok "and is the one that is explained" wait_for 5 says arrives

foreign 'table inet fw { chain forward { type filter hook forward priority 0; policy drop; }; }'
broken "a firewall drops what is forwarded" fw
ok "a real packet is followed to it" real_packet_dropped
ok "and when none comes, a probe" probe_dropped
foreign 'delete table inet fw'
mended "the firewall"

foreign 'table ip fw4 { chain pre { type filter hook prerouting priority -50; udp dport 1-65535 drop; }; }'
broken "a firewall drops all UDP before it is routed" fw4
foreign 'delete table ip fw4'
mended "prerouting"

foreign 'table inet fw { chain in { type filter hook input priority 0; udp dport 3478 drop; }; }'
ok "punches are dropped: media arrives still" says arrives
is "and the chain is named" "$(json "$T/explain.json" '[s["table"] for p in d["paths"] for s in p["steps"] if s["state"] == "broken"][0]')" fw
foreign 'delete table inet fw'

in_ns relay ip route add blackhole 192.0.2.0/24
broken "a black hole" route
in_ns relay ip route del 192.0.2.0/24
mended "the black hole"
in_ns relay ip route add unreachable 192.0.2.0/24
broken "an unreachable route" route
in_ns relay ip route del 192.0.2.0/24
mended "the route"

foreign 'table inet fw { chain pre { type filter hook prerouting priority mangle; udp dport 9101 meta mark set 5; }; }'
ip -n "${P}relay" route add blackhole default table 77
ip -n "${P}relay" rule add fwmark 5 table 77
broken "a black hole for what others have marked" route
ok "the command that it prints shows it" not in_ns relay bash -c "$(text_of route | sed -n "s/.*'\(ip route get [^']*\)'.*/\1/p")"
ip -n "${P}relay" rule del fwmark 5 table 77
foreign 'delete table inet fw'
mended "the rule for the mark"

in_ns relay sysctl -qw net.ipv4.ip_forward=0
broken "forwarding is off" forwarding
in_ns relay sysctl -qw net.ipv4.ip_forward=1
mended "forwarding"

in_ns relay ip route add 192.0.2.0/24 via 203.0.113.99
broken "the next hop does not answer" neighbour
in_ns relay ip route del 192.0.2.0/24
mended "the next hop"

foreign 'table ip theirs { chain pre { type nat hook prerouting priority -120; udp dport 9101 dnat to 203.0.113.88; }; }'
in_ns relay conntrack -D -p udp --orig-port-dst 9101 >/dev/null 2>&1
broken "others translate first" theirs
foreign 'delete table ip theirs'
broken "their flow is left" conntrack
ok "the command that it prints ends it" in_ns relay bash -c "$(text_of conntrack | sed -n "s/.*'\(conntrack -D [^']*\)'.*/\1/p")"
mended "the flow"

stop punch KILL
broken "the client is gone" consent
ok "it comes back" punch
mended "consent"

# A rule that drops one of a million packets, and one that drops all: both can only be tried.
foreign 'table inet fw { chain forward { type filter hook forward priority 0; jump odd; }; chain odd { numgen inc mod 1000000 == 999999 drop; }; }'
ok "a rule that cannot be evaluated: neither yes nor no" unknown fw
note "$(text_of fw)"
ok "chain and rule are named" contains "$T/sentence" 'fw forward .*rule 1: .*numgen.* in odd'
ok "for people too" contains "$T/explained" "may or may not arrive at .*, see chain"
ok "with --trace it would arrive" says arrives --trace
foreign 'flush chain inet fw odd' 'add rule inet fw odd numgen inc mod 1 == 0 drop'
ok "the same, that drops: neither" unknown fw
ok "with --trace it would not" says fw --trace
foreign 'delete table inet fw'
mended "the rule"

STREAM=six
start client punch6 "$PUNCHCTL" punch "six@[$RELAY6]" --key-file "$T/six.key" --port 5006 --to 9106
ok "IPv6: a client punches" wait_for 5 stream_is six ready
ok "IPv6: would arrive" says arrives
in_ns relay sysctl -qw net.ipv6.conf.all.forwarding=0
ok "IPv6: forwarding is off" says forwarding
in_ns relay sysctl -qw net.ipv6.conf.all.forwarding=1
in_ns relay ip -6 route replace "${NAT6%::*}::/64" via "${RELAY6%::*}::99"
ok "IPv6: the next hop does not answer" wait_for 8 says neighbour
in_ns relay ip -6 route replace prohibit "${NAT6%::*}::/64"
ok "IPv6: the route is forbidden" says route
in_ns relay ip -6 route del "${NAT6%::*}::/64"
ok "IPv6: mended" wait_for 5 says arrives

STREAM=game
not_paired() {
	pctl explain game >"$T/game" || contains "$T/game" 'nobody is paired'
}

paired() {
	says arrives && json "$T/explain.json" 'd["paths"][1]["client"]'
}

ok "peers: nobody is paired" not_paired
start sender serve "$PUNCHCTL" serve "game@$RELAY4" --key-file "$T/game.key" --to 127.0.0.1:8000 --relay-only
start client connect "$PUNCHCTL" connect "game@$RELAY4" --key-file "$T/game.key" --listen 127.0.0.1:9000 --relay-only
ok "peers: both directions would arrive" wait_for 10 paired
foreign 'table inet fw { chain forward { type filter hook forward priority 0; policy drop; }; }'
ok "peers: a firewall drops what is forwarded" says fw
foreign 'delete table inet fw'
ok "peers: mended" says arrives
