#!/usr/bin/env bash
# Senders of every kind: which source port, restarted, two of them, allowed or not; and what the
# client answers comes back to them.
#
#   sender 198.51.100.175 ---+
#   other  198.51.101.66  --net --- nat --- client
#   relay  203.0.113.7    ---+
. "$(dirname "$0")/lib.sh"
plan 37

OTHER4=198.51.101.66
RATE=$(rate 1000)

# Sends one sender report from here to there, and prints the type and the words of what comes back.
cat >"$T/reports.py" <<'PYTHON'
import os, socket, sys

def endpoint(text):
    host, _, port = text.rpartition(":")
    return host, int(port)

s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(endpoint(sys.argv[1]))
s.connect(endpoint(sys.argv[2]))  # what comes from elsewhere is not received
s.settimeout(float(os.environ.get("WAIT_FACTOR", "1")))
s.send(bytes.fromhex("80c8000650554e43") + b"sender report of RTCP")
try:
    data = s.recv(2048)
    print(data[1], data[8:].decode())
except socket.timeout:
    print("silence")
PYTHON
# Answers each sender report with a receiver report, as a player does.
cat >"$T/player.py" <<'PYTHON'
import socket, sys

s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", int(sys.argv[1])))
while True:
    data, peer = s.recvfrom(2048)
    s.sendto(bytes.fromhex("80c9000150554e43") + b"receiver report", peer)
PYTHON

# Punches for it, and waits until packets can come.
client_of() { # NAME LISTEN PLAYER-PORT
	start client "punch-$1" "$PUNCHCTL" punch "$1@$RELAY4" --key-file "$T/$1.key" --port "$3" --to "$2"
	wait_for 5 stream_is "$1" ready
}

receiver() { # NAME PLAYER-PORT
	start client "$1" "$UDPTOOL" recv --bind "127.0.0.1:$2"
	wait_for 3 udp_bound client "$2"
}

send() { # HOST FROM LISTEN COUNT RATE FIRST
	in_ns "$1" "$UDPTOOL" send --from "$2" --to "$RELAY4:$3" --count "$4" --rate "$5" --first "$6" --rtp
}

keep_sending() { # NAME HOST FROM LISTEN FIRST
	start "$2" "$1" "$UDPTOOL" send --from "$3" --to "$RELAY4:$4" --count 60000 --rate "$RATE" --first "$5" --rtp
}

flows_of() { # LISTEN: the source port of the flow there
	in_ns relay conntrack -L -p udp --orig-port-dst "$1" 2>/dev/null | sed -n 's/.*src=\([0-9.]*\) .* sport=\([0-9]*\) dport='"$1"' .*/\1:\2/p'
}

media_from() { # LISTEN SENDER
	flows_of "$1" | grep -q "^$2\$"
}

streams_packets() { # NAME AT-LEAST
	pctl --json show "$1" >"$T/show.json" && [ "$(json "$T/show.json" 'd["ports"][0]["packets"]')" -ge "$2" ]
}

any_source() { # SOURCE: of the stream any, from now on
	sed -i '/^stream "any"/,/^}/ s|source = .*|source = "'"$1"'"|' "$T/relayd.conf" && pctl reload
}

lab_up
public_host other eth0 "$OTHER4" || bail "no network"
relayd_conf 'consent = 10'
stream_conf same 'listen = "9101"' "source = \"$SENDER4\""
stream_conf ephemeral 'listen = "9102"' "source = \"$SENDER4\""
stream_conf again 'listen = "9103"' "source = \"$SENDER4\""
stream_conf only 'listen = "9104"' "source = \"$SENDER4\""
stream_conf first 'listen = "9105"' 'source = "first"'
stream_conf any 'listen = "9106"' 'source = "any"'
stream_conf rtcp 'listen = "9107-9108"' "source = \"$SENDER4\""
ok "relayd starts" relayd_start

# Waits for so many packets more.
more_packets() { # NAME N
	pctl --json show "$1" >"$T/show.json"
	wait_for 3 streams_packets "$1" $(($(json "$T/show.json" 'd["ports"][0]["packets"]') + $2))
}

# --- source ports

ok "a client of a sender with one port" client_of same 9101 5101
receiver got-same 5101
send sender "$SENDER4:9101" 9101 500 1000 0 >"$T/sent"
ok "source port equal to destination port: it came" wait_for 3 streams_packets same 500
stop got-same
is "every packet" "$(json "$T/got-same.log" '[d["distinct"], d["duplicated"]]')" "[500, 0]"

ok "a client of a sender with any port" client_of ephemeral 9102 5102
receiver got-ephemeral 5102
send sender "$SENDER4:0" 9102 500 1000 0 >"$T/sent"
ok "ephemeral source port: it came" wait_for 3 streams_packets ephemeral 500
stop got-ephemeral
is "every packet" "$(json "$T/got-ephemeral.log" '[d["distinct"], d["duplicated"]]')" "[500, 0]"

# --- restarted in the middle, with another port each time

# The numbers of a restart begin at a round one: the number of the first that came, without the round
# part, is how many were sent in vain.
restart() { # WHAT HOW-THE-SENDER-BEFORE-ENDED FROM FIRST
	local before=$4 after
	receiver "got-$4" 5103
	wait_for 3 media_from 9103 "$5" || note "no media from $5"
	stop "$2" KILL
	keep_sending "from-$3" sender "$SENDER4:$3" 9103 "$before"
	ok "$1: it gets the stream" wait_for 3 media_from 9103 "$SENDER4:$3"
	more_packets again 300
	stop "got-$4"
	after=$(($(json "$T/got-$4.log" 'd["gap_at"]') - before))
	figure "$1: milliseconds from its first packet sent to the first received" "$((after * 1000 / RATE))"
	ok "$1: within 200 ms" test "$after" -ge 0 -a "$((after * 1000 / RATE))" -le "$(seconds 200)"
	is "$1: nothing is lost or doubled after that" \
		"$(json "$T/got-$4.log" "[sum(b - a + 1 for a, b in d['missing'] if a > $before), d['duplicated']]")" "[0, 0]"
}

ok "a client of a sender that restarts" client_of again 9103 5103
keep_sending from-7000 sender "$SENDER4:7000" 9103 0
restart "a restart from another port" from-7000 7001 100000 "$SENDER4:7000"
restart "and one more" from-7001 7002 200000 "$SENDER4:7001"
stop from-7002 KILL

# --- a second one that is not allowed

# A minute of it would be 60000; the last one that came tells how far it was.
whole() { # NAME: nothing of it was lost or doubled, and nothing of the other's came
	[ "$(json "$T/$1.log" '[d["distinct"] > 0, d["lost"], d["duplicated"], d["last_seq"] < 500000]')" = "[true, 0, 0, true]" ] ||
		{ cat "$T/$1.log" && false; }
}

refused() { # NAME
	pctl --json show "$1" >"$T/show.json" && json "$T/show.json" 'd["refused"]'
}

refused_is() { # NAME N
	[ "$(refused "$1")" = "$2" ]
}

ok "a client of a sender that alone may send" client_of only 9104 5104
receiver got-only 5104
keep_sending from-only sender "$SENDER4:0" 9104 0
wait_for 3 streams_packets only 100
send other "$OTHER4:0" 9104 500 1000 500000 >"$T/refused"
ok "each packet of another one is counted as refused" wait_for 2 refused_is only 500
stop from-only
stop got-only
ok "the first one is unharmed, and nothing of the second arrives" whole got-only
is "nor was the second one answered" "$(json "$T/refused" 'd["refused"]')" 0
figure "packets of the sender that was allowed, while 500 were refused" "$(json "$T/got-only.log" 'd["distinct"]')"

# --- source = "first"

ok "a client of whoever comes first" client_of first 9105 5105
is "nobody is refused yet" "$(refused first)" 0
receiver got-first 5105
keep_sending from-first sender "$SENDER4:0" 9105 0
wait_for 3 streams_packets first 100
send other "$OTHER4:0" 9105 500 1000 500000 >"$T/refused"
ok "who comes second is refused" wait_for 2 refused_is first 500
stop from-first
stop got-first
ok "the first one is unharmed" whole got-first
send other "$OTHER4:0" 9105 100 1000 500000 >"$T/refused"
ok "its silence does not unlock" wait_for 2 refused_is first 600

# --- two that are both allowed

ok "a client of anybody" client_of any 9106 5106
receiver got-any 5106
keep_sending from-any sender "$SENDER4:0" 9106 0
wait_for 3 streams_packets any 100
keep_sending from-other other "$OTHER4:7106" 9106 500000
ok "the first one goes on" wait_for 5 streams_packets any 2500
stop got-any
ok "a second one does not disturb the first" whole got-any
figure "packets of the first one, while a second one sent as many" "$(json "$T/got-any.log" 'd["distinct"]')"
receiver got-other 5106
stop from-any KILL
ok "when the first is silent the second one has the stream" wait_for 6 media_from 9106 "$OTHER4:7106"
more_packets any 300
stop got-other
figure "seconds from the end of the first to the first packet of the second" \
	"$(json "$T/got-other.log" "round(d['gap'], 3)")"
ok "it begins with the end of that silence" \
	test "$(json "$T/got-other.log" "d['gap_at'] >= 500000 and d['gap'] < $(seconds 5)")" = true

# --- another source, while both send

keep_sending from-any sender "$SENDER4:7109" 9106 0
ok "the source becomes another" any_source "$SENDER4"
ok "whom it lets in has the stream from who had it" wait_for 5 media_from 9106 "$SENDER4:7109"
receiver got-first 5106
more_packets any 100
ok "it becomes the first sender" any_source first
more_packets any 500
stop got-first
ok "who sends is that, and loses nothing" whole got-first
ok "and it stays his" media_from 9106 "$SENDER4:7109"
stop from-any KILL
stop from-other KILL

# --- what the client answers

start client punch-rtcp "$PUNCHCTL" punch "rtcp@$RELAY4" --key-file "$T/rtcp.key" --port 5107-5108 --to 9107-9108
ok "a client of a stream with RTCP" wait_for 5 contains "$T/punch-rtcp.err" "9108 as"
start client player "$PYTHON" "$T/player.py" 5108
wait_for 3 udp_bound client 5108
is "a receiver report reaches the sender, from where it sends to" \
	"$(in_ns sender "$PYTHON" "$T/reports.py" "$SENDER4:7008" "$RELAY4:9108" 2>&1)" "201 receiver report"
start client echo "$UDPTOOL" recv --bind 127.0.0.1:5107 --echo
wait_for 3 udp_bound client 5107
send sender "$SENDER4:7007" 9107 300 1000 0 >"$T/sent"
wait_for 3 streams_packets rtcp 300
stop echo
is "what goes back meanwhile harms nothing" "$(json "$T/echo.log" '[d["distinct"], d["duplicated"]]')" "[300, 0]"
is "and no packet of all this came to relayd's port as media" "$(total punches malformed)" 0
