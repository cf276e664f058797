#!/usr/bin/env bash
# punchctl serve and connect: a UDP service behind one NAT is reached from behind another, by the
# relay's kernel and by a direct path, and whatever restarts, datagrams go on.
#
#   relay 203.0.113.7 ---+   +--- nat  192.0.2.9  --- client  10.0.0.2
#         2001:db8:2::7  |   |         2001:db8:3::9           fd00::2
#                         net
#   (direct: cut at      |   |
#    first)              +   +--- nat2 198.18.4.9 --- service 10.0.2.2
#                                      2001:db8:4::9           fd02::2
. "$(dirname "$0")/lib.sh"
plan 62

NAT2=198.18.4.9

# Asks from N sockets at once until each has five answers, or as many as said, which must be its own:
# ask.py ADDRESS:PORT N SECONDS [HEX of what the datagrams begin with [ANSWERS]]
cat >"$T/ask.py" <<'PYTHON'
import os, selectors, socket, sys, time

host, _, port = sys.argv[1].rpartition(":")
host, count, end = host.strip("[]"), int(sys.argv[2]), time.monotonic() + float(sys.argv[3])
head = bytes.fromhex(sys.argv[4]) if len(sys.argv) > 4 else b""
least = int(sys.argv[5]) if len(sys.argv) > 5 else 5
selector, answers, foreign, number = selectors.DefaultSelector(), {}, 0, 0
for i in range(count):
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    sock.connect((host, int(port)))
    sock.setblocking(False)
    answers[sock] = set()
    selector.register(sock, selectors.EVENT_READ)
while any(len(a) < least for a in answers.values()) and time.monotonic() < end:
    for sock in answers:
        number += 1
        try:
            sock.send(head + b"%d %d %d" % (os.getpid(), sock.fileno(), number))
        except OSError:
            pass
    until = time.monotonic() + 0.05
    while time.monotonic() < until:
        for key, _ in selector.select(until - time.monotonic()):
            try:
                data = key.fileobj.recv(2000)
            except OSError:
                continue
            if data.startswith(head + b"%d %d " % (os.getpid(), key.fd)):
                answers[key.fileobj].add(data)
            else:
                foreign += 1
print("answered", sum(len(a) >= least for a in answers.values()), "foreign", foreign)
sys.exit(any(len(a) < least for a in answers.values()) or foreign > 0)
PYTHON

# Asks from one socket twenty times a second until it is killed; the time of each answer, in ms.
cat >"$T/talk.py" <<'PYTHON'
import socket, sys, time

host, _, port = sys.argv[1].rpartition(":")
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.connect((host, int(port)))
sock.settimeout(0.05)
while True:
    due = time.monotonic() + 0.05
    try:
        sock.send(b"talk")
        sock.recv(2000)
        print(int(time.monotonic() * 1000), flush=True)
    except OSError:
        pass
    time.sleep(max(0, due - time.monotonic()))
PYTHON

cat >"$T/events.py" <<'PYTHON'
import json, sys

for line in open(sys.argv[1]):
    event = json.loads(line)
    assert event["stream"] == "svc", line
    print(event["event"])
PYTHON

serve() { # [OPTION...]
	start service serve "$PUNCHCTL" serve "svc@$RELAY4" --key-file "$T/svc.mine" \
		--to 127.0.0.1:8000 --json "$@"
}

connect() { # [OPTION...]
	start client connect "$PUNCHCTL" connect "svc@$RELAY4" --key-file "$T/svc.mine" \
		--listen 127.0.0.1:9000 --json "$@"
}

echo_start() {
	start service echo "$PYTHON" "$TOP/tests/echo.py" 127.0.0.1 8000
	wait_for 5 udp_bound service 8000
}

ask() { # SOCKETS SECONDS [HEX]
	in_ns client "$PYTHON" "$T/ask.py" 127.0.0.1:9000 "$@"
}

events() { # NAME EVENT: how often
	"$PYTHON" "$T/events.py" "$T/$1.log" | grep -cx "$2"
}

happened() { # N NAME EVENT
	[ "$(events "$2" "$3")" -ge "$1" ]
}

event() { # NAME EVENT FIELD: of the newest one
	grep "\"event\": *\"$2\"" "$T/$1.log" | tail -n 1 >"$T/event.json" && json "$T/event.json" "d[\"$3\"]"
}

answers() { # THAN: talk has had more than so many
	[ "$(wc -l <"$T/talk.log")" -gt "$1" ]
}

# serve dies without a word, and another one is started: how long talk had no answer is in $gap.
serve_dies() {
	local before
	start client talk "$PYTHON" "$T/talk.py" 127.0.0.1:9000
	"$@" || return
	before=$(wc -l <"$T/talk.log")
	stop serve KILL
	serve
	wait_for 15 answers $((before + 20)) || return
	stop talk
	gap=$(awk 'NR > 1 && $1 - last > gap { gap = $1 - last } { last = $1 } END { print gap + 0 }' "$T/talk.log")
}

counted() { # HOST COUNTER
	in_ns "$1" nft list counter inet witness "$2" | sed -n 's/.*packets \([0-9]*\) .*/\1/p'
}

relayed_more() { # THAN BY
	[ "$(counted relay relayed)" -ge $(($1 + $2)) ]
}

RELAYED='relayd_stream_packets_total{stream="svc"}'

# Before Linux 6.12 what passes while consent begins anew is not counted.
all_counted() {
	local told there
	told=$(metric "$RELAYED") there=$(counted relay relayed)
	[ "$told" -le "$there" ] && [ "$told" -ge $((there * 95 / 100)) ]
}

relays() { # COMPARISON: of the rate
	pctl --json show svc >"$T/svc.json" && [ "$(json "$T/svc.json" "d['relayed']['rate'] $1")" = true ]
}

in_kernel() { # what its counters of peers say
	in_ns relay nft list set inet relayd consent4 | grep -o 'packets [0-9]*' | awk '{ n += $2 } END { print n + 0 }'
}

cut_direct() {
	in_ns net nft -f - <<-RULES
		table inet cut {
			chain way {
				type filter hook forward priority 0
				ip saddr { $NAT4, $NAT2 } ip daddr { $NAT4, $NAT2 } drop
			}
		}
	RULES
}

mend_direct() {
	in_ns net nft delete table inet cut
}

# --- the hosts, and who counts

lab_up
nat_host nat2 "$NAT2" 2001:db8:4::9 && inner_host service nat2 lan 10.0.2.2 fd02::2 || bail "no network"
cut_direct
in_ns relay nft -f - <<-RULES
	table inet witness {
		counter relayed { }
		counter taken { }
		chain through {
			type filter hook postrouting priority 200
			iifname "eth0" udp sport 3478 counter name relayed
		}
		chain into {
			type filter hook input priority 0
			udp dport 3478 @th,96,32 != 0x2112a442 counter name taken
		}
	}
RULES
relayd_conf 'consent = 10' "address = { \"$RELAY4\", \"$RELAY6\" }"
stream_conf svc 'peers = 64'
stream_conf svc6 'peers = 4'
stream_conf one 'peers = 1'
stream_conf two 'peers = 2'
stream_conf cam1 'listen = "9099"'
cp "$T/svc.key" "$T/svc.mine"
ok "relayd starts" relayd_start

# --- through the relay's kernel

connect
ok "connect says that nobody serves" wait_for 5 happened 1 connect waiting
echo_start
serve
ok "a service is known to the relay" wait_for 5 happened 1 serve waiting
ok "and connect is ready as soon as it is" wait_for 5 happened 1 connect ready
ok "a datagram goes to the service and its answer comes back" ask 1 5
ok "several clients at once get their own answers" ask 6 8
is "each has an address of its own at the service" "$(sort -u "$T/echo.log" | wc -l)" 7
ok "which is a local one" not grep -qv '^127.0.0.1 ' "$T/echo.log"
ok "the relay's kernel has passed them on" test "$(counted relay relayed)" -ge 70
is "and none has come to relayd" "$(counted relay taken)" 0
ok "what looks like STUN is carried too" ask 1 5 000100002112a442000000000000000000000000
ok "and what looks like our marker" ask 1 5 ff455343

stop echo
start service echo "$UDPTOOL" recv --bind 127.0.0.1:8000 --expect 3000 --idle "$(seconds 2)" --for "$(seconds 20)" --echo
wait_for 5 udp_bound service 8000
start client sent "$UDPTOOL" send --from 127.0.0.1:7001 --to 127.0.0.1:9000 --count 3000 --rate "$(rate 1500)" --size 1200
ok "the stream is live" wait_for 5 stream_is svc live
ok "and has a rate" wait_for 5 relays '> 0'
finish sent 20
finish echo 20
is "3000 datagrams all arrive" "$(json "$T/echo.log" 'd["distinct"]')" 3000
ok "and relayd has counted them and their answers" wait_for 5 all_counted
figure "relayed, and counted" "$(counted relay relayed) $(metric "$RELAYED")"
ok "until there are no more" eval "wait_for 10 stream_is svc waiting && relays '== 0'"
figure "relayed delay in ms" "$(json "$T/echo.log" 'd["delay"]')"
echo_start

# Of several addresses each answers for itself, also one that no route would choose.
start client anywhere "$PUNCHCTL" connect "svc@$RELAY4" --key-file "$T/svc.mine" --listen 0.0.0.0:9005
wait_for 5 contains "$T/anywhere.err" ready
ok "where connect listens anywhere, answers come from the address that was asked" \
	in_ns client "$PYTHON" "$T/ask.py" 127.0.0.77:9005 2 5
stop anywhere

# --- restarts

stop echo
ok "while the service is down nobody answers" not ask 1 0.5
echo_start
ok "it may restart" ask 2 5
stop serve
is "serve ends with success at SIGTERM" "$?" 0
sessions=$(events connect open)
serve
ok "serve may restart" ask 2 10
ok "as a new session for each new socket, and no others" test "$(($(events connect open) - sessions))" -eq 2
stop serve KILL
serve
ok "serve may be killed" ask 2 20
ok "in the midst of a talk, which goes on" serve_dies wait_for 5 answers 20
ok "as soon as the relay has asked for it in vain" test "$gap" -lt "$(seconds 8000)"
figure "without an answer, ms" "$gap"
stop connect
is "connect ends with success at SIGTERM" "$?" 0
ok "and has said what it carried" test "$(event connect end outward)" -ge 70
connect
ok "connect may restart" ask 2 5

relayd_stop
ok "without relayd the kernel goes on, even for a new session" ask 1 5
before=$(in_kernel)
ok "relayd starts again" relayd_start
ok "relayd may restart" ask 2 10
ok "and counts what there was before, too" wait_for 5 counts "$RELAYED" "$((before + 10))"
relayd_kill
ok "relayd starts after a crash" relayd_start
ok "relayd may crash" ask 2 10

# --- a direct path

mend_direct
start client talk "$PYTHON" "$T/ask.py" 127.0.0.1:9000 1 60 "" 1000
ok "a direct path is found" wait_for 20 happened 1 connect direct
ok "on both sides" wait_for 5 happened 1 serve direct
is "to the other's NAT" "$(event connect direct peer | sed 's/:[0-9]*$//')" "$NAT2"

relayed=$(counted relay relayed)
cut_direct
ok "when it is lost that is noticed" wait_for 10 happened 1 connect lost
ok "and datagrams go on through the relay" wait_for 10 relayed_more "$relayed" 50
stop talk

mend_direct
ok "a service may die on a direct path too" serve_dies wait_for 30 happened 2 connect direct
ok "and its client goes on as soon" test "$gap" -lt "$(seconds 8000)"
figure "without an answer, ms" "$gap"
cut_direct

address client eth0 10.0.0.77/24
ok "a new address of the host is noticed" wait_for 10 happened 1 connect network

# --- NATs that forget, keys that change, IPv6

mend_direct
nat_forget nat
nat_forget nat2
ok "both NATs may lose their tables" ask 2 15

# One who knows an old key is as a stranger.
(umask 077 && "$PUNCHCTL" key >"$T/svc.key")
sed -i "/stream \"svc\"/,/}/s|key = .*|key = \"$(cat "$T/svc.key")\"|" "$T/relayd.conf"
pctl reload >/dev/null
cp "$T/svc.key" "$T/svc.mine"
kill -HUP "$(pid_of serve)" "$(pid_of connect)"
ok "SIGHUP reads the new key" wait_for 5 happened 1 connect key
ok "which carries as the old one did" ask 1 10

start service six "$PYTHON" "$TOP/tests/echo.py" ::1 8006
start service serve6 "$PUNCHCTL" serve "svc6@[$RELAY6]" --key-file "$T/svc6.key" --to "[::1]:8006"
start client connect6 "$PUNCHCTL" connect "svc6@[$RELAY6]" --key-file "$T/svc6.key" \
	--listen "[::1]:9006"
ok "IPv6 works as well" in_ns client "$PYTHON" "$T/ask.py" "[::1]:9006" 2 10
ok "and the service sees ::1" contains "$T/six.log" '^::1 '

# --- what may not be

(umask 077 && "$PUNCHCTL" key >"$T/wrong.key")
start client wrong "$PUNCHCTL" connect "svc@$RELAY4" --key-file "$T/wrong.key" --listen 127.0.0.1:9001
finish wrong 15
is "another key is refused" "$?" 1
ok "and that is said" contains "$T/wrong.err" "does not accept key"

start client cam1 "$PUNCHCTL" connect "cam1@$RELAY4" --key-file "$T/cam1.key" --listen 127.0.0.1:9001
finish cam1 15
is "so is a stream that is not for peers" "$?" 1
ok "with the reason" contains "$T/cam1.err" "not for peers"

start service one "$PUNCHCTL" serve "one@$RELAY4" --key-file "$T/one.key" --to 8000
start client one1 "$PUNCHCTL" connect "one@$RELAY4" --key-file "$T/one.key" --listen 9003
wait_for 5 contains "$T/one1.err" ready
start client one2 "$PUNCHCTL" connect "one@$RELAY4" --key-file "$T/one.key" --listen 9004
ok "one peer more than there may be is told so" wait_for 5 contains "$T/one2.err" "486 too many peers"
stop one1
ok "and comes in when another has gone" wait_for 15 contains "$T/one2.err" ready
stop one2
stop one

# Room for two: neither keeps the other out by what it has in reserve, nor by the service's limit.
start service two "$PUNCHCTL" serve "two@$RELAY4" --key-file "$T/two.key" --to 8000 --sessions 2
for i in 1 2; do
	start client "two$i" "$PUNCHCTL" connect "two@$RELAY4" --key-file "$T/two.key" --listen "901$i"
	ok "peer $i of 2 comes in" wait_for 10 contains "$T/two$i.err" ready
	ok "and is answered" in_ns client "$PYTHON" "$T/ask.py" "127.0.0.1:901$i" 1 10
done
ok "without a word of too many" not grep -q 486 "$T/two1.err" "$T/two2.err"
start client two3 "$PUNCHCTL" connect "two@$RELAY4" --key-file "$T/two.key" --listen 9013
ok "a third is one too many" wait_for 5 contains "$T/two3.err" "486 too many peers"
stop two1
ok "and comes in when one has gone" wait_for 15 contains "$T/two3.err" ready
stop two
stop two2
stop two3

# --- a program

start client program "$PUNCHCTL" connect "svc@$RELAY4" --key-file "$T/svc.mine" --listen 127.0.0.1:9002 \
	-- "$PYTHON" "$T/ask.py" 127.0.0.1:9002 1 5
finish program 15
is "a program starts when the way is open, and its end is ours" "$?" 0
