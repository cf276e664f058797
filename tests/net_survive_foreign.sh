#!/usr/bin/env bash
# Foreign hands: what others do to the table while media flow. Where the kernel guards it (owner and
# persist, Linux 6.9) nothing happens; where it does not, the table is restored in milliseconds, by
# the same processes, with the consent that was left, one line in the log, and one count.
#
#   sender 198.51.100.175 ---+
#                           net ---- 192.0.2.9 nat 10.0.0.1 ---- client 10.0.0.2
#   relay  203.0.113.7 ------+
. "$(dirname "$0")/lib.sh"
RATE=$(rate 1000) COUNT=1000 IDLE=1
[ -z "${WAIT_FACTOR-}" ] || COUNT=500 IDLE=3 # an emulated machine
UNIT=/lib/systemd/system/nftables.service

log_lines() {
	grep -c ' ms later$' "$T/relayd.err"
}

changes_counted() {
	pctl metrics | awk '/^relayd_table_changes_total/ { n += $2 } END { print n + 0 }'
}

counted_as() { # CAUSE: how often
	metric "relayd_table_changes_total{cause=\"$1\"}"
}

# All of the table, but for what changes by itself.
table_text() {
	in_ns relay nft -s list table inet relayd |
		sed -E 's/ (expires|timeout) [0-9a-z]+//g; /elements = .* limit rate 50\/second/d'
}

is_whole() {
	diff "$T/before" <(table_text)
}

log_has() { # LINES MORE
	[ "$(log_lines)" -ge $(($1 + $2)) ]
}

client_packets() {
	in_ns client awk '$1 == "eth0:" { print $3 }' /proc/net/dev
}

client_has() { # PACKETS
	[ "$(client_packets)" -gt "$1" ]
}

# With nothing to restore there is nothing to wait for.
hand() { # OUT CMD...
	local out=$1
	shift
	"$@" >"$out" 2>&1
	echo "status $?" >>"$out"
}

# Media flow, somebody does something, and media flow on. LINES: how many the log has more then.
while_streaming() { # WHAT LINES CMD...
	local what="$VARIANT: $1" expected=$2 lines changes lost before packets
	shift 2
	lines=$(log_lines) changes=$(changes_counted) before=$(relayd_pids)
	start client media "$UDPTOOL" recv --bind 127.0.0.1:5099 --idle "$IDLE"
	wait_for 3 udp_bound client 5099
	packets=$(($(client_packets) + 50))
	start sender sending "$UDPTOOL" send --from "$SENDER4:7099" --to "$RELAY4:9099" --count "$COUNT" --rate "$RATE" --rtp
	wait_for 3 client_has "$packets"
	hand "$T/hand.out" "$@"
	wait_for 3 log_has "$lines" "$expected"
	finish sending 10
	finish media 10
	lost=$((COUNT - $(json "$T/media.log" 'd["distinct"]')))
	figure "$what: packets lost of $COUNT" "$lost, longest silence $(json "$T/media.log" 'round(d["gap"] * 1000)') ms"
	if [ "$expected" -eq 0 ]; then
		is "$what: nothing is lost" "$lost" 0
	else
		# A slow machine loses more, but whoever waits for the next punch loses all of the rest.
		ok "$what: media flow again" test "$lost" -lt $((COUNT / 2))
	fi
	ok "$what: all of the table is there" wait_for 3 is_whole
	is "$what: lines in the log, and counts" "$(($(log_lines) - lines)) $(($(changes_counted) - changes))" "$expected $expected"
	is "$what: the processes are the same" "$(relayd_pids)" "$before"
}

begin() { # VARIANT RELAYD
	VARIANT=$1 RELAYD=$2
	in_ns relay "$BUILD/relayd/relayd" --flush >/dev/null
	relayd_conf
	stream_conf cam1 'listen = "9099"' "source = \"$SENDER4\""
	relayd_start || bail "relayd does not start"
	start client punch "$PUNCHCTL" punch "cam1@$RELAY4" --key-file "$T/cam1.key" --port 5099 --to 9099
	wait_for 5 stream_is cam1 ready || bail "no client"
	in_ns sender "$PYTHON" "$UDPTOOL" send --from "$SENDER4:7099" --to "$RELAY4:9099" --count 20 --rate 500 --rtp >/dev/null
	wait_for 5 stream_is cam1 live
	table_text >"$T/before"
}

end() {
	stop punch
	relayd_stop
}

in_relay() { # CMD...: the very words of a unit
	in_ns relay "$@"
}

reload_as_shipped() {
	local words
	words=$(sed -n 's/^ExecReload=//p' "$UNIT")
	# shellcheck disable=SC2086
	in_ns relay $words
}

firewall_after_us() {
	in_ns relay nft -f - <<-'RULES'
		flush ruleset
		table inet firewall {
			chain input {
				type filter hook input priority 0; policy drop;
				iifname "lo" accept
				udp dport 3478 accept
			}
			chain forward {
				type filter hook forward priority 0; policy drop;
				ct status dnat accept
			}
		}
	RULES
}

# They refer to each other, and one drops what is forwarded by its policy alone.
move_in() {
	in_ns relay nft -f - <<-'RULES'
		table inet relayd {
			counter theirs { }
			set strangers { type ipv4_addr; elements = { 192.0.2.1 }; }
			chain end { counter name theirs drop; }
			map ways { type ipv4_addr : verdict; elements = { 192.0.2.1 : jump end }; }
			chain middle { ip saddr vmap @ways; ip saddr { 192.0.2.2, 192.0.2.3 } goto end; }
			chain theirs { type filter hook forward priority 0; policy drop; ip saddr @strangers jump middle; }
		}
	RULES
}

delete_some() { # what a listing shows, in one command each
	in_ns relay nft delete element inet relayd "$1" "{ $2 }"
}

unowned() { # what follows holds on such a kernel without any pretence
	local i
	for i in $(seq 25); do
		skip "with an owner: $i" "this kernel cannot guard the table"
	done
	end
}

owned() {
	begin "with an owner" "$BUILD/relayd/relayd"
	contains "$T/relayd.err" 'cannot guard the table' && unowned && return
	while_streaming "nft flush ruleset" 0 in_relay nft flush ruleset
	while_streaming "nft delete table" 0 in_relay nft delete table inet relayd
	is "with an owner: which the kernel refuses" "$(grep -c 'Operation not permitted' "$T/hand.out")" 1
	while_streaming "deletion of an element" 0 delete_some ingress4 "$RELAY4 . 9099"
	while_streaming "systemctl reload nftables" 0 reload_as_shipped
	while_streaming "conntrack -F" 0 in_relay conntrack -F
	while_streaming "a firewall that starts after us" 0 firewall_after_us
	in_ns relay nft flush ruleset
	end
}

watched() {
	export POINT_LEGACY=1
	begin "without" "$BUILD/tests/relayd_points"
	while_streaming "nft flush ruleset" 1 in_relay nft flush ruleset
	ok "without: the log says who it was" contains "$T/relayd.err" \
		'table inet relayd was removed by nft \(process [0-9]+\): [1-9][0-9]* restored'
	while_streaming "nft delete table" 1 in_relay nft delete table inet relayd
	while_streaming "deletion of the element that leads to the client" 1 delete_some ingress4 "$RELAY4 . 9099"
	while_streaming "deletion of the element from where it leaves" 1 delete_some egress4 \
		"$(in_ns relay nft list map inet relayd egress4 | grep -oE "$NAT4 \. [0-9]+")"
	while_streaming "deletion of the element of those who listen" 1 delete_some listen4 "$RELAY4 . 9099"
	while_streaming "deletion of the element with the mark" 1 delete_some mark4 "$RELAY4 . 9099"
	while_streaming "deletion of the consent" 1 delete_some exact4 "$RELAY4 . 9099 . $SENDER4"
	while_streaming "nft flush chain" 1 in_relay nft flush chain inet relayd to_client
	while_streaming "chains, sets and objects of others in our table" 1 move_in
	ok "without: the log counts them" contains "$T/relayd.err" \
		'rules of table inet relayd were changed by nft \(process [0-9]+\): 0 restored, 6 removed'
	while_streaming "systemctl reload nftables" 1 reload_as_shipped
	while_streaming "conntrack -F" 0 in_relay conntrack -F
	while_streaming "a firewall that starts after us" 1 firewall_after_us
	is "without: counts" "$(counted_as table) $(counted_as rule) $(counted_as element) $(counted_as lost)" "4 2 5 0"
	in_ns relay nft delete table inet firewall
	end
	unset POINT_LEGACY
}

# More than fits into a buffer that is too small: what was changed is not known, and compared.
storm() {
	local i
	for i in $(seq 300); do
		echo "add element inet other crowd { 10.0.$((i / 256)).$((i % 256)) }"
		echo "add set inet other crowd$i { type ipv4_addr; }"
	done >"$T/storm.nft"
	in_ns relay nft -f - <<-'RULES'
		table inet other {
			set crowd { type ipv4_addr; }
		}
	RULES
	stopped_while in_ns relay nft -f "$T/storm.nft"
	in_ns relay nft delete table inet other
}

stopped_while() { # CMD...: the kernel side reads nothing meanwhile
	kill -STOP "$(pid_of relayd)"
	"$@"
	kill -CONT "$(pid_of relayd)"
}

lost_counted() {
	[ "$(counted_as lost)" -ge 1 ]
}

cpu_ticks() { # of both processes
	local pid sum=0
	for pid in $(relayd_pids); do
		sum=$((sum + $(awk '{ print $14 + $15 }' "/proc/$pid/stat")))
	done
	echo "$sum"
}

# Another program that will not have our table, for some seconds.
fight() {
	local end=$(($(microseconds) + 4000000)) n=0
	while [ "$(microseconds)" -lt "$end" ]; do
		in_ns relay nft delete table inet relayd 2>/dev/null && n=$((n + 1))
	done
	echo "$n" >"$T/fight"
}

crowded() {
	local ticks
	export POINT_LEGACY=1 POINT_BUFFER=4096
	begin "with a small buffer" "$BUILD/tests/relayd_points"
	storm
	ok "events that do not fit are counted as unknown" wait_for 3 lost_counted
	ok "and compared: nothing was changed" contains "$T/relayd.err" \
		'changes of nf_tables were missed.*: 0 restored, 0 removed'
	ok "all of the table is there" wait_for 3 is_whole
	stopped_while in_ns relay nft -f - <<-RULES
		$(sed "1i table inet other { set crowd { type ipv4_addr; }; }" "$T/storm.nft")
		delete element inet relayd ingress4 { $RELAY4 . 9099 }
	RULES
	ok "what was changed in such a storm is restored" wait_for 3 is_whole
	in_ns relay nft delete table inet other
	ticks=$(cpu_ticks)
	fight
	ticks=$(($(cpu_ticks) - ticks))
	figure "another program removes the table for 4 s" "$(cat "$T/fight") times, processor time of relayd $((ticks * 10)) ms"
	ok "it is restored ever later" test "$(cat "$T/fight")" -lt 40
	is "which is said once" "$(grep -c 'again and again' "$T/relayd.err")" 1
	ok "when the other one stops, all is restored" wait_for 8 is_whole
	end
	unset POINT_LEGACY POINT_BUFFER
}

plan 83
lab_up
owned
watched
crowded
