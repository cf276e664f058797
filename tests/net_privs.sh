#!/usr/bin/env bash
# What the two processes may do, read from /proc; that they say when they are ready; and that a
# reload leaves running streams alone.
#
#   sender 198.51.100.175 ---+
#                           net --- nat --- client
#   relay  203.0.113.7   ----+
. "$(dirname "$0")/lib.sh"
plan 38

# Prints each datagram that comes, a line each.
cat >"$T/notified.py" <<'PYTHON'
import os, socket, sys

s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
os.chmod(sys.argv[1], 0o777)
print("listening", flush=True)
while True:
    print(s.recv(4096).decode().replace("\n", " "), flush=True)
PYTHON

status_of() { # PID FIELD: its words
	sed -n "s/^$2:[[:space:]]*//p" "/proc/$1/status" | tr '\t' ' '
}

children_of() { # PID
	local pid
	for pid in $(relayd_pids); do
		[ "$(status_of "$pid" PPid)" = "$1" ] && echo "$pid"
	done
}

# The kinds of netlink socket that the process holds, by the kernel's own list.
netlink_of() { # PID
	local link
	for link in "/proc/$1/fd/"*; do
		link=$(readlink "$link")
		case $link in
		socket:*) in_ns relay awk -v inode="${link//[^0-9]/}" '$10 == inode { print $2 }' /proc/net/netlink ;;
		esac
	done
}

files_of() { # PID: what its descriptors are
	local fd
	for fd in "/proc/$1/fd/"*; do
		readlink "$fd"
	done | sed 's/[0-9]*\]$/]/' | sort | uniq -c | awk '{ print $2 "*" $1 }' | xargs
}

told() { # PATTERN, to the one who listens to readiness
	contains "$T/notified.log" "$1"
}

lab_up
relayd_conf 'consent = 10'
stream_conf cam1 'listen = "9099"' "source = \"$SENDER4\""
start relay notified "$PYTHON" "$T/notified.py" "$T/notify"
wait_for 5 told listening
export NOTIFY_SOCKET=$T/notify WATCHDOG_USEC=300000
ok "relayd starts" relayd_start
unset NOTIFY_SOCKET WATCHDOG_USEC
ok "it says that it is ready" wait_for 3 told "^READY=1"
ok "and again and again that it lives" wait_for 3 eval '[ "$(grep -c "^WATCHDOG=1" "$T/notified.log")" -ge 3 ]'

# --- the kernel side

kernel=$(pid_of relayd)
net=$(children_of "$kernel")
user=$(id -u "$(relayd_user)") group=$(id -g "$(relayd_user)")
net_admin=0000000000001000 # 1 << CAP_NET_ADMIN
none=0000000000000000
is "there are two processes" "$(relayd_pids | wc -l)" 2
is "one is the other's child" "$(wc -w <<<"$net")" 1

is "kernel side: user" "$(status_of "$kernel" Uid)" "$user $user $user $user"
is "kernel side: group" "$(status_of "$kernel" Gid)" "$group $group $group $group"
is "kernel side: no other groups" "$(status_of "$kernel" Groups | xargs)" ""
is "kernel side: effective is CAP_NET_ADMIN alone" "$(status_of "$kernel" CapEff)" "$net_admin"
is "kernel side: so is permitted" "$(status_of "$kernel" CapPrm)" "$net_admin"
for set in CapInh CapBnd CapAmb; do
	is "kernel side: $set" "$(status_of "$kernel" "$set")" "$none"
done
is "kernel side: no new privileges" "$(status_of "$kernel" NoNewPrivs)" 1
is "kernel side: netlink sockets are of netfilter" "$(netlink_of "$kernel" | sort -u | xargs)" 12
figure "kernel side: $(files_of "$kernel")"
is "kernel side: it keeps the ports of the configuration for the next net side, and no other" \
	"$(in_ns relay ss -Huanp | awk -v pid="pid=$kernel," 'index($0, pid) { print $4 }' | sort | xargs)" \
	"$RELAY4:3478 $RELAY4:3479"

# --- the net side

is "net side: user" "$(status_of "$net" Uid)" "$user $user $user $user"
is "net side: group" "$(status_of "$net" Gid)" "$group $group $group $group"
is "net side: no other groups" "$(status_of "$net" Groups | xargs)" ""
for set in CapEff CapPrm CapInh CapBnd CapAmb; do
	is "net side: $set" "$(status_of "$net" "$set")" "$none"
done
is "net side: no new privileges" "$(status_of "$net" NoNewPrivs)" 1
is "net side: calls are filtered" "$(status_of "$net" Seccomp)" 2
is "net side: one netlink socket, which tells of addresses" "$(netlink_of "$net" | xargs)" 0
is "net side: no memory image, and nobody of its user may trace it" \
	"$(stat -c %u "/proc/$net/mem")" 0
figure "net side: $(files_of "$net")"

# --- a reload beside a stream

start client punch1 "$PUNCHCTL" punch "cam1@$RELAY4" --key-file "$T/cam1.key" --port 5099 --to 9099
ok "a client punches" wait_for 5 stream_is cam1 ready
start client media "$UDPTOOL" recv --bind 127.0.0.1:5099 --expect 3000 --idle "$(seconds 2)"
wait_for 3 udp_bound client 5099
start sender sending "$UDPTOOL" send --from "$SENDER4:7099" --to "$RELAY4:9099" --count 3000 --rate "$(rate 1000)" --rtp
ok "a stream flows" wait_for 3 stream_is cam1 live
stream_conf cam2 'listen = "9200"' 'source = "any"'
kill -HUP "$kernel"
ok "SIGHUP adds a stream" wait_for 2 stream_is cam2 waiting
ok "while the other flows" running sending
finish sending 10
finish media 10
figure "packets lost of 3000 over a reload: $((3000 - $(json "$T/media.log" 'd["distinct"]')))"
is "which loses nothing" "$(json "$T/media.log" '[d["distinct"], d["duplicated"]]')" "[3000, 0]"
ok "the reload was told" wait_for 2 told "^RELOADING=1 MONOTONIC_USEC=[0-9]"
is "and its end" "$(grep -c '^READY=1' "$T/notified.log")" 2
is "it is the same net side" "$(children_of "$kernel")" "$net"
start client punch2 "$PUNCHCTL" punch "cam2@$RELAY4" --key-file "$T/cam2.key" --port 5200 --to 9200
ok "the new stream takes a client" wait_for 5 stream_is cam2 ready
relayd_stop
ok "the stop is told" wait_for 2 told "^STOPPING=1"
