#!/usr/bin/env bash
# What librules puts into the kernel, and what packets make of it. No daemon: tests/rules_tool
# speaks to the library, nft and conntrack are witnesses.
#
#   sender 198.51.100.175 ---+
#          2001:db8:1::175   |
#                           net ---- eth0 192.0.2.9 client
#   relay  203.0.113.7   ----+            2001:db8:3::9
#          2001:db8:2::7
. "$(dirname "$0")/lib.sh"
{ kill -KILL "$GUARD"; } 2>/dev/null
P=rl$$
lab_guard
plan 102

TOOL=${RULES_TOOL:-$BUILD/tests/rules_tool}
[ -x "$TOOL" ] || bail "no $TOOL"
L4=$RELAY4:9099 L6=[$RELAY6]:9099
S4=$SENDER4:7000 S6=[$SENDER6]:7000
C4=$NAT4:5004 C6=[$NAT6]:5004
P4=$RELAY4:3478 P6=[$RELAY6]:3478

cat >"$T/udp.py" <<'PYTHON'
"""ask FROM TO TEXT SECONDS: sends once ("stun": a request, "options": behind options in the IP
header), prints the answer, "refused" (ICMP) or "silence".
echo AT: answers, and prints who asked what. big FROM TO SIZE: prints the MTU learnt within 2 s.
keep FROM TO: sends ten a second until killed."""
import socket, struct, sys, time

def endpoint(text):
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)

def bound(text):
    at = endpoint(text)
    s = socket.socket(socket.AF_INET6 if ":" in at[0] else socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(at)
    return s

STUN = struct.pack("!HHI12s", 1, 0, 0x2112A442, b"transaction.")

def ask(source, to, text, seconds):
    s = bound(source)
    s.connect(endpoint(to))
    s.settimeout(float(seconds))
    try:
        if text == "options":
            s.setsockopt(socket.IPPROTO_IP, socket.IP_OPTIONS, b"\1\1\1\1")
        s.send(STUN if text == "stun" else b"\x80" + text.encode())
        print(s.recv(2048).lstrip(b"\x80").decode())
    except ConnectionRefusedError:
        print("refused")
    except TimeoutError:
        print("silence")

def echo(at):
    s = bound(at)
    while True:
        data, peer = s.recvfrom(2048)
        text = "stun" if data == STUN else data.lstrip(b"\x80").decode(errors="replace")
        print(("[%s]:%d" if ":" in peer[0] else "%s:%d") % peer[:2], text[:40], flush=True)
        s.sendto(b"\x80" + text.encode(), peer)

def big(source, to, size):
    s = bound(source)
    v6 = s.family == socket.AF_INET6
    s.setsockopt(socket.IPPROTO_IPV6 if v6 else socket.IPPROTO_IP, 23 if v6 else 10, 2)
    s.connect(endpoint(to))
    end = time.time() + 2
    while time.time() < end:
        try:
            s.send(b"\x80" * int(size))
        except OSError:
            break
        time.sleep(0.02)
    print(s.getsockopt(socket.IPPROTO_IPV6 if v6 else socket.IPPROTO_IP, 24 if v6 else 14))

def keep(source, to):
    s = bound(source)
    while True:
        s.sendto(b"\x80keep", endpoint(to))
        time.sleep(0.1)

globals()[sys.argv[1]](*sys.argv[2:])
PYTHON

# --- the tool

mkfifo "$T/in" "$T/out"
exec 7<>"$T/in" 8<>"$T/out"

tool_start() { # [legacy]; sets GREETING
	ip netns exec "${P}relay" "$TOOL" "$@" <&7 >&8 2>&1 &
	TOOL_PID=$!
	read -r -t "$(seconds 5)" -u 8 GREETING || GREETING=nothing
}

# Sends lines; prints what comes until a line that ends an answer.
tool() { # LINE...
	local line
	printf '%s\n' "$@" >&7
	while read -r -t "$(seconds 10)" -u 8 line; do
		[ "$line" = . ] && return
		printf '%s\n' "$line"
		case $line in ok* | error* | persist*) return ;; esac
	done
}

tool_kill() {
	{
		kill -KILL "$TOOL_PID"
		wait "$TOOL_PID"
	} 2>/dev/null
}

ask() { # HOST FROM TO TEXT [SECONDS]
	in_ns "$1" "$PYTHON" "$T/udp.py" ask "$2" "$3" "$4" "${5:-0.3}" 2>&1
}

# Reaches the other end; the first try may meet a neighbour that has to be found.
reach() { # HOST FROM TO TEXT
	[ "$(ask "$@" "$(seconds 1)")" = "$4" ]
}

echo_start() { # NAME HOST AT
	start "$2" "$1" "$PYTHON" "$T/udp.py" echo "$3"
	wait_for 5 udp_bound "$2" "${3##*:}"
}

table() {
	in_ns relay nft list table inet relayd
}

holds() { # PATTERN
	table | grep -Eq -- "$1"
}

lacks() { # PATTERN
	not holds "$1"
}

flows() { # what conntrack knows about UDP
	in_ns relay conntrack -L -p udp "$@" 2>/dev/null
}

skeleton() { # without elements, what this nft does not know, and who the owner is
	in_ns relay nft -t list table inet relayd | sed '/^	flags/d; s/ # progname.*//'
}

persists() { # does the kernel guard the table?
	[ "${FEATURES#*persist 1}" != "$FEATURES" ]
}

# Behind the flags that skeleton leaves out, nft begins a paragraph.
expected() {
	persists && echo "$TOP/tests/data/rules.nft" && return
	sed '3{/^$/d}' "$TOP/tests/data/rules.nft" >"$T/expected"
	echo "$T/expected"
}

# The value behind a word in the line of "read" that begins so.
value() { # LINE-BEGINNING WORD
	tool read | sed -n "s/^$1.* $2 \([0-9]*\).*/\1/p"
}

# --- set-up

host_up net && forwarding_on net &&
	public_host sender eth0 "$SENDER4" "$SENDER6" &&
	public_host relay eth0 "$RELAY4" "$RELAY6" && forwarding_on relay &&
	public_host client eth0 "$NAT4" "$NAT6" || bail "no network"

tool_start
is "a table is made" "$GREETING" made
FEATURES=$(tool features)
note "$FEATURES"
skeleton >"$T/skeleton"
ok "nft prints the skeleton as tests/data/rules.nft has it" \
	diff -u "$(expected)" "$T/skeleton"

# --- packets

is "a transaction is applied" "$(tool "listen cam $L4 7 any" "listen cam $L6 7 any" \
	"punch $P4" "punch $P6" "ingress cam $L4 $C4 any 60000 0" \
	"ingress cam $L6 $C6 any 60000 0" "client cam $C4 $P4" "client cam $C6 $P6" commit)" ok
echo_start c4 client "$C4"
echo_start c6 client "$C6"
ok "IPv4: there and back" wait_for 3 reach sender "$S4" "$L4" hello
ok "IPv6: there and back" wait_for 3 reach sender "$S6" "$L6" hello
ok "IPv4: with options in its header" reach sender "$S4" "$L4" options
ok "IPv4: it comes from the hole's end" contains "$T/c4.log" "^$P4 hello"
ok "IPv6: it comes from the hole's end" contains "$T/c6.log" "^\[$RELAY6\]:3478 hello"
tool read >"$T/read"
ok "the flows are read back" contains "$T/read" "^flow 7 $S4 $L4 $C4 $P4"
ok "so is what the client got" contains "$T/read" "^client cam $C4 $P4 consent [0-9]+ packets [1-9]"

stop c4
echo_start stun relay "$P4"
ok "STUN passes beside the flow of the same tuple" reach client "$C4" "$P4" stun
is "and is not tracked" "$(flows --orig-src "$NAT4" | grep -c .)" 0
is "RTP to the punch port without a flow finds nobody" \
	"$(ask client "$NAT4:5999" "$P4" rtcp)" silence
is "and leaves no entry that a stream would meet" "$(flows --orig-src "$NAT4" | grep -c .)" 0
stop stun

# --- ICMP

is "a client's port unreachable does not reach the sender" "$(ask sender "$S4" "$L4" x)" silence
stop c6
is "nor in IPv6" "$(ask sender "$S6" "$L6" x)" silence
ip -n "${P}net" link set client mtu 1300
big() { in_ns sender "$PYTHON" "$T/udp.py" big "$1" "$2" 1400 2>&1; }
is "but fragmentation needed does" "$(big "$S4" "$L4")" 1300
is "and packet too big" "$(big "$S6" "$L6")" 1300
ip -n "${P}net" link set client mtu 1500

# --- refused

tool "listen only $RELAY4:9100 8 203.0.113.99" "listen net $RELAY4:9101 9 198.51.100.128/26" \
	"listen wrong $RELAY4:9102 10 198.51.100.0/26" commit >/dev/null
tool "watch 64 0" >/dev/null
is "a refused sender gets no answer" "$(ask sender "$SENDER4:7001" "$RELAY4:9100" x)" silence
is "nor does one outside of a prefix" "$(ask sender "$SENDER4:7001" "$RELAY4:9102" x)" silence
is "nor one whose stream has no client" "$(ask sender "$SENDER4:7001" "$RELAY4:9101" x)" silence
is "what was refused is counted" "$(value "listening only" refused)" 1
tool "watch 3 1000" >"$T/events"
ok "and told" contains "$T/events" "^refused 0 $SENDER4:7001 $RELAY4:9100"
is "options in the header do not help it" "$(ask sender "$SENDER4:7001" "$RELAY4:9100" options)" silence
ok "so is who came before a client" contains "$T/events" "^refused 0 $SENDER4:7001 $RELAY4:9101"
ok "but not as opening" not contains "$T/events" "^open [0-9]+ [0-9.:]+ $RELAY4:910[012]"
is "nothing of it is tracked" "$(flows --orig-port-src 7001 | grep -c .)" 0

# --- consent

echo_start c4 client "$C4"
tool "client cam $C4 $P4" "ingress cam $L4 $C4 any $(seconds 600) 0" commit >/dev/null
ok "as long as consent lasts packets pass" reach sender "$S4" "$L4" before
consent_has_ended() { [ "$(value "client cam $C4" consent)" = 0 ]; }
ok "it ends by itself" wait_for 3 consent_has_ended
is "and nothing passes then, nor is answered" "$(ask sender "$S4" "$L4" after)" silence
ok "nor did it" not contains "$T/c4.log" after
consent_is_kept() { # consent that is begun anew keeps what was counted and the limit
	local packets
	tool "ingress cam $L4 $C4 any $(seconds 5000) 70000" commit
	reach sender "$S4" "$L4" "$1" || return
	packets=$(value "client cam $C4" packets)
	tool "consent cam $L4 any 60000 70000" commit
	[ "$packets" -gt 0 ] && [ "$(value "client cam $C4" packets)" = "$packets" ] &&
		[ "$(value "client cam $C4" consent)" -gt 50000 ] &&
		table | grep -q "$RELAY4 . 9099 limit rate 70000 bytes/second"
}
ok "consent begins anew, counters and rate stay" consent_is_kept again

# --- consent that goes while another sender has the port

consents() { # the sets of consent that have the port
	table | awk -v at="$RELAY4 . 9099" '/^\t(set|map) / { name = $2 }
		name ~ /^(any|exact|within)/ && index($0, at) { print name }'
}
for source in "$SENDER4" 198.51.100.128/25 any; do
	tool "listen cam $L4 7 any" "ingress cam $L4 $C4 any 60000 0" commit >/dev/null
	is "consent is there" "$(consents)" any4
	is "no client, and another source ($source)" \
		"$(tool "uningress $L4" "listen cam $L4 7 $source" commit)" ok
	is "consent does not come back" "$(consents)" ""
done
tool "listen cam $L4 7 any" commit >/dev/null

# --- rate

stop c4
tool "ingress cam $L4 $C4 any 60000 50000" commit >/dev/null
start client rate "$PYTHON" "$UDPTOOL" recv --bind "$C4" --idle 0.5
wait_for 5 udp_bound client 5004
in_ns sender "$PYTHON" "$UDPTOOL" send --from "$S4" --to "$L4" \
	--count 2000 --rate 2000 --size 172 >/dev/null
finish rate 8
got=$(json "$T/rate.log" 'd["distinct"]')
figure "of 2000 packets of 200 bytes in a second, at 50000 bytes a second, passed" "$got"
ok "the kernel keeps the rate" test "$got" -gt 400 -a "$got" -lt 900
tool "ingress cam $L4 $C4 any 60000 0" "flush $C4 $P4" commit >/dev/null

echo_start c4 client "$C4"
# --- one of those who may send has the port now, and gives it back; a prefix; at a rate

holders() { # SOURCE..., RATE: what was counted goes along, and who may not send is not counted
	local source rate=${!#} packets answer
	tool "listen cam $L4 7 any" "ingress cam $L4 $C4 any 60000 $rate" "flush $C4 $P4" commit
	reach sender "$S4" "$L4" any || return
	packets=$(value "client cam $C4" packets)
	for source in "${@:1:$#-1}"; do
		tool "listen cam $L4 7 $source" commit
		[ "$(value "client cam $C4" consent)" -gt 30000 ] || return
		answer=from packets=$((packets + 1))
		[[ $source != 203.0.113.* ]] || answer=silence packets=$((packets - 1))
		[ "$(ask sender "$S4" "$L4" from)" = "$answer" ] || return
		[ "$(value "client cam $C4" packets)" = "$packets" ] || return
		tool "consent cam $L4 $source 60000 $rate" commit
		[ "$(value "client cam $C4" consent)" -gt 50000 ] || return
	done
}
SOURCES=("$SENDER4" any 198.51.100.128/25 "$SENDER4" 203.0.113.99 203.0.113.0/24 any)
ok "another source takes consent and counters along" holders "${SOURCES[@]}" 0
ok "at a rate too" holders "${SOURCES[@]}" 1000000
refused_is_more() { # a packet over the rate is none that was refused
	local before
	before=$(value "listening cam $RELAY4" refused)
	tool "ingress cam $L4 $C4 any 60000 100" commit
	for _ in 1 2 3; do
		ask sender "$S4" "$L4" "$(printf '%0200d' 0)" 0.1
	done
	[ "$(value "listening cam $RELAY4" refused)" -gt "$before" ]
}
ok "what goes over the rate is not counted as refused" not refused_is_more
tool "listen cam $L4 7 any" "ingress cam $L4 $C4 any 60000 0" "flush $C4 $P4" commit >/dev/null

# --- a sender that comes back from another port

ok "a sender sends" reach sender "$S4" "$L4" first
tool "watch 64 0" >/dev/null
is "come back from another port it is dropped" "$(ask sender "$SENDER4:7002" "$L4" lost)" silence
before=$(microseconds)
is "which is told" "$(tool "watch 1 2000")" "open 7 $SENDER4:7002 $L4"
is "its tuple is freed" "$(tool "flush $C4 $P4" commit)" ok
figure "microseconds from the event's reading to the hand-over" "$(($(microseconds) - before))"
ok "and it gets through" reach sender "$SENDER4:7002" "$L4" second
is "the second look finds nothing wrong" "$(tool settle)" ok
is "and leaves the flow alone" "$(flows --orig-port-src 7002 | grep -c .)" 1

# --- a flush that fails behind a commit

is "what is committed is said to be, though its flow cannot be deleted" \
	"$(tool deaf "flush $C4 $P4" commit)" ok
is "the flow goes later" "$(tool settle)/$(flows --orig-port-src 7002 | grep -c .)" ok/0
ok "and is made anew" reach sender "$S4" "$L4" third

# --- the client moves

echo_start moved client "$NAT4:5005"
start sender keep "$PYTHON" "$T/udp.py" keep "$S4" "$L4"
tool "flush $C4 $P4" commit >/dev/null
ok "a stream runs" wait_for 3 contains "$T/c4.log" keep
tool "unclient $C4 $P4" "client cam $NAT4:5005 $P4" \
	"ingress cam $L4 $NAT4:5005 any 60000 0" commit >/dev/null
: >"$T/c4.log"
ok "it goes to where the client has moved" wait_for 3 contains "$T/moved.log" keep
is "and no longer to where it was" "$(grep -c . "$T/c4.log")" 0
stop keep

tool "unclient $NAT4:5005 $P4" "ingress cam $L4 $C4 any 60000 0" "client cam $C4 $P4" commit >/dev/null

# --- a sender that was there before its port was listened to

early() { flows --orig-port-src 7003 | grep -q .; }
early_is_relayed() { # what WAS done to its entry before the port is listened to
	start sender keep "$PYTHON" "$T/udp.py" keep "$SENDER4:7003" "$RELAY4:9105"
	ok "an early sender has an entry of its own$1" wait_for 3 early
	"${@:2}"
	echo_start early client "$NAT4:5006"
	tool "listen early $RELAY4:9105 11 any" "ingress early $RELAY4:9105 $NAT4:5006 any 60000 0" \
		"client early $NAT4:5006 $P4" commit >/dev/null
	tool "watch 64 500" >/dev/null
	ok "and is relayed all the same$1" wait_for 3 contains "$T/early.log" keep
	stop keep
	stop early
}
early_is_relayed "" true
tool "unlisten $RELAY4:9105" "uningress $RELAY4:9105" "unclient $NAT4:5006 $P4" commit >/dev/null
in_ns relay conntrack -D -p udp --orig-port-src 7003 >/dev/null 2>&1
mark_early() { # as what an earlier table has marked, and did not translate
	in_ns relay nft -f - <<-'RULES'
		table inet marking {
			chain marks {
				type filter hook prerouting priority mangle
				udp sport 7003 ct mark set 0x5200000b
			}
		}
	RULES
	ok "it is given our mark" wait_for 3 eval 'flows -m 0x5200000b | grep -q "sport=7003 "'
	in_ns relay nft delete table inet marking
}
early_is_relayed ", and our mark" mark_early

# --- all or nothing

is "one bad operation, told by its place" "$(tool "listen a $RELAY4:9110 20 any" \
	"client a $NAT4:5010 $P4 1000 18446744073709551615" "listen b $RELAY4:9111 21 any" commit |
	cut -d' ' -f1,3)" "error 1"
ok "and nothing of it is there" lacks "911[01]"
is "what is not there can be removed" "$(tool "unlisten $RELAY4:9120" "uningress $RELAY4:9120" \
	"unclient $NAT4:5020 $P4" "unpunch $RELAY4:3500" commit)" ok

# --- raw punches

tool "punch $RELAY4:9000 raw" commit >/dev/null
echo_start raw relay "$RELAY4:9000"
ok "a raw punch arrives" reach client "$NAT4:5030" "$RELAY4:9000" nc
is "untracked" "$(flows --orig-port-dst 9000 | grep -c .)" 0
tool "unpunch $RELAY4:9000 raw" commit >/dev/null
ok "and goes" lacks "$RELAY4 . 9000"

# --- who else is there

if persists; then
	in_ns relay nft flush ruleset
	ok "a foreign flush leaves the table" holds "chain to_client"
else
	skip "a foreign flush leaves the table" "this kernel cannot guard it"
fi
is "a second relayd is told so" "$(in_ns relay "$TOOL" </dev/null | cut -d' ' -f1,2)" "error -16"
is "nor is anything removed meanwhile" "$(in_ns relay "$TOOL" remove | cut -d' ' -f1,2)" "error -16"
tool_kill
ok "a stream outlives the process" reach sender "$S4" "$L4" orphan
tool_start
is "the table is adopted" "$GREETING" adopted
ok "with its elements" reach sender "$S4" "$L4" adopted

# --- removal

in_ns relay nft -f - <<-'RULES'
	table inet other {
		chain c {
			type nat hook prerouting priority -100
			udp dport 9200 ct mark set 0x52000005 redirect to :9201
		}
	}
RULES
echo_start foreign relay "$RELAY4:9201"
ok "a foreign flow, of our mark even" reach sender "$SENDER4:7009" "$RELAY4:9200" foreign
tool_kill
ours=$(flows -m 0x52000000/0xff000000 | grep -vc 'dport=9200')
is "removal takes our table and flows" "$(in_ns relay "$TOOL" remove)" "removed table 1 flows $ours"
is "and nothing else" "$(in_ns relay nft list tables; flows -m 0x52000000/0xff000000 |
	grep -o 'dport=9200')" $'table inet other\ndport=9200'
in_ns relay nft add table inet relayd
is "a table of that name without our tag stays" \
	"$(in_ns relay "$TOOL" remove | cut -d' ' -f1,2)" "error -17"
is "and is in the way" "$(in_ns relay "$TOOL" </dev/null | cut -d' ' -f1,2)" "error -17"

# --- as on older kernels: nobody owns the table, nothing is refreshed or destroyed

in_ns relay nft flush ruleset
tool_start legacy
is "a kernel without owners" "$GREETING $(tool features)" \
	"made persist 0 refresh 0 destroy 0 timeouts 0"
is "elements of a new table" "$(tool "unlisten $L4" "listen cam $L4 7 any" "punch $P4" \
	"ingress cam $L4 $C4 any 60000 0" "client cam $C4 $P4" commit)" ok
is "are replaced" "$(tool "listen cam $L4 7 $SENDER4" "unlisten $RELAY4:9121" \
	"ingress cam $L4 $C4 $SENDER4 60000 0" "client cam $C4 $P4" commit)" ok
ok "and translate" reach sender "$S4" "$L4" old
is "so are peers" "$(tool "peer cam $C4 $P4 $S4 7" commit
	tool "peer cam $C4 $P4 $SENDER4:7001 8" commit
	tool read | grep ^peer)" $'ok\nok\n'"peer cam $C4 $P4 $SENDER4:7001 8"
tool "unpeer $C4 $P4" commit >/dev/null
ok "consent begins anew without a refresh" consent_is_kept legacy
is "a running relayd is known by its log group" \
	"$(in_ns relay "$TOOL" remove | cut -d' ' -f1,2)" "error -16"
tool "watch 64 0" >/dev/null
in_ns relay nft flush ruleset
is "a foreign flush is told" "$(tool "changes 2000")" "table nft"
is "and mended, but for the streams" "$(tool mend)" "mended"
is "where nothing is to be mended nothing is" "$(tool mend)" "whole"
tool_kill
tool_start legacy
is "all of it is there" "$GREETING" adopted
tool_kill

# --- a table of the version before: its streams go on in one of ours

in_ns relay nft delete table inet relayd
is "what an older relayd left" "$(in_ns relay nft -f - <<-RULES 2>&1
	table inet relayd {
		comment "relayd 1"
		set listen4 { type ipv4_addr . inet_service; counter; }
		set listen6 { type ipv6_addr . inet_service; counter; }
		map mark4 { type ipv4_addr . inet_service : mark; elements = { $RELAY4 . 9099 : 0x52000007 }; }
		map mark6 { type ipv6_addr . inet_service : mark; }
		map ingress4 { type ipv4_addr . inet_service : ipv4_addr . inet_service
			elements = { $RELAY4 . 9099 : $NAT4 . 5004 }; }
		map ingress6 { type ipv6_addr . inet_service : ipv6_addr . inet_service; }
		map egress4 { type ipv4_addr . inet_service : ipv4_addr . inet_service
			elements = { $NAT4 . 5004 comment "cam" : $RELAY4 . 3478 }; }
		map egress6 { type ipv6_addr . inet_service : ipv6_addr . inet_service; }
		set consent4 { type ipv4_addr . inet_service; flags timeout; counter
			elements = { $NAT4 . 5004 counter packets 41 bytes 4100 timeout 60s comment "cam" }; }
		set consent6 { type ipv6_addr . inet_service; flags timeout; }
		set punch4 { type ipv4_addr . inet_service; elements = { $RELAY4 . 3478 }; }
		set punch6 { type ipv6_addr . inet_service; }
		set raw4 { type ipv4_addr . inet_service; }
		set raw6 { type ipv6_addr . inet_service; }
		chain old { }
	}
	add element inet relayd listen4 { $RELAY4 . 9099 }
RULES
)" ""
tool_start
is "is adopted" "$GREETING" adopted
ok "with its flow" reach sender "$S4" "$L4" update
tool read >"$T/read"
ok "its client and what that got" contains "$T/read" \
	"^client cam $C4 $P4 consent [0-9]+ packets 4[2-9] "
is "and peers are possible" "$(tool "peer cam $C4 $P4 $S4 7" commit)" ok
ok "for which there is a chain" holds "chain peers"
tool "unpeer $C4 $P4" commit >/dev/null
ok "as long as there are any" lacks "chain peers"
ok "the skeleton is as it should be" diff -u "$(expected)" <(skeleton)
tool_kill

# --- what an older relayd left, and no privilege

in_ns relay nft 'flush ruleset; add table inet relayd { comment "relayd 0"; }; add chain inet relayd old'
tool_start
is "the table of another version is made anew" "$GREETING" made
ok "with nothing of the old one" lacks "chain old"
is "without CAP_NET_ADMIN it says so" \
	"$(in_ns relay setpriv --bounding-set -net_admin --inh-caps -net_admin "$TOOL" </dev/null)" \
	"error -1 CAP_NET_ADMIN is missing"
