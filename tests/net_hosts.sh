#!/usr/bin/env bash
# Hosts of other kinds: behind 1:1 NAT, with two addresses; and hosts on which relayd cannot serve,
# or not yet, and says so.
#
#   sender 198.51.100.175 ---+
#   relay  203.0.113.7       |
#          203.0.113.8   ---net --- nat --- client
#   cloud  10.1.0.4      ----+
#          (net maps 203.0.114.7 to it, 1:1)
. "$(dirname "$0")/lib.sh"
plan 46

SECOND4=203.0.113.8 PRIVATE4=10.1.0.4 PUBLIC4=203.0.114.7

# relayd on any host, which is expected to end by itself: its status. Its words are in $T/words.
tried() { # HOST CMD-BEFORE...
	local host=$1
	shift
	start "$host" words "$@" "$RELAYD" --config "$T/relayd.conf"
	finish words 5
	echo $?
}

says() { # PATTERN
	contains "$T/words.err" "$1"
}

# The line that explains why, without the name and the time.
why() {
	grep -v 'may read its keys' "$T/words.err" | sed 's/^relayd: //'
}

nothing_made() { # HOST
	[ -z "$(in_ns "$1" nft list tables)" ] && [ ! -e "$T/relayd/streams.db" ] && [ ! -e "$T/relayd/relayd.sock" ]
}

shown() { # STREAM EXPRESSION of d
	pctl --json show "$1" >"$T/show.json" && json "$T/show.json" "$2"
}

streams() { # SENDER-PORT TO PLAYER-PORT COUNT: numbers that came of what was sent
	start client media "$UDPTOOL" recv --bind "127.0.0.1:$3" --expect "$4" --idle 2
	wait_for 3 udp_bound client "$3"
	in_ns sender "$UDPTOOL" send --from "$SENDER4:$1" --to "$2" --count "$4" --rate 1000 --rtp >/dev/null
	finish media 5
	json "$T/media.log" '[d["distinct"], d["duplicated"]]'
}

told() { # FILE: what does not change by itself; some kernels tell 10 seconds as 9.996
	sed '/expires/d; s/ timeout [^ ]*//' "$T/$1"
}

lab_up
relayd_conf 'consent = 10'
stream_conf cam1 'listen = "9099"' "source = \"$SENDER4\""

# --- what stands in the way; nothing is made then

start relay taken "$PYTHON" -c 'import socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind((sys.argv[1], 3478))
time.sleep(1000)' "$RELAY4"
wait_for 5 udp_bound relay 3478
is "a punch port that is taken: status" "$(tried relay)" 1
is "a punch port that is taken: in words" "$(why)" \
	"punch port $RELAY4:3478: Address already in use; stop the program that has it, or set another \`punch\`"
ok "a punch port that is taken: nothing is made" nothing_made relay
stop taken

is "no such user: status" "$(relayd_conf 'user = "nobody-of-this-name"'; tried relay)" 2
ok "no such user: in words" says 'there is no user "nobody-of-this-name" to run as; `useradd --system'
ok "no such user: nothing is made" nothing_made relay

relayd_conf 'consent = 10'
stream_conf cam1 'listen = "9099"' "source = \"$SENDER4\""
user=$(relayd_user)
chown "$user" "$T/relayd.conf"
is "no capability: status" \
	"$(tried relay setpriv --reuid "$user" --regid "$(id -g "$user")" --clear-groups --inh-caps=-all --bounding-set=-all)" 1
is "no capability: in words" "$(why)" "CAP_NET_ADMIN is missing"
ok "no capability: no table" test -z "$(in_ns relay nft list tables)"
is "root without it: status" "$(tried relay setpriv --bounding-set -net_admin --inh-caps -net_admin)" 1
is "root without it: in words" "$(why)" "CAP_NET_ADMIN is missing"
ok "root without it: no table" test -z "$(in_ns relay nft list tables)"
chown root "$T/relayd.conf"
in_ns relay nft 'add table inet relayd; add chain inet relayd mine'
is "somebody's table of our name: status" "$(tried relay)" 1
is "somebody's table of our name: in words" "$(why)" \
	"a table inet relayd that is not ours is in the way: nft delete table inet relayd"
ok "somebody's table of our name: it stays" in_ns relay nft list chain inet relayd mine
in_ns relay nft delete table inet relayd
skip "a kernel without nf_tables" "needs another kernel; net_rules.sh takes features away from the library"

# --- forwarding is off

in_ns relay sysctl -qw net.ipv4.ip_forward=0
ok "relayd starts on a host that does not forward" relayd_start
ok "and says so, with the command" contains "$T/relayd.err" \
	'ip_forward is off: no IPv4 stream will flow; `sysctl -w net.ipv4.ip_forward=1` turns it on'
is "and does not turn it on by itself" "$(in_ns relay sysctl -n net.ipv4.ip_forward)" 0
ok "of IPv6, which it does not use, it says nothing" not contains "$T/relayd.err" ipv6.conf
in_ns relay sysctl -qw net.ipv4.ip_forward=1
start client punch1 "$PUNCHCTL" punch "cam1@$RELAY4" --key-file "$T/cam1.key" --port 5099 --to 9099
ok "turned on, a client punches" wait_for 5 stream_is cam1 ready
is "and a stream flows, without a restart" "$(streams 7099 "$RELAY4:9099" 5099 500)" "[500, 0]"

# --- another relayd

in_ns relay nft -s list table inet relayd >"$T/before"
is "another relayd: status" "$(tried relay)" 1
note "$(why)"
ok "another relayd, at the same port: in words" says 'punch port .* already in use'
sed 's/^punch .*//; $a punch = 3500\nalternate = 3501' "$T/relayd.conf" >"$T/other.conf"
start relay words "$RELAYD" --config "$T/other.conf"
finish words 5
is "another relayd, at another port: status" "$?" 1
is "another relayd, at another port: in words" "$(why)" "another relayd answers at $T/relayd/relayd.sock"
mkdir "$T/other" && chown "$user" "$T/other"
sed -i "s|$T/relayd/|$T/other/|" "$T/other.conf"
start relay words "$RELAYD" --config "$T/other.conf"
finish words 5
is "another relayd, with a socket of its own: status" "$?" 1
ok "another relayd, with a socket of its own: in words" says "another relayd is running"
note "$(why)"
ok "the first is unharmed: it answers" pctl list
is "the first is unharmed: it streams" "$(streams 7099 "$RELAY4:9099" 5099 500)" "[500, 0]"
in_ns relay nft -s list table inet relayd >"$T/after"
ok "the first is unharmed: its table" diff -u <(told before) <(told after)
stop punch1
relayd_stop
in_ns relay "$RELAYD" --flush >/dev/null

# --- two public addresses

address relay eth0 "$SECOND4/24"
relayd_conf 'consent = 10' "address = { \"$RELAY4\", \"$SECOND4\" }"
stream_conf cam1 'listen = "9099"' "source = \"$SENDER4\""
ok "relayd starts with two addresses" relayd_start
is "the stream is at both" "$(shown cam1 '" ".join(sorted(p["listen"] for p in d["ports"]))')" "$RELAY4:9099 $SECOND4:9099"
start client punch1 "$PUNCHCTL" punch "cam1@$SECOND4" --key-file "$T/cam1.key" --port 5099 --to 9099
ok "a client punches at the second" wait_for 5 stream_is cam1 ready
is "what is sent to the second reaches it" "$(streams 7099 "$SECOND4:9099" 5099 500)" "[500, 0]"
# There is one hole, so this flow takes it over from the one before, as a restarted sender's does.
streams 7098 "$RELAY4:9099" 5099 500 >/dev/null
got=$(json "$T/media.log" 'd["distinct"]')
figure "two addresses: packets lost of 500 when the sender changes to the other $((500 - got))"
ok "so does what is sent to the first" test "$got" -ge 450
is "it leaves from where the client has punched" \
	"$(in_ns relay conntrack -L -p udp --orig-port-dst 9099 2>/dev/null | grep -o "src=$NAT4 dst=[0-9.]*" | sort -u)" \
	"src=$NAT4 dst=$SECOND4"
stop punch1
relayd_stop
in_ns relay "$RELAYD" --flush >/dev/null

# --- 1:1 NAT

host_up cloud && link_up cloud eth0 net cloud && address cloud eth0 "$PRIVATE4/24" &&
	address net cloud 10.1.0.1/24 && ip -n "${P}cloud" route add default via 10.1.0.1 &&
	forwarding_on cloud || bail "no cloud"
in_ns net nft -f - <<-RULES
	table ip cloud {
		chain in { type nat hook prerouting priority -100; ip daddr $PUBLIC4 dnat to $PRIVATE4; }
		chain out { type nat hook postrouting priority 100; ip saddr $PRIVATE4 snat to $PUBLIC4; }
	}
RULES
relayd_conf 'consent = 10' "address = { \"$PRIVATE4\" }" "advertise = { \"$PRIVATE4=$PUBLIC4\" }"
stream_conf cam1 'listen = "9099"' "source = \"$SENDER4\""
relay_pctl() {
	in_ns cloud "$PUNCHCTL" --socket "$T/relayd/relayd.sock" "$@"
}
pctl() {
	relay_pctl "$@"
}
start cloud relayd "$RELAYD" --config "$T/relayd.conf"
ok "relayd starts behind 1:1 NAT" wait_for 5 relayd_answers
ok "and runs" running relayd
is "show has the public address" "$(shown cam1 'd["ports"][0]["listen"]')" "$PUBLIC4:9099"
pctl add cam2 --listen 9102 >"$T/added"
ok "add prints it" contains "$T/added" "cam2@$PUBLIC4"
ok "and not the private one" not contains "$T/added" "$PRIVATE4"
start client punch1 "$PUNCHCTL" punch "cam1@$PUBLIC4" --key-file "$T/cam1.key" --port 5099 --to 9099
ok "a client punches at the public address" wait_for 5 stream_is cam1 ready
mapped=$(shown cam1 'd["ports"][0]["client"]')
is "the relay knows its mapping" "${mapped%:*}" "$NAT4"
ok "and the client was told the same" contains "$T/punch1.err" "9099 as $mapped"
is "a stream flows" "$(streams 7099 "$PUBLIC4:9099" 5099 2000)" "[2000, 0]"
figure "behind 1:1 NAT: packets lost of 2000 $((2000 - $(json "$T/media.log" 'd["distinct"]')))"
