# shellcheck shell=bash
# relays.sh: several relays that are each other's clients. Source it behind lib.sh.

# Sends raw punches (or media) from an address that is not ours, as anybody can who forges.
cat >"$T/forge.py" <<'PYTHON'
import socket, sys
def endpoint(text):
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)
if sys.argv[1].startswith("["):
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    s.setsockopt(socket.IPPROTO_IPV6, 75, 1)  # IPV6_TRANSPARENT
else:
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.IPPROTO_IP, 19, 1)  # IP_TRANSPARENT
s.bind(endpoint(sys.argv[1]))
for i in range(int(sys.argv[3])):
    s.sendto(b"\x80forged", endpoint(sys.argv[2]))
PYTHON

send() { # HOST FROM TO COUNT [OPTION...]
	in_ns "$1" "$UDPTOOL" send --from "$2" --to "$3" --count "$4" --rate 500 "${@:5}"
}

# A relay whose ports are no other's: streams round, three and forged listen at 9N4 to 9N6, and any
# datagram to 9N0 to 9N2 is a punch for them.
relay_streams() { # N
	local i=0 stream
	for stream in round three forged; do
		stream_conf $stream "listen = \"9$1$((i + 4))\"" 'source = "any"' "raw-punch = 9$1$i"
		i=$((i + 1))
	done
}

another_config() { # NAME ADDRESS N: all of it in a folder of its own
	local T=$T/$1
	mkdir "$T"
	relayd_conf 'consent = 60' "address = { \"$2\" }" "punch = 34$3"
	relay_streams "$3"
}

another_relay() { # NAME ADDRESS N
	another_config "$@"
	start "$1" "$1" "$RELAYD" --config "$T/$1/relayd.conf"
	wait_for 5 asked "$1" list
}

asked() { # RELAY WORD...: its daemon
	local name=$1 dir=$T/$1
	[ "$name" != relay ] || dir=$T
	shift
	in_ns "$name" "$PUNCHCTL" --socket "$dir/relayd/relayd.sock" "$@"
}

each_is() { # STREAM STATE RELAY...
	local relay
	for relay in "${@:3}"; do
		asked "$relay" --json show "$1" | grep -q "\"state\":\"$2\"" || return
	done
}

# Somebody else's punch: it proves nothing, and is off unless wanted.
points() { # FROM TO
	in_ns sender "$PYTHON" "$T/forge.py" "$1" "$2" 1
}

said() { # FILE PATTERN
	wait_for 5 contains "$T/$1" "$2"
}

# Counts what goes between relays.
witness_relays() { # FAMILY ADDRESSES
	in_ns net nft -f - <<-RULES
		table inet witness {
			counter loop { }
			chain pass {
				type filter hook forward priority 0
				$1 saddr { $2 } $1 daddr { $2 } meta l4proto udp counter name loop
			}
		}
	RULES
}

# What has gone between them so far, in datagrams.
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

