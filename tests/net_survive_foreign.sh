#!/usr/bin/env bash
# Foreign hands: what others do to the table while media flow, with a table that has an owner, and
# with one that has none as before Linux 6.9. There it is restored in milliseconds, with one line
# in the log and one count; where the kernel guards it nothing happens at all.
#
#   sender 198.51.100.175 ---+
#                           net ---- 192.0.2.9 nat 10.0.0.1 ---- client 10.0.0.2
#   relay  203.0.113.7 ------+
. "$(dirname "$0")/lib.sh"
POINTS=$BUILD/tests/relayd_points
RATE=1000 COUNT=2000

scenario() { # FUNCTION: with an owner, and without
	RELAYD=$BUILD/relayd/relayd
	"$1" owned
	RELAYD=$POINTS
	"$1" watched
}

restored_lines() {
	grep -c ' ms later$' "$T/relayd.err"
}

changes_counted() {
	pctl metrics | awk '/^relayd_table_changes_total/ { n += $2 } END { print n + 0 }'
}

rules_text() { # without what changes by itself
	in_ns relay nft -s list table inet relayd | sed -E 's/ expires [^ ,]+//g; s/ timeout [0-9]+[^ ,]*//g'
}

received() {
	[ -s "$T/media.err" ] || true
	pctl --json show cam1 | "$PYTHON" -c 'import json, sys
sys.exit(not json.load(sys.stdin)["ports"][0]["packets"] > int(sys.argv[1]))' "$1"
}

# Media flow, somebody does something, media flow on.
while_streaming() { # WHAT LOST-MAX CMD...
	local what=$1 most=$2 lines changes
	shift 2
	lines=$(restored_lines) changes=$(changes_counted)
	start client media "$UDPTOOL" recv --bind 127.0.0.1:5099 --idle 2
	wait_for 3 udp_bound client 5099
	start sender sending "$UDPTOOL" send --from "$SENDER4:7099" --to "$RELAY4:9099" --count "$COUNT" --rate "$RATE" --rtp
	wait_for 3 stream_is cam1 live
	"$@" >"$T/hand.out" 2>&1
	finish sending 10
	finish media 10
	figure "$what: packets lost of $COUNT" "$((COUNT - $(json "$T/media.log" 'd["distinct"]'))), longest silence $(json "$T/media.log" 'round(d["gap"] * 1000)') ms"
	cat "$T/hand.out" | sed 's/^/#    /'
	tail -n 3 "$T/relayd.err" | sed 's/^/# log /'
	figure "$what" "lines $(($(restored_lines) - lines)) counted $(($(changes_counted) - changes))"
	rules_text >"$T/after"
	diff "$T/before" "$T/after" | head -20
}

scene() { # VARIANT
	rm -f "$T/relayd.err"
	relayd_conf
	stream_conf cam1 'listen = "9099"' "source = \"$SENDER4\""
	relayd_start || bail "relayd does not start"
	start client punch "$PUNCHCTL" punch "cam1@$RELAY4" --key-file "$T/cam1.key" --port 5099 --to 9099
	wait_for 5 stream_is cam1 ready
	rules_text >"$T/before"
	while_streaming "$1, nft flush ruleset" 100 in_ns relay nft flush ruleset
	while_streaming "$1, nft delete table" 100 in_ns relay nft delete table inet relayd
	while_streaming "$1, element" 100 in_ns relay nft delete element inet relayd ingress4 "{ $RELAY4 . 9099 }"
	while_streaming "$1, chain" 100 in_ns relay nft flush chain inet relayd to_client
	while_streaming "$1, nftables.service" 100 in_ns relay /usr/sbin/nft -f /etc/nftables.conf
	while_streaming "$1, conntrack -F" 100 in_ns relay conntrack -F
	stop punch
	relayd_stop
	in_ns relay "$BUILD/relayd/relayd" --flush
}

export POINT_LEGACY=1 POINT_STOP=1
lab_up
plan 0
scenario scene
