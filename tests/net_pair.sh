#!/usr/bin/env bash
# Two peers whose holes the kernel joins: what librules puts into it for them, and what packets
# make of it. No daemon: tests/rules_tool speaks to the library, nft and conntrack are witnesses.
#
#   a 10.0.1.2 ---- nata 192.0.2.9 ------ net ------ 198.51.100.9 natb ---- 10.0.2.2 b
#     fd00:1::2          2001:db8:3::9     |         2001:db8:4::9          fd00:2::2
#                                        relay 203.0.113.7, 2001:db8:2::7
. "$(dirname "$0")/lib.sh"
{ kill -KILL "$GUARD"; } 2>/dev/null
P=pp$$
lab_guard
plan 57

TOOL=${RULES_TOOL:-$BUILD/tests/rules_tool}
[ -x "$TOOL" ] || bail "no $TOOL"

cat >"$T/peer.py" <<'PYTHON'
"""peer FIFO FROM PUNCH: keeps a hole at PUNCH and prints it; lines of FIFO: "say TEXT" sends it,
"ask WORD" prints "answered WORD" when the relay's STUN socket has answered that, "keep TEXT" sends
it ten times a second from now on ("keep": no more). What arrives is printed.
stun AT...: answers STUN with where it came from."""
import os, select, socket, struct, sys, time

def endpoint(text):
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)

def text_of(at):
    return ("[%s]:%d" if ":" in at[0] else "%s:%d") % at[:2]

def bound(text):
    at = endpoint(text)
    s = socket.socket(socket.AF_INET6 if ":" in at[0] else socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(at)
    return s

def stun(*ats):
    sockets = [bound(at) for at in dict.fromkeys(ats)]
    while True:
        for s in select.select(sockets, [], [])[0]:
            data, source = s.recvfrom(2048)
            if data[:1] == b"\0":
                s.sendto(data[:20] + text_of(source).encode(), source)
            else:
                print("stray", data, flush=True)

def request(word):
    return struct.pack("!HHI12s", 1, 0, 0x2112A442, word.encode())

def peer(fifo, source, punch):
    lines = os.open(fifo, os.O_RDWR)
    s, to = bound(source), endpoint(punch)
    hole, kept, rest, due = "", None, b"", 0
    while True:
        if time.monotonic() > due:
            due = time.monotonic() + 0.1
            s.sendto(request("keepalive"), to)
            if kept:
                s.sendto(b"\x80" + kept, to)
        ready = select.select([s, lines], [], [], 0.05)[0]
        if s in ready:
            data, who = s.recvfrom(2048)
            if data[:1] == b"\0":
                word = data[8:20].rstrip(b"\0").decode()
                if word != "keepalive":
                    print("answered", word, flush=True)
                elif data[20:].decode() != hole:
                    hole = data[20:].decode()
                    print("hole", hole, flush=True)
            else:
                print(text_of(who), data[1:].decode(), flush=True)
        if lines in ready:
            rest += os.read(lines, 4096)
            *whole, rest = rest.split(b"\n")
            for line in whole:
                verb, _, text = line.partition(b" ")
                if verb == b"say":
                    s.sendto(b"\x80" + text, to)
                elif verb == b"ask":
                    s.sendto(request(text.decode()), to)
                else:
                    kept = text

globals()[sys.argv[1]](*sys.argv[2:])
PYTHON

# --- words

mkfifo "$T/in" "$T/out"
exec 7<>"$T/in" 8<>"$T/out"

tool_start() { # sets GREETING
	ip netns exec "${P}relay" "$TOOL" "$@" <&7 >&8 2>&1 &
	read -r -t 5 -u 8 GREETING || GREETING=nothing
}

tool() { # LINE...
	local line
	printf '%s\n' "$@" >&7
	while read -r -t 10 -u 8 line; do
		[ "$line" = . ] && return
		printf '%s\n' "$line"
		case $line in ok* | error*) return ;; esac
	done
}

peer_start() { # HOST NAME FROM PUNCH
	mkfifo "$T/$2.fifo"
	start "$1" "$2" "$PYTHON" "$T/peer.py" peer "$T/$2.fifo" "$3" "$4"
	wait_for 5 contains "$T/$2.log" ^hole
}

hole() { # NAME
	sed -n 's/^hole //p' "$T/$1.log" | tail -n 1
}

do_it() { # NAME LINE
	echo "$2" >"$T/$1.fifo"
}

# One peer speaks until the other has heard it from where it should come; neighbours may have to
# be found first.
heard() { # FROM TO TEXT PUNCH-OF-TO
	do_it "$1" "say $3"
	grep -Fqx -- "$4 $3" "$T/$2.log"
}

# What was sent before has arrived where it would, or never will.
settled() { # NAME...
	local name
	WORD=$((${WORD:-0} + 1))
	for name in "$@"; do
		do_it "$name" "ask w$WORD"
		wait_for 5 contains "$T/$name.log" "^answered w$WORD\$" || return
	done
}

unheard() { # FROM TO TEXT
	do_it "$1" "say $3" && settled "$1" "$2" && not contains "$T/$2.log" " $3\$"
}

flows() {
	in_ns relay conntrack -L -p udp "$@" 2>/dev/null
}

flow_count() {
	flows -m 0x52000000/0xff000000 | grep -c .
}

table() {
	in_ns relay nft list table inet relayd
}

value() { # LINE-BEGINNING WORD
	tool read | sed -n "s/^$1.* $2 \([0-9]*\).*/\1/p"
}

# The operations that join two holes.
join() { # A PUNCH-OF-A B PUNCH-OF-B
	echo "client pair $1 $2 60000 0"
	echo "client pair $3 $4 60000 0"
	echo "peers pair $1 $2 $3 9 $4"
	echo "peers pair $3 $4 $1 9 $2"
}

# --- set-up

A_OUT=$NAT4 A_OUT6=$NAT6 B_OUT=198.51.100.9 B_OUT6=2001:db8:4::9
host_up net && forwarding_on net && public_host relay eth0 "$RELAY4" "$RELAY6" &&
	forwarding_on relay && nat_host nata "$A_OUT" "$A_OUT6" && nat_host natb "$B_OUT" "$B_OUT6" &&
	inner_host a nata lana 10.0.1.2 fd00:1::2 && inner_host b natb lanb 10.0.2.2 fd00:2::2 ||
	bail "no network"
tool_start
is "a table is made" "$GREETING" made

# a's and b's holes may have different ends at the relay.
run() { # IP-VERSION A B PUNCH-OF-A PUNCH-OF-B
	local v=$1 pa=$4 pb=$5 ha hb before i
	tool "punch $pa" "punch $pb" commit >/dev/null
	start relay "stun$v" "$PYTHON" "$T/peer.py" stun "$pa" "$pb"
	ok "IPv$v: a has a hole" peer_start a "a$v" "$2" "$pa"
	ok "IPv$v: b has a hole" peer_start b "b$v" "$3" "$pb"
	ha=$(hole "a$v") hb=$(hole "b$v")
	note "a $ha, b $hb"

	ok "IPv$v: an early datagram finds nobody" unheard "a$v" "b$v" early
	is "IPv$v: nor leaves anything" "$(flows --dport "${pa##*:}" | grep -c .)" 0

	mapfile -t JOIN < <(join "$ha" "$pa" "$hb" "$pb")
	is "IPv$v: two holes are joined" "$(tool "${JOIN[@]}" commit)" ok
	tool read >"$T/read"
	ok "IPv$v: it is read back" grep -Fqx "peer pair $ha $pa $hb 9" "$T/read"
	ok "IPv$v: both ways" grep -Fqx "peer pair $hb $pb $ha 9" "$T/read"
	ok "IPv$v: a is heard by b" wait_for 3 heard "a$v" "b$v" first "$pb"
	ok "IPv$v: and b by a" wait_for 3 heard "b$v" "a$v" back "$pa"
	is "IPv$v: in one flow" "$(flow_count)" 1
	ok "IPv$v: which is read back" eval "tool read | grep -Fqx 'flow 9 $ha $pa $hb $pb'"
	before=$(value "client pair ${ha//[\[\]]/.}" packets)
	ok "IPv$v: what comes back is counted" test "${before:-0}" -gt 0
	is "IPv$v: as a sample says" \
		"$(tool "sample $ha" | sed -n 's/.* packets \([0-9]*\) .*/\1/p')" "$before"
	tool settle >/dev/null
	is "IPv$v: the second look leaves the flow alone" "$(flow_count)" 1

	is "IPv$v: joined anew nothing is left of it" "$(tool "${JOIN[@]}" commit; flow_count)" $'ok\n0'
	ok "IPv$v: b may begin" wait_for 3 heard "b$v" "a$v" second "$pa"
	ok "IPv$v: and be answered" wait_for 3 heard "a$v" "b$v" answer "$pb"
	for i in {1..10}; do
		tool "${JOIN[@]}" commit >/dev/null
		do_it "a$v" "say both$i" &
		do_it "b$v" "say both$i" &
		wait $!
		wait_for 3 heard "a$v" "b$v" "both$i" "$pb" &&
			wait_for 3 heard "b$v" "a$v" "both$i" "$pa" || break
	done
	is "IPv$v: or both at once, ten times" "$i $(contains "$T/a$v.log" both10 && echo yes)" "10 yes"

	# --- consent: of whoever is sent to, in both directions of the flow
	tool "client pair $ha $pa 60000 0" "client pair $hb $pb 300 0" commit >/dev/null
	ok "IPv$v: a opens a flow" wait_for 3 heard "a$v" "b$v" brief "$pb"
	wait_for 3 eval "[ \"\$(value 'client pair ${hb//[\[\]]/.}' consent)\" = 0 ]"
	ok "IPv$v: without b's consent a is not heard" unheard "a$v" "b$v" late
	ok "IPv$v: but b still is" wait_for 3 heard "b$v" "a$v" still "$pa"
	tool "client pair $ha $pa 300 0" "client pair $hb $pb 60000 0" commit >/dev/null
	ok "IPv$v: a opens a flow again" wait_for 3 heard "a$v" "b$v" again "$pb"
	wait_for 3 eval "[ \"\$(value 'client pair ${ha//[\[\]]/.}' consent)\" = 0 ]"
	ok "IPv$v: without a's consent no answer comes back" unheard "b$v" "a$v" unwanted
	tool "${JOIN[@]}" commit >/dev/null
}

run 4 10.0.1.2:5000 10.0.2.2:6000 "$RELAY4:3478" "$RELAY4:3479"

# --- a hole moves while the other sends

old=$(hole a4) hb=$(hole b4) pa=$RELAY4:3478 pb=$RELAY4:3479
do_it b4 "keep film"
ok "b streams" wait_for 3 contains "$T/a4.log" " film"
nat_forget nata
moved() { [ "$(hole a4)" != "$old" ]; }
ok "a's NAT gives it another port" wait_for 5 moved
ha=$(hole a4)
mapfile -t JOIN < <(join "$ha" "$pa" "$hb" "$pb")
tool "${JOIN[@]}" "unpeer $old $pa" "unclient $old $pa" commit >/dev/null
lines=$(grep -c film "$T/a4.log")
more() { [ "$(grep -c film "$T/a4.log")" -gt "$((lines + 3))" ]; }
ok "the stream goes there" wait_for 3 more
tool settle >/dev/null
is "and no flow of the old one is left" "$(flows | grep -c "dport=${old##*:}\b")" 0
ok "nor an element" eval "! table | grep -q ' ${old##*:}\b'"

# --- the end of it

tool "unpeer $ha $pa" "unpeer $hb $pb" commit >/dev/null
settled b4 a4
lines=$(grep -c film "$T/a4.log")
settled b4 a4 b4 a4
is "parted, nothing arrives" "$(grep -c film "$T/a4.log")" "$lines"
is "nor is a flow left" "$(flow_count)" 0
is "nor did the relay's socket see any of it" "$(grep -c stray "$T/stun4.log")" 0
stop b4
tool "unclient $ha $pa" "unclient $hb $pb" commit >/dev/null

run 6 "[fd00:1::2]:5000" "[fd00:2::2]:6000" "[$RELAY6]:3478" "[$RELAY6]:3478"
is "parting is for all that is there" "$(tool "unpeer $(hole a6) [$RELAY6]:3478" \
	"unpeer $(hole b6) [$RELAY6]:3478" "unpeer $(hole b6) [$RELAY6]:3478" commit
	tool read | grep -c ^peer)" $'ok\n0'
is "peers of different IP versions are refused" \
	"$(tool "peer x $(hole a6) [$RELAY6]:3478 $hb 9" commit)" \
	"error -22 0 the peers are of different IP versions"
exec 7>&-
