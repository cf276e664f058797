#!/usr/bin/env bash
# Whose the table is: of one relayd or another, of this version or an older one, on a kernel that
# guards it or not. tests/rules_tool speaks to librules; tests/ruleslab.sh has the hosts.
. "$(dirname "$0")/lib.sh"
. "$TOP/tests/ruleslab.sh"
plan 35

rules_up
tool_start
FEATURES=$(tool features)
is "a stream is there" "$(tool "listen cam $L4 7 any" "punch $P4" "ingress cam $L4 $C4 any 60000 0" \
	"client cam $C4 $P4" commit)" ok
echo_start c4 client "$C4"
ok "and packets pass" wait_for 3 reach sender "$S4" "$L4" hello

# --- who else is there

if persists; then
	in_ns relay nft flush ruleset
	ok "a foreign flush leaves the table" holds "chain to_client"
else
	skip "a foreign flush leaves the table" "this kernel cannot guard it"
fi
is "a second relayd is told so" "$(in_ns relay "$TOOL" </dev/null | cut -d' ' -f1,2)" "error -16"
is "nor is anything removed meanwhile" "$(in_ns relay "$TOOL" remove | cut -d' ' -f1,2)" "error -16"
tool_kill
ok "a stream outlives the process" reach sender "$S4" "$L4" orphan
tool_start
is "the table is adopted" "$GREETING" adopted
ok "with its elements" reach sender "$S4" "$L4" adopted

# --- removal

in_ns relay nft -f - <<-'RULES'
	table inet other {
		chain c {
			type nat hook prerouting priority -100
			udp dport 9200 ct mark set 0x52000005 redirect to :9201
		}
	}
RULES
echo_start foreign relay "$RELAY4:9201"
ok "a foreign flow, of our mark even" reach sender "$SENDER4:7009" "$RELAY4:9200" foreign
tool_kill
ours=$(flows -m 0x52000000/0xff000000 | grep -vc 'dport=9200')
is "removal takes our table and flows" "$(in_ns relay "$TOOL" remove)" "removed table 1 flows $ours"
is "and nothing else" "$(in_ns relay nft list tables; flows -m 0x52000000/0xff000000 |
	grep -o 'dport=9200')" $'table inet other\ndport=9200'
in_ns relay nft add table inet relayd
is "a table of that name without our tag stays" \
	"$(in_ns relay "$TOOL" remove | cut -d' ' -f1,2)" "error -17"
is "and is in the way" "$(in_ns relay "$TOOL" </dev/null | cut -d' ' -f1,2)" "error -17"

# --- as on older kernels: nobody owns the table, nothing is refreshed or destroyed

in_ns relay nft flush ruleset
tool_start legacy
is "a kernel without owners" "$GREETING $(tool features)" \
	"made persist 0 refresh 0 destroy 0 timeouts 0"
is "elements of a new table" "$(tool "unlisten $L4" "listen cam $L4 7 any" "punch $P4" \
	"ingress cam $L4 $C4 any 60000 0" "client cam $C4 $P4" commit)" ok
is "are replaced" "$(tool "listen cam $L4 7 $SENDER4" "unlisten $RELAY4:9121" \
	"ingress cam $L4 $C4 $SENDER4 60000 0" "client cam $C4 $P4" commit)" ok
ok "and translate" reach sender "$S4" "$L4" old
is "so are peers" "$(tool "peer cam $C4 $P4 $S4 7" commit
	tool "peer cam $C4 $P4 $SENDER4:7001 8" commit
	tool read | grep ^peer)" $'ok\nok\n'"peer cam $C4 $P4 $SENDER4:7001 8"
tool "unpeer $C4 $P4" commit >/dev/null
ok "consent begins anew without a refresh" consent_is_kept legacy
is "a running relayd is known by its log group" \
	"$(in_ns relay "$TOOL" remove | cut -d' ' -f1,2)" "error -16"
tool "watch 64 0" >/dev/null
in_ns relay nft flush ruleset
is "a foreign flush is told" "$(tool "changes 2000")" "table nft"
is "and mended, but for the streams" "$(tool mend)" "mended"
is "where nothing is to be mended nothing is" "$(tool mend)" "whole"
tool_kill
tool_start legacy
is "all of it is there" "$GREETING" adopted
tool_kill

# --- a table of the version before: its streams go on in one of ours

in_ns relay nft delete table inet relayd
is "what an older relayd left" "$(in_ns relay nft -f - <<-RULES 2>&1
	table inet relayd {
		comment "relayd 1"
		set listen4 { type ipv4_addr . inet_service; counter; }
		set listen6 { type ipv6_addr . inet_service; counter; }
		map mark4 { type ipv4_addr . inet_service : mark; elements = { $RELAY4 . 9099 : 0x52000007 }; }
		map mark6 { type ipv6_addr . inet_service : mark; }
		map ingress4 { type ipv4_addr . inet_service : ipv4_addr . inet_service
			elements = { $RELAY4 . 9099 : $NAT4 . 5004 }; }
		map ingress6 { type ipv6_addr . inet_service : ipv6_addr . inet_service; }
		map egress4 { type ipv4_addr . inet_service : ipv4_addr . inet_service
			elements = { $NAT4 . 5004 comment "cam" : $RELAY4 . 3478 }; }
		map egress6 { type ipv6_addr . inet_service : ipv6_addr . inet_service; }
		set consent4 { type ipv4_addr . inet_service; flags timeout; counter
			elements = { $NAT4 . 5004 counter packets 41 bytes 4100 timeout 60s comment "cam" }; }
		set consent6 { type ipv6_addr . inet_service; flags timeout; }
		set punch4 { type ipv4_addr . inet_service; elements = { $RELAY4 . 3478 }; }
		set punch6 { type ipv6_addr . inet_service; }
		set raw4 { type ipv4_addr . inet_service; }
		set raw6 { type ipv6_addr . inet_service; }
		chain old { }
	}
	add element inet relayd listen4 { $RELAY4 . 9099 }
RULES
)" ""
tool_start
is "is adopted" "$GREETING" adopted
ok "with its flow" reach sender "$S4" "$L4" update
tool read >"$T/read"
ok "its client and what that got" contains "$T/read" \
	"^client cam $C4 $P4 consent [0-9]+ packets 4[2-9] "
is "and peers are possible" "$(tool "peer cam $C4 $P4 $S4 7" commit)" ok
ok "for which there is a chain" holds "chain peers"
tool "unpeer $C4 $P4" commit >/dev/null
ok "as long as there are any" lacks "chain peers"
ok "the skeleton is as it should be" diff -u "$(expected)" <(skeleton)
tool_kill

# --- what an older relayd left, and no privilege

in_ns relay nft 'flush ruleset; add table inet relayd { comment "relayd 0"; }; add chain inet relayd old'
tool_start
is "the table of another version is made anew" "$GREETING" made
ok "with nothing of the old one" lacks "chain old"
is "without CAP_NET_ADMIN it says so" \
	"$(in_ns relay setpriv --bounding-set -net_admin --inh-caps -net_admin "$TOOL" </dev/null)" \
	"error -1 CAP_NET_ADMIN is missing"
