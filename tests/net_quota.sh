#!/usr/bin/env bash
# What a relay carries has limits: a stream that has used up its quota is closed and says so, over a
# death of relayd too and until it may have more; and beyond max-clients nobody new is let in.
#
#   sender --- net --- nat --- client: two players
#               |
#             relay
. "$(dirname "$0")/lib.sh"
plan 32

RATE=200 SIZE=1000          # packets a second, and bytes of one
PACKET=$((SIZE + 28))       # as the kernel counts it
QUOTA=$(($(seconds 1500) * PACKET))

said() { # NAME PATTERN
	cat "$T/$1.log" "$T/$1.err" >"$T/said"
	contains "$T/said" "$2"
}

used() { # NAME: bytes of its quota
	pctl --json show "$1" >"$T/used.json" && json "$T/used.json" 'd["used"]'
}

uses() { # NAME BYTES: at least
	[ "$(used "$1")" -ge "$2" ]
}

fits() { # the clients' trouble is over
	[ "$(metric 'relayd_trouble{trouble="clients_full"}')" -eq 0 ]
}

punch() { # NAME STREAM PORT LISTEN
	start client "$1" "$PUNCHCTL" punch "$2@$RELAY4" --key-file "$T/$2.key" --port "$3" --to "$4"
}

media() { # NAME PORT LISTEN
	start client "recv$1" "$UDPTOOL" recv --bind "127.0.0.1:$2" --for 120
	start sender "send$1" "$UDPTOOL" send --from "$SENDER4:$((7000 + $3))" --to "$RELAY4:$3" \
		--count 1000000 --rate $RATE --size $SIZE
}

lab_up
relayd_conf 'consent = 10' 'max-clients = 2'
stream_conf cam1 'listen = "9101"' "source = \"$SENDER4\"" "quota = \"$QUOTA\""
stream_conf cam2 'listen = "9102"' "source = \"$SENDER4\"" 'quota = "1G/month"'
stream_conf cam3 'listen = "9103"' "source = \"$SENDER4\""
ok "relayd starts" relayd_start
start relay monitor "$PUNCHCTL" --socket "$T/relayd/relayd.sock" --json monitor

# --- a quota, and a relayd that is killed while it is used

punch one cam1 5001 9101
ok "a client" wait_for 5 stream_is cam1 ready
media 1 5001 9101
ok "its media is counted" wait_for 5 uses cam1 $((300 * PACKET))
before=$(used cam1)
relayd_kill
ok "killed and started again" relayd_start
ok "relayd knows what was used" uses cam1 "$before"
is "and the stream is not over its quota" \
	"$(metric 'relayd_streams{state="over-quota"}')" 0
ok "when it is used up the stream says so" wait_for 30 stream_is cam1 over-quota
pctl list >"$T/list.log"
ok "list does" contains "$T/list.log" 'cam1 +over-quota'
ok "so does the log, once" [ "$(grep -c 'cam1 quota: .* is used up' "$T/relayd.err")" -eq 1 ]
ok "and the events" contains "$T/monitor.log" '"event": *"quota"'
ok "the metrics count it" counts 'relayd_streams{state="over-quota"}' 1
ok "and what was used" counts 'relayd_stream_used_bytes{stream="cam1"}' $QUOTA
pctl explain cam1 >"$T/explain.log"
ok "explain says why nothing flows" contains "$T/explain.log" 'quota of .* is used up'
ok "the client is told" wait_for 20 said one "quota is used up"
over=$(($(used cam1) - QUOTA))
figure quota-overshoot-packets $((over / PACKET))
# Two rounds of the sampler at most, and as much again on a machine that is slow.
ok "it got no more than flows between two samples" [ $over -le $((4 * RATE * PACKET)) ]

relayd_kill
ok "killed and started again" relayd_start
ok "it is still over its quota" stream_is cam1 over-quota
received=$(metric 'relayd_stream_packets_total{stream="cam1"}')
ok "the client's punches do not help" wait_for 20 counts 'relayd_punches_total{result="over_quota"}' 1
is "and nothing more has flowed" "$(metric 'relayd_stream_packets_total{stream="cam1"}')" "$received"

sed -i "s|quota = \"$QUOTA\"|quota = \"1T\"|" "$T/relayd.conf"
ok "with a larger quota" pctl reload
ok "it flows again, by itself" wait_for 30 stream_is cam1 live

# --- one that is added

ok "a stream is added with a quota" pctl add guest --listen 9110 --quota 5G/day
is "which is kept" "$(pctl --json show guest >"$T/guest.json" && json "$T/guest.json" 'd["quota"]')" 5G/day
not pctl add odd --listen 9111 --quota 5G/year 2>"$T/odd.err"
is "one that makes no sense is refused" "$?" 0
ok "with what would" contains "$T/odd.err" '50G/month'

# --- clients

punch two cam2 5002 9102
ok "a second client" wait_for 5 stream_is cam2 ready
punch three cam3 5003 9103
ok "a third is one too many" wait_for 10 said three 'as many clients as it may'
ok "the log names it" wait_for 5 grep -q 'clients_full: 2 ports have a client' "$T/relayd.err"
ok "the others' media goes on" stream_is cam1 live
sed -i 's|max-clients = 2|max-clients = 4|' "$T/relayd.conf"
ok "with room for more" pctl reload
ok "it comes in by itself" wait_for 30 stream_is cam3 ready
ok "and the trouble is over" wait_for 30 fits
