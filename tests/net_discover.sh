#!/usr/bin/env bash
# A relay behind 1:1 NAT finds out how it is seen: from a STUN server, from a partner, and from the
# metadata service of a cloud; and nobody else can tell it.
#
#   sender 198.51.100.175, STUN ---+
#   other  203.0.114.9, partner ---+
#                                 net --- wan 203.0.113.7  box  lan 10.9.0.1 ------ eth0 10.9.0.4 relay
#   client 10.0.0.2 --- nat    ---+           (1:1)             169.254.169.254
. "$(dirname "$0")/lib.sh"
plan 75

LOCAL4=10.9.0.4 SECOND4=10.9.0.5 OTHER4=203.0.114.9 CLOUD4=169.254.169.254
STUN=$SENDER4:3479

# forge.py FROM TO COUNT: answers in the server's name, as somebody sends them who has not seen the
# question.
cat >"$T/forge.py" <<'PYTHON'
import os, socket, struct, sys, time

(src, sport), (dst, dport) = (a.rsplit(":", 1) for a in sys.argv[1:3])
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
for i in range(int(sys.argv[3])):
    value = struct.pack("!HHI", 1, 3478 ^ 0x2112, 0xC0000263 ^ 0x2112A442)
    stun = struct.pack("!HHI", 0x0101, 12, 0x2112A442) + os.urandom(12) + struct.pack("!HH", 0x20, 8) + value
    udp = struct.pack("!HHHH", int(sport), int(dport), 8 + len(stun), 0) + stun
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0,
                       socket.inet_aton(src), socket.inet_aton(dst))
    raw.sendto(head + udp, (dst, 0))
    if i % 50 == 49:
        time.sleep(0.05)
PYTHON

# ask.py FROM TO: where a Binding request was answered from, as the answer says.
cat >"$T/ask.py" <<'PYTHON'
import os, socket, struct, sys

(host, port), (to, to_port) = (a.rsplit(":", 1) for a in sys.argv[1:3])
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.settimeout(3)
sock.bind((host, int(port)))
sock.sendto(struct.pack("!HHI", 1, 108, 0x2112A442) + os.urandom(12) + struct.pack("!HH", 0xFF06, 104) +
            b"PNCH" + bytes(100), (to, int(to_port)))
data, at = sock.recv(2000), 20
while at < len(data):
    kind, size = struct.unpack_from("!HH", data, at)
    if kind == 0x802B:
        print("%s:%d" % (socket.inet_ntoa(data[at + 8:at + 12]), *struct.unpack_from("!H", data, at + 6)))
    at += 4 + size + -size % 4
PYTHON

# The box translates one address to one address, and leaves the ports alone.
one_to_one() { # PUBLIC
	in_ns box nft -f - <<-RULES
		table inet nat
		delete table inet nat
		table inet nat {
			chain enter {
				type nat hook prerouting priority -100
				iifname "wan" ip daddr $1 dnat ip to $LOCAL4
			}
			chain leave {
				type nat hook postrouting priority 100
				oifname "wan" ip saddr 10.9.0.0/24 snat ip to $1
			}
		}
	RULES
	in_ns box conntrack -F >/dev/null 2>&1 || true
}

lab() {
	host_up net && forwarding_on net && public_host sender eth0 "$SENDER4" &&
		public_host other eth0 "$OTHER4" && forwarding_on other &&
		public_host box wan "$RELAY4" && forwarding_on box && address box wan "203.0.113.8/24" &&
		inner_host relay box lan "$LOCAL4" && address relay eth0 "$SECOND4/24" && forwarding_on relay &&
		nat_host nat "$NAT4" && inner_host client nat lan "$CLIENT4" &&
		address box lan "$CLOUD4/32" && one_to_one "$RELAY4"
}

mode() { # WHO MODE
	echo "$2" >"$T/$1.mode"
}

seen_is() { # ADDRESS BY
	[ "$(metric "relayd_seen_info{address=\"$LOCAL4\",seen=\"$1\",by=\"$2\"}")" = 1 ]
}

shown() { # the address of a stream's port
	pctl --json show cam1 >"$T/shown.json" && json "$T/shown.json" 'd["ports"][0]["listen"]'
}

shown_is() { # ADDRESS:PORT
	[ "$(shown)" = "$1" ]
}

log_count() { # PATTERN
	grep -c -- "$1" "$T/relayd.err" || true
}

asked() { # WHO: how often
	wc -l <"$T/$1.log"
}

asked_more() { # WHO THAN
	[ "$(asked "$1")" -gt "$2" ]
}

contradicts() { # 0|1
	[ "$(metric 'relayd_trouble{trouble="advertise"}')" = "$1" ]
}

conf() { # LINES...
	relayd_conf "address = { \"$LOCAL4\" }" "$@"
	stream_conf cam1 'listen = "10.9.0.4:9099"' "source = \"$SENDER4\""
}

lab || bail "no network"
mode stund honest
mode cloudd aws
start sender stund "$PYTHON" "$TOP/tests/stund.py" "$STUN" "$T/stund.mode"
start box cloudd "$PYTHON" "$TOP/tests/cloudd.py" "$CLOUD4:80" "$T/cloudd.mode" \
	"$LOCAL4" "$RELAY4"
wait_for 5 udp_bound sender 3479 || bail "no STUN server"

# --- a STUN server

conf "discover = \"$STUN\""
ok "relayd starts" relayd_start
ok "the server tells how it is seen" wait_for 10 contains "$T/relayd.err" \
	"$LOCAL4 is seen as $RELAY4 by $STUN, which is shown from now on"
ok "so do the metrics" seen_is "$RELAY4" stun
is "asked from the punch port itself" "$(head -n 1 "$T/stund.log")" "$RELAY4 3478 64 honest"
ok "the stream is shown there" wait_for 5 shown_is "$RELAY4:9099"
pctl add cam2 --listen 9101 >"$T/add.txt"
ok "add tells people that address" contains "$T/add.txt" "$RELAY4"
ok "and not the private one" not contains "$T/add.txt" "$LOCAL4"
is "answers to punches are from there" \
	"$(in_ns sender "$PYTHON" "$T/ask.py" "$SENDER4:6001" "$RELAY4:3478")" "$RELAY4:3478"
ok "doctor has nothing to say of it" not contains <(pctl --json doctor) '"advertise"'
start client one "$PUNCHCTL" punch "cam1@$RELAY4" --key-file "$T/cam1.key" --port 5004 --to 9099
ok "a client punches there" wait_for 5 stream_is cam1 ready
start client recv "$UDPTOOL" recv --bind 127.0.0.1:5004 --for 30 --idle 2
wait_for 5 udp_bound client 5004
start sender send "$UDPTOOL" send --from "$SENDER4:7000" --to "$RELAY4:9099" --count 200 --rate 200
finish recv 30
is "and gets the media" "$(json "$T/recv.log" 'd["distinct"]')" 200
stop one

# --- forgeries

dropped=$(metric 'relayd_punches_total{result="not_request"}')
in_ns nat "$PYTHON" "$T/forge.py" "$STUN" "$RELAY4:3478" 2000
more() { # THAN: answers that nobody had asked for
	[ "$(metric 'relayd_punches_total{result="not_request"}')" -ge $((dropped + $1)) ]
}
ok "2000 forged answers come" wait_for 10 more 2000
ok "and change nothing" seen_is "$RELAY4" stun
for lie in wrong-id elsewhere error; do
	mode stund "$lie"
	dropped=$(metric 'relayd_punches_total{result="not_request"}') before=$(asked stund)
	pctl reload >"$T/reload.log"
	ok "$lie: a reload asks again" wait_for 10 asked_more stund "$before"
	ok "$lie: is refused" wait_for 10 more 1
	ok "$lie: nothing changes" seen_is "$RELAY4" stun
done
is "no word of them in the log" "$(log_count 192.0.2.99)" 0
is "one answer was taken" "$(metric 'relayd_punches_total{result="seen"}')" 1

# --- silence

fallen_silent="$STUN does not answer: what was learnt before stays"
mode stund silent
ok "a server that was heard falls silent" wait_for 20 contains "$T/relayd.err" "$fallen_silent"
before=$(asked stund)
pctl reload >"$T/reload.log"
address relay eth0 "2001:db8:9::5/64"
ok "a reload and a new address have it asked again" wait_for 10 asked_more stund $((before + 1))
before=$(asked stund)
pctl reload >"$T/reload.log"
ok "as often as would be a silence" wait_for 20 asked_more stund $((before + 3))
is "but told of once" "$(log_count 'does not answer')" 1
ok "what it said stays" seen_is "$RELAY4" stun
mode stund honest
pctl reload >"$T/reload.log"
ok "its return is told" wait_for 10 contains "$T/relayd.err" "$STUN answers again"

# --- others see it as another now

one_to_one 203.0.113.8
before=$(asked stund)
address relay eth0 "2001:db8:9::4/64"
ok "a new address of the host has it ask again" wait_for 10 asked_more stund "$before"
ok "the new public address is learnt" wait_for 10 seen_is 203.0.113.8 stun
ok "and shown" wait_for 5 shown_is "203.0.113.8:9099"
one_to_one "$RELAY4"
pctl reload >"$T/reload.log"
ok "and the old one again, at a reload" wait_for 10 seen_is "$RELAY4" stun

# --- advertise says something else

conf "discover = \"$STUN\"" "advertise = { \"$LOCAL4=203.0.113.77\" }"
pctl reload >"$T/reload.log"
ok "what contradicts advertise is a trouble" wait_for 10 contradicts 1
ok "which the log names" contains "$T/relayd.err" \
	"advertise: $LOCAL4 is seen as $RELAY4 \\(stun\\), but shown as 203.0.113.77: mend .advertise."
is "advertise is shown all the same" "$(shown)" "203.0.113.77:9099"
ok "and it lasts" not wait_for 1.5 contradicts 0
is "told once" "$(log_count 'but shown as')" 1
ok "doctor says it too" contains <(pctl doctor) \
	"$LOCAL4 is seen as $RELAY4 \(stun\), but shown as 203.0.113.77: mend .advertise."
conf "discover = \"$STUN\"" "advertise = { \"$LOCAL4=$RELAY4\" }"
pctl reload >"$T/reload.log"
ok "mended it is over" wait_for 10 contradicts 0
ok "and said" contains "$T/relayd.err" "advertise is over"

# --- a NAT that is none for servers

in_ns box nft -f - <<-RULES
	flush chain inet nat leave
	add rule inet nat leave oifname "wan" meta l4proto udp masquerade to :40000-49999
RULES
in_ns box conntrack -F >/dev/null 2>&1
conf "discover = \"$STUN\""
relayd_stop
ok "behind a NAT that changes ports: relayd starts" relayd_start
ok "its address is not shown" wait_for 10 contradicts 1
is "the private one is" "$(shown)" "$LOCAL4:9099"
ok "the log says why" contains "$T/relayd.err" "makes port 3478 of $LOCAL4 port 4[0-9]{4}"
one_to_one "$RELAY4"

# --- the cloud

is "nobody has asked the cloud" "$(asked cloudd)" 0
for cloud in "aws AWS" "gcp Google Cloud" "azure Azure" "azure-standard Azure"; do
	mode cloudd "${cloud%% *}"
	conf 'discover = "cloud"'
	relayd_stop
	relayd_start
	ok "$cloud: tells the address" wait_for 10 contains "$T/relayd.err" \
		"$LOCAL4 is seen as $RELAY4 by ${cloud#* }, which is shown from now on"
	ok "$cloud: it is shown" wait_for 5 shown_is "$RELAY4:9099"
done
for lie in huge slow redirect inject none; do
	mode cloudd "$lie"
	before=$(asked cloudd)
	pctl reload >"$T/reload.log"
	ok "$lie: the cloud is asked" wait_for 10 asked_more cloudd "$before"
done
ok "after all that the cloud's word stands" seen_is "$RELAY4" cloud
ok "nothing else was believed" not contains "$T/relayd.err" '203\.0\.113\.66|198\.51\.100\.175'
ok "nothing of an answer gets into a question" not contains "$T/cloudd.log" injected

# --- a partner, without advertise on the side that needs it

# The other relay has a configuration of its own, and no streams.
other_start() {
	mkdir -p "$T/other" && chown "$(relayd_user):" "$T/other" && chmod 755 "$T/other"
	sed "s#$T/relayd/#$T/other/#; s/^address.*/address = { \"$OTHER4\" }/; s/^partner = .*/partner = \"$RELAY4:3478\"/; /^stream/,\$d" \
		"$T/relayd.conf" >"$T/other.conf"
	chgrp "$(id -gn "$(relayd_user)")" "$T/other.conf" && chmod 640 "$T/other.conf"
	start other other "$RELAYD" --config "$T/other.conf"
	wait_for 5 contains "$T/other.err" ready
}

partner_lives() {
	[ "$(metric relayd_partner_alive)" = 1 ]
}

relayd_stop
conf "partner = \"$OTHER4:3478\"" "partner-key = \"$("$PUNCHCTL" key)\""
ok "a relay with a partner that is not there starts" relayd_start
ok "it says whom it cannot ask" wait_for 20 contains "$T/relayd.err" \
	"$OTHER4:3478 does not answer: how the others see this relay is not known"
is "once" "$(log_count 'does not answer')" 1
ok "doctor knows that it has asked" contains <(pctl doctor) \
	"$LOCAL4 is a private address without .advertise., and .discover. has found nothing"
ok "the partner starts" other_start
pctl reload >"$T/reload.log"
ok "and tells how the relay is seen" wait_for 20 seen_is "$RELAY4" stun
ok "so that each finds the other" wait_for 20 partner_lives

# --- the host's own addresses

relayd_stop
relayd_conf "address = { \"$LOCAL4\", \"$SECOND4\" }" "discover = \"$STUN\""
relayd_start
ok "of two local addresses the first that keeps its port has the public one" \
	wait_for 10 contains "$T/relayd.err" "$LOCAL4 is seen as $RELAY4 by $STUN, which"
ip -n "${P}relay" addr del "$SECOND4/24" dev eth0
ok "a lost address is told" wait_for 10 contains "$T/relayd.err" \
	"$SECOND4 is no address of this host any more"
address relay eth0 "$SECOND4/24"
ok "as is its return" wait_for 10 contains "$T/relayd.err" "$SECOND4 is an address of this host again"

# --- a public address that needs nobody to tell it

relayd_stop
address relay eth0 203.0.115.4/24
relayd_conf 'address = { "203.0.115.4" }' 'advertise = { "203.0.115.4=203.0.113.77" }'
relayd_start
ok "the log says what people are shown" contains "$T/relayd.err" "shown as 203\.0\.113\.77$"
ok "which is not what the interface has" contains "$T/relayd.err" \
	"203.0.115.4 is seen as 203.0.115.4 \(interface\), but shown as 203.0.113.77: mend .advertise."
