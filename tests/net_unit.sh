#!/usr/bin/env bash
# What "make install" puts into place works under systemd: relayd's unit with all its restrictions,
# readiness, reload and watchdog; and punchctl's as units of a user.
#
#   sender ---+
#            net --- nat --- client (a machine with systemd)
#   relay  ---+
#   (a machine with systemd)
. "$(dirname "$0")/lib.sh"
. "$TOP/tests/machine.sh"

machine_needed "relayd under systemd"
plan 54

LATE4=203.0.113.99

exposure() { # UNIT
	machine relay systemd-analyze security --offline=true "/usr/local/lib/systemd/system/$1.service" |
		sed -n 's/.*exposure level for .*: \([0-9.]*\) .*/\1/p'
}

main_pid() { # [UNIT]
	machine relay systemctl show -P MainPID "${1:-relayd}"
}

net_pid() {
	machine relay sh -c "cat /proc/$(main_pid)/task/*/children" | xargs
}

on_relay() { # punchctl's words
	machine relay punchctl "$@"
}

on_relay_is() { # NAME STATE
	on_relay --json show "$1" >"$T/state.json" && [ "$(json "$T/state.json" 'd["state"]')" = "$2" ]
}

exported() { # PATTERN
	in_ns relay curl -s http://127.0.0.1:9478/metrics >"$T/metrics" && contains "$T/metrics" "$1"
}

exporter_opens_with() { # TOKEN
	in_ns relay curl -sf -o "$T/page" -H "Authorization: Bearer $1" http://127.0.0.1:9478/
}

# Whose way --trace tells of.
traces() { # WHOSE
	on_relay --json explain cam1 --from "$SENDER4:7000" --trace >"$T/trace.json"
	json "$T/trace.json" '[s["text"] for p in d["paths"] for s in p["steps"] if s["step"] == "trace"]' >"$T/traced"
	cat "$T/traced"
	contains "$T/traced" "$1"
}

is_seen() {
	on_relay metrics >"$T/metrics" && contains "$T/metrics" '^relayd_seen_info\{.*by="cloud"' &&
		contains "$T/stund.log" "^$RELAY4 3478"
}

found_in_journal() { # FIELD=VALUE PATTERN, of the fields that it has as JSON
	machine relay journalctl -q -o json "$1" >"$T/journal" && contains "$T/journal" "$2"
}

conf_d() { # LINE...: a file of the configuration
	printf '%s\n' "$@" | machine relay sh -c 'mkdir -p /etc/relayd.conf.d && cat >/etc/relayd.conf.d/more.conf'
}

unit_says_once() { # PATTERN
	[ "$(machine relay journalctl -q -o cat _SYSTEMD_UNIT=relayd.service | grep -Ec "$1")" = 1 ]
}

reload_refused() { # PATTERN
	not machine relay systemctl reload relayd && wait_for 5 unit_says_once "$1"
}

unit_with() { # UNIT SETTING...
	# shellcheck disable=SC2016
	printf '%s\n' '[Service]' "${@:2}" | machine relay sh -c 'mkdir -p "/run/systemd/system/$1.service.d" &&
		cat >"/run/systemd/system/$1.service.d/hasty.conf" && systemctl daemon-reload' sh "$1"
}

exporter_with() { # SETTING ADDRESS: it listens there, for those with its token
	unit_with relayd-exporter "$1" ExecStart= \
		"ExecStart=/usr/local/sbin/relayd-exporter --listen $2:9478 --token-file /etc/exporter.token"
}

tried_again() { # UNIT TIMES, at least
	[ "$(machine relay systemctl show -P NRestarts "$1")" -ge "$2" ]
}

hangs() { # PID: 0, of what does not run, would mean ourselves
	[ "$1" -gt 0 ] && machine relay kill -STOP "$1"
}

restarted() { # UNIT TIMES
	unit_is relay "$1" NRestarts "$2" && unit_is relay "$1" ActiveState active
}

since_boot() { # UNIT TIMESTAMP: in microseconds
	machine relay systemctl show -P "$2TimestampMonotonic" "$1"
}

# In one life: its last word came later than the first limit.
outlives_watchdog() { # UNIT, with a limit of one second
	local begun
	begun=$(since_boot "$1" ExecMainStart)
	[ "$(since_boot "$1" Watchdog)" -gt $((begun + 1500000)) ]
}

as_user() { # CMD...
	machine client runuser -u somebody -- env XDG_RUNTIME_DIR=/run/user/1000 "$@"
}

user_manager_is_up() {
	as_user systemctl --user is-system-running | grep -Eq 'running|degraded'
}

mode_of() { # PATH
	machine relay stat -c '%U:%G %a' "$1"
}

lab_up
in_ns relay sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0
ok "make install" make -s -C "$BUILD" install DESTDIR="$T/installed"
mkdir -p "$T/installed/etc"
relayd_conf 'user = "relayd"' 'database = "/var/lib/relayd/streams.db"' 'socket = "/run/relayd/relayd.sock"'
printf 'discover = { "cloud", "%s" }\n' "$SENDER4:3479" >>"$T/relayd.conf"
stream_conf cam1 'listen = "9099"' "source = \"$SENDER4\""
echo honest >"$T/stund.mode"
echo aws >"$T/cloudd.mode"
start sender stund "$PYTHON" "$TOP/tests/stund.py" "$SENDER4:3479" "$T/stund.mode"
address net lo 169.254.169.254/32
start net cloudd "$PYTHON" "$TOP/tests/cloudd.py" 169.254.169.254:80 "$T/cloudd.mode" "$RELAY4" "$RELAY4"
install -m 644 "$T/relayd.conf" "$T/installed/etc/relayd.conf"
# A card, one that a file speaks of, and what containers are on.
ip -n "${P}relay" link add eth1 type veth peer name veth1
ip -n "${P}relay" link add docker0 type bridge
in_ns relay sysctl -qw net.ipv6.conf.{eth0,eth1,veth1}.accept_ra=1
install -D -m 644 /dev/stdin "$T/installed/etc/sysctl.d/eth1.conf" <<<'net.ipv6.conf.eth1.accept_ra = 0'
ok "a machine boots with it" machine_up relay "$T/installed"
is "nothing fails there" "$(machine relay systemctl --failed --plain --no-legend)" ""
is "its kernel forwards" "$(in_ns relay cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf/all/forwarding | xargs)" "1 1"
is "cards take router advertisements, unless they are not to" "$(accept_ra relay eth0 eth1 veth1 docker0)" "2 0 1 0"
machine relay chgrp relayd /etc/relayd.conf && machine relay chmod 640 /etc/relayd.conf
ok "relayd starts and says that it is ready" machine relay systemctl enable --now --quiet relayd
is "its state is the user's alone" "$(mode_of /var/lib/relayd)" "relayd:relayd 750"
is "its socket is the group's" "$(mode_of /run/relayd/relayd.sock)" "relayd:relayd 660"

exposed=$(exposure relayd)
figure "exposure by systemd-analyze" "$exposed"
ok "it is exposed by at most 2.0" awk -v e="$exposed" 'BEGIN { exit !(e != "" && e <= 2) }'
main=$(main_pid)
is "the one capability is all it may ever have" \
	"$(machine relay sed -n 's/^CapBnd:\t//p' "/proc/$main/status")" 0000000000001000
is "its calls are filtered" "$(machine relay sed -n 's/^Seccomp:\t//p' "/proc/$main/status")" 2
ok "it sees no home, and cannot write to /usr" machine relay sh -c "
	[ -z \"\$(ls -A /proc/$main/root/home)\" ] && ! nsenter -t $main -m touch /usr/x 2>/dev/null"
ok "it may ask a STUN server and a cloud how it is seen" wait_for 10 is_seen
ok "which the journal can be searched for" wait_for 5 found_in_journal "RELAYD_SEEN=$RELAY4" \
	"$RELAY4 is seen as $RELAY4 by"

# --- the exporter

exposed=$(exposure relayd-exporter)
figure "exposure of the exporter" "$exposed"
ok "nor is the exporter by more" awk -v e="$exposed" 'BEGIN { exit !(e != "" && e <= 2) }'
ok "it starts" machine relay systemctl enable --now --quiet relayd-exporter
ok "and tells of relayd" wait_for 10 exported '^relayd_up 1'
echo correct-horse-battery | machine relay install -m 640 -g relayd /dev/stdin /etc/exporter.token
exporter_with WatchdogSec=1 127.0.0.1
machine relay systemctl restart relayd-exporter
ok "it serves as soon as systemd says so" exporter_opens_with correct-horse-battery
machine relay sh -c 'echo staple-battery-horse >/etc/exporter.token && systemctl reload relayd-exporter'
ok "it reloads its token" wait_for 5 exporter_opens_with staple-battery-horse
ok "while it is well it is left alone" wait_for 10 outlives_watchdog relayd-exporter
hangs "$(main_pid relayd-exporter)"
ok "when it hangs that is noticed" wait_for 20 restarted relayd-exporter 1

# --- the client, as a unit of a user

ok "a machine boots at the client" machine_up client "$T/installed"
machine client useradd --create-home --uid 1000 somebody
machine client loginctl enable-linger somebody
wait_for 20 user_manager_is_up
as_user mkdir -p /home/somebody/.config/punchrelay
as_user sh -c 'cat >~/.config/punchrelay/cam1.conf' <<-CONF
	relay $RELAY4
	port 5004
	to 9099
CONF
as_user sh -c 'umask 077 && cat >~/.config/punchrelay/cam1.key' <"$T/cam1.key"
ok "punchctl-punch@ starts" as_user systemctl --user enable --now --quiet punchctl-punch@cam1
ok "and the relay has a client" wait_for 10 on_relay_is cam1 ready
ok "a probe shows the way of a packet" traces "the probe"

# --- the stream, while systemd does to relayd what it may

start client recv "$UDPTOOL" recv --bind 127.0.0.1:5004 --expect 6000 --for 50
wait_for 5 udp_bound client 5004
start sender send "$UDPTOOL" send --from "$SENDER4:7000" --to "$RELAY4:9099" --count 6000 --rate 400
ok "a stream flows" wait_for 10 on_relay_is cam1 live
ok "and a packet of it is followed" wait_for 5 traces "a packet of the sender"
ok "the journal has its client" wait_for 5 found_in_journal RELAYD_STREAM=cam1 '"RELAYD_CLIENT":"192\.0\.2\.9:'
ok "and its sender" wait_for 5 found_in_journal "RELAYD_SENDER=$SENDER4:7000" '"RELAYD_STREAM":"cam1"'
ok "nothing stands in its way" on_relay doctor
printf 'stream "cam2" {\n\tlisten = "9101"\n\tkey = "%s"\n}\n' "$(cat "$T/cam1.key")" |
	machine relay sh -c 'cat >>/etc/relayd.conf'
ok "it reloads" machine relay systemctl reload relayd
ok "and has a new stream" wait_for 5 on_relay_is cam2 waiting
conf_d 'junk {'
ok "a reload with a mistake fails, and the unit says why" reload_refused '^/etc/relayd\.conf\.d/more\.conf:1: '
conf_d 'consent = 50'
ok "so does one that would need a restart" reload_refused 'a new `consent` needs a restart'
conf_d 'max-clients = 50'
ok "SIGHUP reloads as well" machine relay systemctl kill --kill-who=main --signal=HUP relayd
ok "and is told of" wait_for 5 found_in_journal _SYSTEMD_UNIT=relayd.service 'reloaded: 0 added, 0 changed, 0 removed'
unit_with relayd WatchdogSec=1
ok "it restarts, to be watched more closely" machine relay systemctl restart relayd
ok "which it stands" wait_for 10 outlives_watchdog relayd
hangs "$(net_pid)"
ok "a net side that hangs is noticed, and relayd restarted" wait_for 20 restarted relayd 1
hangs "$(main_pid)"
ok "so is a kernel side" wait_for 20 restarted relayd 2
finish send 50
finish recv 60
figure "of 6000 datagrams meanwhile" "$(json "$T/recv.log" 'd["distinct"]')"
is "no datagram of the stream was lost" "$(json "$T/recv.log" '[d["distinct"], d["duplicated"]]')" "[6000, 0]"

# --- an address that comes late

machine relay rm /etc/relayd.conf.d/more.conf
machine relay sed -i "s/^address = .*/address = { \"$RELAY4\", \"$LATE4\" }/" /etc/relayd.conf
unit_with relayd RestartSec=0.1
exporter_with RestartSec=0.1 "$LATE4"
ok "relayd does not start without its address" not machine relay systemctl restart relayd
ok "nor the exporter" not machine relay systemctl restart relayd-exporter
ok "it is tried again and again" wait_for 30 tried_again relayd 7
ok "and so is the exporter" wait_for 30 tried_again relayd-exporter 7
address relay eth0 "$LATE4/32"
ok "it runs when the address is there" wait_for 10 unit_is relay relayd ActiveState active
ok "as does the exporter" wait_for 10 unit_is relay relayd-exporter ActiveState active

# --- the end

conf_d 'junk {'
ok "with a mistake it does not start" not machine relay systemctl restart relayd
is "and is not tried again" "$(machine relay systemctl show -P ActiveState relayd)" failed
exporter_with RestartSec=0.1 nowhere
ok "nor does the exporter" not machine relay systemctl restart relayd-exporter
is "which is not tried again either" "$(machine relay systemctl show -P ActiveState relayd-exporter)" failed
machine relay rm /etc/relayd.conf.d/more.conf
ok "without it, it does" machine relay systemctl start relayd
machine relay systemctl stop relayd
is "it stops in peace" "$(machine relay systemctl show -P Result relayd)" success
as_user systemctl --user stop punchctl-punch@cam1
is "and so does the client" "$(as_user systemctl --user show -P Result punchctl-punch@cam1)" success
