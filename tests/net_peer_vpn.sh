#!/usr/bin/env bash
# Tunnels whose end is behind a NAT: OpenVPN and WireGuard, and TCP inside of them, while their
# datagrams move from the relay to a direct path and back.
#
#   relay --- net --- nat --- client   openvpn 10.8.1.2, wireguard 10.8.2.2: connect
#              |
#              +----- nat2 --- service openvpn 10.8.1.1, wireguard 10.8.2.1: serve
#
# check: alone
. "$(dirname "$0")/lib.sh"
. "$TOP/tests/natlab.sh"
. "$TOP/tests/peerlab.sh"
plan 25

MEGABYTES=20
MBITS=0 # of the newest transfer

### Certificates and keys ################################################################

certificate() { # NAME: of itself, known to the other by its fingerprint
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=$1" \
		-keyout "$T/$1.pem" -out "$T/$1.crt" 2>"$T/openssl.err"
}

fingerprint() { # NAME
	openssl x509 -in "$T/$1.crt" -noout -fingerprint -sha256 | sed 's/.*=//'
}

openvpn_start() { # HOST NAME PEER OPTION...
	start "$1" "openvpn-$2" openvpn --dev-type tun --dev ovpn --topology subnet --cert "$T/$2.crt" --key "$T/$2.pem" \
		--peer-fingerprint "$(fingerprint "$3")" --keepalive 1 30 --disable-dco --verb 3 "${@:4}"
}

wireguard_key() { # NAME
	(umask 077 && wg genkey >"$T/$1.wg") && wg pubkey <"$T/$1.wg" >"$T/$1.wg.pub"
}

# The names of its devices are those of sockets in /run, for all namespaces.
wireguard_start() { # HOST NAME PORT PEER ADDRESS WG-WORD...
	start "$1" "wg-$2" env WG_I_PREFER_BUGGY_USERSPACE_TO_POLISHED_KMOD=1 wireguard-go --foreground "$P$2"
	wait_for 5 in_ns "$1" wg show "$P$2" &&
		in_ns "$1" wg set "$P$2" listen-port "$3" private-key "$T/$2.wg" \
			peer "$(cat "$T/$4.wg.pub")" "${@:6}" &&
		address "$1" "$P$2" "$5" && ip -n "$P$1" link set "$P$2" mtu 1420 up
}

### What goes through ####################################################################

pings() { # ADDRESS
	in_ns client ping -c 1 -W 1 "$1"
}

# Pings all the time, 20 a second.
ping_start() { # ADDRESS
	start client ping ping -i 0.05 -W 1 "$1"
}

pinged() { # HOW OFTEN
	[ "$(grep -c 'bytes from' "$T/ping.log")" -ge "$1" ]
}

lost_pings() {
	sed -n 's/\([0-9]*\) packets transmitted, \([0-9]*\) received.*/\1 \2/p' "$T/ping.log" |
		awk '{ print $1 - $2 }'
}

# Over TCP, from the client.
transfer() { # ADDRESS
	local began
	rm -f "$T/arrived"
	start service sink socat -u TCP-LISTEN:7000,bind="$1",reuseaddr OPEN:"$T/arrived",creat,trunc
	wait_for 5 tcp_bound service 7000
	began=$(microseconds)
	start client source socat -u OPEN:"$T/sent" TCP:"$1":7000
	finish source 60 && finish sink 10 || return
	MBITS=$((MEGABYTES * 8 * 1048576 / ($(microseconds) - began)))
}

tcp_bound() { # HOST PORT
	[ -n "$(in_ns "$1" ss -Htln "sport = :$2")" ]
}

### The hosts ############################################################################

peers_up
relayed_begin
path_cut "$NAT4" "$NAT2"
head -c "${MEGABYTES}M" /dev/urandom >"$T/sent"
ok "relayd starts" peers_relay ovpn wg

# What every tunnel must stand.
tunnel_test() { # TUNNEL STREAM ADDRESS
	local name=$1 stream=$2 addr=$3 before
	ok "$name: the tunnel stands, by the relay" wait_for 20 pings "$addr"
	before=$(relayed)
	ok "$name: a transfer by the relay" transfer "$addr"
	figure "$name: Mbit/s of TCP by the relay" "$MBITS"
	ok "$name: is whole" cmp "$T/sent" "$T/arrived"
	ok "$name: and the relay's kernel has carried it" test $(($(relayed) - before)) -gt $((MEGABYTES * 700))

	ping_start "$addr"
	path_mend
	ok "$name: a direct path is found" wait_for 60 happened 1 "connect-$stream" direct
	ok "$name: on both sides" wait_for 5 happened 1 "serve-$stream" direct
	wait_for 5 pinged 10
	stop ping INT
	is "$name: no ping is lost while it moves" "$(lost_pings)" 0
	before=$(relayed)
	ok "$name: a transfer by it" transfer "$addr"
	figure "$name: Mbit/s of TCP directly" "$MBITS"
	ok "$name: is whole" cmp "$T/sent" "$T/arrived"
	ok "$name: and takes it" test $(($(relayed) - before)) -lt $((MEGABYTES * 100))

	ping_start "$addr"
	wait_for 5 pinged 10
	path_cut "$NAT4" "$NAT2"
	ok "$name: that it is lost is noticed" wait_for 15 happened 1 "connect-$stream" lost
	ok "$name: and the tunnel stands" wait_for 5 pings "$addr"
	stop ping INT
	figure "$name: seconds without pings when the path is cut" "$(awk -v n="$(lost_pings)" 'BEGIN { print n / 20 }')"
}

serve ovpn 1194
connect ovpn 1194
certificate server && certificate caller || bail "no certificates"
openvpn_start service server caller --proto udp --local 127.0.0.1 --port 1194 --tls-server --dh none \
	--mode server --ifconfig 10.8.1.1 255.255.255.0 --ifconfig-pool 10.8.1.2 10.8.1.9 --push "topology subnet"
openvpn_start client caller server --proto udp --remote 127.0.0.1 1194 --nobind --client
tunnel_test OpenVPN ovpn 10.8.1.1
stop openvpn-caller
stop openvpn-server

# --- WireGuard, as a program, since its first bytes are like those of STUN

serve wg 51820
connect wg 51820
wireguard_key a && wireguard_key b
wireguard_start service a 51820 b 10.8.2.1/24 allowed-ips 10.8.2.2/32
wireguard_start client b 0 a 10.8.2.2/24 allowed-ips 10.8.2.1/32 endpoint 127.0.0.1:51820 persistent-keepalive 1
tunnel_test WireGuard wg 10.8.2.1
