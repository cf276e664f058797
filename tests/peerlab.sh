# shellcheck shell=bash
# peerlab.sh: a service behind one NAT and its client behind another, for scenarios with programs
# that know nothing of it; to be sourced after lib.sh and natlab.sh.
#
#   relay  203.0.113.7 ---+   +--- nat     192.0.2.9 or   --- client   10.0.0.2
#                         |   |    clientnat                  punchctl connect
#                          net
#   (direct: can be cut)  |   |
#                         +   +--- nat2   198.18.4.9 or   --- service  10.0.2.2 or 10.0.0.2
#                                  servicenat                 punchctl serve

. "$TOP/tests/events.sh"

# Only NAT2 is this file's, and other scripts read it.
# shellcheck disable=SC2034
NAT2=198.18.4.9

# Both NATs are the kernel's, with veth between all hosts: as fast as it gets.
peers_up() {
	lab_up
	nat_host nat2 "$NAT2" 2001:db8:4::9 && inner_host service nat2 lan 10.0.2.2 fd02::2 || bail "no network"
}

# The same with a wire of this delay, each way, between each NAT and net.
far_peers_up() { # MS
	# shellcheck disable=SC2153
	natlab_up
	# shellcheck disable=SC2153
	natbox_host client "$NAT4" linux --delay "$1" && natbox_host service "$NAT2" linux --delay "$1" ||
		bail "no network"
}

# relayd with a stream of each name.
peers_relay() { # STREAM...
	local stream
	relayd_conf 'consent = 10' "address = { \"$RELAY4\", \"$RELAY6\" }"
	for stream in "$@"; do
		stream_conf "$stream" 'peers = 128'
	done
	relayd_start
}

# Their names are serve-STREAM and connect-STREAM.
serve() { # STREAM PORT [OPTION...]
	start service "serve-$1" "$PUNCHCTL" serve "$1@$RELAY4" --key-file "$T/$1.key" --to "127.0.0.1:$2" \
		--json "${@:3}"
	wait_for 10 happened 1 "serve-$1" waiting
}

connect() { # STREAM PORT [OPTION...]
	start client "connect-$1" "$PUNCHCTL" connect "$1@$RELAY4" --key-file "$T/$1.key" \
		--listen "127.0.0.1:$2" --json "${@:3}"
	wait_for 10 happened 1 "connect-$1" ready
}

# Has the session of a program's port a direct path?
port_is_direct() { # STREAM PORT
	local number
	number=$(sed -n "s/.*\"open\".*\"session\":\([0-9]*\),\"local\":\"127.0.0.1:$2\".*/\1/p" "$T/connect-$1.log" | tail -n 1)
	[ -n "$number" ] && contains "$T/connect-$1.log" "\"direct\".*\"session\":$number,"
}

# How many datagrams it has dropped, but for those that the service or the program was not there to
# take; it must have ended.
dropped() { # NAME
	grep '"event": *"end"' "$T/$1.log" >"$T/event.json" &&
		json "$T/event.json" 'd["late"] + d["crowded"] + d["oversized"] + d["unsent"]'
}

# What the kernel of the relay has passed on, in datagrams.
relayed_begin() {
	in_ns relay nft -f - <<-'RULES'
		table inet witness {
			counter relayed { }
			chain through {
				type filter hook postrouting priority 200
				iifname "eth0" udp sport 3478 counter name relayed
			}
		}
	RULES
}

relayed() {
	in_ns relay nft list counter inet witness relayed | sed -n 's/.*packets \([0-9]*\) .*/\1/p'
}
