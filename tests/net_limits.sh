#!/usr/bin/env bash
# What the host may run out of: each has a name in the log, in show, in the metrics and for those who
# monitor, it is told once, the other streams flow on, and it is over when it is over.
#
#   sender --- net --- nat --- client
#               |
#             relay, whose conntrack table, netlink buffers, sets, descriptors and disk are full
. "$(dirname "$0")/lib.sh"
. "$TOP/tests/troubles.sh"
plan 68

DISK=$T/disk

# sockets PID OPTION SIZE: sets SO_SNDBUF or SO_RCVBUF of each netlink socket of a process.
cat >"$T/sockets.py" <<'PYTHON'
import ctypes, os, socket, sys

libc = ctypes.CDLL(None, use_errno=True)
PIDFD_GETFD, FORCED = 438, {"SO_SNDBUF": 32, "SO_RCVBUF": 33}
pid, option, size = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
pidfd = os.pidfd_open(pid)
for name in os.listdir("/proc/%d/fd" % pid):
    fd = libc.syscall(PIDFD_GETFD, pidfd, int(name), 0)
    if fd < 0 or not os.readlink("/proc/self/fd/%d" % fd).startswith("socket:"):
        continue
    sock = socket.socket(fileno=fd)
    if sock.family == socket.AF_NETLINK:
        sock.setsockopt(socket.SOL_SOCKET, FORCED[option], size)
PYTHON

# Fills the conntrack table with flows to nowhere.
cat >"$T/fill.py" <<'PYTHON'
import socket, sys

s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for i in range(int(sys.argv[1])):
    try:
        s.sendto(b"x", ("127.%d.0.1" % (1 + i // 60000), 1025 + i % 60000))
    except OSError:
        pass  # refused by the kernel, or an earlier one's port was closed
PYTHON

# Takes all the descriptors that the control socket can.
cat >"$T/crowd.py" <<'PYTHON'
import signal, socket, sys

crowd = []
for _ in range(60):
    crowd.append(socket.socket(socket.AF_UNIX))
    crowd[-1].connect(sys.argv[1])
signal.pause()
PYTHON

heard() { # the media's highest number so far does not matter: it flows now
	local before
	before=$(packets)
	wait_for 5 more_than "$before"
}

packets() {
	in_ns client nft list counter inet count media | sed -n 's/.*packets \([0-9]*\) .*/\1/p'
}

more_than() { # N
	[ "$(packets)" -gt $(($1 + 100)) ]
}

# relayd's mounts are its own, and so is this disk; its descriptors are few.
start_relayd() {
	ulimit -S -n "$1"
	start relay relayd sh -c 'mount -t tmpfs -o size=1m,mode=700,uid="$(id -u "$1")" none "$2" &&
		exec "$3" --config "$4"' sh "$(relayd_user)" "$DISK" "$RELAYD" "$T/relayd.conf"
	ulimit -S -n "$LIMIT"
	wait_for 5 relayd_answers && running relayd
}

on_disk() { # CMD...
	nsenter -t "$(pid_of relayd)" -m "$@"
}

# Of a set of relayd's; it fails where the kernel ignores it.
set_size() { # SET SIZE
	in_ns relay "$PYTHON" "$TOP/tests/setsize.py" "$(pid_of relayd)" "$1" "$2" >"$T/set_size" &&
		in_ns relay nft list set inet relayd "$1" | grep -qw "size $2"
}

elements() { # SET
	in_ns relay nft -j list set inet relayd "$1" | "$PYTHON" -c 'import json, sys
print(len(next(o["set"] for o in json.load(sys.stdin)["nftables"] if "set" in o)["elem"]))'
}

sender_is() { # NAME SENDER|null
	pctl --json show "$1" >"$T/sender.json"
	[ "$(json "$T/sender.json" 'd["ports"][0]["sender"]')" = "$2" ]
}

accepted_more() { # N
	[ "$(total punches accepted)" -gt "$1" ]
}

punched_on() {
	wait_for 20 accepted_more "$(total punches accepted)"
}

punches() { # NAME PORT LISTEN
	start client "punch-$1" "$PUNCHCTL" punch "$1@$RELAY4" --key-file "$T/$1.key" --port "$2" --to "$3"
	wait_for 5 stream_is "$1" ready
}

LIMIT=$(ulimit -S -n)
mkdir -p "$DISK"
lab_up
relayd_conf "database = \"$DISK/streams.db\"" "consent = $(seconds 15)"
stream_conf cam1 'listen = "9101"' 'source = "any"'
stream_conf cam2 'listen = "9102"' 'source = "first"'
ok "relayd starts" start_relayd 40
in_ns client nft -f - <<-RULES
	table inet count {
		counter media { }
		chain in {
			type filter hook input priority 0
			udp dport 5004 counter name media
		}
	}
RULES
start relay monitor "$PUNCHCTL" --socket "$T/relayd/relayd.sock" --json monitor
ok "a client punches" punches cam1 5004 9101
start client recv "$UDPTOOL" recv --bind 127.0.0.1:5004
start sender send "$UDPTOOL" send --from "$SENDER4:7000" --to "$RELAY4:9101" --count 100000 \
	--rate "$(rate 500)" --rtp
ok "media flow" wait_for 5 stream_is cam1 live

# --- the database's disk

on_disk sh -c 'head -c 2M /dev/zero >"$1/filler" 2>/dev/null' sh "$DISK"
not pctl add full --listen 9200-9260 >"$T/add.log" 2>&1
ok "disk full: a stream is refused with the reason" contains "$T/add.log" 'make room'
named "disk full" database 'make room' database
on_disk rm -f "$DISK/filler"
passes "disk full" database
ok "with room a stream is added" pctl add full --listen 9200-9260

# --- descriptors

start relay crowd "$PYTHON" "$T/crowd.py" "$T/relayd/relayd.sock"
ok "no descriptors: the log says so" wait_for 10 grep -q "no_descriptors: " "$T/relayd.err"
stop crowd
named "no descriptors" no_descriptors 'descriptor' descriptors
is "no descriptors: nor does the log say more" "$(times 'Too many open files')" 0
passes "no descriptors" no_descriptors

# --- netlink

"$PYTHON" "$T/sockets.py" "$(pid_of relayd)" SO_SNDBUF 1024
not pctl add wide --listen 9300-9363 >"$T/wide.log" 2>&1
named "a small netlink buffer" netlink_buffer 'netlink' netlink_buffer
"$PYTHON" "$T/sockets.py" "$(pid_of relayd)" SO_SNDBUF 8388608
pctl remove wide >/dev/null 2>&1
ok "with a large one the same stream is added" pctl add wide --listen 9300-9363
passes "a small netlink buffer" netlink_buffer

# The log group's packets do not fit while nobody reads them.
kill -STOP "$(pid_of relayd)" # no answer to a question may be what does not fit
"$PYTHON" "$T/sockets.py" "$(pid_of relayd)" SO_RCVBUF 1024
in_ns sender "$UDPTOOL" send --from "$SENDER4:7001" --to "$RELAY4:9200" --count 20 --rate 1000
"$PYTHON" "$T/sockets.py" "$(pid_of relayd)" SO_RCVBUF 8388608
kill -CONT "$(pid_of relayd)"
ok "unheard events: show names it" wait_for 10 troubles netlink_buffer
ok "unheard events: the log says so" wait_for 3 grep -q "netlink_buffer: the kernel told more" "$T/relayd.err"

# --- sets

# Of ours only one has a size; another gets one.
if set_size listen4 "$(elements listen4)"; then
	not pctl add more --listen 9400-9403 >"$T/more.log" 2>&1
	ok "a full set: a stream is refused with the reason" contains "$T/more.log" 'set is full'
	named "a full set" set_full 'has reached a size' set_full
	is "a full set: the log does not say it of each port" "$(times 'more:94')" 0
	ok "a full set: a client that has one punches on" punched_on
	set_size listen4 1000000
	ok "with room the same stream is added" pctl add more --listen 9400-9403
	passes "a full set" set_full

	# That of the ports whose opening is logged: what is not logged is asked for again.
	stop send
	stop recv
	is "no packet of the stream was lost" "$(json "$T/recv.log" 'd["lost"]')" 0
	ok "another client punches" punches cam2 5006 9102
	set_size opening4 1
	start sender send "$UDPTOOL" send --from "$SENDER4:7004" --to "$RELAY4:9101" --count 100000 --rate 500 --rtp
	ok "its opening fills the set" wait_for 5 sender_is cam1 "$SENDER4:7004"
	start client recv2 "$UDPTOOL" recv --bind 127.0.0.1:5006
	start sender send2 "$UDPTOOL" send --from "$SENDER4:7002" --to "$RELAY4:9102" --count 100000 --rate 500 --rtp
	ok "media of which nobody tells flow" wait_for 5 stream_is cam2 live
	if grep -q counted "$T/set_size"; then
		ok "a full set of openings: show names it" wait_for 15 troubles set_full
	else
		skip "a full set of openings: show names it" "this kernel does not say how full it is"
	fi
	ok "their sender is known when there is room again" wait_for 40 sender_is cam2 "$SENDER4:7002"
	set_size opening4 65535
	stop send2
	stop recv2
	is "no packet of that was lost" "$(json "$T/recv2.log" 'd["lost"]')" 0
else
	for _ in {1..20}; do
		skip "a full set" "this kernel does not change the size of a set"
	done
fi

# --- connection tracking

max=$(cat /proc/sys/net/netfilter/nf_conntrack_max)
if [ "$max" -le 600000 ]; then
	in_ns relay nft -f - <<-RULES
		table inet nowhere {
			chain in {
				type filter hook input priority 0
				iifname "lo" udp dport != 3478 drop
			}
		}
	RULES
	# However long it takes to fill it, none of them ends meanwhile.
	in_ns relay sysctl -qw net.netfilter.nf_conntrack_udp_timeout=600
	start relay fill "$PYTHON" "$T/fill.py" "$max"
	named "a full conntrack table" conntrack_full 'nf_conntrack_max=' conntrack_full
	ok "a full conntrack table: media flow on" heard
	stop fill
	in_ns relay conntrack -D -d 127.0.0.0/8 >/dev/null 2>&1
	passes "a full conntrack table" conntrack_full
else
	for _ in {1..10}; do
		skip "a full conntrack table" "$max entries are too many to fill"
	done
fi
stop send
stop recv
is "no packet of the stream was lost" "$(json "$T/recv.log" 'd["lost"]')" 0
