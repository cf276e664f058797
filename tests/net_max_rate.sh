#!/usr/bin/env bash
# All streams together have no more than max-rate, and one no more than its rate: what is more is
# dropped and counted, also after relayd's death; a reload changes max-rate, and without one the
# chain that keeps it is not there.
#
#   sender --- net --- nat --- client: two players
#               |
#             relay
. "$(dirname "$0")/lib.sh"
plan 30

RATE=200 SIZE=972                # packets a second of each stream, and what one carries
PACKET=$((SIZE + 28))            # as the kernel counts it
LIMIT=$((RATE * PACKET))         # what one of them needs
HIGHER=$((LIMIT * 4))

limit_is() { # BYTES|"": the kernel's
	in_ns relay nft list chain inet relayd keep_max_rate >"$T/chain" 2>&1
	[ "$(sed -n 's/.*limit rate over \([0-9]*\) bytes.second.*/\1/p' "$T/chain")" = "$1" ]
}

names_it() {
	pctl show cam1 >"$T/show.log" && contains "$T/show.log" rate_full
}

punch() { # STREAM PORT LISTEN
	start client "$1" "$PUNCHCTL" punch "$1@$RELAY4" --key-file "$T/$1.key" --port "$2" --to "$3"
}

# Both streams for a while: how many of their packets came.
media() { # COUNT
	local i
	for i in 1 2; do
		start client "recv$i" "$UDPTOOL" recv --bind "127.0.0.1:500$i" --for 60 --idle 3
		wait_for 5 udp_bound client "500$i"
	done
	for i in 1 2; do
		start sender "send$i" "$UDPTOOL" send --from "$SENDER4:700$i" --to "$RELAY4:910$i" \
			--count "$1" --rate $RATE --size $SIZE
	done
	for i in 1 2; do
		finish "send$i" 60 && finish "recv$i" 60 || return
	done
	CAME=$(($(json "$T/recv1.log" 'd["distinct"]') + $(json "$T/recv2.log" 'd["distinct"]')))
	TOOK=$(json "$T/send1.log" 'd["seconds"]')
}

# No more than the rate and, at the beginning, one second's worth of it.
within() {
	awk -v came="$CAME" -v took="$TOOK" -v rate="$RATE" \
		'BEGIN { exit !(came <= rate * (took + 1.5)) }'
}

SENT=400

# One with a rate, faster than that.
media_at_rate() {
	start client recv3 "$UDPTOOL" recv --bind 127.0.0.1:5003 --for 60 --idle 3
	wait_for 5 udp_bound client 5003
	in_ns sender "$UDPTOOL" send --from "$SENDER4:7003" --to "$RELAY4:9103" --count $SENT \
		--rate $SENT --size $SIZE && finish recv3 60
}

of_cam3() { # FIELD
	pctl --json show cam3 >"$T/cam3.json" && json "$T/cam3.json" "d[\"$1\"]"
}

all_counted() {
	[ $(($(of_cam3 packets) + $(of_cam3 limited))) -eq $SENT ]
}

set_limit() { # BYTES
	sed -i "s/^max-rate = .*/max-rate = $1/" "$T/relayd.conf" && pctl reload >"$T/reload.log"
}

lab_up
relayd_conf 'consent = 30' "max-rate = $LIMIT"
stream_conf cam1 'listen = "9101"' "source = \"$SENDER4\""
stream_conf cam2 'listen = "9102"' "source = \"$SENDER4\""
stream_conf cam3 'listen = "9103"' "source = \"$SENDER4\"" "rate = $((20 * PACKET))"
ok "relayd starts" relayd_start
ok "the kernel keeps the limit" wait_for 5 limit_is "$LIMIT"
is "relayd says which" "$(metric relayd_max_rate)" "$LIMIT"
punch cam1 5001 9101
punch cam2 5002 9102
ok "two clients" eval 'wait_for 5 stream_is cam1 ready && wait_for 5 stream_is cam2 ready'

ok "twice as much is sent" media $((RATE * 5))
ok "and no more comes than may" within
ok "nor much less" test "$CAME" -ge $((RATE * 4))
figure "packets sent, came, seconds" "$((RATE * 10)) $CAME $TOOK"
ok "what did not is counted" wait_for 5 counts relayd_max_rate_dropped_packets_total $((RATE * 10 - CAME))
is "all of it" "$(metric relayd_max_rate_dropped_packets_total)" $((RATE * 10 - CAME))
ok "it has a name" names_it
ok "the log says so once" [ "$(grep -c 'rate_full: all streams together' "$T/relayd.err")" -eq 1 ]

punch cam3 5003 9103
ok "a stream with a rate" wait_for 5 stream_is cam3 ready
ok "has more sent than that: each packet has passed or is counted" eval 'media_at_rate && wait_for 5 all_counted'
is "what has passed has come" "$(json "$T/recv3.log" 'd["distinct"]')" "$(of_cam3 packets)"
LIMITED=$(of_cam3 limited)
ok "and most has not, but nobody was refused" eval '[ "$LIMITED" -gt $((SENT / 2)) ] && [ "$(of_cam3 refused)" -eq 0 ]'
is "the metrics say so" "$(metric 'relayd_stream_limited_packets_total{stream="cam3"}')" "$LIMITED"

relayd_kill
ok "without relayd" limit_is "$LIMIT"
ok "killed and started again" relayd_start
ok "it holds" limit_is "$LIMIT"
ok "and nothing is forgotten" wait_for 5 counts 'relayd_stream_limited_packets_total{stream="cam3"}' "$LIMITED"

ok "a higher one" set_limit "$HIGHER"
ok "is the kernel's" wait_for 5 limit_is "$HIGHER"
ok "all of both flows" eval 'media $RATE && [ "$CAME" -eq $((2 * RATE)) ]'
ok "none" set_limit 0
ok "has no chain" wait_for 5 limit_is ""
ok "which is gone" contains "$T/chain" 'No such file'
relayd_stop

# --- foreign hands, where the kernel lets them

in_ns relay "$RELAYD" --flush >/dev/null
export POINT_LEGACY=1
RELAYD=$BUILD/tests/relayd_points
sed -i "s/^max-rate = .*/max-rate = $LIMIT/" "$T/relayd.conf"
ok "relayd starts with a table that has no owner" relayd_start
ok "and with the limit" wait_for 5 limit_is "$LIMIT"
in_ns relay nft "flush chain inet relayd keep_max_rate; delete chain inet relayd keep_max_rate"
ok "a chain that is deleted comes back" wait_for 5 limit_is "$LIMIT"
in_ns relay nft delete table inet relayd
ok "with the whole table too" wait_for 5 limit_is "$LIMIT"
