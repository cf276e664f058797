#!/usr/bin/env bash
# Clean-up: what is removed is ours and nothing else; and what stays when relayd stops or dies.
# The relay is a host with Docker, ufw and rules by hand; box is a container on it.
#
#   sender 198.51.100.175 ---+
#                           net --- nat --- client
#   relay  203.0.113.7   ----+
#     docker0 172.17.0.1
#         |
#     box 172.17.0.2
. "$(dirname "$0")/lib.sh"
plan 51

BOX4=172.17.0.2

# Docker and ufw write through iptables-nft; whoever has both allows relayd's flows by their mark.
docker_and_ufw() {
	in_ns relay iptables-restore <<-RULES
		*nat
		:PREROUTING ACCEPT [0:0]
		:INPUT ACCEPT [0:0]
		:OUTPUT ACCEPT [0:0]
		:POSTROUTING ACCEPT [0:0]
		:DOCKER - [0:0]
		-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
		-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER
		-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
		-A POSTROUTING -s $BOX4/32 -d $BOX4/32 -p udp -m udp --dport 80 -j MASQUERADE
		-A DOCKER -i docker0 -j RETURN
		-A DOCKER ! -i docker0 -p udp -m udp --dport 8080 -j DNAT --to-destination $BOX4:80
		COMMIT
		*filter
		:INPUT ACCEPT [0:0]
		:FORWARD DROP [0:0]
		:OUTPUT ACCEPT [0:0]
		:DOCKER - [0:0]
		:DOCKER-USER - [0:0]
		:ufw-before-input - [0:0]
		:ufw-user-input - [0:0]
		-A INPUT -j ufw-before-input
		-A INPUT -j ufw-user-input
		-A FORWARD -j DOCKER-USER
		-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
		-A FORWARD -o docker0 -j DOCKER
		-A FORWARD -i docker0 ! -o docker0 -j ACCEPT
		-A DOCKER -d $BOX4/32 ! -i docker0 -o docker0 -p udp -m udp --dport 80 -j ACCEPT
		-A DOCKER-USER -m connmark --mark 0x52000000/0xff000000 -j ACCEPT
		-A DOCKER-USER -o docker0 -p udp -m udp --dport 81 -j ACCEPT
		-A DOCKER-USER -j RETURN
		-A ufw-before-input -i lo -j ACCEPT
		-A ufw-before-input -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
		-A ufw-user-input -p udp -m udp --dport 3478 -j ACCEPT
		-A ufw-user-input -p tcp -m tcp --dport 22 -j ACCEPT
		COMMIT
	RULES
}

# By hand: a table of our name in another family, one with our mark, and a connection of it that
# was translated twice, as ours are.
by_hand() {
	in_ns relay nft -f - <<-RULES
		table ip relayd {
			set listen { type ipv4_addr . inet_service; elements = { $RELAY4 . 9099 }; }
			chain pre { type filter hook prerouting priority 10; ip daddr . udp dport @listen counter; }
		}
		table inet mine {
			chain pre {
				type nat hook prerouting priority -110
				udp dport 9300 ct mark set 0x52000001 redirect to :81
				udp dport 9301 dnat ip to $BOX4:81
				udp dport 9302 ct mark set 0x52000002 redirect to :81
			}
			chain in {
				type nat hook input priority 90
				ct mark 0x52000001 snat ip to 203.0.113.99
			}
		}
	RULES
	in_ns relay conntrack -I -p udp -s 10.9.9.9 -d 10.8.8.8 --sport 1 --dport 2 --timeout 600 \
		--mark 0x52000001 >/dev/null 2>&1
}

# Sends one word and expects it back.
cat >"$T/ask.py" <<'PYTHON'
import socket, sys

s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("0.0.0.0", int(sys.argv[1])))
s.connect((sys.argv[2], int(sys.argv[3])))
s.settimeout(1)
s.send(b"\x80word")
sys.exit(s.recv(100) != b"\x80word")
PYTHON
cat >"$T/echo.py" <<'PYTHON'
import select, socket

socks = []
for port in (80, 81):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("0.0.0.0", port))
    socks.append(s)
while True:
    for s in select.select(socks, [], [])[0]:
        data, peer = s.recvfrom(2048)
        s.sendto(data, peer)
PYTHON

ask() { # SOURCE-PORT RELAY-PORT
	in_ns sender "$PYTHON" "$T/ask.py" "$1" "$RELAY4" "$2"
}

# Flows with their identity and without their clock.
flows() {
	in_ns relay conntrack -L -o id "$@" 2>/dev/null | sed -E 's/^([a-z]+ +[0-9]+) [0-9]+ /\1 /' | sort
}

ours() { # flows of ours: of the mark, and to a port that a stream has
	flows -p udp -m 0x52000000/0xff000000 | grep -E 'dport=(9099|9100|9200) '
}

no_flows() {
	[ -z "$(ours)" ]
}

theirs() { # everything that is not ours, without counters
	local table
	in_ns relay nft list tables | grep -v '^table inet relayd$' | while read -r table; do
		# shellcheck disable=SC2086
		in_ns relay nft -s list $table 2>/dev/null
	done
	flows | grep -vE 'src=198\.51\.100\.175 .* dport=(9099|9100|9200) .*mark=13757'
}

has_table() {
	in_ns relay nft list tables | grep -q '^table inet relayd$'
}

holes() { # ports that a client consents to
	in_ns relay nft list table inet relayd | grep -o "expires [^:]*: accept" | grep -c .
}

foreign_is_as_before() { # WHAT
	theirs >"$T/after"
	ok "$1: nothing foreign has changed" diff -u "$T/before" "$T/after"
}

pause() { # NAME...: its process stands still
	local name
	for name in "$@"; do
		kill -STOP "$(pid_of "$name")"
	done
}

resume() { # NAME...
	local name
	for name in "$@"; do
		kill -CONT "$(pid_of "$name")"
	done
}

all_punched() { # NAME...: every port has its client
	local name
	for name in "$@"; do
		pctl --json show "$name" >"$T/show.json" &&
			[ "$(json "$T/show.json" 'all(p["client"] for p in d["ports"])')" = true ] || return
	done
}

# Three flows of ours, each with packets.
traffic() {
	local port
	for port in 9099 9100 9200; do
		in_ns sender "$UDPTOOL" send --from "$SENDER4:$((port - 2000))" --to "$RELAY4:$port" \
			--count 20 --rate 1000 --rtp >/dev/null
	done
}

flushes() { # relayd --flush; its words in $T/flush
	in_ns relay "$RELAYD" --config "$T/relayd.conf" --flush >"$T/flush" 2>&1
}

net_side_is_new() { # OLD-PID
	local pid
	pid=$(net_side)
	[ -n "$pid" ] && [ "$pid" != "$1" ] && pctl list
}

# 3,000 packets in three seconds to cam1; after half a second the words of the call happen.
across() { # WHAT CMD...
	local what=$1 packets=3000
	shift
	start client media "$UDPTOOL" recv --bind 127.0.0.1:5099 --expect "$packets" --idle "$(seconds 2)"
	wait_for 3 udp_bound client 5099
	start sender sending "$UDPTOOL" send --from "$SENDER4:7099" --to "$RELAY4:9099" --count "$packets" --rate "$(rate 1000)" --rtp
	sleep 0.5 # the stream is in the middle
	ok "$what" "$@"
	ok "$what: meanwhile it streams" running sending
	finish sending 15
	finish media 15
	figure "$what: packets lost of $packets" "$((packets - $(json "$T/media.log" 'd["distinct"]'))), longest silence $(json "$T/media.log" 'round(d["gap"] * 1000)') ms"
	is "$what: nothing is lost or doubled" "$(json "$T/media.log" '[d["distinct"], d["duplicated"]]')" "[$packets, 0]"
}

# --- a relay among others

lab_up
inner_host box relay docker0 "$BOX4" || bail "no box"
in_ns relay sysctl -qw net.netfilter.nf_conntrack_udp_timeout=300
ok "the host has Docker's and ufw's rules" docker_and_ufw
ok "and some by hand" by_hand
start box echo "$PYTHON" "$T/echo.py"
start relay local-echo "$PYTHON" "$T/echo.py"
wait_for 3 udp_bound box 81
wait_for 3 udp_bound relay 81
relayd_conf 'consent = 10'
stream_conf cam1 'listen = "9099-9100"' "source = \"$SENDER4\""
stream_conf cam2 'listen = "9200"' 'source = "any"'
ok "relayd starts beside them" relayd_start
start client punch1 "$PUNCHCTL" punch "cam1@$RELAY4" --key-file "$T/cam1.key" --port 5099-5100 --to 9099-9100
start client punch2 "$PUNCHCTL" punch "cam2@$RELAY4" --key-file "$T/cam2.key" --port 5200 --to 9200
ok "two clients punch" wait_for 5 all_punched cam1 cam2
traffic
is "three flows are ours" "$(ours | grep -c .)" 3
ok "Docker's flow works" wait_for 3 ask 6001 8080
ok "so does one of our mark, translated twice" wait_for 3 ask 6002 9300
ok "and one by hand" wait_for 3 ask 6003 9301
ok "and one of our mark, translated once" wait_for 3 ask 6004 9302
theirs >"$T/before"
is "foreign flows there are five" "$(grep -c '^udp' "$T/before")" 5
is "of which three have a mark of ours" "$(grep -Ec '^udp.*mark=137573171[34] ' "$T/before")" 3

# --- punchctl flush

pause punch1 punch2 # so that they do not come back at once
ok "punchctl flush" pctl --json flush
figure "punchctl flush" "$(cat "$T/ok.out")"
is "it closes our holes" "$(holes)" 0
ok "and ends our flows" no_flows
ok "the streams wait for their clients" stream_is cam1 waiting
foreign_is_as_before "punchctl flush"
resume punch1 punch2
ok "who still punches comes back" wait_for 12 all_punched cam1 cam2
traffic
is "with its flows" "$(ours | grep -c .)" 3
pause punch1 punch2
pctl flush cam2 >/dev/null
is "the flush of one stream takes its flows" "$(ours | grep -o 'dport=9[0-9]* ' | sort | xargs)" "dport=9099 dport=9100"
resume punch1 punch2
wait_for 12 all_punched cam1 cam2
traffic
foreign_is_as_before "flush of one stream"

# --- relayd --flush

ok "relayd --flush is refused while relayd runs" not flushes
is "in words" "$(cat "$T/flush")" "relayd: relayd is running"
is "and does nothing" "$(ours | grep -c .) $(holes)" "3 3"
foreign_is_as_before "a refused flush"
traffic # flows that were silent for so long as a slow machine takes are gone
pause punch1 punch2 # their punches would be flows of nobody's
relayd_stop
is "after a stop flows and table are there" "$(ours | grep -c .) $(has_table && echo table)" "3 table"
ok "relayd --flush" flushes
figure "relayd --flush" "$(cat "$T/flush")"
is "says what it has removed" "$(cat "$T/flush")" "table inet relayd removed; 3 conntrack entries removed"
ok "the table is gone" not has_table
ok "and so are our flows" no_flows
foreign_is_as_before "relayd --flush"
# Without our table, mark and both translations are all there is to tell by; so this one would go.
in_ns relay conntrack -D -p udp --orig-port-dst 9300 >/dev/null 2>&1
theirs >"$T/before"
ok "a second time" flushes
is "it says that there was nothing" "$(cat "$T/flush")" "there was no table inet relayd; 0 conntrack entries removed"
foreign_is_as_before "a second relayd --flush"

# --- stopped and started, killed and started

restart() {
	relayd_stop && relayd_start
}

kill_net_side() {
	local pid
	pid=$(net_side)
	kill -KILL "$pid"
	wait_for 5 net_side_is_new "$pid"
}

killed_and_adopted() { # a client that stands still is then there because it was adopted
	pause punch2
	relayd_kill
	relayd_start && pctl --json show cam2 >"$T/adopted.json" && resume punch2
}

ok "relayd starts again" relayd_start
resume punch1 punch2
ok "the clients find it" wait_for 15 all_punched cam1 cam2
across "stop and start" restart
ok "the table was adopted" contains "$T/relayd.err" "table inet relayd adopted"
ok "the clients are there" all_punched cam1 cam2
across "kill -9 of the net side" kill_net_side
across "kill -9 of both, and start" killed_and_adopted
is "the client is there before it punches again" \
	"$(json "$T/adopted.json" '[p["client"].split(":")[0] for p in d["ports"]]')" "[\"$NAT4\"]"

# --- stopped for good

start client media "$UDPTOOL" recv --bind 127.0.0.1:5099 --idle 3
start sender sending "$UDPTOOL" send --from "$SENDER4:7099" --to "$RELAY4:9099" --count 20000 --rate 200 --rtp
wait_for 3 stream_is cam1 live
stopped=$(now)
relayd_stop
ok "after a plain stop forwarding ends by itself" finish media 20
last=$(json "$T/media.log" "round(d['last'] - $stopped, 2)")
figure "seconds from the stop to the last packet, consent 10" "$last"
ok "it went on, until consent ran out" awk -v s="$last" -v slow="$(seconds 0.5)" 'BEGIN { exit !(s > 5 && s < 10 + slow) }'
is "without a gap" "$(json "$T/media.log" 'd["lost"]')" 0
foreign_is_as_before "the whole of it"
