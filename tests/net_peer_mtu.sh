#!/usr/bin/env bash
# Datagrams of every size pass from behind one NAT to behind another, by the relay and directly: in
# fragments where they are larger than packets may be, also where a link has less room than the
# hosts know of and says so, or does not.
#
#   relay --- net ------- nat --- client
#              |
#              +--- wan - nat2 -- service
#               (1500, later 1400)
. "$(dirname "$0")/lib.sh"
. "$TOP/tests/natlab.sh"
. "$TOP/tests/peerlab.sh"
plan 31

# Numbered datagrams there and back from one socket; prints how many have come back whole:
# bounce.py ADDRESS:PORT SIZE COUNT RATE LOCAL-PORT
cat >"$T/bounce.py" <<'PYTHON'
import os, select, socket, sys, time

host, _, port = sys.argv[1].rpartition(":")
size, count, rate, local = int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]), int(sys.argv[5])
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
if local:
    sock.bind(("127.0.0.1", local))
sock.connect((host, int(port)))
sock.setblocking(False)
sent, whole = {}, set()
begin = time.monotonic()
while len(whole) < count and time.monotonic() < begin + count / rate + 1.5:
    while len(sent) < count and time.monotonic() >= begin + len(sent) / rate:
        number = len(sent)
        sent[number] = number.to_bytes(4, "big") + os.urandom(size - 4)
        try:
            sock.send(sent[number])
        except OSError:
            pass
    if not select.select([sock], [], [], 0.005)[0]:
        continue
    try:
        data = sock.recv(65535)
    except OSError:
        continue
    number = int.from_bytes(data[:4], "big")
    if sent.get(number) == data:
        whole.add(number)
print(len(whole))
PYTHON

cat >"$T/echo.py" <<'PYTHON'
import socket

sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
sock.bind(("127.0.0.1", 8000))
while True:
    data, addr = sock.recvfrom(65535)
    sock.sendto(data, addr)
PYTHON

bounce() { # SIZE [COUNT [LOCAL-PORT [PORT]]]
	in_ns client "$PYTHON" "$T/bounce.py" "127.0.0.1:${4:-9000}" "$1" "${2:-50}" 100 "${3:-0}"
}

# All sizes around that of a packet.
sizes() { # HOW LOCAL-PORT SIZE...
	local size
	for size in "${@:3}"; do
		is "$1: $size bytes there and back" "$(bounce "$size" 50 "$2")" 50
	done
}

# The link of nat2 has less room from now on.
narrow() { # MTU
	ip -n "${P}net" link set nat2 mtu "$1" && ip -n "${P}nat2" link set wan mtu "$1"
}

# Nobody hears that a packet was too large.
mute() {
	local host
	for host in net nat2; do
		in_ns "$host" nft -f - <<-'RULES'
			table inet mute {
				chain out {
					type filter hook output priority 0
					icmp type destination-unreachable drop
				}
			}
		RULES
	done
}

talk() { # LOCAL-PORT: until it has a direct path
	bounce 100 10 "$1" >/dev/null
	port_is_direct mtu "$1"
}

peers_up
relayed_begin
path_cut "$NAT4" "$NAT2"
ok "relayd starts" peers_relay mtu mtu6
start service echo "$PYTHON" "$T/echo.py"
wait_for 5 udp_bound service 8000
serve mtu 8000
ok "connect is ready" connect mtu 9000

sizes relay 0 4 1200 1472 1473 2000 4096 9216
is "larger ones are dropped" "$(bounce 9217 3)" 0
path_mend
ok "a direct path is found" wait_for 20 talk 7001
before=$(relayed)
sizes "direct path" 7001 4 1200 1472 1473 2000 4096 9216
ok "the relay has carried none of these" test $(($(relayed) - before)) -le 5

# By IPv6 no router cuts anything, but says what is too large; the ends do.
start service serve6 "$PUNCHCTL" serve "mtu6@[$RELAY6]" --key-file "$T/mtu6.key" --to 127.0.0.1:8000 --json
start client connect6 "$PUNCHCTL" connect "mtu6@[$RELAY6]" --key-file "$T/mtu6.key" --listen 127.0.0.1:9006 --json
ok "by IPv6 connect is ready" wait_for 10 happened 1 connect6 ready
for size in 1452 1453 9216; do
	is "IPv6: $size bytes there and back" "$(bounce "$size" 50 7006 9006)" 50
done

# --- a link with less room, such as PPPoE or a mobile network

# What has been learnt of the path is of 1500.
narrow 1400
is "direct path, a link becomes narrow: 1450 bytes there and back" "$(bounce 1450 50 7001)" 50
is "direct path, a link becomes narrow: 4096 bytes there and back" "$(bounce 4096 50 7001)" 50
came=$(bounce 1400 50 7006 9006)
figure "IPv6, a link becomes narrow: came back of 50" "$came"
is "IPv6, once that is known: 1400 bytes there and back" "$(bounce 1400 50 7006 9006)" 50
before=$(relayed)
mute
narrow 1300
is "direct path, and says nothing: 1350 bytes there and back" "$(bounce 1350 50 7001)" 50
ok "and directly" test $(($(relayed) - before)) -le 5
path_cut "$NAT4" "$NAT2"
wait_for 10 happened 1 connect-mtu lost
is "relay, a narrow link that says nothing: 1350 bytes there and back" "$(bounce 1350 50)" 50
is "relay, a narrow link that says nothing: 9216 bytes there and back" "$(bounce 9216 50)" 50
stop connect-mtu
is "what was larger is counted, and nothing else was dropped" "$(event connect-mtu end oversized) $(dropped connect-mtu)" "3 3"
