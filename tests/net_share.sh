#!/usr/bin/env bash
# check: timeout 150
# punchctl punch --share-port: the program's own socket is punched, and its datagrams pass nobody else.
#
#   sender 198.51.100.175 ---+
#                           net --- nat 192.0.2.9 --- client 10.0.0.2 (punchctl, the programs)
#   relay  203.0.113.7 ------+
. "$(dirname "$0")/lib.sh"
. "$TOP/tests/media.sh"
plan 17

PRELOAD=$BUILD/share/libpunchshare.so
CONSENT=10

# udptool.py in a process that nobody but root may look into: closed.py UDPTOOL WORD...
cat >"$T/closed.py" <<'PYTHON'
import ctypes, runpy, sys

if ctypes.CDLL(None).prctl(4, 0, 0, 0, 0) != 0:  # PR_SET_DUMPABLE
    sys.exit("prctl")
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
PYTHON

# Binds the port, and again as soon as the first socket is closed: again.py PORT TIMES; then stays.
cat >"$T/again.py" <<'PYTHON'
import socket, sys

for i in range(int(sys.argv[2])):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("0.0.0.0", int(sys.argv[1])))
    print("bound", i, flush=True)
    sys.stdin.readline()
    sock.close()
PYTHON

# The name's key in a file of the user who reads it.
punch_as() { # USER NAME STREAM OPTION...
	local user=$1 name=$2 stream=$3 words=()
	shift 3
	install -m 600 -o "$user" "$T/$stream.key" "$T/$name.mine"
	[ "$user" = root ] || words=(setpriv --reuid "$user" --clear-groups)
	start client "$name" "${words[@]}" "$PUNCHCTL" punch "$stream@$RELAY4" \
		--key-file "$T/$name.mine" --share-port "$@"
}

said() { # NAME PATTERN
	contains "$T/$1.err" "$2"
}

said_times() { # N NAME PATTERN
	[ "$(grep -Ec -- "$3" "$T/$2.err")" -ge "$1" ]
}

punches() {
	pctl metrics | sed -n 's/^relayd_punches_total{result="\(accepted\|success\|ok\|refreshed\)"} //p'
}

receive() { # NAME PORT OPTION...
	start client "$1" "$UDPTOOL" recv --bind "0.0.0.0:$2" "${@:3}"
}

stream() { # PORT COUNT RATE
	in_ns sender "$UDPTOOL" send --from "$SENDER4:7000" --to "$RELAY4:$1" --count "$2" --rate "$3" >"$T/sent"
}

answered_of() { # ONE-STREAM: seconds since the newest punch, by the consent that is left
	pctl --json show "$1" >"$T/show.json" && json "$T/show.json" 'd["ports"][0]["consent"]'
}

lab_up
relayd_conf "consent = $CONSENT"
for i in 0 1 2 3 4 5; do
	stream_conf "cam$i" "listen = \"910$i\"" "source = \"$SENDER4\""
done
stream_conf film 'listen = "9200-9203"' "source = \"$SENDER4\""
ok "relayd starts" relayd_start

# --- one that knows nothing

punch_as root cam0 cam0 --port 5004 --to 9100
ok "without a program there is nothing to share" wait_for 5 said cam0 'waiting: no program of this host has UDP port 5004'
receive one 5004 --expect 1000 --for 30
ok "a program comes, and its port is shared" wait_for 5 said cam0 'shared: port 5004 with its program'
ok "the punch leaves from its port" wait_for 5 said cam0 "punched: 9100 as $NAT4:5004$"
start sender send "$UDPTOOL" send --from "$SENDER4:7000" --to "$RELAY4:9100" --count 1000 --rate 125
wait_for 5 stream_is cam0 live
kill -STOP "$(pid_of cam0)"
sleep 2 # of the stream
kill -CONT "$(pid_of cam0)"
ok "1000 datagrams come, with punchctl standing still for 2 s of them" finish one 15
is "each, once, and nothing else" "$(json "$T/one.log" '[d["distinct"], d["duplicated"], d["other"]]')" '[1000, 0, 0]'
is "from one source, the relay" "$(json "$T/one.log" 'list(d["sources"])')" "[\"$RELAY4:3478\"]"
ok "the program has ended, and that is seen" wait_for 5 said_times 2 cam0 'waiting: no program'
stop send
ok "its port is free" not udp_bound client 5004

# --- it comes again

receive two 5004 --expect 300 --for 30
ok "another comes, and is shared too" wait_for 5 said_times 2 cam0 'shared: port 5004'
wait_for 5 stream_is cam0 ready
stream 9100 300 300
ok "and hears the stream" finish two 10
is "all of it" "$(json "$T/two.log" '[d["distinct"], d["other"]]')" '[300, 0]'
wait_for 5 said_times 3 cam0 'waiting: no program'

# --- strangers, and a consent that is kept

receive three 5004 --expect 200 --for 40
wait_for 5 said_times 3 cam0 'shared: port 5004'
for i in 1 2 3 4 5 6 7 8; do
	in_ns nat "$UDPTOOL" send --from "10.0.0.1:710$i" --to "$CLIENT4:5004" --count 25 --rate 500 \
		--first $((i * 100)) >/dev/null
done
ok "datagrams of 8 strangers come" finish three 5
is "all of them" "$(json "$T/three.log" '[d["distinct"], d["other"], len(d["sources"])]')" '[200, 0, 8]'
stop cam0
is "SIGTERM ends it with 0" "$?" 0
ok "it has carried nothing, and dropped nothing" said cam0 'carried 0 datagrams to the player and 0 back, dropped 0'

note "$(cat "$T/cam0.err")"
