#!/usr/bin/env bash
# check: alone
# Peers that lie about where they are, forge, replay, flood, and go without a word: nobody else is
# probed, disturbed or starved, and counters and limits show it.
#
#   relay  203.0.113.7  ---+     192.0.2.9   nat -- client 10.0.0.2: a service on "lies"
#   sender 198.51.100.175 -+     198.18.4.9  nat2 - other  10.0.2.2: one on "wide", random ports
#   evil   198.18.66.6,
#          198.18.66.7  ---net
#   victim 198.19.0.77  ---+
. "$(dirname "$0")/lib.sh"
plan 59

EVIL4=198.18.66.6 EVIL4B=198.18.66.7 VICTIM4=198.19.0.77 NAT2=198.18.4.9 RELAY4B=203.0.113.8
PUNCH=$RELAY4:3478
LIE=5000 # the port of every address in a lie
FLOOD=100000 # sessions

foe() { # COMMAND NAME [OPTION...]: evil's, to $T/foe.json
	foe_at evil "$@"
}

foe_at() { # HOST COMMAND NAME [OPTION...]
	in_ns "$1" "$PYTHON" "$TOP/tests/peerfoe.py" "$2" --name "$3" --key-file "$T/$3.key" --to "$PUNCH" \
		"${@:4}" >"$T/foe.json"
}

outcome() { # of the last one
	json "$T/foe.json" '" ".join(str(v) for v in (d["kind"], d.get("code"), d.get("state")) if v)'
}

replay() { # HOST FROM FILE
	in_ns "$1" "$PYTHON" "$TOP/tests/stuntool.py" replay --from "$2" --to "$PUNCH" --file "$3" \
		--wait 0.5 >"$T/foe.json"
	outcome
}

peer() { # HOST NAME COMMAND STREAM FROM [OPTION...]: peertool.py in the background
	start "$1" "$2" "$PYTHON" "$TOP/tests/peertool.py" "$3" --name "$4" --key-file "$T/$4.key" --from "$5" \
		--to "$PUNCH" "${@:6}"
}

shown() { # STREAM EXPRESSION
	pctl --json show "$1" >"$T/show.json" && json "$T/show.json" "$2"
}

is_shown() { # STREAM EXPRESSION VALUE
	[ "$(shown "$1" "$2")" = "$3" ]
}

# What the kernel has for a stream: directions of pairs, and holes.
kernel_of() { # STREAM
	pctl --json rules "$1" >"$T/rules.json" && json "$T/rules.json" 'sum(len(s["peers"]) for s in d)'
}

kernel_is() { # STREAM COUNT
	[ "$(kernel_of "$1")" = "$2" ]
}

counted() { # HOST COUNTER [packets|bytes]
	in_ns "$1" nft list counter inet witness "$2" |
		sed -n "s/.*packets \([0-9]*\) bytes \([0-9]*\).*/\1 \2/p" | cut -d ' ' -f "$([ "${3-}" = bytes ] && echo 2 || echo 1)"
}

transactions() {
	metric relayd_transactions_total
}

memory() { # kilobytes of both processes
	local pid
	for pid in $(relayd_pids); do
		sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$pid/status"
	done | awk '{ n += $1 } END { print n }'
}

ticks() { # of both processes, in 10 ms
	local pid
	for pid in $(relayd_pids); do
		sed 's/.*) //' "/proc/$pid/stat" | awk '{ print $12 + $13 }'
	done | awk '{ n += $1 } END { print n }'
}

# Who counts what a liar's victims get, and what the peers send there.
witness() { # HOST
	in_ns "$1" nft -f - <<-RULES
		table inet witness {
			counter lies { }
			chain output {
				type filter hook output priority 0
				ip daddr != { $EVIL4, $EVIL4B } udp dport $LIE counter name lies
				ip daddr $VICTIM4 counter name lies
			}
		}
	RULES
}

# Datagrams to evil, in each round that the liar was told of: the most of them, and the most sockets.
rounds() { # WORDS PCAP
	PYTHONPATH=$TOP/tests "$PYTHON" - "$1" "$2" <<-'PYTHON'
		import bisect, json, sys
		import pcap
		words = [json.loads(line) for line in open(sys.argv[1])]
		begins = sorted({w["round"]: w["time"] - 0.2 for w in reversed(words) if w.get("go")}.values())
		counts, ports, names = {}, {}, {1: "punch", 2: "predict", 3: "step", 4: "birthday"}
		last = 0
		for packet in pcap.packets(sys.argv[2]):
		    i = bisect.bisect(begins, packet.time)
		    counts[i] = counts.get(i, 0) + 1
		    ports.setdefault(i, set()).add(packet.source)
		    last = packet.time
		print(json.dumps({
		    "rounds": len(begins), "plans": sorted({names[w["plan"]] for w in words if w.get("go")}),
		    "most": max(counts.values(), default=0), "all": sum(counts.values()), "before": counts.get(0, 0),
		    "sockets": max((len(p) for p in ports.values()), default=0), "rest": round(words[-1]["time"] - last)}))
	PYTHON
}

# --- hosts

lab_up
nat_host nat2 "$NAT2" && inner_host other nat2 lan 10.0.2.2 && nat_rule nat2 'masquerade fully-random' &&
	public_host evil eth0 "$EVIL4" && public_host victim eth0 "$VICTIM4" || bail "no network"
address evil eth0 "$EVIL4B/24" && address relay eth0 "$RELAY4B/24" || bail "no addresses"
witness client && witness other || bail "no counters"
in_ns victim nft -f - <<-RULES
	table inet witness {
		counter reached { }
		chain input {
			type filter hook input priority 0
			iifname "eth0" meta l4proto { udp, tcp, icmp } counter name reached
		}
	}
RULES
in_ns relay nft -f - <<-RULES
	table inet witness {
		counter asked { }
		counter answered { }
		counter lies { }
		chain input {
			type filter hook input priority 0
			ip saddr 100.64.0.0/10 udp dport 3478 counter name asked
			udp dport $LIE counter name lies
		}
		chain output {
			type filter hook output priority 0
			ip daddr 100.64.0.0/10 counter name answered
		}
	}
RULES
relayd_conf 'consent = 15' "address = { \"$RELAY4\", \"$RELAY4B\" }"
stream_conf lies 'peers = 4'
stream_conf wide 'peers = 4'
stream_conf flood 'peers = 8'
stream_conf good 'peers = 16'
stream_conf cam1 'listen = "9099"'
ok "relayd starts" relayd_start

# --- lies, which go on in the background

for host in client other; do
	start "$host" "$host-dump" tcpdump -i eth0 -U -w "$T/$host.pcap" -n "udp and dst net 198.18.66.0/24"
	ok "$host looks at its wire" wait_for 5 test -s "$T/$host.pcap"
done
start client serve "$PUNCHCTL" serve "lies@$RELAY4" --key-file "$T/lies.key" --to 127.0.0.1:8000 --json
start other wide "$PUNCHCTL" serve "wide@$RELAY4" --key-file "$T/wide.key" --to 127.0.0.1:8000 --json
ok "two services wait" wait_for 5 eval "is_shown lies 'd[\"offers\"] > 0' true && is_shown wide 'd[\"offers\"] > 0' true"
liar() { # NAME NAT ADDRESS HOST...
	local hosts=() host
	for host in "${@:4}"; do hosts+=(--host "$host:$LIE"); done
	start evil "liar-$1" "$PYTHON" "$TOP/tests/peerfoe.py" lie --name "$1" --key-file "$T/$1.key" --to "$PUNCH" \
		--from "$3:7000" --nat "$2" --gateway "$VICTIM4:$LIE" --for 120 "${hosts[@]}"
}
liar lies random $EVIL4 "$VICTIM4" 127.0.0.1 10.0.0.1 224.0.0.251
liar wide endpoint $EVIL4B "$RELAY4" 10.0.2.1 255.255.255.255 169.254.0.1
ok "a liar is paired with each" wait_for 10 eval "contains '$T/liar-lies.log' paired && contains '$T/liar-wide.log' paired"

# --- forgeries and replays

is "a hello" "$(foe_at sender hello good --from "$SENDER4:6000" --role service --save "$T/m1"; outcome)" "success waiting"
lane=$(json "$T/foe.json" 'd["lane"]')
is "the same from another address" "$(replay evil "$EVIL4:6000" "$T/m1")" "error 438"
is "or port" "$(replay sender "$SENDER4:6001" "$T/m1")" "error 438"
is "another stream's peer with the name of this one" \
	"$(foe hello flood --from "$EVIL4:6001" --lane "$lane" --role service; outcome)" "error 403"
is "it is counted as that" "$(total peers foreign)" 1
is "and seen at its stream" "$(shown flood 'd["turned_away"]')" 1
is "the older hello again, when a newer one was heard" "$(
	foe_at sender hello good --from "$SENDER4:6000" --role service --lane "$lane"
	replay sender "$SENDER4:6000" "$T/m1")" "error 400"
is "is counted as a replay" "$(total punches replayed)" 1
head -c 32 /dev/urandom | base64 -w 0 >"$T/nobody.key"
cp "$T/cam1.key" "$T/cam1-mine.key"
is "an unknown stream" "$(foe hello nobody --from "$EVIL4:6002"; outcome)" "error 401"
is "is counted" "$(total punches unknown_user)" 1
is "a stream without peers" "$(foe hello cam1 --from "$EVIL4:6003"; outcome)" "error 403"
is "is counted, too" "$(total punches forbidden)" 2
cp "$T/good.key" "$T/good.right" && cp "$T/nobody.key" "$T/good.key"
is "a wrong key" "$(foe hello good --from "$EVIL4:6004"; outcome)" "error 401"
is "is counted as well" "$(total punches wrong_key)" 1
cp "$T/good.right" "$T/good.key"
is "only the service waits for all that" "$(shown good '[d["offers"], len(d["pairs"])]')" "[1, 0]"

# --- somebody who is not there any more

peer client caller client good "$CLIENT4:6100" --for 15 --count 50
ok "a client is paired with a service that does not hear" wait_for 5 is_shown good 'len(d["pairs"])' 1
peer sender honest service good "$SENDER4:6200" --for 60
ok "and gets past it" finish caller 15
is "all that it sends comes back" "$(json "$T/caller.log" 'd["echoed"] >= 50')" true
is "it is told that it was paired" "$(json "$T/caller.log" '"paired" in d["states"]')" true
finish honest 5
peer sender another service good "$SENDER4:6201" --for 60
ok "another service waits" wait_for 5 is_shown good 'd["offers"]' 1
foe hello good --from "$EVIL4:6005"
ok "a service is rid of a client that has gone without a word" finish another 20
is "which was counted, as was the service" "$(total peers unheard)" 2

# --- a flood by somebody with a key

pairs() { # PORT: of the other stream
	foe_at sender pairs good --from "$SENDER4:$1" --count 15
	cp "$T/foe.json" "$T/pairs.json"
}
ok "a flood, for the first time" foe flood flood --from "$EVIL4:10000" --count 500
pairs 20000
figure "ms until two of another stream are paired, without a flood" "$(cat "$T/pairs.json")"
is "all are paired" "$(json "$T/pairs.json" 'd["pairs"]')" 15
hasty=$(total peers hasty) commits=$(transactions) ram=$(memory) cpu=$(ticks) began=$(microseconds)
start evil flood "$PYTHON" "$TOP/tests/peerfoe.py" flood --name flood --key-file "$T/flood.key" --to "$PUNCH" \
	--from "$EVIL4:11000" --count "$FLOOD"
more_hasty() { [ "$(total peers hasty)" -gt "$hasty" ]; }
ok "there is a flood" wait_for 5 more_hasty
pairs 21000
figure "and beside one" "$(cat "$T/pairs.json")"
ok "which goes on" running flood
is "all of these are paired, too" "$(json "$T/pairs.json" 'd["pairs"]')" 15
ok "soon" test "$(json "$T/pairs.json" 'int(d["median"])')" -lt 250
ok "the flood ends" finish flood 40
figure "flood" "$(cat "$T/flood.log")"
figure "relayd's time for it" "$(($(ticks) - cpu))0 ms of $((($(microseconds) - began) / 1000))"
figure "the kernel's transactions for it" "$(($(transactions) - commits))"
figure "kB of memory before and after" "$ram $(memory)"
ok "memory stays flat" test "$(memory)" -le "$((ram + 4096))"
ok "no more are paired than may be" test "$(shown flood 'len(d["pairs"])')" -le 8
ok "or wait" test "$(shown flood 'd["offers"]')" -le 64
ok "the kernel has no more than these" test "$(kernel_of flood)" -le 16
figure "refused as crowded, hasty, full, foreign" \
	"$(total peers crowded) $(total peers hasty) $(total peers full) $(total peers foreign)"
ok "most of it was refused" test "$(shown flood 'd["turned_away"]')" -gt "$((FLOOD / 2))"
turned=$(shown flood 'd["turned_away"]')
ok "a flood of goodbyes" foe flood flood --from "$EVIL4:12000" --count 2000 --bye
is "changes nothing" "$(shown flood 'd["turned_away"]')" "$turned"

# --- a flood without one

cpu=$(ticks)
ok "a flood by strangers" foe anonymous good --count 10000
figure "strangers" "$(cat "$T/foe.json")"
figure "relayd's time for it" "$(($(ticks) - cpu))0 ms"
figure "bytes that came and were answered" "$(counted relay asked bytes) $(counted relay answered bytes)"
ok "the answers are no larger" test "$(counted relay answered bytes)" -le "$(counted relay asked bytes)"

# --- words and checks in the name of the relay, to a service that is relayed

hole=$(shown lies 'd["pairs"][0]["service"]')
before=$(grep -c . "$T/serve.log")
ok "words in the relay's name" foe forge lies --as "$PUNCH" --at "$hole" --count 500
ok "the relay still has the pair" is_shown lies 'd["pairs"][0]["service"]' "$hole"
ok "the service was not told anything by them" not contains <(tail -n "+$((before + 1))" "$T/serve.log") 'closed|end|lost'

# --- everything goes

ok "nothing of the flood is left" wait_for 30 eval "kernel_is flood 0 && is_shown flood '[d[\"offers\"], len(d[\"pairs\"])]' '[0, 0]'"

# --- what the liars have come to

for name in lies wide; do
	ok "the liar of $name is left alone after a while" finish "liar-$name" 120
done
stop client-dump
stop other-dump
for name in lies wide; do
	rounds "$T/liar-$name.log" "$T/$([ "$name" = lies ] && echo client || echo other).pcap" >"$T/$name.json"
	figure "rounds with the liar of $name" "$(cat "$T/$name.json")"
	is "$name: it was looked for widely" "$(json "$T/$name.json" '"birthday" in d["plans"]')" true
	ok "$name: no round has more than 2048 datagrams" test "$(json "$T/$name.json" 'd["most"]')" -le 2048
	ok "$name: or 128 sockets besides the lane's" test "$(json "$T/$name.json" 'd["sockets"]')" -le 129
	ok "$name: then it rests" test "$(json "$T/$name.json" 'int(d["rest"])')" -ge 5
done
is "no datagram has left for who was named" "$(counted client lies) $(counted other lies)" "0 0"
is "nor come to the relay or to anybody else" "$(counted relay lies) $(counted victim reached)" "0 0"
stop serve
figure "what the service ignored" "$(grep '"end"' "$T/serve.log" | tail -n 1)"
