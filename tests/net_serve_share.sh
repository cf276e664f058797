#!/usr/bin/env bash
# punchctl serve --share-port: the service's own socket is punched. The service sees each client as an
# address of its own, and none of its datagrams passes a process of ours.
#
#   relay 203.0.113.7 --- net --- port-restricted 198.18.4.9 --- s  the service
#                          +----- port-restricted 198.18.5.9 --- a  clients
#                          +----- Linux' own      198.18.6.9 --- b
#                          +----- symmetric       198.18.7.9 --- c
#                          +----- Linux' own      198.18.8.9 --- t  another service
. "$(dirname "$0")/lib.sh"
. "$TOP/tests/natlab.sh"
. "$TOP/tests/events.sh"
plan 35

# Says hello until it is answered, then sends COUNT datagrams, a hundred a second, from one socket:
# talk.py PORT COUNT. Prints how many came back within 2 s after the last, and what else came.
cat >"$T/talk.py" <<'PYTHON'
import os, socket, sys, time

sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.connect(("127.0.0.1", int(sys.argv[1])))
count, head, back, other = int(sys.argv[2]), b"%d " % os.getpid(), set(), 0
hello, end = head + b"hello", time.monotonic() + 5
sock.settimeout(0.1)
while time.monotonic() < end:
    try:
        sock.send(hello)
        if sock.recv(2000) == hello:
            break
    except (socket.timeout, ConnectionRefusedError):
        pass
begin, sent = time.monotonic(), 0
while len(back) < count and time.monotonic() < begin + count / 100 + 2:
    if sent < count and time.monotonic() >= begin + sent / 100:
        try:
            sock.send(head + b"%d" % sent)
        except ConnectionRefusedError:
            pass
        sent += 1
    sock.settimeout(0.005)
    try:
        data = sock.recv(2000)
    except (socket.timeout, ConnectionRefusedError):
        continue
    if data.startswith(head) and data not in back:
        back.add(data)
    elif data != hello:
        other += 1
print(len(back), other)
PYTHON

service() { # HOST NAME [ADDRESS]: starts it
	start "$1" "$2" "$PYTHON" "$TOP/tests/echo.py" "${3:-0.0.0.0}" 8000
	wait_for 5 udp_bound "$1" 8000
}

serve() { # HOST NAME STREAM [OPTION...]
	start "$1" "$2" "$PUNCHCTL" serve "$3@$RELAY4" --key-file "$T/$3.mine" --to 8000 --share-port --json "${@:4}"
}

connect() { # HOST NAME STREAM PORT
	start "$1" "$2" "$PUNCHCTL" connect "$3@$RELAY4" --key-file "$T/$3.mine" --listen "$4" --json
}

talk() { # HOST NAME PORT COUNT
	start "$1" "$2" "$PYTHON" "$T/talk.py" "$3" "$4"
}

# Where the service saw datagrams come from: each address once, with the number of its ports.
sources() { # NAME
	sort "$T/$1.log" | awk '{ n[$1]++ } END { for (a in n) print a, n[a] }' | sort | xargs
}

sources_are() { # NAME LINE
	[ "$(sources "$1")" = "$2" ]
}

heard() { # NAME N: sources
	[ "$(wc -l <"$T/$1.log")" -ge "$2" ]
}

witness() { # HOST: counts what comes to its service and is no STUN
	in_ns "$1" nft -f - <<-'RULES'
		table inet witness {
			counter data { }
			chain in {
				type filter hook input priority 0
				udp dport 8000 @th,64,2 0 @th,96,32 0x2112a442 accept
				udp dport 8000 counter name data
			}
		}
	RULES
}

count() { # HOST
	in_ns "$1" nft list counter inet witness data | sed -n 's/.*packets \([0-9]*\) .*/\1/p'
}

seen() { # HOST N: so many have come
	[ "$(count "$1")" -ge "$2" ]
}

more() { # HOST N: so many come from now on
	wait_for 5 seen "$1" $(($(count "$1") + $2))
}

# NAME HOST: it stands still until 100 more datagrams have come to the service. No longer: a peer that answers
# no checks is given up.
stand_still() {
	kill -STOP "$(pid_of "$1")"
	more "$2" 100
	kill -CONT "$(pid_of "$1")"
}

natlab_up
ok "NATs" natbox_host s 198.18.4.9 port-restricted
witness s
natbox_host a 198.18.5.9 port-restricted
linux_host b 198.18.6.9 linux
natbox_host c 198.18.7.9 symmetric-random
linux_host t 198.18.8.9 linux
witness t
relayd_conf 'consent = 10' 'share = "3490-3521"'
stream_conf svc 'peers = 16'
stream_conf two 'peers = 16'
ok "relayd starts" relayd_start
for i in svc two; do
	install -m 600 "$T/$i.key" "$T/$i.mine"
done

# --- one client, and a direct path

serve s serve svc
ok "without its program there is nothing to serve" wait_for 5 happened 1 serve unshared
is "and the relay knows of nothing" "$(events serve waiting)" 0
service s echo
ok "it comes, and its port is shared" wait_for 5 happened 1 serve shared
ok "it can be reached" wait_for 5 happened 1 serve waiting
connect a first svc 9001
ok "a client comes, and is told when there is a direct path" wait_for 10 happened 1 first direct
talk a one 9001 100
ok "it talks to the service" finish one 8
is "each datagram comes back once" "$(cat "$T/one.log")" "100 0"
is "and the service has seen one address, the client's own" "$(sources echo)" "198.18.5.9 1"

# --- three at once, and punchctl serve stands still

connect b second svc 9002
connect c third svc 9003
ok "another, behind Linux, has a direct path too" wait_for 15 happened 1 second direct
ok "and one behind a symmetric NAT, once it has been looked for" wait_for 30 happened 1 third direct
talk a one 9001 400
talk b two 9002 400
talk c three 9003 400
wait_for 5 heard echo 4
ok "punchctl serve stands still while they talk" stand_still serve s
ok "and again" stand_still serve s
finish one 10
finish two 10
finish three 10
is "all datagrams come back" \
	"$(cat "$T/one.log" "$T/two.log" "$T/three.log" | xargs)" "400 0 400 0 400 0"
is "the service has seen each as an address of its own" "$(sources echo)" \
	"198.18.5.9 2 198.18.6.9 1 198.18.7.9 1"

# --- it does not move in mid-life, and when it must it can

talk a one 9001 600
more s 100
path_cut 198.18.5.9 198.18.4.9
ok "a direct path that is cut is missed" wait_for 10 happened 1 first lost
finish one 10
ok "the rest goes through the relay" test "$(cut -d' ' -f1 <"$T/one.log")" -ge 350
figure "datagrams of 600 that came back" "$(cut -d' ' -f1 <"$T/one.log")"
path_mend
talk a one 9001 100
finish one 8
is "a new session of the same client comes back" "$(cat "$T/one.log")" "100 0"

# --- the service comes again

closed=$(events serve closed)
talk b two 9002 500
more s 100
stop echo
service s again
ok "the service has been restarted, and is shared anew" wait_for 5 happened 2 serve shared
finish two 12
ok "and the session goes on" test "$(cut -d' ' -f1 <"$T/two.log")" -ge 300
figure "datagrams of 500 that came back" "$(cut -d' ' -f1 <"$T/two.log")"
is "no pair has ended" "$(events serve closed)" "$closed"

# --- many by the relay alone

in_ns net nft -f - <<-'RULES'
	table inet cut {
		chain forward {
			type filter hook forward priority 0
			ip saddr { 198.18.5.9, 198.18.6.9, 198.18.7.9 } ip daddr 198.18.4.9 drop
			ip daddr { 198.18.5.9, 198.18.6.9, 198.18.7.9 } ip saddr 198.18.4.9 drop
		}
	}
RULES
stop first
stop second
stop third
stop again
service s relayed
connect a first svc 9001
connect b second svc 9002
connect c third svc 9003
for i in first second third; do
	wait_for 15 happened 1 $i ready
done
kill -STOP "$(pid_of serve)"
talk a one 9001 300
talk b two 9002 300
talk c three 9003 300
finish one 10
finish two 10
finish three 10
kill -CONT "$(pid_of serve)"
is "while serve stands still, three by the relay alone talk at once" "$(cat "$T/one.log" "$T/two.log" "$T/three.log" | xargs)" "300 0 300 0 300 0"
is "as three addresses" "$(sources relayed)" "203.0.113.7 3"
stop first
talk b two 9002 200
talk c three 9003 200
finish two 8
finish three 8
is "one goes, and the others stay" "$(cat "$T/two.log" "$T/three.log" | xargs)" "200 0 200 0"

# --- relayd falls over

talk b two 9002 600
talk c three 9003 600
wait_for 5 heard relayed 7
relayd_kill
wait_for 2 not pctl list >/dev/null 2>&1
relayd_start
finish two 10
finish three 10
is "the kernel relays on meanwhile, and afterwards" "$(cat "$T/two.log" "$T/three.log" | xargs)" "600 0 600 0"
path_mend

# --- serve falls over

kill -KILL "$(pid_of serve)"
serve s serve svc
ok "serve may be killed and come back" wait_for 10 happened 1 serve paired
talk b two 9002 300
finish two 10
ok "and its client goes on" test "$(cut -d' ' -f1 <"$T/two.log")" -ge 150
figure "datagrams of 300 that came back" "$(cut -d' ' -f1 <"$T/two.log")"

# --- its end

stop serve
is "serve ends with 0" "$?" 0
is "it has carried nothing" \
	"$(grep '"event": *"end"' "$T/serve.log" >"$T/end.json"; json "$T/end.json" '[d["inward"], d["outward"], d["late"], d["foreign"]]')" "[0, 0, 0, 0]"
stop second
stop third

# --- a service behind Linux' own NAT, with an IPv6 socket that takes IPv4 too

service t techo ::
serve t tserve two
ok "a service behind Linux is shared" wait_for 5 happened 1 tserve waiting
connect a first two 9001
connect b second two 9002
ok "it is reached directly" wait_for 10 happened 1 first direct
ok "by the other too" wait_for 15 happened 1 second direct
talk a one 9001 200
talk b two 9002 200
wait_for 5 heard techo 2
stand_still tserve t
finish one 8
finish two 8
is "all datagrams come back" "$(cat "$T/one.log" "$T/two.log" | xargs)" "200 0 200 0"
is "and two addresses are seen" "$(sources techo)" "198.18.5.9 1 198.18.6.9 1"
