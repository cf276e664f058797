#!/usr/bin/env bash
# The wall clock of the relay, of the client and of both is set back by an hour and forward again, while
# media flow: punches and consent go on, a stream that was added for a time stays as long as that,
# replays are refused, and a client that starts again in the past is let in.
#
#   sender --- net --- nat --- client, whose clock is set
#               |
#             relay, whose clock is set
. "$(dirname "$0")/lib.sh"
. "$TOP/tests/troubles.sh"
plan 45

HOUR=3600
SOON=40 # seconds that a stream is there for, give or take what rounding and the load do
SLACK=3

# The clocks are set with Debian's faketime: relayd keeps what was loaded before it gave up its
# privileges. CLOCK_MONOTONIC is left as it is.
for faketime in /usr/lib/*/faketime/libfaketime.so.1; do :; done
[ -e "$faketime" ] || bail "no faketime: scripts/setup --test"

# The mounts are its own, as ip netns exec has it; of what faketime keeps in /dev/shm nothing stays.
clocked() { # HOST: sets the array clocked to words before a command whose clock that host's is
	# shellcheck disable=SC2016
	clocked=(sh -c 'mount -t tmpfs none /dev/shm && exec "$@"' sh env LD_PRELOAD="$faketime" FAKETIME_TIMESTAMP_FILE="$T/$1.clock"
		FAKETIME_CACHE_DURATION=1 FAKETIME_DONT_FAKE_MONOTONIC=1 NO_FAKE_STAT=1)
}

clock_set() { # HOST SECONDS: ahead of ours
	printf '%+d\n' "$2" >"$T/$1.new" && mv "$T/$1.new" "$T/$1.clock"
}

relayd_start_clocked() {
	clocked relay
	start relay relayd "${clocked[@]}" "$RELAYD" --config "$T/relayd.conf"
	wait_for 5 relayd_answers && running relayd
}

punch_start() { # NAME STREAM PORT
	clocked client
	start client "$1" "${clocked[@]}" "$PUNCHCTL" punch "$2@$RELAY4" --key-file "$T/$2.key" --port "$3" --to "${4:-9101}"
	wait_for 5 stream_is "$2" ready
}

more_of() { # RESULT N
	[ "$(total punches "$1")" -gt "$2" ]
}

# Each client punches once in a third of the consent.
punched_on() {
	local before
	before=$(total punches accepted)
	wait_for 15 more_of accepted "$((before + 2))"
}

expires() { # NAME: seconds by the clock of the relay
	pctl --json show "$1" | "$PYTHON" -c 'import json, sys; print(json.load(sys.stdin)["expires"])'
}

# So many seconds are left to a stream by the clock of the relay, which is SECONDS ahead of ours.
left_is() { # NAME SECONDS MOST
	local left
	left=$(($(expires "$1") - ${EPOCHREALTIME%.*} - $2))
	[ "$left" -le "$3" ] && [ "$left" -gt "$(($3 - 300))" ] || { echo "$left left" && return 1; }
}

stored_is() { # NAME: is what the database says what show does?
	[ "$("$PYTHON" -c 'import sqlite3, sys
print(*sqlite3.connect(sys.argv[1]).execute("SELECT expires FROM stream WHERE name = ?", [sys.argv[2]]).fetchone())' \
		"$T/relayd/streams.db" "$1")" = "$(expires "$1")" ]
}

there() { # NAME
	pctl --json show "$1" >"$T/there.json"
}

stun() { # WHAT [OPTION...]: from the client's port 6010; what came
	in_ns client "$PYTHON" "$TOP/tests/stuntool.py" "$1" --from "$CLIENT4:6010" --to "$RELAY4:3478" \
		"${@:2}" >"$T/stun.json"
	json "$T/stun.json" '" ".join(str(v) for v in (d["kind"], d.get("code")) if v)'
}

clock_set relay 0
clock_set client 0
lab_up
relayd_conf 'consent = 15'
stream_conf cam1 'listen = "9101"' 'source = "any"'
stream_conf cam2 'listen = "9102"' 'source = "any"'
stream_conf cam3 'listen = "9103"' 'source = "any"'
ok "relayd starts" relayd_start_clocked
start relay monitor "$PUNCHCTL" --socket "$T/relayd/relayd.sock" --json monitor
ok "a client punches" punch_start punch cam1 5004
ok "so does another" punch_start other cam2 5006 9102
is "and a third" "$(stun punch --name cam3 --key-file "$T/cam3.key" --sequence "$(microseconds)" --save "$T/m1")" success
start client recv "$UDPTOOL" recv --bind 127.0.0.1:5004
start sender send "$UDPTOOL" send --from "$SENDER4:7000" --to "$RELAY4:9101" --count 1000000 \
	--rate "$(rate 1000)" --rtp
ok "media flow" wait_for 5 stream_is cam1 live
began=$(microseconds)
ok "a stream is added for a while" pctl add soon --listen 9201 --expire "$SOON"
ok "and one for two hours" pctl add later --listen 9202 --expire 2h

# --- the relay's clock goes back

clock_set relay "-$HOUR"
named "set back" clock_set 'set back by 3[56][0-9][0-9] s' clock_jumped
ok "set back: two hours stay two hours" left_is later "-$HOUR" 7200
ok "set back: in the database too" wait_for 5 stored_is later
ok "set back: a stream is added" pctl add past --listen 9203 --expire 2h
ok "set back: for two hours" left_is past "-$HOUR" 7200
is "set back: an older punch is a replay" "$(stun punch --name cam3 --key-file "$T/cam3.key" \
	--sequence "$(microseconds)" >/dev/null; stun replay --file "$T/m1" --wait 0.5)" "error 400"
ok "set back: punches go on" punched_on
passes "set back" clock_set

# --- the client's too

clock_set client "-$HOUR"
ok "both set back: punches go on" punched_on
replayed=$(total punches replayed)
stop other
ok "both set back: a client that starts again is let in" punch_start other cam2 5006 9102
ok "both set back: having been told of the punch that it must outdo" more_of replayed "$replayed"

# --- and forward, twice as far

clock_set relay "$HOUR"
named "set forward" clock_set 'set forward by 7[12][0-9][0-9] s' clock_jumped
ok "set forward: two hours stay two hours" left_is later "$HOUR" 7200
ok "set forward: in the database too" wait_for 5 stored_is later
ok "set forward: nothing has ended before its time" [ "$(microseconds)" -gt "$((began + (SOON - SLACK) * 1000000))" -o \
	"$(there soon && echo there)" ]
ok "set forward: punches go on" punched_on
stop other
ok "set forward: a client that starts again is let in" punch_start other cam2 5006 9102

# --- the relay starts again in another time than it ended in

passes "set forward" clock_set 2
ok "what was added for a while goes when its time has come" wait_for "$SOON" not there soon
ok "and not before" [ "$(microseconds)" -gt "$((began + (SOON - SLACK) * 1000000))" ]
relayd_kill
clock_set relay 0
ok "relayd starts an hour earlier than it ended" relayd_start_clocked
ok "its streams are there" there later
ok "punches go on" punched_on
stop send
stop recv
is "no packet of the stream was lost" "$(json "$T/recv.log" 'd["lost"]')" 0
note "$(json "$T/recv.log" 'd["received"]') packets"
