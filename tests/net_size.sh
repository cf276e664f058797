#!/usr/bin/env bash
# A few thousand streams: added from a file in one go or not at all, at two addresses with the same
# ports, punched for by a client each, adopted by the next start, listed, and removed by the same file.
# scripts/bench-size does it with 100,000, and measures.
#
#   client 198.51.100.175 ---+
#                           net
#   relay  203.0.113.7 ------+
#          203.0.113.8
. "$(dirname "$0")/lib.sh"
plan 43
SECOND4=203.0.113.8
EACH=2100 # streams at each address; above 4096 the table is read part by part
LATE=$((EACH + 500)) # a line of a stream at the second address
STORM=$BUILD/tests/bench/punchstorm

batch_write() { # FILE
	local i key=$T/batch.key
	[ -e "$key" ] || (umask 077 && "$PUNCHCTL" key >"$key")
	{
		echo "# NAME OPTIONS"
		for ((i = 0; i < EACH; i++)); do
			echo "s$i --listen $RELAY4:$((10000 + i)) --source any --key-file $key"
		done
		echo
		for ((i = 0; i < EACH; i++)); do
			echo "s$((EACH + i)) --listen $SECOND4:$((10000 + i)) --source any --key-file $key # too"
		done
	} >"$1"
}

count_is() { # N
	pctl list --json >"$T/list.json" && [ "$(json "$T/list.json" 'len(d)')" = "$1" ]
}

holes_are() { # N
	pctl metrics >"$T/metrics" && contains "$T/metrics" "^relayd_holes $1\$"
}

storm() {
	in_ns sender "$STORM" --relay "$RELAY4:3478" --from "$SENDER4:10000" --per "$EACH" --listen 10000 \
		--key "$(cat "$T/batch.key")" --clients "$((2 * EACH))" "$@" >"$T/storm" 2>"$T/storm.err"
}

refused() { # FILE PATTERN
	! pctl add --batch "$1" >"$T/out" 2>"$T/err" && contains "$T/err" "$2"
}

# While no relayd owns the table anybody may take elements away.
elements_delete() {
	in_ns relay nft -f - <<-RULES
		delete element inet relayd mark4 { $RELAY4 . 10007 }
		delete element inet relayd ingress4 { $RELAY4 . 10008 }
		delete element inet relayd any4 { $SECOND4 . 10009 }
		delete element inet relayd egress4 { $SENDER4 . 10010 }
		delete element inet relayd listen4 { $SECOND4 . 11011 }
	RULES
}

# Each is another stream's; relayd hears of it and looks what is missing, while clients punch.
element_lost() { # SET KEY
	in_ns relay nft delete element inet relayd "$1" "{ $2 }" && wait_for 10 element_is "$1" "$2"
}

element_is() { # SET KEY
	in_ns relay nft get element inet relayd "$1" "{ $2 }" >/dev/null 2>&1
}

sizes() {
	local set
	for set in listen4 mark4 ingress4 any4 egress4; do
		in_ns relay nft list set inet relayd "$set" 2>/dev/null ||
			in_ns relay nft list map inet relayd "$set"
	done | grep -c 'comment "s[0-9]'
}

# Each punch is a line, or counted in one.
punches_told() { # N
	awk '/ s[0-9]+:[0-9]+ punched/ { n++ } match($0, /[0-9]+ punched$/) && / more: / { n += substr($0, RSTART) }
		END { print n }' "$T/relayd.err" >"$T/told" && [ "$(cat "$T/told")" -eq "$1" ]
}

log_told() { # PATTERN, since the last start
	tac "$T/relayd.err" | sed '/table inet relayd adopted/q' | grep -Eq "$1"
}

lab_up
ip -n "${P}relay" addr add "$SECOND4/24" dev eth0
ip -n "${P}sender" addr add 198.51.100.176/24 dev eth0
relayd_conf "address = { \"$RELAY4\", \"$SECOND4\" }" 'consent = 300'
batch_write "$T/batch"
ok "relayd starts" relayd_start
sed "${LATE}s/--source any/--source nobody/" "$T/batch" >"$T/wrong"
ok "a line that relayd does not take is named" refused "$T/wrong" "wrong:$LATE: .*nobody"
ok "and nothing is added" count_is 0
sed "${LATE}s/--source any/--sauce any/" "$T/batch" >"$T/wrong"
ok "nor with an option that there is not" refused "$T/wrong" "wrong:$LATE: .*--sauce"
sed "${LATE}s/$SECOND4/192.0.2.77/" "$T/batch" >"$T/wrong"
ok "nor at an address that is not the relay's" refused "$T/wrong" "wrong:$LATE: .*192.0.2.77 is none of"
sed "${LATE}s/$SECOND4/$RELAY4/" "$T/batch" >"$T/wrong"
ok "nor with another's port" refused "$T/wrong" "wrong:$LATE: port .* is used by stream"
ok "nothing has been added" count_is 0
began=$(now)
ok "$((2 * EACH)) streams are added" pctl add --batch "$T/batch"
figure add_seconds "$(awk -v a="$began" -v b="$(now)" 'BEGIN { printf "%.2f", b - a }')"
ok "and are there" count_is $((2 * EACH))
ok "one of them says where it listens" \
	test "$(json "$T/list.json" 'next(s["listen"] for s in d if s["name"] == "s'$EACH'")')" = "$SECOND4:10000"
ok "a client each punches" storm
ok "and each has its hole" holes_are $((2 * EACH))
ok "the log has told of each" wait_for 5 punches_told $((2 * EACH))
ok "in a few lines a second" test "$(grep -c ' punched' "$T/relayd.err")" -lt "$EACH"
relayd_kill
ok "the next start after a kill" relayd_start
ok "has every stream" count_is $((2 * EACH))
ok "and every client" holes_are $((2 * EACH))
relayd_kill
whole=$(sizes)
ok "elements are deleted while nobody owns them" elements_delete
ok "the next start" relayd_start
ok "finds what is missing" log_told "[1-9][0-9]* parts were missing"
ok "has every stream" count_is $((2 * EACH))
ok "and its own port" element_is punch4 "$RELAY4 . 3478"
ok "and all clients but those whose consent or hole is unknown" holes_are $((2 * EACH - 3))
ok "all punches again" storm
ok "and each has its hole" holes_are $((2 * EACH))
ok "and the kernel has all elements again" test "$(sizes)" = "$whole"

# --- what is lost while clients punch, where anybody may take elements away
relayd_stop
in_ns relay nft flush ruleset
export POINT_LEGACY=1
RELAYD=$BUILD/tests/relayd_points
ok "a start where the table has no owner" relayd_start
storm --again 8 --pace 300 --slow &
punching=$!
ok "clients punch" wait_for 10 holes_are $((2 * EACH))
ok "a listening port is restored" element_lost listen4 "$RELAY4 . 10107"
ok "a mark is" element_lost mark4 "$RELAY4 . 10208"
ok "the way to a client is" element_lost ingress4 "$SECOND4 . 10309"
ok "its consent is" element_lost any4 "$SECOND4 . 10410"
ok "its hole is" element_lost egress4 "$SENDER4 . 10511"
ok "and everybody was answered meanwhile" wait "$punching"
figure slowest_answer_ms "$(sed -n 's/^slowest //p' "$T/storm")"

ok "the same file with --keep-going adds nothing and says so" \
	not pctl add --batch "$T/batch" --keep-going
ok "and changes nothing" count_is $((2 * EACH))
ok "it removes them all" pctl remove --batch "$T/batch"
ok "and none is left in the kernel" \
	wait_for 10 not in_ns relay sh -c "nft list table inet relayd | grep -q 'comment \"s[0-9]'"

# --- one in the file, at one address; a reload moves it
at_is() { # LISTEN
	pctl list --json >"$T/list.json" &&
		[ "$(json "$T/list.json" 'next(s["listen"] for s in d if s["name"] == "file")')" = "$1" ]
}

listens_in_kernel() { # LISTEN
	in_ns relay nft list map inet relayd mark4 2>/dev/null | grep -qF "${1/:/ . } "
}

file_stream() { # LISTEN
	sed -i '/^stream file/d' "$T/relayd.conf"
	echo "stream file { listen = \"$1\" key = \"$(cat "$T/batch.key")\" }" >>"$T/relayd.conf"
	pctl reload >"$T/reload" && at_is "$1"
}
ok "a reload adds a stream at one address" file_stream "$SECOND4:9000"
ok "it listens there" listens_in_kernel "$SECOND4:9000"
ok "and not at the other" not listens_in_kernel "$RELAY4:9000"
ok "another reload moves it" file_stream "$RELAY4:9000"
ok "and its elements" wait_for 10 listens_in_kernel "$RELAY4:9000"
