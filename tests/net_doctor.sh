#!/usr/bin/env bash
# What is wrong with the host itself: punchctl doctor finds each setting, the printed commands mend
# it, --fix does so too. Settings of the whole machine are played by files in front of them.
#
#   sender ---+
#            net --- nat --- client
#   relay  ---+
. "$(dirname "$0")/lib.sh"
. "$TOP/tests/doctor.sh"
plan 77

relay_sysctl() { # NAME=VALUE...
	in_ns relay sysctl -qw "$@"
}

value() { # NAME
	private sysctl -n "$1"
}

# In front of a setting that is the whole machine's.
played() { # NAME VALUE
	local file=/proc/sys/${1//.//}
	private sh -c 'echo "$2" >"/run/play-$3" && mount --bind "/run/play-$3" "$1"' played "$file" "$2" "${1##*.}"
}

unplayed() { # NAME
	private umount "/proc/sys/${1//.//}"
}

# A finding that is there and goes away by what is printed, and by --fix once it is back.
mends() { # ID WEIGHT BREAK...
	local id=$1 weight=$2
	shift 2
	ok "$id: is so" "$@"
	ok "$id is found" found "$id" "$weight"
	ok "$id: the printed command" run_printed "$id"
	ok "$id: and is mended" not found "$id"
	"$@"
	ok "$id: --fix" doctor --fix --yes
	ok "$id: mends it too" not found "$id"
}

lab_up
in_ns relay ethtool -K eth0 gro on >"$T/ethtool.out"
relayd_conf "address = { \"$RELAY4\", \"$RELAY6\" }"
stream_conf cam 'listen = "9099"'
stream_conf cam6 'listen = "9100"'
stream_conf raw 'listen = "9200"' 'raw-punch = 9300'
ok "files of its own" private_up
ok "relayd starts" relayd_start
ok "a client punches" punches cam "$RELAY4" 5004
ok "and one over IPv6" punches cam6 "$RELAY6" 5006 9100
ok "the stream flows" flows
ok "nothing would stop it" doctor
ok "raw punches are told" found raw_punch note

# --- without root, a terminal, a daemon

private setpriv --reuid=nobody --regid="$(id -g nobody)" --clear-groups "$PUNCHCTL" doctor --fix --yes >"$T/out" 2>&1
is "--fix without root" "$?" 1
ok "says what it wants" contains "$T/out" 'wants root'
private "$PUNCHCTL" doctor --fix </dev/null >"$T/out" 2>&1
is "--fix without a terminal" "$?" 2
ok "names --yes" contains "$T/out" '--yes'
private "$PUNCHCTL" --socket /run/none doctor >"$T/out" 2>&1
is "without a daemon" "$?" 3
ok "it says what was not looked at" contains "$T/out" '^not looked at: .*firewall'

# --- settings

no_forwarding() {
	relay_sysctl net.ipv4.ip_forward=0
}
no_forwarding
ok "without forwarding it is dead" dead
ok "and that is an error" not doctor
mends forwarding stops no_forwarding
ok "it flows" flows
ok "it is to be kept" private grep -qx 'net.ipv4.ip_forward = 1' /etc/sysctl.d/zz-relayd.conf

device_off() {
	relay_sysctl net.ipv4.conf.eth0.forwarding=0
}
device_off
ok "without forwarding on the device it is dead" dead
mends forwarding stops device_off
ok "it flows with it" flows

mends forwarding6 stops relay_sysctl net.ipv6.conf.all.forwarding=0

# What newer kernels have for a single device.
if [ -e /proc/sys/net/ipv6/conf/all/force_forwarding ]; then
	relay_sysctl net.ipv6.conf.all.forwarding=0 net.ipv6.conf.eth0.force_forwarding=1
	ok "forced forwarding will do" not found forwarding6
	ok "it flows over IPv6" flows "[$SENDER6]:7000" "[$RELAY6]:9100" 5006
	relay_sysctl net.ipv6.conf.all.forwarding=1 net.ipv6.conf.eth0.force_forwarding=0
else
	skip "forced forwarding will do" "this kernel does not know it"
	skip "it flows over IPv6" "this kernel does not know it"
fi

mends send_redirects note relay_sysctl net.ipv4.conf.all.send_redirects=1 net.ipv4.conf.eth0.send_redirects=1
is "redirects are off" "$(value net.ipv4.conf.all.send_redirects)$(value net.ipv4.conf.eth0.send_redirects)" 00

ok "another way out" link_up relay eth1 net spare
ok "with an address" address relay eth1 192.0.2.99/24
ok "and a route" ip -n "${P}relay" route add default via 192.0.2.1 dev eth1 metric 100
mends rp_filter weakens relay_sysctl net.ipv4.conf.eth0.rp_filter=1
ip -n "${P}relay" link delete eth1

gro_off() {
	in_ns relay ethtool -K eth0 rx-udp-gro-forwarding off
}
mends udp_gro note gro_off
ok "the device gathers" contains <(in_ns relay ethtool -k eth0) '^rx-udp-gro-forwarding: on'

full() {
	played net.netfilter.nf_conntrack_count 970 && played net.netfilter.nf_conntrack_max 1000
}
mends conntrack_full stops full
is "the table has room" "$(value net.netfilter.nf_conntrack_max)" 65536
unplayed net.netfilter.nf_conntrack_max

slow() {
	played net.netfilter.nf_conntrack_max 1500 &&
		relay_sysctl net.netfilter.nf_conntrack_tcp_timeout_established=432000
}
mends conntrack_timeouts weakens slow

# --- it asks on a terminal

ask() { # ANSWER
	relay_sysctl net.ipv4.ip_forward=0
	"$PYTHON" -c 'import os, pty, sys
pid, fd = pty.fork()
if not pid:
    os.execvp(sys.argv[2], sys.argv[2:])
said = b""
while True:
    try:
        got = os.read(fd, 4096)
    except OSError:
        break
    if not got:
        break
    said += got
    while b"[y/N] " in said:
        said = said.split(b"[y/N] ", 1)[1]
        os.write(fd, sys.argv[1].encode() + b"\n")
os.waitpid(pid, 0)' "$1" nsenter -t "$(pid_of private)" -m -n -- \
		"$PUNCHCTL" --socket "$T/relayd/relayd.sock" doctor --fix >"$T/out" 2>&1
	value net.ipv4.ip_forward
}

is "who says no changes nothing" "$(ask n)" 0
is "who says yes does" "$(ask y)" 1
