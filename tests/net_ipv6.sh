#!/usr/bin/env bash
# A relay with IPv6 alone, and one with both families: each sender reaches its client through its
# NAT, which here translates IPv6 too.
#
#   sender 198.51.100.175 ---+      192.0.2.9
#          2001:db8:1::175   |      2001:db8:3::9
#                           net --------------- nat --- client 10.0.0.2
#   relay  203.0.113.7   ----+                          |      fd00::2
#          2001:db8:2::7                                +----- client2 10.0.1.2, fd00:0:0:1::2
. "$(dirname "$0")/lib.sh"
plan 26

send6() { # NAME LISTEN COUNT FIRST
	start sender "$1" "$UDPTOOL" send --from "[$SENDER6]:$(($2 - 2000))" --to "[$RELAY6]:$2" \
		--count "$3" --rate "$(rate 1000)" --first "$4" --rtp
}

send4() { # NAME LISTEN COUNT FIRST
	start sender "$1" "$UDPTOOL" send --from "$SENDER4:$(($2 - 2000))" --to "$RELAY4:$2" \
		--count "$3" --rate "$(rate 1000)" --first "$4" --rtp
}

receiver() { # HOST NAME PORT COUNT
	start "$1" "$2" "$UDPTOOL" recv --bind "127.0.0.1:$3" --expect "$4" --idle "$(seconds 2)"
	wait_for 3 udp_bound "$1" "$3"
}

client_at() { # LISTEN: public address of its client, family by that of LISTEN
	pctl --json show cam1 >"$T/show.json" &&
		json "$T/show.json" "[p['client'] and p['client'].rsplit(':', 1)[0] for p in d['ports'] if p['listen'] == '$1'][0]"
}

client_is() { # LISTEN ADDRESS
	[ "$(client_at "$1")" = "$2" ]
}

sees() { # FILE: numbers that came, and how many twice
	json "$1" '[d["first_seq"], d["last_seq"], d["distinct"], d["duplicated"]]'
}

flows() { # how many of conntrack lead from the relay's IPv6 ports to the client
	in_ns relay conntrack -L -f ipv6 -p udp 2>/dev/null |
		grep -Ec "dst=$RELAY6 .*dport=(9099|9100) .*src=$NAT6"
}

counted() { # what relayd's own sockets and the host's refused: nothing of a stream
	in_ns relay cat /proc/net/snmp6 | awk '$1 == "Udp6NoPorts" { print $2 }'
}

# --- IPv6 alone

lab_up
relayd_conf 'consent = 10' "address = { \"$RELAY6\" }"
stream_conf cam1 'listen = "9099-9100"' "source = \"$SENDER6\""
ok "relayd starts with an IPv6 address alone" relayd_start
is "it has no IPv4 socket" "$(in_ns relay ss -H4uln | grep -c .)" 0
is "the stream has IPv6 ports" "$(pctl --json show cam1 | "$PYTHON" -c 'import json, sys
print(*[p["listen"] for p in json.load(sys.stdin)["ports"]])')" "[$RELAY6]:9099 [$RELAY6]:9100"
start client punch6 "$PUNCHCTL" punch "cam1@[$RELAY6]" --key-file "$T/cam1.key" --port 5099-5100 --to 9099-9100
ok "a client behind NAT66 punches" wait_for 5 client_is "[$RELAY6]:9099" "[$NAT6]"
ok "for both ports" wait_for 5 client_is "[$RELAY6]:9100" "[$NAT6]"
receiver client got6 5099 2000
receiver client got6b 5100 2000
before=$(counted)
send6 out6 9099 2000 0
send6 out6b 9100 2000 10000
finish out6 8
finish out6b 8
finish got6 5
finish got6b 5
flows=$(flows) # a silent one soon ends, and a slow machine takes its time for the rest
figure "IPv6 alone: packets lost of 4000 $((4000 - $(json "$T/got6.log" 'd["distinct"]') - $(json "$T/got6b.log" 'd["distinct"]'))), delay p99 $(json "$T/got6.log" 'd["delay"]["p99"]') ms"
is "every packet comes" "$(sees "$T/got6.log")" "[0, 1999, 2000, 0]"
is "at each port its own" "$(sees "$T/got6b.log")" "[10000, 11999, 2000, 0]"
is "none reached the relay's own sockets" "$(($(counted) - before))" 0
is "a flow of conntrack has carried it" "$flows" 2
send6 out6 9099 20 2000
send6 out6b 9100 20 12000
finish out6 5
finish out6b 5
stop punch6
relayd_stop
in_ns relay "$RELAYD" --config "$T/relayd.conf" --flush >"$T/flush" 2>&1
is "relayd --flush removes IPv6 flows" "$(cat "$T/flush")" "table inet relayd removed; 2 conntrack entries removed"

# --- both

inner_host client2 nat lan2 10.0.1.2 fd00:0:0:1::2 || bail "no second client"
relayd_conf 'consent = 10' "address = { \"$RELAY4\", \"$RELAY6\" }"
stream_conf cam1 'listen = "9099"' 'source = "any"'
stream_conf four 'listen = "9104"' "source = \"$SENDER4\""
stream_conf six 'listen = "9106"' "source = \"$SENDER6\""
ok "relayd starts with both" relayd_start
is "a stream has a port at each address" "$(pctl --json show cam1 | "$PYTHON" -c 'import json, sys
print(*sorted(p["listen"] for p in json.load(sys.stdin)["ports"]))')" "$RELAY4:9099 [$RELAY6]:9099"
start client punch-four "$PUNCHCTL" punch "four@$RELAY4" --key-file "$T/four.key" --port 5104 --to 9104
start client2 punch-six "$PUNCHCTL" punch "six@[$RELAY6]" --key-file "$T/six.key" --port 5106 --to 9106
ok "a client of an IPv4 stream" wait_for 5 stream_is four ready
ok "a client of an IPv6 stream" wait_for 5 stream_is six ready

# One stream, two clients: the family of the sender decides whose the packet is.
start client punch4 "$PUNCHCTL" punch "cam1@$RELAY4" --key-file "$T/cam1.key" --port 5099 --to 9099
start client2 punch6 "$PUNCHCTL" punch "cam1@[$RELAY6]" --key-file "$T/cam1.key" --port 5099 --to 9099
ok "a stream with both has a client in IPv4" wait_for 5 client_is "$RELAY4:9099" "$NAT4"
ok "and at the same time one in IPv6" wait_for 5 client_is "[$RELAY6]:9099" "[$NAT6]"
receiver client got4 5099 2000
receiver client2 got6 5099 2000
receiver client got-four 5104 2000
receiver client2 got-six 5106 2000
send4 out4 9099 2000 0
send6 out6 9099 2000 10000
send4 out-four 9104 2000 20000
send6 out-six 9106 2000 30000
for name in out4 out6 out-four out-six; do
	finish "$name" 10
done
for name in got4 got6 got-four got-six; do
	finish "$name" 5
done
lost=8000
for name in got4 got6 got-four got-six; do
	lost=$((lost - $(json "$T/$name.log" 'd["distinct"]')))
done
figure "both at once: packets lost of 8000 $lost"
is "the IPv4 sender's packets go to the IPv4 client" "$(sees "$T/got4.log")" "[0, 1999, 2000, 0]"
is "the IPv6 sender's packets go to the IPv6 client" "$(sees "$T/got6.log")" "[10000, 11999, 2000, 0]"
is "the IPv4 stream loses nothing" "$(sees "$T/got-four.log")" "[20000, 21999, 2000, 0]"
is "nor does the IPv6 stream" "$(sees "$T/got-six.log")" "[30000, 31999, 2000, 0]"
is "who sends in the family that has no allowed sender gets nowhere" \
	"$(in_ns sender "$UDPTOOL" send --from "$SENDER4:7777" --to "$RELAY4:9106" --count 5 --rate 100 >/dev/null &&
		in_ns relay conntrack -L -p udp --orig-port-src 7777 2>/dev/null | grep -c .)" 0
ok "one client goes" stop punch4
ok "the other stays" client_is "[$RELAY6]:9099" "[$NAT6]"
ok "a restart adopts both families" relayd_stop
ok "and starts" relayd_start
is "with clients of both" "$(pctl --json show four | "$PYTHON" -c 'import json, sys
print([p["client"] for p in json.load(sys.stdin)["ports"] if p["client"]] != [])') $(client_at "[$RELAY6]:9099")" "True [$NAT6]"
