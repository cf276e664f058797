#!/usr/bin/env bash
# Streams that are added while relayd's net side is killed, again and again: what was answered is
# there afterwards, nothing is there by half, and the relay goes on by itself.
#
#   sender --- net --- nat --- client
#               |
#             relay: 1,000 adds, pipelined into the control socket
. "$(dirname "$0")/lib.sh"
plan 32

ADDS=1000
SOCKET=$T/relayd/relayd.sock

# add SOCKET FIRST COUNT LOG: adds streams sNNNN at ports 20000 + NNNN, all written before the
# answers are awaited; writes the name of each that was answered, when it is. Ends with the socket.
cat >"$T/add.py" <<'PYTHON'
import json, socket, sys, threading

path, first, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
s = socket.socket(socket.AF_UNIX)
s.connect(path)
names = ["s%04d" % i for i in range(first, first + count)]
lines = "".join(json.dumps({"do": "add", "name": n, "listen": str(20000 + int(n[1:]))}) + "\n" for n in names)

def write():
    try:
        s.sendall(lines.encode())
    except OSError:
        pass  # the other side has been killed

threading.Thread(target=write, daemon=True).start()
answers = s.makefile("r")
for name in names:
    try:
        line = answers.readline()
    except OSError:
        break
    if not line.endswith("\n"):
        break
    answer = json.loads(line)
    print(name, "ok" if answer["ok"] else answer["error"], answer.get("key", ""), flush=True)
PYTHON

# The streams that list tells, with their ports; the same of the kernel's set.
listed() {
	pctl --json list >"$T/list.json" &&
		"$PYTHON" -c 'import json, sys
d = json.load(open(sys.argv[1]))
for s in d["streams"] if isinstance(d, dict) else d:
    if s["name"][0] == "s":
        print(s["name"], s["listen"])' "$T/list.json" | sort
}

in_kernel() {
	in_ns relay nft list set inet relayd listen4 | grep -oE '[0-9.]+ \. 2[0-9]{4} ' |
		awk '{ printf "s%04d %d\n", $3 - 20000, $3 }' | sort
}

agree() {
	listed >"$T/listed" && in_kernel >"$T/kernel" && diff "$T/listed" "$T/kernel"
}

# Every stream that was answered is listed.
kept() {
	awk '$2 == "ok" { print $1, 20000 + substr($1, 2) }' "$T/answers" | sort >"$T/promised"
	[ -z "$(comm -23 "$T/promised" "$T/listed")" ]
}

at_least() { # LINES
	[ "$(grep -c . "$T/adding.log")" -ge "$1" ]
}

another_net_side() { # PID
	local pid
	pid=$(net_side)
	[ -n "$pid" ] && [ "$pid" != "$1" ] && pctl list
}

lab_up
relayd_conf
stream_conf cam1 'listen = "9099"'
ok "relayd starts" relayd_start

start client punch "$PUNCHCTL" punch "cam1@$RELAY4" --key-file "$T/cam1.key" --port 9099
start client player "$PYTHON" "$UDPTOOL" recv --bind 127.0.0.1:9099
ok "a client punches" wait_for 5 stream_is cam1 ready
start sender media "$PYTHON" "$UDPTOOL" send --from "$SENDER4:7000" --to "$RELAY4:9099" \
	--count 60000 --rate 500
ok "a stream flows" wait_for 5 stream_is cam1 live

# --- killed after so many answers, with the rest on its way

: >"$T/answers"
first=0
for round in 1 2 3; do
	start relay adding "$PYTHON" "$T/add.py" "$SOCKET" "$first" "$ADDS"
	ok "round $round: adds are answered" wait_for 20 at_least $((round * 100 + 37))
	old=$(net_side)
	begin=$(microseconds)
	kill -KILL "$old"
	finish adding 10
	ok "round $round: killed, there is a new net side by itself" wait_for 10 another_net_side "$old"
	figure "round $round: ms without the net side" $((($(microseconds) - begin) / 1000))
	cat "$T/adding.log" >>"$T/answers"
	ok "round $round: the kernel's listen set agrees with list" wait_for 5 agree
	ok "round $round: every add that was answered is there" kept
	figure "round $round: answered, there" "$(grep -c . "$T/promised")" "$(grep -c . "$T/listed")"
	first=$((round * 2000))
done
is "no add was refused" "$(awk '$2 != "ok"' "$T/answers")" ""

# --- both at once

start relay adding "$PYTHON" "$T/add.py" "$SOCKET" "$first" "$ADDS"
wait_for 20 at_least 300
relayd_kill
finish adding 10
cat "$T/adding.log" >>"$T/answers"
ok "both sides killed, relayd starts" relayd_start
ok "all that was answered is there" eval 'agree && kept'
figure "answered, there" "$(grep -c . "$T/promised")" "$(grep -c . "$T/listed")"

# --- what was reloaded is what a new net side reads

stream_conf cam2 'listen = "9199"'
ok "a stream that is new in the file is reloaded" pctl reload
ok "and there" wait_for 5 stream_is cam2 waiting
old=$(net_side)
kill -KILL "$old"
ok "the net side is killed" wait_for 10 another_net_side "$old"
ok "the stream is there still" wait_for 5 stream_is cam2 waiting

# --- a stream for peers has no ports

pctl add lan --peers 8 >"$T/add" 2>&1
ok "add tells what to run for a service" contains "$T/add" \
	"^  punchctl serve lan@$RELAY4 --key-file lan.key --to 127.0.0.1:PORT\$"
ok "and for who wants it" contains "$T/add" \
	"^  punchctl connect lan@$RELAY4 --key-file lan.key --listen 127.0.0.1:PORT\$"
ok "but nothing of senders" not contains "$T/add" sender
ok "it is waiting" stream_is lan waiting
pctl --json show lan >"$T/show"
is "and shown" "$(json "$T/show" '[d["peers"], d["listen"], d["ports"]]')" '[8, "", []]'
relayd_stop
ok "relayd starts anew" relayd_start
pctl --json show lan >"$T/show"
is "it is still there" "$(json "$T/show" 'd["peers"]')" 8
ok "and can be removed" pctl remove lan
ok "at once" eval '! pctl show lan && pctl add lan --peers 1 && pctl remove lan'

stop media
stop player
figure "media meanwhile" "$(json "$T/player.log" '{k: d[k] for k in ("received", "lost", "gap")}')"
is "the stream has lost nothing" "$(json "$T/player.log" 'd["lost"]')" 0
