#!/usr/bin/env bash
# punchctl punch --share-port: the program's own socket is punched, and its datagrams pass nobody else.
#
#   sender 198.51.100.175 ---+
#                           net --- nat 192.0.2.9 --- client 10.0.0.2 (punchctl, the programs)
#   relay  203.0.113.7 ------+
. "$(dirname "$0")/lib.sh"
. "$TOP/tests/media.sh"
plan 42

PRELOAD=$BUILD/share/libpunchshare.so

# udptool.py in a process that nobody but root may look into: closed.py UDPTOOL WORD...
cat >"$T/closed.py" <<'PYTHON'
import ctypes, runpy, sys

if ctypes.CDLL(None).prctl(4, 0, 0, 0, 0) != 0:  # PR_SET_DUMPABLE
    sys.exit("prctl")
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
PYTHON

# Binds the port, and for each line of input closes it and binds it again at once.
cat >"$T/again.py" <<'PYTHON'
import socket, sys

while True:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("0.0.0.0", int(sys.argv[1])))
    print("bound", flush=True)
    if not sys.stdin.readline():
        break
    sock.close()
PYTHON

# Binds the port; for each line of input closes it, and tries to bind it until it is free: free.py PORT
cat >"$T/free.py" <<'PYTHON'
import socket, sys, time

def bind():
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("0.0.0.0", int(sys.argv[1])))
    return sock

sock = bind()
while sys.stdin.readline():
    sock.close()
    closed = time.monotonic()
    while True:
        try:
            sock = bind()
            break
        except OSError:
            assert time.monotonic() < closed + 5
    print(round((time.monotonic() - closed) * 1000, 3), flush=True)
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

lines_are() { # N FILE
	[ "$(wc -l <"$2")" -eq "$1" ]
}

keepalive_after() { # N
	[ "$(total punches accepted)" -gt "$1" ]
}

forwarded() { # N of cam0's datagrams
	pctl --json show cam0 >"$T/show.json" && [ "$(json "$T/show.json" 'd["ports"][0]["packets"]')" -ge "$1" ]
}

receive() { # NAME PORT OPTION...
	start client "$1" "$UDPTOOL" recv --bind "0.0.0.0:$2" "${@:3}"
}

stream() { # PORT COUNT RATE
	in_ns sender "$UDPTOOL" send --from "$SENDER4:7000" --to "$RELAY4:$1" --count "$2" --rate "$3" >"$T/sent"
}

# Speaks of the client's port as NOBODY, who may not look into processes of the same user.
nobody() { # NAME CMD...
	start client "$1" setpriv --reuid nobody --clear-groups "${@:2}"
}

lab_up
relayd_conf 'consent = 10' "address = { \"$RELAY4\", \"$RELAY6\" }"
for i in 0 1 2 3 4; do
	stream_conf "cam$i" "listen = \"910$i\"" "source = \"$SENDER4\""
done
stream_conf cam5 'listen = "9105"' "source = \"$SENDER6\""
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
before=$(total punches accepted)
wait_for 10 keepalive_after "$before"
kill -STOP "$(pid_of cam0)"
wait_for 10 forwarded 900
kill -CONT "$(pid_of cam0)"
ok "1000 datagrams come, most of them with punchctl standing still" finish one 15
is "each, once, and nothing else" "$(json "$T/one.log" '[d["distinct"], d["duplicated"], d["other"]]')" '[1000, 0, 0]'
ok "while punches went on" test "$(total punches accepted)" -gt "$before"
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


# --- several ports, two relays' ports, an IPv6 socket; JSON

start client six "$UDPTOOL" recv --bind '[::]:5014' --expect 100 --for 30
punch_as root cam1 cam1 --json --port 5014 --to 9101
ok "JSON: an IPv6 socket that takes IPv4 too" wait_for 5 contains "$T/cam1.log" '"event": ?"shared".*"local": ?5014'
wait_for 5 stream_is cam1 ready
stream 9101 100 500
finish six 5
is "hears the relay by IPv4" "$(json "$T/six.log" '[d["distinct"], d["other"]]')" '[100, 0]'
ok "JSON: unshared says why" wait_for 5 contains "$T/cam1.log" '"event": ?"unshared".*"reason": ?"no program'
stop cam1

# --- a port that the NAT shows as it did a moment ago, for another stream

receive seven 5014 --expect 100 --for 30
punch_as root cam4 cam4 --port 5014 --to 9104
ok "the mapping is another stream's still: it is said" wait_for 5 said cam4 'refused: 9104: 437 .*; still trying'

# --- a relay by IPv6

start client wide "$UDPTOOL" recv --bind "[$CLIENT6]:5054" --expect 100 --for 30
install -m 600 "$T/cam5.key" "$T/cam5.mine"
start client cam5 "$PUNCHCTL" punch "cam5@[$RELAY6]" --key-file "$T/cam5.mine" --share-port --port 5054 --to 9105
ok "a relay by IPv6, and a socket bound to this host's address" wait_for 5 said cam5 "punched: 9105 as \[$NAT6\]:5054"
in_ns sender "$UDPTOOL" send --from "[$SENDER6]:7000" --to "[$RELAY6]:9105" --count 100 --rate 500 >"$T/sent"
finish wide 5
is "hears the stream" "$(json "$T/wide.log" '[d["distinct"], d["other"]]')" '[100, 0]'
stop cam5

# --- whose program is it?

punch_as nobody cam2 cam2 --port 5024 --to 9102
receive roots 5024
ok "another user's program: it is said, and what helps" wait_for 5 said cam2 'belongs to a program of another user \(uid 0\): run punchctl as that user'
stop roots
nobody mine "$UDPTOOL" recv --bind 0.0.0.0:5024
ok "the same user's program is shared without privileges" wait_for 5 said cam2 'shared: port 5024'
stop mine
nobody closed "$PYTHON" "$T/closed.py" "$UDPTOOL" recv --bind 0.0.0.0:5024
ok "into a process that is closed to us we do not look" wait_for 5 said cam2 'we may not see which process has UDP port 5024: .*LD_PRELOAD=libpunchshare.so'
stop closed
nobody loaded env LD_PRELOAD="$PRELOAD" PUNCHSHARE_PORTS=5000-5003,5024 \
	"$PYTHON" "$T/closed.py" "$UDPTOOL" recv --bind 0.0.0.0:5024 --expect 300 --for 30
ok "with the library its port is shared all the same" wait_for 5 said_times 2 cam2 'shared: port 5024'
wait_for 5 stream_is cam2 ready
stream 9102 300 500
finish loaded 5
is "and it hears all" "$(json "$T/loaded.log" '[d["distinct"], d["other"]]')" '[300, 0]'
ok "the library says no word" test ! -s "$T/loaded.err"
stop cam2
nobody theirs "$UDPTOOL" recv --bind 0.0.0.0:5034
punch_as root cam3 cam3 --port 5034 --to 9103
ok "root shares the port of any user" wait_for 5 said cam3 'punched: 9103 as'
stop theirs

ok "when that stream's consent has run out, the port is the new one's" wait_for 20 said cam4 "punched: 9104 as $NAT4:5014"
stream 9104 100 500
finish seven 5
is "which hears it" "$(json "$T/seven.log" 'd["distinct"]')" 100
stop cam4

# --- a program that closes its socket and opens it anew within the same breath

mkfifo "$T/again"
exec 7<>"$T/again"
ip netns exec "${P}client" env LD_PRELOAD="$PRELOAD" "$PYTHON" "$T/again.py" 5034 <"$T/again" >"$T/again.log" 2>"$T/again.err" &
PIDS[again]=$!
wait_for 5 said_times 2 cam3 'shared: port 5034'
for i in 1 2 3 4 5; do
	echo >&7
	wait_for 5 said_times $((i + 2)) cam3 'shared: port 5034' || break
done
is "with the library it has its port each time" "$(grep -c bound "$T/again.log") $(wc -l <"$T/again.err")" "6 0"
stop again
wait_for 5 said_times 7 cam3 'waiting: no program'
ip netns exec "${P}client" "$PYTHON" "$T/free.py" 5034 <"$T/again" >"$T/free.log" 2>"$T/free.err" &
PIDS[free]=$!
for i in 7 8 9 10 11 12; do
	wait_for 5 said_times $((i + 1)) cam3 'shared: port 5034' || break
	echo >&7
done
ok "without it the port is free in the end" wait_for 5 lines_are 6 "$T/free.log"
figure "milliseconds after which a program could bind the port again" "$(xargs <"$T/free.log")"
exec 7>&-
stop free
stop cam3

# --- with the library nothing else changes

in_ns client env LD_PRELOAD="$PRELOAD" "$PYTHON" - >"$T/other.log" 2>&1 <<'PYTHON'
import errno, socket

INET, DGRAM, STREAM = socket.AF_INET, socket.SOCK_DGRAM, socket.SOCK_STREAM

def bound(kind, port, reuse=False):
    sock = socket.socket(INET, kind)
    if reuse:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        sock.bind(("0.0.0.0", port))
    except OSError as error:
        return errno.errorcode[error.errno], sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT)
    return sock

one = bound(DGRAM, 5044)
print(bound(DGRAM, 5044))                        # in use is in use
tcp = bound(STREAM, 5044)
print(tcp.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT))
ephemeral = bound(DGRAM, 0)
print(ephemeral.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT))
workers = [bound(DGRAM, 5045, True) for i in range(3)]
print([isinstance(w, socket.socket) for w in workers])
PYTHON
is "with the library a port in use is in use, and what is not meant stays as it is" \
	"$(tr '\n' ' ' <"$T/other.log")" "('EADDRINUSE', 0) 0 0 [True, True, True] "

# --- a real player, and RTCP with it

film_player "$T/got"
ok "a film" film_make "$T/film.mp4"
film_index "$T/film.mp4"
film_sender "$T/film.mp4" "$RELAY4" 9200 "$T/film.sdp"
start sender src "${film_words[@]}"
wait_for 5 test -s "$T/film.sdp"
film_player "$T/got"
punch_as root film film --sdp "$T/film.sdp" -- "${film_words[@]}"
ok "a player that we start is shared as soon as it listens, and shows a picture" wait_for 20 film_begun "$T/got"
finish src $((FILM_SECONDS + 10))
finish film 10
is "it ends by itself after the BYE, and punchctl with it" "$?" 0
read -r sent due came lost < <(film_count "$T/film.mp4" "$T/got" video)
figure "pictures sent" "$sent, since the first one that came $due, decoded as they were sent $came, lost $lost"
is "every picture after the first is decoded" "$lost" 0
read -r sent due came lost < <(film_count "$T/film.mp4" "$T/got" audio)
is "and no sound is lost" "$lost" 0
ok "its four ports were shared, and nothing was carried" test "$(grep -c 'shared: port' "$T/film.err")" -ge 4
ok "not a datagram" said film 'carried 0 datagrams to the player and 0 back, dropped 0'
note "$(cat "$T/film.err")"
