#!/usr/bin/env bash
# punchctl serve and connect over a longer life: sessions that are idle or too many, and a relay
# that moves to another address of its name, or dies when the service does.
#
#   relay 203.0.113.7, later 203.0.113.8 --- net --- nat 192.0.2.9 --- client, service 10.0.0.2
. "$(dirname "$0")/lib.sh"
plan 19

MOVED=203.0.113.8

# Asks from one socket until there is an answer; how many seconds at most: ask.py PORT SECONDS
cat >"$T/ask.py" <<'PYTHON'
import socket, sys, time

sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.connect(("127.0.0.1", int(sys.argv[1])))
sock.settimeout(0.1)
end = time.monotonic() + float(sys.argv[2])
while time.monotonic() < end:
    try:
        sock.send(b"ask")
        sock.recv(2000)
        sys.exit(0)
    except OSError:
        time.sleep(0.05)
sys.exit(1)
PYTHON

# Asks from one socket for ever, ten times a second; a line for each answer: talk.py PORT
cat >"$T/talk.py" <<'PYTHON'
import socket, sys, time

sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.connect(("127.0.0.1", int(sys.argv[1])))
sock.settimeout(0.1)
while True:
    try:
        sock.send(b"talk")
        print(sock.recv(2000), flush=True)
    except OSError:
        pass
    time.sleep(0.1)
PYTHON

ask() { # PORT SECONDS
	in_ns client "$PYTHON" "$T/ask.py" "$@"
}

talk() { # NAME PORT
	start client "$1" "$PYTHON" "$T/talk.py" "$2"
}

answers() { # NAME MORE-THAN
	[ "$(wc -l <"$T/$1.log")" -gt "$2" ]
}

answered_more() { # NAME: than until now
	wait_for 5 answers "$1" "$(wc -l <"$T/$1.log")"
}

connect() { # NAME PORT [OPTION...]
	local name=$1 port=$2
	shift 2
	start client "$name" "$PUNCHCTL" connect "svc@$RELAY4" --key-file "$T/svc.key" \
		--listen "$port" --json "$@"
	wait_for 5 contains "$T/$name.log" '"event": *"ready"'
}

closed() { # NAME REASON
	grep '"event": *"closed"' "$T/$1.log" | grep -q "\"reason\": *\"$2\""
}

# In a tree of mounts of its own, with these hosts: the command is that process in the end.
named() { # NAME COMMAND OPTION...
	local name=$1 command=$2
	shift 2
	# shellcheck disable=SC2016
	start client "$name" unshare --mount sh -c 'mount --bind "$0" /etc/hosts && exec "$@"' "$T/hosts" \
		"$PUNCHCTL" "$command" svc@relay.example --key-file "$T/svc.key" "$@"
}

lab_up || bail "no network"
relayd_conf 'consent = 10'
stream_conf svc 'peers = 16'
relayd_start || bail "relayd does not start"
start client echo "$PYTHON" "$TOP/tests/echo.py" 127.0.0.1 8000
wait_for 5 udp_bound client 8000

# --- idle ones, and too many

start client serve "$PUNCHCTL" serve "svc@$RELAY4" --key-file "$T/svc.key" --to 8000 --sessions 3
ok "connect is ready" connect idle 9000 --idle 2
ok "a session is answered" ask 9000 5
ok "and ends when nothing goes through it any more" wait_for 10 closed idle idle
ok "the next one is as good" ask 9000 5
stop idle

ok "connect with room for two is ready" connect small 9001 --sessions 2
talk one 9001
talk two 9001
wait_for 5 answers one 0
ok "two sessions are answered" wait_for 5 answers two 0
ok "a third has no place while both are in use" not ask 9001 1
ok "and does them no harm" answered_more one
stop two
ok "it gets the place of one that was idle for a while" ask 9001 10
ok "which is said" closed small room
ok "while the other goes on" answered_more one
stop one
stop small
stop serve

# --- the relay moves

echo "$RELAY4 relay.example" >"$T/hosts"
named serve serve --to 8000
named moving connect --listen 9002
wait_for 5 contains "$T/moving.err" ready
talk one 9002
ok "a relay is found by its name" wait_for 5 answers one 0
relayd_stop
route=$(ip -n "${P}relay" route show default)
ip -n "${P}relay" addr del "$RELAY4/24" dev eth0
address relay eth0 "$MOVED/24"
# shellcheck disable=SC2086
ip -n "${P}relay" route replace $route
relayd_conf 'consent = 10' "address = { \"$MOVED\" }"
stream_conf svc 'peers = 16'
ok "it starts at another address" relayd_start
begin=$EPOCHREALTIME
echo "$MOVED relay.example" >"$T/hosts"
ok "which is found when the old one is silent" wait_for 45 contains "$T/moving.err" "$MOVED:3478 now"
ok "by both, so that a new session is answered" ask 9002 30
figure "seconds until then" "$(awk -v a="$begin" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f", b - a }')"
ok "and the old one all the while" answered_more one

# --- relayd and the service die at once

stop moving
stop serve
relayd_stop
relayd_conf 'consent = 60' "address = { \"$MOVED\" }"
stream_conf svc 'peers = 16'
relayd_start || bail "relayd does not start"
named serve serve --to 8000
named again connect --listen 9003
wait_for 5 contains "$T/again.err" ready
talk two 9003
ok "a session is answered" wait_for 10 answers two 0
relayd_kill
stop serve KILL
ok "relayd is killed, and serve, which it will not hear of again" relayd_start
named serve serve --to 8000
begin=$EPOCHREALTIME
ok "the session goes on long before its consent ends" wait_for 20 answers two "$(wc -l <"$T/two.log")"
figure "seconds until then" "$(awk -v a="$begin" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f", b - a }')"
