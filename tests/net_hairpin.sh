#!/usr/bin/env bash
# Ways that lead back: client and sender behind one NAT, sender or client on the relay itself, a client
# that sends to its own stream, two relays that are each other's client.
#
#   sender 198.51.100.175 ---+              +--- client 10.0.0.2
#   relay  203.0.113.7    --net --- nat ----+
#   second 198.51.102.8   ---+              +--- camera 10.0.1.3
#   third  198.51.103.8   ---+
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/relays.sh"
plan 29

SECOND4=198.51.102.8 THIRD4=198.51.103.8 CAMERA4=10.0.1.3

lab_up
public_host second eth0 "$SECOND4" && forwarding_on second &&
	public_host third eth0 "$THIRD4" && forwarding_on third &&
	inner_host camera nat lan2 "$CAMERA4" || bail "no network"
relayd_conf 'consent = 20'
stream_conf home 'listen = "9101"' 'source = "any"'
stream_conf own 'listen = "9102"' 'source = "any"'
stream_conf self 'listen = "9103"' 'source = "any"'
relay_streams 40
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

# --- relays that are each other's clients, none with the ports of another

witness_relays ip "$RELAY4, $SECOND4, $THIRD4"
ok "a second relay" another_relay second "$SECOND4" 20
ok "and a third" another_relay third "$THIRD4" 30

points "$SECOND4:9204" "$RELAY4:9400" && points "$RELAY4:9404" "$SECOND4:9200"
ok "two are each other's clients" wait_for 5 each_is round ready relay second
send sender "$SENDER4:7000" "$RELAY4:9404" 20 --rtp >"$T/sent"
ok "media go round, and the loop is found" \
	said relayd.err "round:9404 loop $SECOND4:9200: a loop: what is sent to the client comes back"
ok "the hole is closed" wait_for 5 stream_is round waiting
pctl explain round >"$T/explained"
ok "explain says why" contains "$T/explained" "BROKEN +map +a loop: what was sent to $SECOND4:9204 came back"
points "$SECOND4:9204" "$RELAY4:9400" && points "$SENDER4:6001" "$RELAY4:9401"
ok "a punch from there is refused from now on" eval 'wait_for 5 stream_is three ready && stream_is round waiting'
ok "the traffic ends" wait_for 5 wire_rests
send sender "$SENDER4:7000" "$RELAY4:9404" 50 --rtp >"$T/sent"
ok "and more do not begin it again" wait_for 5 wire_rests
figure "datagrams between the relays, for the 70 that were sent" "$(wire)"
ok "those who watch are told" grep -q '"event":"loop"' "$T/monitor.log"

# Here no relay sees its client's address in that of its sender.
pctl flush three >"$T/flushed"
points "$SECOND4:9205" "$RELAY4:9401" && points "$THIRD4:9305" "$SECOND4:9201" &&
	points "$RELAY4:9405" "$THIRD4:9301"
ok "three are each other's clients" wait_for 5 each_is three ready relay second third
send sender "$SENDER4:7001" "$RELAY4:9405" 20 --rtp >"$T/sent"
ok "the loop over three is found too" \
	said relayd.err "three:9405 loop $THIRD4:9301: a loop: what is sent to the client comes back"
ok "and its traffic ends" wait_for 5 wire_rests

# What is forged so that it opens the circle's own flows goes round without anybody's media.
points "$RELAY4:9406" "$SECOND4:9202" && points "$SECOND4:9206" "$RELAY4:9402"
ok "two more" wait_for 5 each_is forged ready relay second
before=$(wire)
points "$SECOND4:9202" "$RELAY4:9406"
ok "a forged datagram ends" wait_for 5 wire_rests
figure "datagrams between the relays, for one that was forged" "$(($(wire) - before))"
ok "sooner than 128 hops" test "$(($(wire) - before))" -le 128
start sender media "$UDPTOOL" send --from "$SENDER4:7002" --to "$RELAY4:9406" --count 8000 --rate 500 --rtp
ok "and the loop is found once it is used" \
	wait_for 15 contains "$T/relayd.err" "forged:9406 loop $SECOND4:9202: a loop: what is sent to the client comes back"
