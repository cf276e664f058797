#!/usr/bin/env bash
# Ways that lead back: client and sender behind one NAT, sender or client on the relay itself, a client
# that sends to its own stream, two relays that are each other's client.
#
#   sender 198.51.100.175 ---+              +--- client 10.0.0.2
#   relay  203.0.113.7    --net --- nat ----+
#   second 198.51.102.8   ---+              +--- camera 10.0.1.3
. "$(dirname "$0")/lib.sh"
plan 21

SECOND4=198.51.102.8 CAMERA4=10.0.1.3

# Sends raw punches (or media) from an address that is not ours, as anybody can who forges.
cat >"$T/forge.py" <<'PYTHON'
import socket, sys
def endpoint(text):
    host, _, port = text.rpartition(":")
    return host, int(port)
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_IP, 19, 1)  # IP_TRANSPARENT
s.bind(endpoint(sys.argv[1]))
for i in range(int(sys.argv[3])):
    s.sendto(b"\x80forged", endpoint(sys.argv[2]))
PYTHON

send() { # HOST FROM TO COUNT [OPTION...]
	in_ns "$1" "$UDPTOOL" send --from "$2" --to "$3" --count "$4" --rate 500 "${@:5}"
}

second_relay() { # WORD...: the same for the other relay's daemon
	in_ns second "$PUNCHCTL" --socket "$T/second/relayd.sock" "$@"
}

second_answers() {
	second_relay list
}

said() { # FILE PATTERN
	wait_for 5 contains "$T/$1" "$2"
}

# Its datagrams on the wire of the relay so far.
wire() {
	in_ns net nft list counter inet witness loop | sed -n 's/.*packets \([0-9]*\) .*/\1/p'
}

# Nothing has come for a while: what circulates ends by its TTL, but it may be replaced.
wire_rests() {
	local before
	before=$(wire)
	sleep 0.3
	[ "$(wire)" = "$before" ]
}

lab_up
public_host second eth0 "$SECOND4" && forwarding_on second &&
	inner_host camera nat lan2 "$CAMERA4" || bail "no network"
relayd_conf 'consent = 20'
stream_conf home 'listen = "9101"' 'source = "any"'
stream_conf own 'listen = "9102"' 'source = "any"'
stream_conf self 'listen = "9103"' 'source = "any"'
stream_conf round 'listen = "9104"' 'source = "any"' 'raw-punch = 9000'
ok "relayd starts" relayd_start
start relay monitor "$PUNCHCTL" --socket "$T/relayd/relayd.sock" --json monitor

# --- behind one NAT

start client punch-home "$PUNCHCTL" punch "home@$RELAY4" --key-file "$T/home.key" --port 5101 --to 9101
ok "a client behind the NAT" wait_for 5 stream_is home ready
start client got-home "$UDPTOOL" recv --bind 127.0.0.1:5101 --expect 100 --for 5
wait_for 3 udp_bound client 5101
send camera "$CAMERA4:7000" "$RELAY4:9101" 100 --rtp >"$T/sent"
finish got-home 6
is "all of a sender behind the same NAT arrives" "$(json "$T/got-home.log" 'd["distinct"]')" 100

# --- the sender on the relay

start client punch-own "$PUNCHCTL" punch "own@$RELAY4" --key-file "$T/own.key" --port 5102 --to 9102
ok "a client for a sender on the relay" wait_for 5 stream_is own ready
start client got-own "$UDPTOOL" recv --bind 127.0.0.1:5102 --expect 100 --for 20
wait_for 3 udp_bound client 5102
send relay "$RELAY4:7000" "$RELAY4:9102" 20 --rtp >"$T/sent"
ok "it is refused, and the log says why" said relayd.err "own:9102 refused $RELAY4:7000: the sender is on the relay itself"
is "without an answer" "$(json "$T/sent" 'd["refused"]')" 0
send sender "$SENDER4:7000" "$RELAY4:9102" 100 --first 1000 --rtp >"$T/sent"
finish got-own 21
is "and is in nobody's way" "$(json "$T/got-own.log" '[d["distinct"], d["first_seq"]]')" '[100, 1000]'

# --- the client on the relay

in_ns relay timeout 5 "$PUNCHCTL" punch "own@$RELAY4" --key-file "$T/own.key" --port 5105 --to 9102 >"$T/own.out" 2>&1
ok "a client on the relay is refused, and told why" contains "$T/own.out" "on the relay itself would be a loop"
ok "the client that there is stays" stream_is own live

# --- a client that sends to its own stream

start sender punch-self "$PYTHON" "$TOP/tests/stuntool.py" punch --from "$SENDER4:6000" --to "$RELAY4:3478" \
	--name self --key-file "$T/self.key"
ok "a client without a NAT" wait_for 5 stream_is self ready
wait_for 5 gone "$(pid_of punch-self)"
send sender "$SENDER4:6000" "$RELAY4:9103" 20 --rtp >"$T/sent"
ok "what it sends to its own stream is a loop" said relayd.err "self:9103 loop $SENDER4:6000: a loop: the sender is the client"
ok "and its hole is closed" wait_for 5 stream_is self waiting

# --- two relays

in_ns net nft -f - <<-RULES
	table inet witness {
		counter loop { }
		chain pass {
			type filter hook forward priority 0
			ip saddr { $RELAY4, $SECOND4 } ip daddr { $RELAY4, $SECOND4 } udp sport 9000 counter name loop
		}
	}
RULES
mkdir -p "$T/second" && chown "$(relayd_user):" "$T/second"
sed -e "s|$T/relayd/|$T/second/|; s|$RELAY4|$SECOND4|" "$T/relayd.conf" >"$T/second.conf"
chgrp "$(id -gn "$(relayd_user)")" "$T/second.conf" && chmod 640 "$T/second.conf"
start second second "$RELAYD" --config "$T/second.conf"
ok "a second relay" wait_for 5 second_answers

# Each is the other's client, by a forged raw punch: that proves nothing, and is off unless wanted.
point_at_each_other() {
	in_ns sender "$PYTHON" "$T/forge.py" "$SECOND4:9104" "$RELAY4:9000" 1 &&
		in_ns sender "$PYTHON" "$T/forge.py" "$RELAY4:9104" "$SECOND4:9000" 1
}
ok "they are each other's client" point_at_each_other
ok "in both" wait_for 5 stream_is round ready
ok "here and there" wait_for 5 eval 'second_relay --json show round | grep -q "\"state\":\"ready\""'
send sender "$SENDER4:7000" "$RELAY4:9104" 1 --rtp >"$T/sent"
ok "one datagram goes round, and the loop is found" \
	wait_for 5 grep -q 'loop .*a loop: the client is another relay' "$T/relayd.err" "$T/second.err"
ok "the traffic ends" wait_for 5 wire_rests
figure "datagrams between the relays that one brought about" "$(wire)"
ok "sooner than 64 rounds" test "$(wire)" -le 64
send sender "$SENDER4:7000" "$RELAY4:9104" 50 --rtp >"$T/sent"
ok "and more do not begin it again" wait_for 5 wire_rests
figure "after fifty more" "$(wire)"
ok "those who watch are told" grep -q '"event":"loop"' "$T/monitor.log"
