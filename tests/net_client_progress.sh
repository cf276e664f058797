#!/usr/bin/env bash
# punchctl punch, serve and connect on a terminal: one line says how it stands, is written anew in
# place, fits, and leaves nothing behind; a player has the terminal to itself, and what is closed
# ends them. Elsewhere lines are lines. tmux is the terminal, and says what is on it.
#
#   relay  203.0.113.7 ---+--- nat  192.0.2.9  --- client   10.0.0.2: tmux
#   sender               net
#                         +--- nat2 198.18.4.9 --- service  10.0.2.2: tmux
. "$(dirname "$0")/lib.sh"
. "$TOP/tests/natlab.sh"
. "$TOP/tests/peerlab.sh"
. "$TOP/tests/screen.sh"
plan 46
command -v tmux >/dev/null || bail "no tmux"

SHOWS_IN=15

cat >"$T/talk.py" <<'PYTHON'
import socket, time

sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
while True:
    sock.sendto(bytes(100), ("127.0.0.1", 9000))
    time.sleep(0.02)
PYTHON

# A terminal with a shell on it.
terminal() { # HOST COLUMNS
	SCREEN=$1
	mux new-session -d -x "$2" -y 12 "env PS1='ready> ' bash --norc"
	wait_for 5 on_screen '^ready>'
}

run() { # WORD...: what is typed
	keys -l "$*"
	keys Enter
}

last_line() {
	mux capture-pane -p | sed '/^$/d' | tail -n 1
}

# All that stands there but lines of ours and the prompt.
left() {
	mux capture-pane -p | sed '/^$/d; /^ready>$/d; /^punchctl: /d'
}

is_back() {
	last_line | grep -qx 'ready>'
}

times_on_screen() { # PATTERN
	mux capture-pane -p | grep -Ec -- "$1"
}

send() { # COUNT
	start sender send "$UDPTOOL" send --from "$SENDER4:7000" --to "$RELAY4:9099" --rate 100 --size 1000 \
		--count "$1"
}

peers_up
relayd_conf 'consent = 10'
stream_conf cam1 'listen = "9099"' "source = \"$SENDER4\""
stream_conf game 'peers = 8'

# --- punch

punch="$PUNCHCTL punch cam1@$RELAY4 --key-file $T/cam1.key --port 5004 --to 9099"
terminal client 100
run "clear; $punch"
shows "it says that it proves the key" "^cam1: proving the key to $RELAY4:3478\$"
shows "and that nobody answers" "^cam1: no answer from $RELAY4:3478 for [0-9]+ s; still trying\$"
is "what has happened stands above" "$(times_on_screen '^punchctl: no answer from')" 1
ok "relayd starts" relayd_start
shows "it is punched, and waits" "^cam1: punched as $NAT4:[0-9]+, waiting for media\$"
send 1000
shows "it plays, at a rate" '^cam1: playing, [0-9]{2,3}\.[0-9] kB/s$'
is "in one line" "$(times_on_screen '^cam1:')" 1
mux resize-window -x 16 -y 12
shows "a narrow terminal has as much of it as fits" '^cam1: playing,$'
mux resize-window -x 100 -y 12
stop send
shows "it waits again, and says for how long" '^cam1: punched as .*, waiting for media, none for [0-9]+ s$'
keys C-c
ok "an interrupt ends it" wait_for 5 is_back
is "and nothing is left but what has happened" "$(left)" ""

# --- in the background of a shell

run "clear; $punch &"
wait_for 5 on_screen '^punchctl: punched'
run ""
ok "in the background it leaves the prompt alone" wait_for 5 is_back
ok "and has no such line" not on_screen '^cam1:'
run fg
shows "in the foreground it has" '^cam1: punched as'
keys C-c
wait_for 5 is_back

# --- a program on the same terminal

run "clear; $punch -- sh -c 'printf \"title? \"; read -r line; echo \"title \$line\"'"
shows "a program has the terminal to itself" '^title\?$'
send 300
shows "and media are a line" 'punchctl: playing: media come$'
ok "of its own" not on_screen '^cam1:'
run film
shows "what is typed is the program's" '^title film'
wait_for 5 is_back
stop send
# A program that goes back to the margin, as players do, and we write a line meanwhile.
run "clear; $punch -- sh -c 'while sleep 0.05; do printf \"%s\\\\r\" \"  7.30 M-V: -0.013 fd=   0 aq=    0KB vq=    0KB sq=    0B\"; done'"
shows "a program that writes its line anew does so" '^  7\.30 M-V: -0\.013 fd=   0 aq=    0KB vq=    0KB sq=    0B$'
send 300
shows "beside it a line of ours is whole" '^punchctl: playing: media come$'
keys C-c
wait_for 5 is_back
stop send

# --- plain

for how in "TERM=dumb $punch" "env -u TERM $punch" "$punch --plain" "$punch 2>&1 | cat"; do
	run "clear; $how"
	shows "lines are lines: ${how/$PUNCHCTL/punchctl}" '^punchctl: punched: 9099 as'
	mux capture-pane -p | grep '^cam1:' >"$T/lines"
	is "and nothing else" "$(cat "$T/lines")" ""
	keys C-c
	wait_for 5 is_back
done

# --- a name

# Names are asked of a server that is not there, whatever this host has.
echo 'hosts: dns' >"$T/nsswitch.conf"
echo 'nameserver 127.0.0.1' >"$T/resolv.conf"
cat >"$T/nameless" <<SCRIPT
#!/bin/sh
mount --bind "$T/nsswitch.conf" /etc/nsswitch.conf && mount --bind "$T/resolv.conf" /etc/resolv.conf && exec "\$@"
SCRIPT
chmod +x "$T/nameless"
run "clear; unshare --mount $T/nameless ${punch/$RELAY4/relay.lab}"
shows "a name is looked up" '^looking up relay\.lab$'
shows "for as long as nobody knows" '^punchctl: relay\.lab: .*; still trying$'
keys C-c
ok "an interrupt ends that, too" wait_for 5 is_back
is "and nothing is left" "$(left)" ""

# --- what is ignored stays ignored

# In the background of a script an interrupt is, too.
# shellcheck disable=SC2086
start client nohup nohup $punch
wait_for 5 contains "$T/nohup.err" 'punched: 9099 as'
kill -HUP "$(pid_of nohup)"
kill -INT "$(pid_of nohup)"
send 300
ok "with nohup a hang-up does not end it, nor an interrupt in the background" \
	wait_for 5 contains "$T/nohup.err" 'playing: media come$'
ok "all else does" stop nohup
stop send

# --- peers

path_cut "$NAT4" "$NAT2"
run "clear; $PUNCHCTL connect game@$RELAY4 --key-file $T/game.key --listen 9000"
shows "connect waits for a peer" '^game: waiting for a peer that serves$'
terminal service 100
run "clear; $PUNCHCTL serve game@$RELAY4 --key-file $T/game.key --to 8000"
shows "serve waits for peers" '^game: waiting for peers$'
SCREEN=client
shows "connect has one" '^game: a peer serves; waiting for a program at 127\.0\.0\.1:9000$'
start service echo "$PYTHON" "$TOP/tests/echo.py" 127.0.0.1 8000
wait_for 5 udp_bound service 8000
start client talk "$PYTHON" "$T/talk.py"
shows "the relay carries" '^game: relayed(, searching for a direct path)?, [0-9.]+ k?B/s in, [0-9.]+ k?B/s out$'
path_mend
SHOWS_IN=30
shows "then there is a direct path" '^game: direct, [0-9.]+ kB/s in, [0-9.]+ kB/s out$'
path_cut "$NAT4" "$NAT2"
shows "which is lost" '^game: back on the relay, '
SCREEN=service
shows "the service says so too" '^game: back on the relay, '
relayd_kill
SCREEN=client
shows "without the relay too there is no path" '^game: reconnecting$'
keys C-c
ok "the line goes with it" wait_for 5 is_back
is "and leaves nothing" "$(left)" ""

# --- a terminal that is closed

run "clear; sh -c 'echo \$\$ >$T/closed.pid; exec $PUNCHCTL connect game@$RELAY4 --key-file $T/game.key --listen 9001'"
shows "connect is at a terminal" '^game: '
mux kill-server
ok "with that it ends" wait_for 5 gone "$(cat "$T/closed.pid")"
