#!/usr/bin/env bash
# A client's NAT loses its table at 5,000 packets a second and gives new mappings: the stream follows.
# check: alone
#
#   sender ---+
#            net --- wan (nat) --- client
#   relay  ---+       |
#                  tcpdump
. "$(dirname "$0")/lib.sh"
ROUNDS=3 RATE=5000
[ -z "${WAIT_FACTOR-}" ] || RATE=500 # an emulated machine
plan 9

# Reads the capture: how the stream went from each mapping to the next one.
cat >"$T/roam.py" <<'PYTHON'
import json, sys
sys.path.insert(0, sys.argv[2])
import pcap

relay = sys.argv[3]
moves, media, seen, asked = [], [], {}, {}
now = None  # the mapping that was answered last; the NAT may come back to one of before
for packet in pcap.packets(sys.argv[1]):
    kind, seq = pcap.stun(packet.data), pcap.number(packet.data)
    if kind == pcap.REQUEST and packet.to == relay and packet.source != now:
        asked.setdefault(packet.source, packet.time)
    elif kind == pcap.SUCCESS and packet.source == relay and packet.to != now:
        if now:
            moves.append({"old": now, "new": packet.to, "late": 0, "first": None,
                          "answer_ms": round((packet.time - asked[packet.to]) * 1000, 2)})
        now = packet.to
        began, asked = asked[now], {}
        # What the new mapping got before the answer to it.
        ahead = [(time, seq) for time, to, seq in media[-50:] if to == now and time > began]
        if moves and ahead:
            moves[-1].update(first=ahead[0][1], media_ms=round((ahead[0][0] - began) * 1000, 2))
    elif kind is None and packet.source == relay and seq is not None:
        media.append((packet.time, packet.to, seq))
        seen[seq] = seen.get(seq, 0) + 1
        if moves and packet.to == moves[-1]["old"]:
            moves[-1]["late"] += 1
        elif moves and packet.to == now and moves[-1]["first"] is None:
            moves[-1].update(first=seq, media_ms=round((packet.time - began) * 1000, 2))

numbers = sorted(seen)
gone = [(a + 1, b - 1) for a, b in zip(numbers, numbers[1:]) if b > a + 1]
print(json.dumps({
    "moves": moves, "doubled": sum(n > 1 for n in seen.values()),
    "lost": numbers[-1] - numbers[0] + 1 - len(numbers) if numbers else None, "gone": gone,
}))
PYTHON

packets() {
	pctl --json show cam1 >"$T/show.json" && json "$T/show.json" 'd["ports"][0]["packets"]'
}

packets_beyond() { # N
	[ "$(packets)" -gt "$1" ]
}

moves_are() { # N
	[ "$(grep -c ' moved: ' "$T/punch.err")" -ge "$1" ]
}

lab_up
relayd_conf 'consent = 10'
stream_conf cam1 'listen = "9099"' "source = \"$SENDER4\""
ok "relayd starts" relayd_start
start nat wire tcpdump -n -q -i wan -s 128 -B 65536 -U -w "$T/wan.pcap" udp
ok "the wire is watched" wait_for 5 contains "$T/wire.err" 'listening on'
start client punch "$PUNCHCTL" punch "cam1@$RELAY4" --key-file "$T/cam1.key" --port 5004 --to 9099
start client recv "$UDPTOOL" recv --bind 127.0.0.1:5004
ok "the relay has a client" wait_for 5 stream_is cam1 ready
start sender send "$UDPTOOL" send --from "$SENDER4:7000" --to "$RELAY4:9099" --rate "$RATE" --count 1000000
wait_for 5 packets_beyond "$RATE"

for ((round = 1; round <= ROUNDS; round++)); do
	nat_forget
	wait_for 5 moves_are "$round" || note "round $round: punchctl has not noticed"
	# The relay counts anew for each mapping.
	wait_for 5 packets_beyond "$RATE" || note "round $round: no media"
done
ok "punchctl punches again when media falls silent" moves_are "$ROUNDS"
stop send
before=-1
quiet() {
	local now
	now=$(packets)
	[ "$now" = "$before" ] && return
	before=$now
	return 1
}
wait_for 5 quiet
stop recv
stop punch
stop wire

"$PYTHON" -B "$T/roam.py" "$T/wan.pcap" "$TOP/tests" "$RELAY4:3478" >"$T/roam.json"
note "$(json "$T/roam.json" '"\n".join(json.dumps(m) for m in d["moves"])')"
note "numbers that the wire did not see: $(json "$T/roam.json" 'd["gone"]')"
is "the wire saw as many moves" "$(json "$T/roam.json" 'len(d["moves"])')" "$ROUNDS"
# One may be in the kernel's hands, translated, while the answer overtakes it on the other core.
is "after the answer no packet goes to the old mapping but one that was under way" \
	"$(json "$T/roam.json" '[m["late"] for m in d["moves"] if m["late"] > 1]')" "[]"
is "on the wire none is lost and none doubled" "$(json "$T/roam.json" '[d["lost"], d["doubled"]]')" "[0, 0]"

# The player: it misses what went to the old mapping after the NAT had forgotten it, nothing else.
is "nothing is lost at the client but what the NAT dropped before the punch" \
	"$("$PYTHON" -c 'import json, sys
roam, got = (json.load(open(path)) for path in sys.argv[1:])
print(json.dumps(sorted(m["first"] - 1 for m in roam["moves"]) == [b for a, b in got["missing"]]))' \
		"$T/roam.json" "$T/recv.log")" true
is "and none comes twice" "$(json "$T/recv.log" 'd["duplicated"]')" 0
figure "milliseconds from the punch to the relay's answer" "$(json "$T/roam.json" '", ".join(str(m["answer_ms"]) for m in d["moves"])')"
figure "milliseconds from the punch to the first packet" "$(json "$T/roam.json" '", ".join(str(m["media_ms"]) for m in d["moves"])')"
figure "packets lost in between, from the NAT's forgetting on, at $RATE a second" \
	"$(json "$T/recv.log" '", ".join(str(b - a + 1) for a, b in d["missing"])')"
