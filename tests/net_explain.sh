#!/usr/bin/env bash
# explain names the step at which a packet would be lost, and says "would arrive" when it would: one
# step after the other is broken, a probe packet is sent each time, and then it is mended.
#
#   sender 198.51.100.175 ---+
#   other  198.51.101.66  --net --- nat --- client
#   relay  203.0.113.7    ---+
. "$(dirname "$0")/lib.sh"
plan 3

lab_up
relayd_conf 'consent = 10'
stream_conf cam 'listen = "9101"' "source = \"$SENDER4\""
ok "relayd starts" relayd_start
pctl explain cam
pctl --json explain cam >$T/x.json; echo "status $?"
start client punch "$PUNCHCTL" punch "cam@$RELAY4" --key-file "$T/cam.key" --port 5004 --to 9101
wait_for 5 stream_is cam ready
pctl explain cam; echo "status $?"
in_ns sender "$UDPTOOL" send --from $SENDER4:7000 --to "$RELAY4:9101" --count 3 --rate 10 --first 1 --rtp
pctl explain cam; echo "status $?"
pctl explain cam --from 1.2.3.4:55; echo "status $?"
in_ns relay ip route add blackhole 192.0.2.0/24
pctl explain cam; echo "status $?"
in_ns relay ip route del blackhole 192.0.2.0/24
in_ns relay sysctl -w net.ipv4.ip_forward=0
pctl explain cam; echo "status $?"
in_ns relay "$PYTHON" -c 'import socket,sys
s=socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); s.send(b"{\"do\":\"host\"}\n"); print(s.recv(65536))' $T/relayd/relayd.sock
