#!/usr/bin/env bash
# iperf3 measures what the relay's kernel, the direct path and the plain path carry between two
# hosts behind NATs: throughput, loss and jitter, both ways.
#
#   relay --- net --- nat --- client    iperf3 -c 127.0.0.1: UDP to connect
#              |                                             TCP, its control, to socat
#              |                                                        (a UNIX socket)
#              +----- nat2 --- service  iperf3 -s: UDP from serve       socat
#                      (forwards port 5201 for the plain path)
# check: alone
. "$(dirname "$0")/lib.sh"
. "$TOP/tests/natlab.sh"
. "$TOP/tests/peerlab.sh"
plan 20

SIZE=1200
PROMPT=(nice -n -20) # so that it is iperf3's turn when a datagram comes
STEPS=(50 100 200 400 800) # Mbit/s, for the ceiling

tcp_bound() { # HOST PORT
	[ -n "$(in_ns "$1" ss -Htln "sport = :$2")" ]
}

# NAME ADDRESS MBITS SECONDS [OPTION...]; its report is in $T/NAME.iperf
measure() {
	in_ns client "${PROMPT[@]}" iperf3 --client "$2" --udp --length "$SIZE" --bitrate "${3}M" --time "$4" --json "${@:5}" >"$T/$1.iperf"
}

said() { # NAME EXPRESSION of the sums: s
	json "$T/$1.iperf" "(lambda s: $2)(d['end']['sum'])"
}

# Datagrams for which a socket of that host had no room.
overflows() { # HOST
	in_ns "$1" awk '/^Udp:/ { if (n++) print $column; else for (i = 1; i <= NF; i++) if ($i == "RcvbufErrors") column = i }' \
		/proc/net/snmp
}

# The same for the sockets of punchctl that are open.
our_overflows() { # HOST
	in_ns "$1" ss -HOuanmp | sed -n '/punchctl/s/.*skmem:(.*,d\([0-9]*\)).*/\1/p' | awk '{ n += $1 } END { print n + 0 }'
}

# What nothing may be lost of, both ways. What iperf3 does not fetch in time is not the path's loss:
# its buffer holds some 40 ms, which is little on a busy host.
steady() { # NAME ADDRESS
	local way option host late
	for way in "to the service" "from the service"; do
		host=service option=()
		[ "$way" = "to the service" ] || host=client option=(--reverse)
		late=$(overflows "$host")
		ok "$1: 20 Mbit/s $way" measure steady "$2" 20 3 "${option[@]}"
		late=$(($(overflows "$host") - late))
		is "$1: without loss" $(($(said steady 's["lost_packets"]') - late)) 0
		figure "$1, $way: Mbit/s, datagrams, lost, not fetched by iperf3, jitter in ms" "$(said steady \
			"'%.1f %d %d $late %.3f' % (s['bits_per_second'] / 1e6, s['packets'], s['lost_packets'], s['jitter_ms'])")"
	done
}

# More and more, until more than one in a hundred is lost.
ceiling() { # NAME ADDRESS
	local step best=0
	for step in "${STEPS[@]}"; do
		measure step "$2" "$step" 2 || break
		figure "$1: of $step Mbit/s sent, received and lost" "$(said step \
			'"%.0f, %.2f %%" % (s["bits_per_second"] / 1e6 * (1 - s["lost_percent"] / 100), s["lost_percent"])')"
		[ "$(said step 's["lost_percent"] <= 1')" = true ] || break
		best=$step
	done
	figure "$1: Mbit/s with at most 1 % lost" "$best"
}

# --- the hosts

peers_up
in_ns nat2 nft -f - <<-'RULES'
	table inet nat {
		chain come {
			type nat hook prerouting priority -100
			iifname "wan" meta l4proto { tcp, udp } th dport 5201 dnat ip to 10.0.2.2
		}
	}
	insert rule inet nat forward ct status dnat accept
RULES
relayed_begin
ok "relayd starts" peers_relay iperf
start service iperf "${PROMPT[@]}" iperf3 --server
wait_for 5 tcp_bound service 5201
start service far socat UNIX-LISTEN:"$T/control",fork TCP:127.0.0.1:5201
wait_for 5 test -S "$T/control"
start client near socat TCP-LISTEN:5201,bind=127.0.0.1,reuseaddr,fork UNIX-CONNECT:"$T/control"
ok "iperf3 is offered" serve iperf 5201

# --- the plain path, the relay, the direct path

steady "plain path" "$NAT2"
ceiling "plain path" "$NAT2"
path_cut "$NAT4" "$NAT2"
ok "it can be reached" connect iperf 5201
steady relay 127.0.0.1
ok "the relay's kernel has carried that" test "$(relayed)" -ge 10000
ceiling relay 127.0.0.1

# Each measurement is a session of its own, which begins by the relay and moves while it is measured.
path_mend
before=$(relayed) full="$(our_overflows client) $(our_overflows service)"
steady "direct path" 127.0.0.1
figure "of these the relay has passed on, before they moved" $(($(relayed) - before))
is "no socket of connect or serve was full" "$(our_overflows client) $(our_overflows service)" "$full"
ok "for they have moved" test "$(events connect-iperf direct)" -ge 2 -a "$(events serve-iperf direct)" -ge 2
ceiling "direct path" 127.0.0.1
stop connect-iperf
is "connect has dropped nothing" "$(dropped connect-iperf)" 0
stop serve-iperf
is "neither has serve" "$(dropped serve-iperf)" 0
