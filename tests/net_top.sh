#!/usr/bin/env bash
# What follows relayd for long: punchctl monitor, and top on a terminal: rates as media flow, order,
# filter, why a stream flows or does not, a new size, a relayd that goes and comes back. tmux is the
# terminal, and says what is on it.
#
#   sender --- net --- nat --- client
#               |
#             relay: tmux with punchctl top
. "$(dirname "$0")/lib.sh"
. "$TOP/tests/screen.sh"
plan 38
command -v tmux >/dev/null || bail "no tmux"

SCREEN=relay
LONG=the-camera-above-the-third-door-of-the-northern-warehouse
TOP_COMMAND="$PUNCHCTL --socket $T/relayd/relayd.sock top"

line_of() { # PATTERN; which line of the screen has it
	mux capture-pane -p | grep -nE -m 1 -- "$1" | cut -d : -f 1
}

is_above() { # PATTERN PATTERN
	[ "$(line_of "$1")" -lt "$(line_of "$2")" ]
}

clears() { # of the whole screen, since the terminal is watched
	grep -c $'\e\\[H\e\\[J\\|\e\\[2J' "$T/watched"
}

has_written_since() { # BYTES
	[ "$(stat -c %s "$T/watched")" -gt "$1" ]
}

lab_up
relayd_conf
stream_conf cam1 'listen = "9099"' "source = \"$SENDER4\""
stream_conf cam2 'listen = "9101"' "source = \"$SENDER4\""
stream_conf door 'listen = "9103"' "source = \"$SENDER4\""
ok "relayd starts" relayd_start
start relay monitor "$PUNCHCTL" --socket "$T/relayd/relayd.sock" monitor
start relay monitor-json "$PUNCHCTL" --socket "$T/relayd/relayd.sock" --json monitor

is "without a terminal it says so" "$(pctl top 2>&1 </dev/null)" \
	"punchctl: top needs a terminal; \`punchctl list\` prints the same once"
mux new-session -d -x 120 -y 20 "env TERM=nonesuch $TOP_COMMAND; sleep 60"
shows "what cannot be drawn on is named" 'cannot draw on a terminal of the type "nonesuch"'
mux kill-session
wait_for 5 not mux has-session # or the next one may go with its server

mux new-session -d -x 120 -y 20 "LC_ALL=C.UTF-8 $TOP_COMMAND; echo status \$?; sleep 60"
mux pipe-pane "exec cat >$T/watched"
shows "streams that wait" '^3 streams: 3 waiting   0 B/s'
shows "where they do" '^cam2 +waiting +9101 '

start client punch "$PUNCHCTL" punch "cam1@$RELAY4" --key-file "$T/cam1.key" --port 5004 --to 9099
shows "a client" '^cam1 +ready .*192\.0\.2\.9:'
start sender send "$UDPTOOL" send --from "$SENDER4:7000" --to "$RELAY4:9099" --count 30000 --rate 500 \
	--size 1000
shows "media, with a rate" "^cam1 +live .*$SENDER4:7000 .* [0-9.]+ kB/s"
shows "and its curve" '^cam1 +live .*[▁▂▃▄▅▆▇█]{3}'
shows "in the sum too" '^3 streams: 1 live, 2 waiting +[0-9.]+ kB/s .*[▁▂▃▄▅▆▇█]{3} +[0-9:]{8}$'
shows "the highest rate is first" 'RATEv'
ok "and above the others" wait_for 5 is_above '^cam1' '^cam2'
size=$(stat -c %s "$T/watched")
ok "the screen follows" wait_for 5 has_written_since "$((size + 100))"
ok "without being cleared" test "$(clears)" -le 1

keys r
ok "the other way round" wait_for 5 is_above '^door' '^cam1'
keys r '<' '<' '<' '<' '<'
shows "by another column" 'NAMEv'

keys / d o o
ok "a filter holds as it is typed" wait_for 5 not on_screen '^cam'
shows "and is told" '^door'
keys Enter
ok "it stays" wait_for 5 on_screen 'only with "doo"'
keys Escape
shows "without it all are back" '^cam1'

keys Home Enter
shows "why a stream flows" 'a packet would arrive'
shows "step by step" '^ +ok +consent'
keys Home End
shows "to the end of it" '^ +ok +forward'
keys Escape
shows "and back" '^NAME'

mux resize-window -x 60 -y 12
pctl add "$LONG" --listen 9107 >"$T/added"
shows "a narrow terminal has name, state and rate" '^cam1 +live +[0-9.]+ kB/s'
shows "a long name is cut" '^the-camera-above-the-third-[^ ]* +waiting +0 B/s$'
ok "and there is no sender" not on_screen SENDER
keys / c a m 1 Enter
shows "without it there is room for the client" '^cam1 +live +192[0-9.:]+ +[0-9.]+ kB/s'
keys Escape

kill -STOP "$(net_side)"
shows "a relayd that hangs is named" '^relayd does not answer'
keys h
shows "and keys are answered" 'choose a stream'
keys Escape
kill -CONT "$(net_side)"
ok "it goes on" wait_for 15 not on_screen 'does not answer'

stop relayd KILL
wait_for 5 not pctl list
shows "a relayd that is gone is named" "^no relayd at $T"
ok "relayd comes back" relayd_start
ok "and is found" wait_for 5 not on_screen '^no relayd'

ok "by those who monitor too" wait_for 5 contains "$T/monitor.err" 'relayd is back'
ok "which JSON tells" wait_for 5 contains "$T/monitor-json.log" '"event":"reconnected"'
is "and of its end they say one line" "$(grep -c 'relayd hung up' "$T/monitor.err")" 1
pctl add late --listen 9105 >/dev/null
ok "they go on" wait_for 5 contains "$T/monitor.log" 'late added'

keys q
shows "the end leaves the terminal as it was" '^status 0'
mux kill-server
