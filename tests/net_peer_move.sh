#!/usr/bin/env bash
# A session of `punchctl serve` and `punchctl connect` moves between the relay and a direct path, under 1000
# datagrams a second each way: nothing is lost, nothing comes twice; unless the path dies, and then little.
#
#   relay --- net --+-- NAT 192.0.2.1x --- clientN   connect, 127.0.0.1:9000
#                   +-- NAT 198.18.4.1x -- serviceN  serve, to 127.0.0.1:8000
#
# Each wire of a peer has a delay of 30 +- 5 ms each way, and no loss, so that every datagram counts.
. "$(dirname "$0")/lib.sh"
. "$TOP/tests/natlab.sh"
. "$TOP/tests/events.sh"
plan 51

RATE=1000
DUPLEX=$TOP/tests/duplex.py

talk() { # N NAME: both begin, and wait until they hear each other
	start "service$1" "$2-s" "$DUPLEX" --bind 127.0.0.1:8000 --rate "$RATE" &&
		wait_for 5 udp_bound "service$1" 8000 &&
		start "client$1" "$2-c" "$DUPLEX" --bind 127.0.0.1:7000 --to 127.0.0.1:9000 --rate "$RATE" &&
		wait_for 5 udp_bound "client$1" 7000 && wait_for 10 hears "$2-c" 300 && wait_for 10 hears "$2-s" 300
}

asked() { # NAME
	local before
	before=$(lines "$1")
	kill -USR1 "$(pid_of "$1")" && wait_for 2 eval "[ \$(lines '$1') -gt $before ]"
}

lines() {
	wc -l <"$T/$1.log"
}

last() { # NAME MEMBER: of the newest line
	tail -n 1 "$T/$1.log" >"$T/$1.last" && json "$T/$1.last" "d[\"$2\"]"
}

hears() { # NAME N: that many different ones have come
	asked "$1" && [ "$(last "$1" distinct)" -ge "$2" ]
}

# From now on N more have come both ways.
flows() { # NAME N
	local c s
	asked "$1-c" && asked "$1-s" || return
	c=$(last "$1-c" distinct) s=$(last "$1-s" distinct)
	wait_for 10 hears "$1-c" $((c + $2)) && wait_for 10 hears "$1-s" $((s + $2))
}

silences() { # NAME: the longest of both ways, at the client and at the service, since they were asked for last
	asked "$1-c" && asked "$1-s" && kill -USR2 "$(pid_of "$1-c")" "$(pid_of "$1-s")" &&
		echo "$(last "$1-c" gap) $(last "$1-s" gap)"
}

hang_up() { # NAME: and both count to the end
	kill -TERM "$(pid_of "$1-c")" "$(pid_of "$1-s")"
	finish "$1-c" 5
	finish "$1-s" 5
}

lost() { # NAME: both ways
	echo "$(($(last "$1-c" sent) - $(last "$1-s" distinct))) $(($(last "$1-s" sent) - $(last "$1-c" distinct)))"
}

doubled() { # NAME
	echo "$(last "$1-c" duplicated) $(last "$1-s" duplicated)"
}

tell() { # NAME WHAT
	figure "$2: of $(last "$1-c" sent) and $(last "$1-s" sent) datagrams to and from the service" \
		"lost $(lost "$1"), doubled $(doubled "$1"), reordered $(last "$1-s" reordered)" \
		"$(last "$1-c" reordered)"
}

moves() { # N NATS ADDRESS ADDRESS
	local n=$1 nats=$2 before c s
	start "service$n" "serve$n" "$PUNCHCTL" serve "svc$n@$RELAY4" --key-file "$T/svc$n.key" --to 8000 --json
	ok "$nats: the service is known" wait_for 5 happened 1 "serve$n" waiting
	start "client$n" "connect$n" "$PUNCHCTL" connect "svc$n@$RELAY4" --key-file "$T/svc$n.key" \
		--listen 9000 --json
	ok "$nats: the client has a way to it" wait_for 10 happened 1 "connect$n" ready

	# By itself.
	ok "$nats: both talk through the relay" talk "$n" "first$n"
	silences "first$n" >/dev/null
	ok "$nats: a direct path is found" wait_for 20 happened 1 "connect$n" direct
	ok "$nats: by both" wait_for 5 happened 1 "serve$n" direct
	ok "$nats: and used" flows "first$n" 500
	figure "$nats: longest silences on the way to a direct path, to client and service: $(silences "first$n") ms"

	# As it is told.
	kill -USR1 "$(pid_of "$5")"
	ok "$nats: one may leave it" wait_for 5 happened 1 "connect$n" lost
	ok "$nats: and the other follows" wait_for 5 happened 1 "serve$n" lost
	ok "$nats: data go on" flows "first$n" 1000
	figure "$nats: longest silences on the way back: $(silences "first$n") ms"
	kill -USR2 "$(pid_of "$5")"
	ok "$nats: and look for one again" wait_for 25 happened 2 "connect$n" direct
	ok "$nats: which both find" wait_for 5 happened 2 "serve$n" direct
	ok "$nats: data go on" flows "first$n" 500
	figure "$nats: longest silences to a direct path again: $(silences "first$n") ms"
	hang_up "first$n"
	tell "first$n" "$nats, planned moves"
	is "$nats: nothing is lost by all that" "$(lost "first$n")" "0 0"
	is "$nats: nothing comes twice" "$(doubled "first$n")" "0 0"

	# Without a warning.
	ok "$nats: both talk again" talk "$n" "second$n"
	ok "$nats: the same session" [ "$(events "connect$n" open)" -eq 1 ]
	silences "second$n" >/dev/null
	before=$(events "serve$n" lost)
	path_cut "$3" "$4"
	ok "$nats: when the path is cut, that is noticed" wait_for 5 happened $((before + 1)) "connect$n" lost
	ok "$nats: by both" wait_for 5 happened $((before + 1)) "serve$n" lost
	ok "$nats: data go on" flows "second$n" 1000
	read -r c s < <(silences "second$n")
	figure "$nats: longest silences by the cut: $c $s ms"
	ok "$nats: within 2 s" [ "$((c > s ? c : s))" -lt 2000 ]
	path_mend
	ok "$nats: a direct path comes back when it can" wait_for 60 happened 3 "connect$n" direct
	ok "$nats: for both" wait_for 5 happened 3 "serve$n" direct
	ok "$nats: data go on" flows "second$n" 500
	figure "$nats: longest silences to the direct path: $(silences "second$n") ms"
	hang_up "second$n"
	tell "second$n" "$nats, a path that is cut"
	is "$nats: nothing comes twice" "$(doubled "second$n")" "0 0"
	# One silence each way, and what was sent in it.
	is "$nats: all that is lost was lost in one piece" \
		"$(json "$T/second$n-c.last" 'len(d["missing"])') $(json "$T/second$n-s.last" 'len(d["missing"])')" "1 1"
	stop "connect$n"
	stop "serve$n"
}

natlab_up
WIRE=(--delay 30 --jitter 5)
natbox_host client1 192.0.2.11 linux "${WIRE[@]}" && natbox_host service1 198.18.4.11 linux "${WIRE[@]}" &&
	natbox_host client2 192.0.2.12 port-restricted "${WIRE[@]}" &&
	natbox_host service2 198.18.4.12 port-restricted "${WIRE[@]}" || bail "no NATs"
relayd_conf "address = { \"$RELAY4\" }" # one address: what it cannot tell of a NAT must not matter
stream_conf svc1 'peers = 4'
stream_conf svc2 'peers = 4'
ok "relayd starts" relayd_start
moves 1 "Linux" 192.0.2.11 198.18.4.11 connect1
moves 2 "natbox" 192.0.2.12 198.18.4.12 serve2
