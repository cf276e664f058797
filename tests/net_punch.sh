#!/usr/bin/env bash
# punchctl punch, from the first word to the last: what it carries, what it says, how it ends.
#
#   sender 198.51.100.175 ---+      192.0.2.9
#          2001:db8:1::175   |      2001:db8:3::9
#                           net --------------- nat --- client 10.0.0.2, fd00::2
#   relay  203.0.113.7   ----+ (cut here)
#          2001:db8:2::7
. "$(dirname "$0")/lib.sh"
plan 72

# Answers each datagram, with its own port in front: echo.py PORT...
cat >"$T/echo.py" <<'PYTHON'
import select, socket, sys

socks = []
for port in sys.argv[1:]:
    socks.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    socks[-1].bind(("127.0.0.1", int(port)))
while True:
    for sock in select.select(socks, [], [])[0]:
        data, addr = sock.recvfrom(2000)
        sock.sendto(b"%d " % sock.getsockname()[1] + data, addr)
PYTHON

# Says its port to each port until each has answered: talk.py FROM PORT TO PORT...
cat >"$T/talk.py" <<'PYTHON'
import json, socket, sys, time

source, port, to, ports = sys.argv[1], int(sys.argv[2]), sys.argv[3], [int(p) for p in sys.argv[4:]]
sock = socket.socket(socket.AF_INET6 if ":" in to else socket.AF_INET, socket.SOCK_DGRAM)
sock.bind((source, port))
sock.settimeout(0.05)
got, end = {}, time.monotonic() + 5
while len(got) < len(ports) and time.monotonic() < end:
    for p in ports:
        sock.sendto(b"hello %d" % p, (to, p))
    try:
        while len(got) < len(ports):
            data, addr = sock.recvfrom(2000)
            got.setdefault(addr[1], data.decode() if addr[0] == to else "from " + addr[0])
    except OSError:
        pass
print(json.dumps([got.get(p) for p in ports]))
PYTHON

# Prints the events of a log of JSON lines; fails unless each line is an object with what all have.
cat >"$T/events.py" <<'PYTHON'
import json, sys

for line in open(sys.argv[1]):
    event = json.loads(line)
    assert event["stream"] == sys.argv[2], line
    print(event["event"])
PYTHON

cat >"$T/film.sdp" <<-SDP
	v=0
	o=- 0 0 IN IP4 $SENDER4
	s=film
	c=IN IP4 $RELAY4
	t=0 0
	m=video 9140 RTP/AVP 96
	a=rtpmap:96 H264/90000
SDP
mkdir "$T/sdp"

configure() {
	relayd_conf 'consent = 10' "address = { \"$RELAY4\", \"$RELAY6\" }"
	stream_conf cam1 'listen = "9099"' "source = \"$SENDER4\""
	stream_conf talk 'listen = "9110-9111"' "source = \"$SENDER4\""
	stream_conf six 'listen = "9120"' "source = \"$SENDER6\""
	stream_conf walled 'listen = "9130"' 'clients = "198.18.0.0/15"'
	stream_conf old 'listen = "9131"'
	stream_conf new 'listen = "9132"'
	stream_conf film 'listen = "9140-9141"'
	stream_conf duo 'listen = "9150"' "source = \"$SENDER4\""
}

# The client has a copy of the key, as it would on another host.
punch() { # NAME STREAM OPTION...
	local name=$1 stream=$2
	shift 2
	[ -f "$T/$name.mine" ] || cp "$T/${stream%@*}.key" "$T/$name.mine"
	[ "$stream" != "${stream#*@}" ] || stream+=@$RELAY4
	start client "$name" env TMPDIR="$T/sdp" "$PUNCHCTL" punch "$stream" --key-file "$T/$name.mine" "$@"
}

said() { # NAME PATTERN: on standard error
	contains "$T/$1.err" "$2"
}

times() { # NAME PATTERN
	grep -Ec -- "$2" "$T/$1.err"
}

said_times() { # N NAME PATTERN
	[ "$(times "$2" "$3")" -ge "$1" ]
}

events() { # NAME STREAM EVENT: how often
	"$PYTHON" "$T/events.py" "$T/$1.log" "$2" | grep -cx "$3"
}

happened() { # N NAME STREAM EVENT
	[ "$(events "$2" "$3" "$4")" -ge "$1" ]
}

event() { # NAME EVENT FIELD: of the newest one
	grep "\"event\": *\"$2\"" "$T/$1.log" | tail -n 1 >"$T/event.json" && json "$T/event.json" "d[\"$3\"]"
}

lines() { # FILE
	wc -l <"$1"
}

talk() { # LISTEN...: what comes back, from the ports to which was spoken
	in_ns sender "$PYTHON" "$T/talk.py" "$SENDER4" 7110 "$RELAY4" "$@"
}

packets_of() { # STREAM
	pctl --json show "$1" >"$T/show.json" && json "$T/show.json" 'd["ports"][0]["packets"]'
}

client_of() { # STREAM
	pctl --json show "$1" >"$T/show.json" && json "$T/show.json" 'd["ports"][0]["client"]'
}

client_is() { # STREAM ENDPOINT
	[ "$(client_of "$1")" = "$2" ]
}

mapped() { # NAME: what its last word about a mapping says
	sed -n 's/.*\(punched: .* as\|moved: .* to\) //p' "$T/$1.err" | tail -n 1
}

# How many datagrams have come to the player of cam1, as the client's kernel counts them.
came() {
	in_ns client nft list counter inet witness player | sed -n 's/.*packets \([0-9]*\) .*/\1/p'
}

flows() { # 100 more have come
	local more=$(($(came) + 100))
	wait_for 8 came_to "$more"
}

came_to() { # N
	[ "$(came)" -ge "$1" ]
}

other_net_side() { # PID
	local pid
	pid=$(net_side)
	[ -n "$pid" ] && [ "$pid" != "$1" ]
}

stale_at_least() { # N: answers of 438
	pctl metrics >"$T/metrics" && [ "$(sed -n 's/^relayd_punches_total{result="stale_nonce"} //p' "$T/metrics")" -ge "$1" ]
}

lab_up
in_ns client nft -f - <<-RULES
	table inet witness {
		counter player { }
		chain wire {
			type filter hook input priority 0
			iifname "lo" udp dport 5004 counter name player
		}
	}
RULES
configure
ok "relayd starts" relayd_start

# --- ports of other numbers, answers, JSON

start client echo "$PYTHON" "$T/echo.py" 6010 5991 6120 6151 6152
wait_for 5 udp_bound client 6152
punch talk talk --json --port 6010,5991 --to 9110,9111
ok "JSON: all ports are punched" wait_for 5 happened 1 talk talk ready
is "media comes to the local port of each, and the player's answers go back to the sender" \
	"$(talk 9110 9111)" '["6010 hello 9110", "5991 hello 9111"]'
is "the start says which port is whose" "$(event talk start ports)" \
	'[{"listen": 9110, "local": 6010}, {"listen": 9111, "local": 5991}]'
is "and where the relay is" "$(event talk start relay)" "$RELAY4:3478"
is "a punch says how the NAT shows it" "$(event talk punched mapped)" \
	"$(pctl --json show talk >"$T/show.json" && json "$T/show.json" '[p["client"] for p in d["ports"] if p["listen"].endswith(":9111") and p["client"]][0]')"

# --- IPv6

punch six "six@[$RELAY6]" --port 6120 --to 9120
ok "a relay by its IPv6 address is punched" wait_for 5 said six "punched: 9120 as \[$NAT6\]:"
is "and media and answers go both ways" \
	"$(in_ns sender "$PYTHON" "$T/talk.py" "$SENDER6" 7120 "$RELAY6" 9120)" '["6120 hello 9120"]'
stop six
is "SIGTERM ends it with 0" "$?" 0
ok "it says what it has carried" said six 'carried [1-9][0-9]* datagrams to the player and [1-9][0-9]* back, dropped 0'

# --- the mapping moves while nothing flows

start client got "$UDPTOOL" recv --bind 127.0.0.1:5004
punch cam1 cam1 --port 5004 --to 9099
punch old old --port 6131 --to 9131
punch new new --port 6132 --to 9132
ok "a stream is punched" wait_for 5 said cam1 "punched: 9099 as $NAT4:"
wait_for 5 said old punched
wait_for 5 said new punched
before=$(mapped cam1)
moved=$(microseconds)
nat_forget
ok "the NAT forgets an idle stream, and the next keepalive says that it moved" \
	wait_for 6 said cam1 "moved: 9099 from $before to $NAT4:"
figure "milliseconds from the NAT's forgetting to the word, consent being 10 s" "$((($(microseconds) - moved) / 1000))"
ok "the relay has the new one" client_is cam1 "$(mapped cam1)"
wait_for 6 happened 2 talk talk moved
is "JSON: each port has moved, once" "$(events talk talk moved)" 2
is "there is nothing else in words" "$(lines "$T/cam1.err")" 2
wait_for 6 said old moved
wait_for 6 said new moved

# --- refusals; they take their time, in which other things are done

head -c 32 /dev/urandom | base64 -w 0 >"$T/wrong.mine"
cp "$T/wrong.mine" "$T/unknown.mine"
cp "$T/wrong.mine" "$T/wrongjson.mine"
chmod 600 "$T"/*.mine
refused=$(microseconds)
punch wrong film --port 6160 --to 9140
punch wrongjson film --port 6160 --to 9140 --json
punch unknown nobody --port 6160
punch walled walled --port 6130 --to 9130
finish walled 5
is "an address that may not punch ends it with 1" "$?" 1
ok "in words" said walled 'the relay does not let this address punch for walled \(its `clients`\)'

rm "$T/old.key" "$T/new.key"
configure
cp "$T/new.key" "$T/new.mine"
ok "the keys of two streams change" pctl reload

finish wrong 10
is "a wrong key ends it with 1" "$?" 1
figure "milliseconds to the end of one with a wrong key" "$((($(microseconds) - refused) / 1000))"
is "in one line" "$(grep -vc carried "$T/wrong.err")" 1
ok "that says so" said wrong "the relay does not accept key $T/wrong.mine for film \(or knows no such stream, or no port 9140 of it\)"
finish unknown 5
is "an unknown stream too" "$?" 1
is "in the same words" "$(grep -v carried "$T/unknown.err")" \
	"$(grep -v carried "$T/wrong.err" | sed 's/wrong\.mine/unknown.mine/; s/film/nobody/; s/9140/6160/')"
finish wrongjson 5
is "JSON: failed has the code" "$? $(event wrongjson failed code)" "1 401"

# --- players

player() { # NAME WORD...
	local name=$1
	shift
	punch "$name" film --sdp "$T/film.sdp" -- "$@"
}

player zero sh -c 'cat "$1"' player '{}'
finish zero 5
is "a player that ends with 0 ends punchctl with 0" "$?" 0
ok "it says so" said zero 'the player has ended$'
ok "the player was given a description with ports of this host" contains "$T/zero.log" '^c=IN IP4 127\.0\.0\.1'
player seven sh -c 'exit 7'
finish seven 5
is "one that fails ends it with 1" "$?" 1
ok "it says with what" said seven 'the player has ended with status 7$'
player killed sh -c 'kill -KILL $$'
finish killed 5
is "one that is killed ends it with 1" "$?" 1
ok "it says by what" said killed 'the player was ended by signal 9 \(Killed\)$'
player none "$T/no-such-player"
finish none 5
is "one that is not there ends it with 1" "$?" 1
ok "it says so" said none "$T/no-such-player: No such file or directory"
punch seven_json film --json --port 6140 --to 9140 -- sh -c 'echo a word of the player; exit 7'
finish seven_json 5
is "JSON: one that fails ends it with 1, and with what" \
	"$? $(event seven_json player status) $(event seven_json player signal)" "1 7 null"
is "JSON: the player's own words are kept out of it" \
	"$("$PYTHON" "$T/events.py" "$T/seven_json.log" film | xargs)" "start punched ready player end"
is "nothing of the descriptions is left" "$(find "$T/sdp" -type f)" ""

player stays sh -c 'echo $$ "$0"; exec sleep 600'
ok "a player plays" wait_for 5 contains "$T/stays.log" '^[0-9]+ /'
read -r playing description <"$T/stays.log"
is "its description is for nobody else" "$(stat -c %a "$description")" 600
ok "it is still at it" not gone "$playing"
stop stays
is "SIGTERM to punchctl ends it with 0" "$?" 0
ok "and the player" gone "$playing"
ok "and removes the description" not test -e "$description"

# --- two clients with one key

punch duo1 duo --port 6151 --to 9150
wait_for 5 said duo1 punched
is "a client has a stream" "$(talk 9150)" '["6151 hello 9150"]'
kill -STOP "$(pid_of duo1)" # or it may punch too soon
punch duo2 duo --port 6152 --to 9150
ok "another comes with the same key" wait_for 5 said duo2 punched
ok "the newest has it" client_is duo "$(mapped duo2)"
is "and its player hears the sender" "$(talk 9150)" '["6152 hello 9150"]'
kill -CONT "$(pid_of duo1)"
ok "until the first punches again" wait_for 6 client_is duo "$(mapped duo1)"
is "neither has moved" "$(cat "$T/duo1.err" "$T/duo2.err" | grep -c moved)" 0
stop duo1
stop duo2

# --- the changed keys, again

ok "a key file with the new key is read" wait_for 12 said new "$T/new.mine holds another key now; trying it"
finish old 12
is "a changed key ends it with 1" "$?" 1
ok "in words" said old "the relay does not accept key $T/old.mine for old"
ok "with the new key it goes on" wait_for 5 client_is new "$(mapped new)"
ok "and has not ended" running new
stop new

# --- the net side dies: its nonces are good no more

start sender send "$UDPTOOL" send --from "$SENDER4:7000" --to "$RELAY4:9099" --rate 200 --count 100000
ok "media flows" flows
words=$(lines "$T/cam1.err")
events=$(lines "$T/talk.log")
killed=$(net_side)
kill -KILL "$killed"
ok "the net side dies and comes again" wait_for 5 other_net_side "$killed"
ok "nonces are stale" wait_for 8 stale_at_least 3
ok "media flows on" flows
is "nobody has said a word" "$(($(lines "$T/cam1.err") - words)) $(($(lines "$T/talk.log") - events))" "0 0"

# --- relayd is gone, and comes back

lost=$(microseconds)
relayd_kill
ok "without relayd it says that it is lost" wait_for 20 said cam1 "lost: no answer from $RELAY4:3478"
figure "milliseconds from the death of relayd to the word" "$((($(microseconds) - lost) / 1000))"
ok "JSON: so does the other" wait_for 20 happened 1 talk talk lost
ok "relayd starts again" relayd_start
back=$(microseconds)
ok "it says that it is back" wait_for 8 said cam1 "back: $RELAY4:3478 answers again"
figure "milliseconds from relayd's start to the word" "$((($(microseconds) - back) / 1000))"
ok "media flows again" flows
ok "JSON: back" wait_for 8 happened 1 talk talk back

# --- the way to the relay is cut

in_ns net nft -f - <<-'RULES'
	table inet cut {
		chain forward {
			type filter hook forward priority 0
			iifname "relay" drop
			oifname "relay" drop
		}
	}
RULES
lost=$(microseconds)
ok "a cut line while media flows: lost" wait_for 12 said_times 2 cam1 'lost: no answer from'
figure "milliseconds from the cut to the word" "$((($(microseconds) - lost) / 1000))"
in_ns net nft delete table inet cut
ok "mended: back" wait_for 8 said_times 2 cam1 'back: '
ok "media flows" flows

# --- the end

stop send KILL
stop got
is "no datagram came twice" "$(json "$T/got.log" 'd["duplicated"]')" 0
figure "seconds of the longest silence of the player, in which relayd was dead or the line cut" "$(json "$T/got.log" 'd["gap"]')"
stop talk
is "JSON: a signal ends it with 0" "$?" 0
ok "each line is an object with an event and the stream" "$PYTHON" "$T/events.py" "$T/talk.log" talk
is "the last is the end, with what was carried" "$(tail -n 1 "$T/talk.log" >"$T/end.json" &&
	json "$T/end.json" '[d["event"], d["inward"] >= 2, d["outward"] >= 2, d["dropped"]]')" '["end", true, true, 0]'
stop cam1 HUP
is "a hangup ends it with 0" "$?" 0
note "$(cat "$T/cam1.err")"
