#!/usr/bin/env bash
# A start finds what an earlier relayd has left: whom a stream is locked to stays, and an address that
# is new in the configuration gets what the others have, the client's hole included. One that is gone
# from it takes no client with it.
#
#   sender 198.51.100.175 ---+
#                           net ---- 192.0.2.9 nat 10.0.0.1 ---- client 10.0.0.2
#   relay  203.0.113.7 ------+
#          203.0.113.8 and 203.0.113.9, from the second start to the third
. "$(dirname "$0")/lib.sh"
plan 13
SECOND4=203.0.113.8 THIRD4=203.0.113.9

table_has() { # PATTERN
	in_ns relay nft list table inet relayd >"$T/table" && contains "$T/table" "$1"
}

lab_up
ip -n "${P}relay" addr add "$SECOND4/24" dev eth0
ip -n "${P}relay" addr add "$THIRD4/24" dev eth0
relayd_conf
stream_conf cam1 'listen = "9099"' 'source = "first"'
ok "relayd starts" relayd_start
ok "with a table that is new, which has nothing to adopt" not contains "$T/relayd.err" adopted
start client punch "$PUNCHCTL" punch "cam1@$RELAY4" --key-file "$T/cam1.key" --port 9099
ok "a client has punched" wait_for 5 stream_is cam1 ready
in_ns sender "$PYTHON" "$UDPTOOL" send --from "$SENDER4:9099" --to "$RELAY4:9099" --count 100 --rate 500 --rtp \
	>"$T/send.json"
ok "the stream is locked to its sender" wait_for 5 table_has "$RELAY4 . 9099 . $SENDER4"
relayd_stop
ok "and stays so without relayd" table_has "$RELAY4 . 9099 . $SENDER4"
relayd_conf "address = { \"$RELAY4\", \"$SECOND4\", \"$THIRD4\" }"
stream_conf cam1 'listen = "9099"' 'source = "first"'
ok "relayd starts with more addresses" relayd_start
ok "the lock is as before" table_has "$RELAY4 . 9099 . $SENDER4"
ok "it holds at the new address" table_has "$SECOND4 . 9099 . $SENDER4"
ok "which leads to the client" table_has "$SECOND4 . 9099 comment \"cam1\" : $NAT4"
relayd_stop
relayd_conf "address = { \"$RELAY4\" }"
stream_conf cam1 'listen = "9099"' 'source = "first"'
ok "relayd starts without them" relayd_start
ok "the client is adopted" wait_for 5 contains "$T/relayd.err" 'adopted 1 clients;'
ok "its hole is at the address that is left" table_has "$RELAY4 . 9099 comment \"cam1\" : $NAT4"
ok "and of the others nothing is left" eval 'not table_has "$SECOND4" && not table_has "$THIRD4"'
