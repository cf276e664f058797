#!/usr/bin/env bash
# Over IPv6, ways that lead back: a sender on the relay itself, two relays that are each other's client.
#
#   sender 2001:db8:1::175 ---+
#   relay  2001:db8:2::7    --net
#   second 2001:db8:4::8   ---+
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/relays.sh"
plan 11

SECOND6=2001:db8:4::8

lab_up
public_host second eth0 "$SECOND6" && forwarding_on second || bail "no network"
relayd_conf 'consent = 20' "address = { \"$RELAY6\" }"
stream_conf own 'listen = "9102"' 'source = "any"'
relay_streams 40
ok "relayd starts" relayd_start

# --- the sender on the relay

start client punch-own "$PUNCHCTL" punch "own@[$RELAY6]" --key-file "$T/own.key" --port 5102 --to 9102
ok "a client for a sender on the relay" wait_for 5 stream_is own ready
send relay "[$RELAY6]:7000" "[$RELAY6]:9102" 20 --rtp >"$T/sent"
ok "it is refused, and the log says why" \
	said relayd.err "own:9102 refused .$RELAY6.:7000: the sender is on the relay itself"
is "without an answer" "$(json "$T/sent" 'd["refused"]')" 0

# --- relays that are each other's clients

witness_relays ip6 "$RELAY6, $SECOND6"
ok "a second relay" another_relay second "$SECOND6" 20
points "[$SECOND6]:9204" "[$RELAY6]:9400" && points "[$RELAY6]:9404" "[$SECOND6]:9200"
ok "two are each other's clients" wait_for 5 each_is round ready relay second
send sender "[$SENDER6]:7000" "[$RELAY6]:9404" 20 --rtp >"$T/sent"
ok "media go round, and the loop is found" \
	said relayd.err "round:9404 loop .$SECOND6.:9200: a loop: what is sent to the client comes back"
ok "the hole is closed" wait_for 5 stream_is round waiting
ok "the traffic ends" wait_for 5 wire_rests
send sender "[$SENDER6]:7000" "[$RELAY6]:9404" 50 --rtp >"$T/sent"
ok "and more do not begin it again" wait_for 5 wire_rests
figure "datagrams between the relays, for the 70 that were sent" "$(wire)"
pctl explain round >"$T/explained"
ok "explain says why" contains "$T/explained" "BROKEN +map +a loop: what was sent to .$SECOND6.:9204 came back"
