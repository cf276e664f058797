#!/usr/bin/env bash
# What librules puts into the kernel, and what packets make of it. No daemon: tests/rules_tool
# speaks to the library, nft and conntrack are witnesses. tests/ruleslab.sh has the hosts.
. "$(dirname "$0")/lib.sh"
. "$TOP/tests/ruleslab.sh"
plan 72

rules_up
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
is "and counts what it drops" "$(value "listening cam $L4" limited)" $((2000 - $(value "client cam $C4" packets)))
is "as a sample says" "$(sampled "$C4" "$L4" 50000)" \
	"$(value "listening cam $L4" limited) $(value "client cam $C4" packets)"
tool "unlisten $L4" commit >/dev/null
tool "listen cam $L4 7 any" commit >/dev/null
is "until nobody listens there" "$(value "listening cam $L4" limited)" 0
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
