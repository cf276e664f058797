#!/usr/bin/env bash
# A client vanishes without a word: the kernel stops after `consent` seconds, by itself.
#
#   sender ---+
#            net --- wan (nat) --- client
#   relay  ---+       |
#                  tcpdump
. "$(dirname "$0")/lib.sh"
CONSENT=10
plan 18

# What went over the wire to the mapping that was punched for last: seconds from the last proof of
# consent and from VANISHED to the last packet, and how many packets followed FROM.
cat >"$T/consent.py" <<'PYTHON'
import json, sys
sys.path.insert(0, sys.argv[2])
import pcap

relay, vanished = sys.argv[3], float(sys.argv[4])
proofs, media = {}, []
for packet in pcap.packets(sys.argv[1]):
    if packet.source != relay:
        continue
    if pcap.stun(packet.data) == pcap.SUCCESS:
        proofs[packet.to] = packet.time
    elif pcap.number(packet.data) is not None:
        media.append(packet)
last = media[-1]
print(json.dumps({
    "from_proof": round(last.time - proofs[last.to], 3), "from_vanishing": round(last.time - vanished, 3),
    "after": sum(packet.time > vanished and packet.to == last.to for packet in media),
}))
PYTHON

live() { # NAME
	pctl --json show "$1" >"$T/show.json" && [ "$(json "$T/show.json" 'd["ports"][0]["packets"]')" -ge 100 ]
}

consent_is() { # NAME COMPARISON
	pctl --json show "$1" >"$T/show.json" && [ "$(json "$T/show.json" "d['ports'][0]['consent'] $2")" = true ]
}

renewed() { # NAME: it ran down, and began anew
	wait_for 5 consent_is "$1" "< $CONSENT - 1" && wait_for 6 consent_is "$1" "> $CONSENT - 0.8"
}

wan_packets() {
	in_ns nat nft list counter inet witness media | sed -n 's/.*packets \([0-9]*\) .*/\1/p'
}

# The witness's counter has not moved for a second; each of its packets would have come 200 times.
quiet() {
	local count
	count=$(wan_packets)
	[ "$count" = "$QUIET_COUNT" ] || QUIET_COUNT=$count QUIET_SINCE=$(microseconds)
	[ $(($(microseconds) - QUIET_SINCE)) -gt 1000000 ]
}

begin() { # NAME PORT
	start nat "wire-$1" tcpdump -n -q -i wan -s 128 -U -w "$T/$1.pcap" udp port 3478
	wait_for 5 contains "$T/wire-$1.err" 'listening on' || return
	start client "punch-$1" "$PUNCHCTL" punch "$1@$RELAY4" --key-file "$T/$1.key" --port 5004 --to "$2"
	wait_for 5 stream_is "$1" ready || return
	start sender "send-$1" "$UDPTOOL" send --from "$SENDER4:7000" --to "$RELAY4:$2" --rate 200 --count 12000
	wait_for 5 live "$1"
}

# Waits for the end and looks at what went over the wire until then.
seen() { # WHAT NAME
	local proof
	QUIET_COUNT='' QUIET_SINCE=0
	ok "$1: the stream ends by itself" wait_for $((CONSENT + 5)) quiet
	ok "$1: the sender still sends" running "send-$2"
	stop "wire-$2"
	"$PYTHON" -B "$T/consent.py" "$T/$2.pcap" "$TOP/tests" "$RELAY4:3478" "$VANISHED" >"$T/$2.json"
	proof=$(json "$T/$2.json" 'd["from_proof"]')
	figure "$1: seconds from the last punch to the last packet, consent being $CONSENT" "$proof"
	figure "$1: seconds from the vanishing to the last packet" "$(json "$T/$2.json" 'd["from_vanishing"]')"
	ok "$1: that is after consent" awk -v s="$proof" -v c="$CONSENT" 'BEGIN { exit !(s > c - 0.5 && s < c + 0.5) }'
	ok "$1: until then it went on" test "$(json "$T/$2.json" 'd["after"]')" -gt 500
	# ICMP of the client's host, where nobody listens any more, would have been an error for it.
	stop "send-$2" KILL
}

lab_up
in_ns nat nft -f - <<-RULES
	table inet witness {
		counter media { }
		chain wire {
			type filter hook prerouting priority raw
			iifname "wan" udp sport 3478 counter name media
		}
	}
RULES
relayd_conf "consent = $CONSENT"
stream_conf alive 'listen = "9099"' "source = \"$SENDER4\""
stream_conf dead 'listen = "9100"' "source = \"$SENDER4\""
ok "relayd starts" relayd_start

ok "a stream flows" begin alive 9099
ok "the client renews its consent" renewed alive
stop punch-alive KILL
VANISHED=$(now)
seen "relayd alive" alive
ok "relayd alive: it knows" wait_for 3 stream_is alive stale
is "says so once, and nobody was refused" \
	"$(grep -E ' (stale|refused)' "$T/relayd.err")" "relayd: alive:9099 stale"
is "of the rate nothing is left" "$(pctl --json show alive >"$T/show.json" && json "$T/show.json" 'd["ports"][0]["rate"]')" 0

ok "another one flows" begin dead 9100
stop punch-dead KILL
VANISHED=$(now)
relayd_kill
is "both processes are dead" "$(relayd_pids)" ""
seen "relayd dead" dead
ok "relayd starts again" relayd_start
is "and has no client" "$(pctl --json show dead >"$T/show.json" && json "$T/show.json" 'd["ports"][0]["client"]')" null
