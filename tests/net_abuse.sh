#!/usr/bin/env bash
# check: alone
# Punches that must not work: forged, replayed, with another's nonce, without the key, malformed;
# and floods, beside which a stream goes on. The client's own code is another than ours.
#
#   sender 198.51.100.175 ---+
#   evil   198.18.66.6    ---+
#   victim 198.19.0.77    --net --- nat 192.0.2.9 --- client 10.0.0.2
#   relay  203.0.113.7    ---+
. "$(dirname "$0")/lib.sh"
plan 60

EVIL4=198.18.66.6 VICTIM4=198.19.0.77
PUNCH=$RELAY4:3478
FLOOD=200000
[ -z "${WAIT_FACTOR-}" ] || FLOOD=20000 # an emulated machine

stun() { # HOST WHAT FROM [OPTION...]
	in_ns "$1" "$PYTHON" "$TOP/tests/stuntool.py" "$2" --from "$3" --to "$PUNCH" "${@:4}" >"$T/stun.json" &&
		cat "$T/stun.json"
}

punch() { # HOST FROM NAME[:PORT] [OPTION...]
	stun "$1" punch "$2" --name "$3" --key-file "$T/${3%%:*}.key" "${@:4}" >/dev/null
	outcome
}

replay() { # HOST FROM FILE
	stun "$1" replay "$2" --file "$3" --wait 0.5 >/dev/null
	outcome
}

# Of the last one: what came, with which code; and that it was no larger than what had been sent.
outcome() {
	json "$T/stun.json" '" ".join(str(v) for v in (d["kind"], d.get("code")) if v) + (
		" larger" if d.get("reply", 0) > d["request"] else "")'
}

# The counters of punches that have grown since this was last asked, and by how much.
grown() {
	touch "$T/counts"
	pctl metrics | sed -n 's/^relayd_punches_total{result="\(.*\)"} /\1 /p' >"$T/counts.new"
	awk 'NR == FNR { old[$1] = $2; next } $2 > old[$1] { printf "%s%s %d", s, $1, $2 - old[$1]; s = " " }' \
		"$T/counts" "$T/counts.new"
	mv "$T/counts.new" "$T/counts"
}

# Where the kernel sends things, without counters and times.
holes() {
	in_ns relay nft list map inet relayd ingress4 | tr -d '\n\t' | grep -o 'elements.*}' |
		grep -o '[0-9.]* \. [0-9]* : [0-9.]* \. [0-9]*'
	in_ns relay nft list map inet relayd egress4 | grep -oE '[0-9.]+ \. [0-9]+ :'
}

no_holes() {
	[ -z "$(holes)" ]
}

consent() { # STREAM
	pctl --json show "$1" >"$T/show.json"
	json "$T/show.json" 'd["ports"][0]["consent"]'
}

memory() { # kilobytes of both processes
	local pid
	for pid in $(relayd_pids); do
		sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$pid/status"
	done | paste -sd ' '
}

octets() { # received and sent by evil
	ip -n "${P}evil" -s -j link show eth0 >"$T/link.json"
	json "$T/link.json" '"%d %d" % tuple(d[0]["stats64"][k]["bytes"] for k in ("rx", "tx"))'
}

no_more() { # OLD NEW...: no process grew by more than a megabyte
	awk -v old="$1" -v new="$2" 'BEGIN {
		n = split(old, a); m = split(new, b)
		for (i = 1; i <= n; i++) if (b[i] > a[i] + 1024) exit 1
		exit n == 0 || n != m }'
}

lab_up
public_host evil eth0 "$EVIL4" && public_host victim eth0 "$VICTIM4" || bail "no network"
# What evil sends as somebody else; what is sent to them does not come here.
ip -n "${P}evil" addr add "$VICTIM4/32" dev lo
ip -n "${P}evil" addr add "$NAT4/32" dev lo
relayd_conf
stream_conf cam1 'listen = "9099"'
stream_conf cam2 'listen = "9199-9200"' 'source = "any"'
stream_conf cam3 'listen = "9299"' 'clients = "198.51.100.0/24"'
ok "relayd starts" relayd_start
grown >/dev/null

# --- code that is not ours can punch

gets_media() { # PORT
	start client recv "$PYTHON" "$UDPTOOL" recv --bind "$CLIENT4:$1" --expect 50 --for 5
	wait_for 3 udp_bound client "$1" &&
		in_ns sender "$PYTHON" "$UDPTOOL" send --from "$SENDER4:7000" --to "$RELAY4:9199" \
			--count 50 --rate 500 &&
		finish recv 6
	[ "$(json "$T/recv.log" 'd["distinct"]')" -eq 50 ]
}

is "RFC 8489, SHA-256: a punch" "$(punch client "$CLIENT4:6000" cam2)" success
is "the relay proves that it knows the key" "$(json "$T/stun.json" 'd["signed"]')" true
is "and tells the mapping" "$(json "$T/stun.json" 'd["mapped"]')" "$NAT4:6000"
is "it is counted" "$(grown)" "accepted 1 challenged 1"
ok "media comes" gets_media 6000
is "RFC 5389, MD5 and SHA-1: a punch" "$(punch client "$CLIENT4:6001" cam2 --style 5389)" success
is "signed as well" "$(json "$T/stun.json" 'd["signed"]')" true
is "counted as well" "$(grown)" "accepted 1 challenged 1"
ok "and media comes there" gets_media 6001
is "a socket that carries a port gets no second one" \
	"$(punch client "$CLIENT4:6001" cam2:9200)" "error 437"
is "which is counted" "$(grown)" "challenged 1 claimed 1"
pctl flush cam2 >/dev/null
ok "flushed, nothing is forwarded" wait_for 3 no_holes

# --- a forged source

start victim listen "$PYTHON" "$TOP/tests/stuntool.py" listen --bind "$VICTIM4:7000"
ok "a victim listens" wait_for 3 udp_bound victim 7000
is "who asks in the name of another hears nothing" \
	"$(stun evil ask "$VICTIM4:7000" --name cam2 --wait 0.5 >/dev/null; outcome)" silence
is "it is counted" "$(grown)" "challenged 1"
is "the other gets the answer, no larger than the question" \
	"$(json "$T/listen.log" '"%s %s" % (d["type"], d["bytes"] <= 256)')" "0111 True"
stun evil ask "$EVIL4:5000" --name cam2 >/dev/null
nonce=$(json "$T/stun.json" 'd["nonce"]')
grown >/dev/null
is "with evil's own nonce and the right key, in the victim's name" \
	"$(punch evil "$VICTIM4:7000" cam2 --nonce "$nonce" --wait 0.5)" silence
is "it is counted as a nonce that is not his" "$(grown)" "stale_nonce 1"
is "with that nonce from another port" \
	"$(punch evil "$EVIL4:5001" cam2 --nonce "$nonce")" "error 438"
is "from another address" "$(punch client "$CLIENT4:6003" cam2 --nonce "$nonce")" "error 438"
is "with a nonce that nobody gave" \
	"$(punch evil "$EVIL4:5000" cam2 --nonce "${nonce%????}AAAA")" "error 438"
is "they are counted" "$(grown)" "stale_nonce 3"
ok "the victim got two answers and no media" test "$(grep -c . "$T/listen.log")" -eq 2
is "nothing is forwarded" "$(holes)" ""
ok "and the relay has no client" stream_is cam2 waiting

# --- without the key, or not from here

head -c 32 /dev/urandom | base64 -w 0 >"$T/wrong.key"
is "a wrong key" "$(stun evil punch "$EVIL4:5002" --name cam2 --key-file "$T/wrong.key" >/dev/null
	outcome)" "error 401"
is "is counted" "$(grown)" "challenged 1 wrong_key 1"
is "the same with MD5" "$(stun evil punch "$EVIL4:5003" --name cam2 --style 5389 \
	--key-file "$T/wrong.key" >/dev/null; outcome)" "error 401"
is "is counted, too" "$(grown)" "challenged 1 wrong_key 1"
is "a stream that is not there" "$(stun evil punch "$EVIL4:5004" --name cam9 \
	--key-file "$T/wrong.key" >/dev/null; outcome)" "error 401"
is "is counted as that" "$(grown)" "challenged 1 unknown_user 1"
is "another stream's key" "$(stun evil punch "$EVIL4:5005" --name cam2 \
	--key-file "$T/cam1.key" >/dev/null; outcome)" "error 401"
is "is a wrong key" "$(grown)" "challenged 1 wrong_key 1"
is "the right key from where no client may be" "$(punch evil "$EVIL4:5006" cam3)" "error 403"
is "is forbidden" "$(grown)" "challenged 1 forbidden 1"
is "nothing of it is forwarded" "$(holes)" ""

# --- a captured message

is "a client punches" "$(punch client "$CLIENT4:6010" cam2 --sequence 100 --save "$T/m1")" success
is "and again" "$(punch client "$CLIENT4:6010" cam2 --sequence 200 --save "$T/m2")" success
before=$(holes) time=$(consent cam2)
grown >/dev/null
is "the older one again, in its name" "$(replay evil "$NAT4:6010" "$T/m1")" silence
is "is counted as a replay" "$(grown)" "replayed 1"
is "the newest again, in its name" "$(replay evil "$NAT4:6010" "$T/m2")" silence
is "is counted as a repetition" "$(grown)" "repeated 1"
is "the older one by the client itself" "$(replay client "$CLIENT4:6010" "$T/m1")" "error 400"
is "the newest by the client is answered" "$(replay client "$CLIENT4:6010" "$T/m2")" success
is "both from elsewhere" "$(replay evil "$EVIL4:5007" "$T/m1") $(replay evil "$EVIL4:5007" "$T/m2")" \
	"error 438 error 438"
is "each is counted" "$(grown)" "repeated 1 stale_nonce 2 replayed 1"
is "what is forwarded has not changed" "$(holes)" "$before"
ok "nor is it forwarded any longer" awk -v a="$time" -v b="$(consent cam2)" 'BEGIN { exit b > a }'
pctl flush cam2 >/dev/null
wait_for 3 no_holes

# --- every field at every wrong length

ok "every attribute at every wrong length" stun evil lengths "$EVIL4:5008" --name cam2 \
	--key-file "$T/cam2.key" --wait 3
figure "malformed requests" "$(json "$T/stun.json" 'd["cases"]')"
figure "answers to them by code" "$(json "$T/stun.json" 'd["codes"]')"
figure "of these, larger than the request" "$(json "$T/stun.json" 'len(d["larger"])')"
figure "the one that grew most, from and to bytes" \
	"$(json "$T/stun.json" 'max(d["larger"], key=lambda grown: grown[2] / grown[1])[1:]')"
grown >"$T/grown"
figure "how they were counted" "$(cat "$T/grown")"
is "none succeeds" "$(json "$T/stun.json" 'd["successes"]')" "[]"
ok "none is accepted" not contains "$T/grown" "accepted|repeated|failed|raw"
is "each is counted once" "$(tr ' ' '\n' <"$T/grown" | awk '/^[0-9]/ { n += $1 } END { print n }')" \
	"$(json "$T/stun.json" 'd["datagrams"]')"
ok "larger answers are within the allowance" test "$(json "$T/stun.json" 'len(d["larger"])')" -le 40
is "nothing is forwarded then" "$(holes)" ""
ok "and the relay still has no client" stream_is cam2 waiting

# --- floods beside a stream

start client punch "$PUNCHCTL" punch "cam1@$RELAY4" --key-file "$T/cam1.key" --port 9099
start client player "$PYTHON" "$UDPTOOL" recv --bind 127.0.0.1:9099 --idle "$(seconds 1)"
wait_for 5 stream_is cam1 ready
start sender media "$PYTHON" "$UDPTOOL" send --from "$SENDER4:7001" --to "$RELAY4:9099" \
	--count 80000 --rate "$(rate 1000)"
ok "a stream flows" wait_for 5 stream_is cam1 live
# One round before, so that what a relay needs anyway has been allocated.
stun evil flood "$EVIL4:5009" --kind request --name cam2 --count 2000 >/dev/null
ram=$(memory) bytes=$(octets)
note "memory of relayd's processes before: $ram kB"
for kind in random request; do
	stun evil flood "$EVIL4:5010" --kind "$kind" --name cam2 --count "$FLOOD" >/dev/null
	figure "flood, $kind" "$(cat "$T/stun.json")"
	figure "counted" "$(grown)"
done
after=$(memory)
figure "kB of memory before and after" "$ram, $after"
ok "memory stays flat" no_more "$ram" "$after"
read -r received sent <<<"$(octets)"
received=$((received - ${bytes% *})) sent=$((sent - ${bytes#* }))
figure "bytes that the flood cost, and got" "$sent $received"
ok "the answers are not larger than the flood" test "$received" -le "$sent"
stop media
finish player 10
figure "media" "$(json "$T/player.log" '{k: d[k] for k in ("received", "lost", "duplicated", "gap", "delay")}')"
is "the stream loses nothing" "$(json "$T/player.log" 'd["lost"]')" 0
