#!/usr/bin/env bash
# Where two peers may be: behind a NAT or not, behind the same one, on IPv6, on a host that moves; and what may
# happen to the relay, the NATs and the programs while they talk. Data go on in each case.
#
#   relay 203.0.113.7 --- net --+-- open  192.0.2.20, no NAT            +-- near1 10.0.0.2, 2001:db8:21::2
#         2001:db8:2::7         +-- home  192.0.2.21, linux             |   (box: no way from one inside to
#                               +-- far   198.18.4.22, linux            |    the other)
#                               +-- box 192.0.2.23, --no-hairpin -------+-- near2 10.0.0.3
#                               +-- box 192.0.2.24, --hairpin ---------- hair1, hair2
#                               +-- nat 192.0.2.9 --+-- client 10.0.0.2
#                               |                   +-- second 10.0.5.2   the same NAT, and a way between them
#                               +-- box 2001:db8:26:: -- six1, box 2001:db8:27:: -- six2    firewalls
#                               +-- box 192.0.2.28, box 192.0.2.29 -- roam
. "$(dirname "$0")/lib.sh"
. "$TOP/tests/natlab.sh"
. "$TOP/tests/events.sh"
plan 82

DUPLEX=$TOP/tests/duplex.py
RATE=100

serve() { # NAME HOST RELAY
	[[ $3 = *:* ]] && set -- "$1" "$2" "[$3]"
	start "$2" "$1-serve" "$PUNCHCTL" serve "svc@$3" --key-file "$T/svc.key" --to 8000 --no-gateway --json
}

connect() { # NAME HOST RELAY [PORT]
	[[ $3 = *:* ]] && set -- "$1" "$2" "[$3]" "${4-}"
	# Names of the lab are known to nobody else.
	start "$2" "$1-connect" sh -c 'mount --bind "$0" /etc/hosts && exec "$@"' "$T/hosts" \
		"$PUNCHCTL" connect "svc@$3" --key-file "$T/svc.key" --listen "${4:-9000}" --no-gateway --json
}

answer() { # NAME HOST: what the service says
	start "$2" "$1-s" "$DUPLEX" --bind 127.0.0.1:8000 --rate "$RATE"
	wait_for 5 udp_bound "$2" 8000
}

ask() { # NAME HOST [PORT]
	start "$2" "$1-c" "$DUPLEX" --bind "127.0.0.1:7000" --to "127.0.0.1:${3:-9000}" --rate "$RATE"
	wait_for 5 udp_bound "$2" 7000
}

asked() { # NAME
	local before
	before=$(wc -l <"$T/$1.log")
	kill -USR1 "$(pid_of "$1")" && wait_for 2 longer "$1" "$before"
}

longer() { # NAME LINES
	[ "$(wc -l <"$T/$1.log")" -gt "$2" ]
}

last() { # NAME MEMBER
	tail -n 1 "$T/$1.log" >"$T/$1.last" && json "$T/$1.last" "d[\"$2\"]"
}

hears() { # NAME N: that many different ones have come
	asked "$1" && [ "$(last "$1" distinct)" -ge "$2" ]
}

flows() { # NAME [SECONDS]: from now on, both ways
	local c s
	asked "$1-c" && asked "$1-s" || return
	c=$(last "$1-c" distinct) s=$(last "$1-s" distinct)
	wait_for "${2:-5}" hears "$1-c" $((c + RATE / 2)) && wait_for "${2:-5}" hears "$1-s" $((s + RATE / 2))
}

silences() { # NAME: the longest of both ways, at the client and at the service, since they were asked for last
	asked "$1-c" && asked "$1-s" && kill -USR2 "$(pid_of "$1-c")" "$(pid_of "$1-s")" &&
		echo "$(last "$1-c" gap) $(last "$1-s" gap)"
}

calm() { # NAME: forgets them
	silences "$1" >/dev/null
}

hang_up() { # NAME
	kill -TERM "$(pid_of "$1-c")" "$(pid_of "$1-s")"
	finish "$1-c" 5
	finish "$1-s" 5
}

lost() { # NAME: both ways, after the end
	echo "$(($(last "$1-c" sent) - $(last "$1-s" distinct))) $(($(last "$1-s" sent) - $(last "$1-c" distinct)))"
}

leave() { # NAME
	stop "$1-connect"
	stop "$1-serve"
}

# Both agents, and a talk that begins at the relay.
begin() { # NAME CLIENT SERVICE RELAY [RELAY-OF-THE-SERVICE]
	serve "$1" "$3" "${5:-$4}" && answer "$1" "$3" &&
		wait_for 5 happened 1 "$1-serve" waiting && connect "$1" "$2" "$4" &&
		wait_for 10 happened 1 "$1-connect" ready && ask "$1" "$2" && wait_for 5 hears "$1-c" 20
}

directs() { # NAME N: both are on their n-th direct path
	wait_for 25 happened "$2" "$1-connect" direct && wait_for 5 happened "$2" "$1-serve" direct
}

# A direct path, without a loss, and away again.
reaches() { # WHAT NAME CLIENT SERVICE RELAY [RELAY-OF-THE-SERVICE]
	ok "$1: at the relay at once" begin "${@:2}"
	ok "$1: then directly" directs "$2" 1
	flows "$2"
	hang_up "$2"
	is "$1: without a loss" "$(lost "$2")" "0 0"
	note "$1: $(event "$2-connect" direct peer), $(event "$2-connect" direct ms) ms"
	leave "$2"
}

counted() { # HOST COUNTER
	in_ns "$1" nft list counter inet witness "$2" | sed -n 's/.*packets \([0-9]*\) .*/\1/p'
}

# --- the hosts

natlab_up
natbox_host open 192.0.2.20,2001:db8:20:: none && natbox_host home 192.0.2.21 linux &&
	natbox_host far 198.18.4.22 linux &&
	natbox_host near1,near2 192.0.2.23 port-restricted --no-hairpin &&
	natbox_host hair1,hair2 192.0.2.24 port-restricted --hairpin &&
	natbox_host six1 192.0.2.26,2001:db8:26:: port-restricted &&
	natbox_host six2 198.18.4.27,2001:db8:27:: port-restricted &&
	natbox_host roam 192.0.2.28 port-restricted &&
	natbox_host new1 192.0.2.31 port-restricted --allocate random &&
	natbox_host new2 198.18.4.32 port-restricted --allocate random &&
	nat_host nat "$NAT4" && inner_host client nat lan "$CLIENT4" && inner_host second nat lan2 10.0.5.2 ||
	bail "no network"
echo "$RELAY4 relay.test
$RELAY6 relay.test" >"$T/hosts"
relayd_conf "address = { \"$RELAY4\", \"$RELAY6\" }"
stream_conf svc 'peers = 16'
ok "relayd starts" relayd_start

# --- places

reaches "only the client behind a NAT" one home open "$RELAY4"
reaches "only the service behind a NAT" two open home "$RELAY4"
reaches "both" three home far "$RELAY4"
natbox_host open2 192.0.2.30 none || bail "no host"
reaches "neither" four open open2 "$RELAY4"

# What both send to each other after the direct path was found: datagrams that begin with duplex's magic.
in_ns nat nft -f - <<-RULES
	table inet witness {
		counter wan { }
		counter lan { }
		chain through {
			type filter hook prerouting priority -300
			iifname { "lan", "lan2" } ip daddr { 10.0.0.2, 10.0.5.2 } @th,64,32 0x64757078 counter name lan
			iifname "wan" @th,64,32 0x64757078 counter name wan
		}
	}
RULES
ok "behind the same NAT: at the relay at once" begin lan client second "$RELAY4"
ok "behind the same NAT: then directly" directs lan 1
is "to the other's own address" "$(event lan-connect direct peer | sed 's/:.*//')" 10.0.5.2
flows lan
before=$(counted nat wan)
ok "data flow" flows lan
is "and none of them by the NAT's outside" "$(($(counted nat wan) - before))" 0
ok "but by its inside" [ "$(counted nat lan)" -gt 100 ]
hang_up lan
is "without a loss" "$(lost lan)" "0 0"
leave lan

# As in a network for guests.
in_ns near2 nft "add table inet guests; add chain inet guests in { type filter hook input priority 0; };
	add rule inet guests in ip saddr 10.0.0.2 drop"
ok "the same NAT, which does not lead back, and no other way: the relay" begin near near1 near2 "$RELAY4"
ok "a search for a direct path ends" wait_for 25 happened 1 near-connect nopath
ok "and data flow" flows near
is "by the relay" "$(events near-connect direct)" 0
hang_up near
is "without a loss" "$(lost near)" "0 0"
leave near
reaches "the same NAT, which leads back" hair hair1 hair2 "$RELAY4"

# --- IPv6

reaches "IPv6, firewalls on both sides" six six1 six2 "$RELAY6"
is "by IPv6" "$(event six-connect direct peer | cut -c 1-14)" '[2001:db8:27::'
reaches "a service with IPv6, a client with both" dual six1 six2 relay.test "$RELAY6"
is "by IPv6 too" "$(event dual-connect direct peer | cut -c 1-14)" '[2001:db8:27::'

# --- the network changes

ok "a client that will move" begin roam roam far "$RELAY4"
ok "directly" directs roam 1
calm roam
box_start roam2 192.0.2.29 roam:eth1 --type port-restricted --public 192.0.2.29 || bail "no second network"
ip -n "${P}roam" addr flush dev eth0
ip -n "${P}roam" link set eth0 down
box_host roam eth1 10.0.7.2/24 '' 7
ok "it has another address and another NAT: data go on" flows roam 15
figure "longest silences when the client moves: $(silences roam) ms"
ok "and directly again" directs roam 2
is "in the same session" "$(events roam-connect open) $(events roam-connect closed)" "1 0"
ok "data go on" flows roam
hang_up roam
leave roam

ok "NATs that will forget" begin forget new1 new2 "$RELAY4"
ok "directly" directs forget 1
calm forget
kill -HUP "$(pid_of new1-box)" "$(pid_of new2-box)"
ok "both forget all mappings: that is noticed" wait_for 10 happened 1 forget-connect lost
ok "data go on" flows forget 15
figure "longest silences when both NATs forget: $(silences forget) ms"
ok "and directly again" directs forget 2
ok "data go on" flows forget
is "in the same session" "$(events forget-connect open) $(events forget-connect closed)" "1 0"
hang_up forget

# --- programs that end

# Still there: agents and their session.
answer forget new2 && ask forget new1
ok "the same session again" flows forget
relayd_kill
ok "a direct path does not need relayd" flows forget
ok "relayd starts again" relayd_start
ok "which changes nothing" flows forget
is "not even the path" "$(events forget-connect lost) $(events forget-connect direct)" "1 2"
relayd_stop
ok "nor does its end" flows forget
ok "relayd starts again" relayd_start
hang_up forget
is "without a loss" "$(lost forget)" "0 0"
leave forget

ok "a service whose agent will be killed" begin killed home far "$RELAY4"
ok "directly" directs killed 1
calm killed
stop killed-serve KILL
serve killed far "$RELAY4"
ok "it starts again: data go on long before consent ends" flows killed 15
figure "longest silences when serve is killed: $(silences killed) ms"
ok "and directly again" wait_for 40 happened 1 killed-serve direct
hang_up killed
leave killed

path_cut 192.0.2.21 198.18.4.22
ok "two who cannot reach each other" begin relay home far "$RELAY4"
relayd_kill
ok "without relayd the kernel goes on" flows relay
ok "relayd starts again" relayd_start
ok "data go on" wait_for 15 happened 1 relay-connect nopath
relayd_stop
ok "relayd has ended" flows relay
ok "relayd starts again" relayd_start
ok "data go on" flows relay
hang_up relay
is "none of this has cost a datagram" "$(lost relay)" "0 0"
path_mend

leave relay

# --- several at once, and a relay with IPv6 only

# Each hears itself.
start far echo "$PYTHON" "$TOP/tests/matrix.py" echo --bind 127.0.0.1:8000
wait_for 5 udp_bound far 8000
serve beside far "$RELAY4"
connect first client "$RELAY4"
connect second second "$RELAY4"
ok "two clients behind one NAT have a way to a service" wait_for 10 happened 1 first-connect ready
ok "both of them" wait_for 10 happened 1 second-connect ready
ask first client && ask second second
ok "one finds a direct path" wait_for 25 happened 1 first-connect direct
ok "and the other" wait_for 25 happened 1 second-connect direct
is "the service two" "$(wait_for 5 happened 2 beside-serve direct && events beside-serve direct)" 2
for name in first second; do
	seen=$(asked "$name-c" && last "$name-c" distinct)
	ok "data flow" wait_for 5 hears "$name-c" $((seen + RATE))
done
kill -TERM "$(pid_of first-c)" "$(pid_of second-c)"
finish first-c 5
finish second-c 5
for name in first second; do
	is "all come back, once" "$(last "$name-c" distinct) $(last "$name-c" duplicated)" "$(last "$name-c" sent) 0"
	stop "$name-connect"
done
stop beside-serve
stop echo

relayd_stop
relayd_conf 'consent = 10' "address = { \"$RELAY6\" }"
stream_conf svc 'peers = 16'
ok "a relay with IPv6 only starts" relayd_start
reaches "a relay with IPv6 only" only six1 six2 "$RELAY6"
