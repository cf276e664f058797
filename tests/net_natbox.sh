#!/usr/bin/env bash
# The NATs of tests are what they are called, as turnutils_natdiscovery, stun, ping and the kernel see
# them; and the wires outside of them have the delay and the loss that was asked for.
#
#   relay  203.0.113.7, 203.0.113.8 --- net --- (box) --- host 10.0.0.2     for each kind of NAT
#          turnserver, udptool           |
#                                        +----- (wire) --- fastnat --- fast 10.0.0.2
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/natlab.sh"
plan 79

discover() { # HOST
	start "$1" "$1-discover" timeout 60 turnutils_natdiscovery -m -f "$RELAY4"
}

# What natdiscovery found: mapping and filtering.
found() { # HOST
	sed -nE 's/^NAT with (Endpoint Independent|Address Dependent|Address and Port Dependent) .*/\1/p' \
		"$T/$1-discover.log" | paste -sd /
}

# The ports that natdiscovery was told, one for each answer.
mapped_ports() { # HOST
	sed -nE 's/.*UDP reflexive addr: .*:([0-9]+)$/\1/p' "$T/$1-discover.log"
}

# The difference from each number to the next.
steps() {
	awk 'NR > 1 { printf "%s%d", n++ ? " " : "", $1 - last } { last = $1 }'
}

### What a stranger's tools say #########################################################

EI='Endpoint Independent' AD='Address Dependent' PD='Address and Port Dependent'
kinds=( # HOST, its NAT, what is to be found
	"cone|full-cone --hairpin|$EI/$EI"
	"restr|restricted|$EI/$AD"
	"port|port-restricted|$EI/$PD"
	"sympp|symmetric-preserving|$EI/$PD" # to one host alone that preserves ports it looks so
	"symseq|symmetric-sequential --step 3 --seed 1|$PD/$PD"
	"symrand|symmetric-random|$PD/$PD"
	"addr|symmetric-random --mapping address --filtering address|$AD/$AD"
	"odd|symmetric-random --filtering endpoint|$PD/$EI"
	"liken|linux-like|$EI/$PD"
	"cgn|cgn|$EI/$PD"
	"cgnrand|port-restricted --second symmetric-random|$PD/$PD"
	"linux|linux|$EI/$PD"
	"linrand|linux-random|$PD/$PD"
)
natlab_up
n=10
for kind in "${kinds[@]}"; do
	IFS='|' read -r host nat want <<<"$kind"
	n=$((n + 1))
	# shellcheck disable=SC2086
	ok "a host behind $nat" natbox_host "$host" "192.0.$n.9" $nat
done
start relay turn turnserver -n --no-auth --userdb "$T/turn.db" --pidfile "$T/turn.pid" -L "$RELAY4" -L "$RELAY4B" \
	--log-file stdout --simple-log --no-cli --no-tcp --no-tls --no-dtls
ok "turnserver answers" wait_for 5 udp_bound relay 3479
for kind in "${kinds[@]}"; do
	discover "${kind%%|*}"
done
for host in cone restr port symrand; do
	start "$host" "$host-stun" timeout 60 stun "$RELAY4"
done
for kind in "${kinds[@]}"; do
	IFS='|' read -r host nat want <<<"$kind"
	finish "$host-discover" 30
	is "natdiscovery knows $nat" "$(found "$host")" "$want"
done
for host in cone restr port symrand; do
	finish "$host-stun" 30
done
stun_says() { # HOST
	sed -n 's/^Primary: \(.*[^\t ]\)[\t ]*$/\1/p' "$T/$1-stun.log"
}
is "stun knows full-cone, with hairpinning" "$(stun_says cone)" \
	"Independent Mapping, Independent Filter, preserves ports, will hairpin"
is "stun knows restricted" "$(stun_says restr)" \
	"Independent Mapping, Address Dependent Filter, preserves ports, no hairpin"
is "stun knows port-restricted" "$(stun_says port)" \
	"Independent Mapping, Port Dependent Filter, preserves ports, no hairpin"
is "stun knows symmetric-random" "$(stun_says symrand)" "Dependent Mapping, random port, no hairpin"
is "a sequential NAT has its step" "$(mapped_ports symseq | head -n 3 | steps)" "3 3"
ok "a cgn gives ports of one block" awk '{ block[int(($1 - 1024) / 2048)] } END { exit length(block) != 1 }' \
	<<<"$(mapped_ports cgn)"
stop turn


### What comes too early ################################################################

sends() { # HOST FROM TO [OPTION...]: how many were refused
	local host=$1 from=$2 to=$3
	shift 3
	in_ns "$host" "$UDPTOOL" send --from "$from" --to "$to" --count 10 --rate 200 "$@" >"$T/sends" &&
		json "$T/sends" 'd["refused"]'
}

arrived() { # HOST COUNT: what came in from the wire
	[ "$(box_count "$1" 'd["in"] + sum(l["refused"] for l in d["layers"])')" -ge "$2" ]
}

# The port that the relay sees of a host's port 6000, after a datagram came to that from the relay.
late_port() { # HOST ADDRESS
	local before
	before=$(box_count "$1" 'd["in"] + sum(l["refused"] for l in d["layers"])')
	start relay "$1-late" "$UDPTOOL" recv --bind "$RELAY4:7000" --expect 1 --for 5 --punch "$2:6000" --every 9
	wait_for 3 arrived "$1" $((before + 1)) || return
	sends "$1" 10.0.0.2:6000 "$RELAY4:7000" --count 1 >/dev/null
	finish "$1-late" 6
	json "$T/$1-late.log" 'next(iter(d["sources"])).rsplit(":", 1)[1]'
}

ok "a host behind linux-clash" \
	natbox_host linclash 192.0.40.9 linux-clash
is "Linux keeps the port when its input drops what comes too early" "$(late_port linux 192.0.22.9)" 6000
ok "but not when it accepts" test "$(late_port linclash 192.0.40.9)" -ne 6000
ok "linux-like loses it as well" test "$(late_port liken 192.0.19.9)" -ne 6000
is "port-restricted does not" "$(late_port port 192.0.13.9)" 6000

# The ports that a host's port 6000 gets after two datagrams from the relay that came too early,
# each with the number of the first that was the same.
port_pattern() { # HOST ADDRESS
	local to
	start relay "$1-seen" tcpdump -lnc 7 -i eth0 udp and src host "$2"
	wait_for 5 contains "$T/$1-seen.err" 'listening on' || return
	sends "$1" 10.0.0.2:6000 "$RELAY4B:7100" --count 1 >/dev/null
	sends relay "$RELAY4:7100" "$2:6000" --count 1 >/dev/null
	sends relay "$RELAY4:7105" "$2:6000" --count 1 >/dev/null
	for to in "$RELAY4:7100" "$RELAY4B:7101" "$RELAY4:7102" "$RELAY4:7100" "$RELAY4B:7100" \
		"$RELAY4:7105"; do
		sends "$1" 10.0.0.2:6000 "$to" --count 1 >/dev/null
	done
	finish "$1-seen" 5
	sed -nE 's/.* IP [0-9.]+\.([0-9]+) > .*/\1/p' "$T/$1-seen.log" |
		awk '!($1 in first) { first[$1] = NR } { printf "%s ", first[$1] }'
}
natbox_host linagain 192.0.50.9 linux-clash && natbox_host likeagain 192.0.51.9 linux-like
is "Linux keeps a port that it was pushed to" "$(port_pattern linagain 192.0.50.9)" "1 2 2 2 2 1 2 "
is "and so does linux-like" "$(port_pattern likeagain 192.0.51.9)" "1 2 2 2 2 1 2 "

### TTL and ICMP ########################################################################

# The smallest TTL with which the relay is reached; N of 1 to 6 are expected to be enough.
least_ttl() { # HOST N
	local ttl
	start relay "$1-ttl" "$UDPTOOL" recv --bind "$RELAY4:7001" --expect "$2" --for 5
	wait_for 3 udp_bound relay 7001
	for ttl in 1 2 3 4 5 6; do
		sends "$1" 10.0.0.2:6001 "$RELAY4:7001" --count 1 --ttl "$ttl" --first "$ttl" >/dev/null
	done
	finish "$1-ttl" 6
	json "$T/$1-ttl.log" 'd["first_seq"]'
}

ok "a cgn that says when a TTL was too small" natbox_host exceed 192.0.41.9 cgn --time-exceeded
is "one NAT is one hop, and net another" "$(least_ttl port 4)" 3
is "a cgn is two" "$(least_ttl cgn 3)" 4
is "it counts what has expired" "$(box_count cgn 'd["expired"]')" 2
hops() { # HOST: who says that a TTL was too small, hop by hop, and the type of ICMP
	in_ns "$1" "$PYTHON" - "$RELAY4" <<-'PROGRAM'
		import select, socket, sys
		IP_RECVERR, MSG_ERRQUEUE = 11, 0x2000
		for ttl in range(1, 4):
		    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
		    s.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
		    s.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)
		    s.sendto(b"x", (sys.argv[1], 7009))
		    poll = select.poll()
		    poll.register(s, select.POLLERR)
		    poll.poll(2000)
		    error = s.recvmsg(64, 512, MSG_ERRQUEUE)[1][0][2]
		    print(socket.inet_ntoa(error[20:24]), error[5], end="; ")
	PROGRAM
}
is "and says so on request, as does whoever comes behind it" "$(hops exceed)" \
	"10.0.0.1 11; 100.64.0.1 11; 203.0.113.1 11; "
for host in port cgn; do
	ok "$host passes an ICMP error to who caused it" \
		test "$(sends "$host" 10.0.0.2:6002 "$RELAY4:7009")" -gt 0
done
sends cone 10.0.0.2:6003 "$RELAY4:7003" >/dev/null
sends cgn 10.0.0.2:1500 "$RELAY4:7003" >/dev/null
ok "an ICMP error of the inside host passes too" \
	test "$(sends relay "$RELAY4:7003" 192.0.11.9:6003)" -gt 0
is "what port-restricted refuses it refuses silently" "$(sends relay "$RELAY4:7004" 192.0.13.9:6002)" 0
ok "linux-like does not" test "$(sends relay "$RELAY4:7004" 192.0.19.9:6002)" -gt 0

### Neighbours and IPv6 #################################################################

ok "two hosts behind one NAT, with IPv6" natbox_host one,two 192.0.42.9,2001:db8:42:: port-restricted --hairpin
ok "and a third one behind another" natbox_host three 192.0.43.9,2001:db8:43:: port-restricted
# Three of a host's datagrams make its mapping or its filter known, then others send to it.
gets() { # HOST LISTEN PUNCH SENDER FROM TO: from whom it got something
	local name=$1-gets
	start "$1" "$name" "$UDPTOOL" recv --bind "$2" --expect 10 --for 2 --punch "$3" --every 0.1
	wait_for 3 udp_bound "$1" "${2##*:}"
	wait_for 2 sends_reach "$name" "$4" "$5" "$6"
	finish "$name" 3
	json "$T/$name.log" '" ".join(d["sources"])'
}
sends_reach() { # NAME SENDER FROM TO
	sends "$2" "$3" "$4" >/dev/null
	not running "$1"
}
is "a neighbour is reached at its own address" \
	"$(gets one 10.0.0.2:5001 "$RELAY4:7005" two 10.0.0.3:5001 10.0.0.2:5001)" 10.0.0.3:5001
is "and, hairpinning, at the public one" \
	"$(gets one 10.0.0.2:5002 192.0.42.9:5012 two 10.0.0.3:5012 192.0.42.9:5002)" 192.0.42.9:5012
is "what was asked for comes in over IPv6" "$(gets three "[2001:db8:43::2]:5003" "[$RELAY6]:7006" \
	relay "[$RELAY6]:7006" "[2001:db8:43::2]:5003")" "[$RELAY6]:7006"
is "nothing else does" "$(gets three "[2001:db8:43::2]:5004" "[$RELAY6]:7006" \
	relay "[$RELAY6]:7007" "[2001:db8:43::2]:5004")" ""
ok "and is counted" test "$(box_count three 'd["wall_refused"]')" -ge 10

### What can be done to a path ##########################################################

has_echo() { # HOST ADDRESS
	in_ns "$1" ping -c 1 -W 1 "$2"
}
refused_is() { # HOST COUNT
	[ "$(box_count "$1" 'd["layers"][0]["refused"]')" -eq "$2" ]
}
ok "Linux with IPv6" natbox_host lin6 192.0.52.9,2001:db8:52:: linux
is "has it untranslated" "$(gets relay "[$RELAY6]:7008" "[$RELAY6B]:7008" \
	lin6 "[2001:db8:52::2]:5008" "[$RELAY6]:7008")" "[2001:db8:52::2]:5008"
path_cut 192.0.52.9 "$RELAY4"
path_cut 2001:db8:52::/64 "$RELAY6"
ok "a path that is cut carries nothing" not has_echo lin6 "$RELAY4"
ok "nor over IPv6" not has_echo lin6 "$RELAY6"
ok "while others do" has_echo lin6 "$RELAY4B"
path_mend
ok "until it is mended" has_echo lin6 "$RELAY4"
start one one-kept "$UDPTOOL" recv --bind 10.0.0.2:5009 --for 9 --punch "$RELAY4:7000" --every 20
wait_for 3 udp_bound one 5009
before=$(box_count one 'd["in"]')
sends relay "$RELAY4:7000" 192.0.42.9:5009 >/dev/null
ok "a mapping lets answers in" wait_for 2 arrived one $((before + 10))
ok "a box can forget it" box_forget one
sends relay "$RELAY4:7000" 192.0.42.9:5009 >/dev/null
ok "then it refuses them" wait_for 2 refused_is one 10
stop one-kept

### The wire ############################################################################

# Datagrams that go both ways at once over a wire.
across() { # HOST ADDRESS RATE
	start relay "$1-up" "$UDPTOOL" recv --bind "$RELAY4:7010" --expect 4000 --idle 1
	start "$1" "$1-down" "$UDPTOOL" recv --bind "$2:7010" --expect 4000 --idle 1
	wait_for 3 udp_bound relay 7010 && wait_for 3 udp_bound "$1" 7010
	start "$1" "$1-send" "$UDPTOOL" send --from "$2:7011" --to "$RELAY4:7010" --count 4000 --rate "$3"
	in_ns relay "$UDPTOOL" send --from "$RELAY4:7011" --to "$2:7010" --count 4000 --rate "$3" >/dev/null
	finish "$1-send" 9
	finish "$1-up" 5
	finish "$1-down" 5
	figure "$1 $3/s: lost $(json "$T/$1-up.log" '4000 - d["distinct"]') and $(json "$T/$1-down.log" '4000 - d["distinct"]')" \
		"of 4000, delay $(json "$T/$1-up.log" 'd["delay"]')"
}

holds() { # HOST EXPRESSION of d, both ways
	[ "$(json "$T/$1-up.log" "$2") $(json "$T/$1-down.log" "$2")" = "true true" ]
}

ok "a wire" natbox_host wire 192.0.44.9 none
across wire 192.0.44.9 4000
ok "it loses nothing" holds wire 'd["distinct"] == 4000'
ok "with a delay" natbox_host slow 192.0.45.9 none --delay 40
across slow 192.0.45.9 2000
ok "it has that delay" holds slow '40 <= d["delay"]["p50"] < 80'
ok "with jitter" natbox_host jitter 192.0.46.9 none --delay 40 --jitter 20
across jitter 192.0.46.9 2000
ok "it has that, and keeps the order" holds jitter \
	'd["reordered"] == 0 and d["distinct"] == 4000 and 40 <= d["delay"]["p50"] < 64'
ok "with jitter that may reorder" natbox_host reorder 192.0.47.9 none --delay 40 --jitter 20 --reorder
across reorder 192.0.47.9 2000
ok "it does" holds reorder 'd["reordered"] > 1000 and d["distinct"] == 4000 and 36 < d["delay"]["p50"] < 80'
ok "with loss" natbox_host loss 192.0.48.9 none --loss 10
across loss 192.0.48.9 4000
ok "it has that loss" holds loss '3500 <= d["distinct"] <= 3700'
ok "Linux behind a wire with a delay" natbox_host linslow 192.0.49.9 linux --delay 40
ok "has it too" test "$(in_ns linslow ping -c 1 "$RELAY4" | sed -n 's/.*time=\([0-9]*\).*/\1/p')" -ge 80
stop loss-box
ok "at its end a box tells what it did" json "$T/loss-box.log" '600 < d["lost"] < 1000 or 1 / 0'
