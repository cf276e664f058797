#!/usr/bin/env bash
# A relay becomes empty: who is there stays and moves as long as it likes, nobody new comes
# in, not over a death of relayd either, and the operator is told when the last one has gone.
#
#   sender --- net --- nat --- client: two players, two peers
#               |
#             relay: punchctl drain
. "$(dirname "$0")/lib.sh"
plan 26

# A file has a line; so has what punchctl punch says.
said() { # NAME PATTERN
	cat "$T/$1.log" "$T/$1.err" >"$T/said"
	contains "$T/said" "$2"
}

drain() {
	start relay drain "$PUNCHCTL" --socket "$T/relayd/relayd.sock" drain
}

is_offered() {
	pctl --json show chess >"$T/chess.json" && [ "$(json "$T/chess.json" 'd["offers"]')" -gt 0 ]
}

# One peer's question, and the other's answer, by the relay.
echoes() {
	[ "$(echo hello | in_ns client timeout 2 socat -t 1 - UDP:127.0.0.1:9000)" = hello ]
}

has_pairs() { # COUNT
	pctl --json show game >"$T/game.json" && [ "$(json "$T/game.json" 'len(d["pairs"])')" = "$1" ]
}

lab_up
relayd_conf 'consent = 10'
stream_conf cam1 'listen = "9099"' "source = \"$SENDER4\""
stream_conf cam2 'listen = "9101"' "source = \"$SENDER4\""
stream_conf game 'peers = 4'
stream_conf chess 'peers = 4'
ok "relayd starts" relayd_start
start client one "$PUNCHCTL" punch "cam1@$RELAY4" --key-file "$T/cam1.key" --port 5004 --to 9099
ok "a client" wait_for 5 stream_is cam1 ready
start client recv "$UDPTOOL" recv --bind 127.0.0.1:5004 --for 120 --idle 8
start sender send "$UDPTOOL" send --from "$SENDER4:7000" --to "$RELAY4:9099" --count 1000000 --rate 200
ok "has media" wait_for 5 stream_is cam1 live
start client echo socat UDP-RECVFROM:8000,bind=127.0.0.1,fork EXEC:cat
start client serve "$PUNCHCTL" serve "game@$RELAY4" --key-file "$T/game.key" --to 127.0.0.1:8000 --relay-only
start client connect "$PUNCHCTL" connect "game@$RELAY4" --key-file "$T/game.key" --listen 127.0.0.1:9000 --relay-only
ok "peers" wait_for 20 echoes
ok "and what they have in reserve" wait_for 5 has_pairs 2

drain
ok "draining tells who is there" wait_for 5 said drain \
	'^draining: 1 client and 2 pairs of peers are left'
is "so do the metrics" "$(metric relayd_draining)" 1
start client two "$PUNCHCTL" punch "cam2@$RELAY4" --key-file "$T/cam2.key" --port 5006 --to 9101
ok "nobody new comes in" wait_for 5 said two 'the relay is draining'
start client service "$PUNCHCTL" serve "chess@$RELAY4" --key-file "$T/chess.key" --to 127.0.0.1:8001
ok "no peers either" wait_for 5 said service 'the relay is draining'
is "the stream waits" "$(pctl --json show cam2 | "$PYTHON" -c 'import json,sys; print(json.load(sys.stdin)["state"])')" waiting

stop one
start client one "$PUNCHCTL" punch "cam1@$RELAY4" --key-file "$T/cam1.key" --port 5004 --to 9099
ok "who is there may come from another port" wait_for 15 contains "$T/relayd.err" 'cam1:9099 moved'
ok "and has media" wait_for 5 stream_is cam1 live

stop relayd KILL
ok "killed and started again it drains on" relayd_start
ok "and says so" contains "$T/relayd.err" 'draining: no new clients until `punchctl drain --off`'
ok "whoever waits still does" running drain
ok "media goes on" wait_for 8 stream_is cam1 live
ok "and so do the peers" wait_for 20 echoes
ok "who are paired again" wait_for 20 has_pairs 2
is "and at no time fewer were left" "$(grep -c ^draining: "$T/drain.log")" 1

stop connect
ok "when a peer leaves it is said" wait_for 20 said drain '1 client and 0 pairs of peers are left'
stop one
ok "when the last one's consent ends it is said" wait_for 20 said drain '^draining: nobody is left'
finish drain 5
is "and that is the end" "$?" 0

is "taken back" "$(pctl drain --off)" "new clients are taken again"
ok "those who waited come in by themselves" wait_for 30 stream_is cam2 ready
ok "so does the service" wait_for 30 is_offered
is "the metrics say so" "$(metric relayd_draining)" 0
