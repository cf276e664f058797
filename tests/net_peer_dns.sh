#!/usr/bin/env bash
# A name server behind one NAT answers dig behind another, and a game server the browser of its
# players: programs that ask once and wait, each time from another port.
#
#   relay --- net --- wire, 10 ms --- nat --- client: dig, quakestat
#              |
#              +----- wire, 10 ms --- nat --- service: dnsmasq, cube2-server
#
# So a round trip is 20 ms to the relay and 40 ms to the service, by the relay as well as directly.
. "$(dirname "$0")/lib.sh"
. "$TOP/tests/natlab.sh"
. "$TOP/tests/peerlab.sh"
plan 22

ask() { # NAME TYPE [WORD...]
	in_ns client dig @127.0.0.1 -p 5353 +tries=1 +time=2 +ignore +noall +answer +comments +stats "$1.lab" "$2" \
		"${@:3}" >"$T/dig"
}

answers() {
	grep -c '\.lab\.' "$T/dig"
}

field() { # TEXT: the number behind it
	sed -n "s/^;; $1: *\([0-9]*\).*/\1/p" "$T/dig"
}

truncated() {
	grep -q '^;; flags:.* tc' "$T/dig"
}

# Many at once, each its own question; how many answers were right?
ask_many() { # FIRST LAST
	local i pids=()
	for ((i = $1; i <= $2; i++)); do
		in_ns client dig @127.0.0.1 -p 5353 +tries=1 +time=3 +short "h$i.lab" >"$T/many.$i" &
		pids+=($!)
	done
	wait "${pids[@]}"
	for ((i = $1; i <= $2; i++)); do
		[ "$(cat "$T/many.$i")" = "198.51.100.$i" ] && echo "$i"
	done | wc -l
}

# From one port, which makes it one session.
talk() { # until that has a direct path
	ask h1 A -b 127.0.0.1#7001
	port_is_direct dns 7001
}

players_ask() { # TEXT of the answer
	in_ns client quakestat -nocfg -raw , -timeout 2 -retry 1 -cubes 127.0.0.1:28785 >"$T/quakestat"
	contains "$T/quakestat" "$1"
}

# --- the hosts

far_peers_up 10
relayed_begin
path_cut "$NAT4" "$NAT2"
ok "relayd starts" peers_relay dns game

# Sets of records make answers of any size.
{
	for size in 1 5 15 35; do
		for ((i = 0; i < size; i++)); do
			printf 'txt-record=t%d.lab,"%0200d"\n' "$size" "$i"
		done
	done
	for ((i = 1; i <= 80; i++)); do
		echo "host-record=h$i.lab,198.51.100.$i"
	done
} >"$T/dnsmasq.conf"
start service dnsmasq dnsmasq --no-daemon --conf-file="$T/dnsmasq.conf" --no-resolv --no-hosts --local=/lab/ \
	--listen-address=127.0.0.1 --bind-interfaces --user=root --edns-packet-max=8192
ok "a name server starts" wait_for 5 udp_bound service 53
ok "and is offered" serve dns 53

# --- through the relay's kernel

# What is asked before there is a path waits for it.
began=$(microseconds)
start client connect-dns "$PUNCHCTL" connect "dns@$RELAY4" --key-file "$T/dns.key" --listen 127.0.0.1:5353 --json
wait_for 2 udp_bound client 5353
ok "the first question is answered at its first try" ask h1 A
figure "milliseconds from the start of connect to the first answer" $((($(microseconds) - began) / 1000))
is "rightly" "$(sed -n 's/.*\sA\s//p' "$T/dig")" 198.51.100.1
wait_for 5 happened 1 connect-dns ready
times=()
for i in 2 3 4 5 6; do
	ask "h$i" A && times+=("$(field 'Query time')")
done
figure "milliseconds of the questions that follow" "${times[*]}; a round trip is 40"
ok "each one is answered within a round trip and little more" \
	test "$(printf '%s\n' "${times[@]}" | sort -n | sed -n 3p)" -lt 60
is "and is a session" "$(events connect-dns open)" 6
is "with a port of its own at the service" \
	"$(sed -n 's/.*"open".*"local":"\([^"]*\)".*/\1/p' "$T/serve-dns.log" | sort -u | wc -l)" 6

is "of 20 questions at once all are answered" "$(ask_many 1 20)" 20
right=0 began=$(microseconds)
for ((i = 0; i < 4; i++)); do
	right=$((right + $(ask_many $((i * 20 + 1)) $((i * 20 + 20)))))
done
is "and 80 in a row, so that there are more than may be sessions" "$right" 80
figure "questions a second, 20 at once" $((80000000 / ($(microseconds) - began)))

# --- what is larger than a packet

ask t15 TXT +bufsize=1232
ok "EDNS with 1232 bytes: what is larger is truncated by the server" truncated
is "to what fits" "$(($(field 'MSG SIZE  rcvd') <= 1232))" 1
before=$(relayed)
ask t15 TXT +bufsize=4096
is "EDNS with 4096 bytes: an answer of two or three fragments is whole" "$(answers)" 15
ask t35 TXT +bufsize=8192
is "and one of five or six" "$(answers)" 35
figure "bytes of the largest answer" "$(field 'MSG SIZE  rcvd')"
figure "packets that the relay has passed on for both" "$(($(relayed) - before))"

# --- a direct path, for those who go on asking from one port

path_mend
ok "a direct path is found while they do" wait_for 20 talk
ok "on both sides" wait_for 5 test "$(events serve-dns direct)" -ge "$(events connect-dns direct)"
before=$(relayed)
ok "the next question takes it" ask h2 A -b 127.0.0.1#7001
figure "milliseconds of it" "$(field 'Query time')"
ask t35 TXT +bufsize=8192 -b 127.0.0.1#7001
is "as do fragments" "$(answers)" 35
is "and the relay has nothing to pass on" "$(relayed)" "$before"

# --- a game

mkdir "$T/cube"
start service cube /usr/games/cube2-server -q"$T/cube" -i127.0.0.1 -j28785 -m127.0.0.1 -n"behind a NAT"
wait_for 5 udp_bound service 28786
ok "a game server is offered" serve game 28786
connect game 28786
ok "players find it" players_ask '127.0.0.1:28785,behind a NAT'
figure "what they see" "$(grep CUBE "$T/quakestat")"
stop serve-dns
is "the service has dropped nothing" "$(dropped serve-dns)" 0
