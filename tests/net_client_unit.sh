#!/usr/bin/env bash
# The units of a user: punch, serve and connect, each with the file that its command reads by hand
# too, and its key beside it.
#
#   sender ---+
#            net --- nat --- client (a machine with systemd)
#   relay  ---+
. "$(dirname "$0")/lib.sh"
. "$TOP/tests/machine.sh"

machine_needed "units of a user"
plan 30

FILES=/home/somebody/.config/punchrelay

cat >"$T/echo.py" <<'PYTHON'
import socket

sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind(("127.0.0.1", 8000))
while True:
    data, addr = sock.recvfrom(2000)
    sock.sendto(b"echo " + data, addr)
PYTHON

cat >"$T/ask.py" <<'PYTHON'
import socket

sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.settimeout(1)
sock.sendto(b"hello", ("127.0.0.1", 9000))
print(sock.recv(2000).decode())
PYTHON

as_user() { # CMD...
	machine client runuser -u somebody -- env XDG_RUNTIME_DIR=/run/user/1000 "$@"
}

user_manager_is_up() {
	as_user systemctl --user is-system-running | grep -Eq 'running|degraded'
}

file() { # NAME; its lines come in
	as_user sh -c "cat >$FILES/$1"
}

key_file() { # NAME; it comes in
	as_user sh -c "umask 077; cat >$FILES/$1.key"
}

conf() { # NAME LINE...
	printf '%s\n' "${@:2}" | file "$1.conf"
}

begin() { # UNIT
	as_user systemctl --user enable --now --quiet "punchctl-$1"
}

unit() { # UNIT PROPERTY
	as_user systemctl --user show -P "$2" "punchctl-$1"
}

unit_has() { # UNIT PROPERTY VALUE
	[ "$(unit "$1" "$2")" = "$3" ]
}

unit_says() { # UNIT PATTERN
	unit "$1" StatusText >"$T/status" && contains "$T/status" "$2"
}

journal() { # UNIT
	as_user journalctl --user -q -o cat -u "punchctl-$1"
}

journal_has() { # UNIT PATTERN
	journal "$1" >"$T/journal" && contains "$T/journal" "$2"
}

answered() {
	[ "$(in_ns client "$PYTHON" "$T/ask.py")" = "echo hello" ]
}

# The unit of a process that has gone at once journald may not learn any more.
journal_has_of_any() { # PATTERN
	as_user journalctl --user -q -o cat -t punchctl >"$T/journal" && contains "$T/journal" "$1"
}

lab_up
relayd_conf
stream_conf cam1 'listen = "9099"' "source = \"$SENDER4\""
stream_conf game 'peers = 8'
ok "relayd starts" relayd_start
ok "make install" make -s -C "$BUILD" install DESTDIR="$T/installed"
ok "a machine boots" machine_up client "$T/installed"
machine client useradd --create-home --uid 1000 somebody
machine client loginctl enable-linger somebody
ok "a user has a manager" wait_for 20 user_manager_is_up
as_user mkdir -p "$FILES"
key_file cam1 <"$T/cam1.key"
key_file game <"$T/game.key"

conf cam1 "relay $RELAY4" 'port 5004' 'to 9099' "command touch $FILES/played"
begin punch@cam1
ok "punch starts what its file says" wait_for 10 as_user test -e "$FILES/played"
ok "and ends with it" wait_for 5 unit_has punch@cam1 ActiveState inactive
conf cam1 "relay $RELAY4" 'port 5004' 'to 9099'
begin punch@cam1
ok "without that it stays: the relay has a client" wait_for 10 stream_is cam1 ready
start sender send "$UDPTOOL" send --from "$SENDER4:7000" --to "$RELAY4:9099" --count 100000 --rate 100
ok "and media, which the journal has in a line" wait_for 10 journal_has punch@cam1 '^playing: media come$'
ok "and systemd in a word" wait_for 5 unit_has punch@cam1 StatusText "cam1: playing"
stop send
ok "or some, when they end" wait_for 10 unit_says punch@cam1 "^cam1: punched as $NAT4:[0-9]+, waiting for media\$"
is "lines are lines there" "$(journal punch@cam1 | grep -c $'\e\|^cam1:')" 0

# --- two ends on one host: each has a file, for one stream

conf game "relay $RELAY4" 'to 127.0.0.1:8000' 'relay-only'
conf play "relay $RELAY4" 'stream game' 'key-file game.key' 'listen 127.0.0.1:9000'
start client echo "$PYTHON" "$T/echo.py"
begin serve@game
begin connect@play
ok "connect reaches what serve offers" wait_for 15 answered
is "both by their own files" "$(unit serve@game ActiveState) $(unit connect@play ActiveState)" "active active"
ok "and systemd knows how" wait_for 5 unit_says serve@game '^game: relayed'
key_file game <"$T/cam1.key"
ok "at a reload the key is read again" as_user systemctl --user reload punchctl-serve@game
ok "which the journal has" wait_for 5 journal_has serve@game "^$FILES/game\.key holds another key now; trying it\$"
key_file game <"$T/game.key"
as_user systemctl --user reload punchctl-serve@game
ok "with the right one it goes on" wait_for 15 answered

# --- what is wrong

conf broken "relay $RELAY4" 'port 5004' 'prot 9099'
ok "with a mistake a unit does not start" not begin punch@broken
is "and is not tried again" "$(unit punch@broken ActiveState) $(unit punch@broken NRestarts) $(unit punch@broken ExecMainStatus)" \
	"failed 0 2"
ok "and its line is in the journal" wait_for 10 journal_has_of_any \
	"^$FILES/broken\.conf:3: punch has no option \"prot\"; see punchrelay\.conf\(5\)\$"
is "it is what is said by hand" "$(as_user punchctl punch broken 2>&1)" \
	"punchctl: $FILES/broken.conf:3: punch has no option \"prot\"; see punchrelay.conf(5)"
conf keyless "relay $RELAY4" 'to 8001'
ok "nor does it without its key" not begin serve@keyless
is "which is not tried again either" "$(unit serve@keyless ActiveState) $(unit serve@keyless NRestarts) $(unit serve@keyless ExecMainStatus)" \
	"failed 0 2"
conf lost 'relay 127.0.0.1' 'port 5006'
as_user cp "$FILES/cam1.key" "$FILES/lost.key"
begin punch@lost
ok "a relay that is not there is waited for" wait_for 15 journal_has punch@lost '^no answer from 127\.0\.0\.1:3478 yet; still trying$'
as_user systemctl --user kill -s KILL punchctl-punch@lost
ok "a command that dies is started again" wait_for 20 unit_has punch@lost NRestarts 1

echo 'nameserver 127.0.0.1' | machine client tee /etc/resolv.conf >"$T/resolv.conf"
conf named 'relay relay.lab' 'to 127.0.0.1:8000' 'stream game' 'key-file game.key'
ok "a resolver that is not there is waited for, too" begin serve@named
ok "which is said" wait_for 5 journal_has serve@named '^relay\.lab: .*; still trying$'
is "also to systemd" "$(unit serve@named StatusText)" "looking up relay.lab"
echo "$RELAY4 relay.lab" | machine client tee -a /etc/hosts >"$T/hosts"
as_user systemctl --user reload punchctl-serve@named
ok "when it answers the relay is reached" wait_for 20 unit_says serve@named '^game: waiting for peers$'

# --- the end

as_user systemctl --user stop 'punchctl-*'
is "they stop in peace" \
	"$(for unit in punch@cam1 serve@game connect@play punch@lost serve@named; do unit "$unit" Result; done | sort -u)" success
