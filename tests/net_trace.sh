#!/usr/bin/env bash
# One packet is followed through the rules of everybody, a real one or, where none comes, one of our
# own, which then leaves neither the relay nor a trace.
#
#   sender 10.1.0.2 ---- in0 10.1.0.1 relay 10.2.0.1 out0 ---- 10.2.0.2 client
#          fd01::2           fd01::1        fd02::1            fd02::2
. "$(dirname "$0")/lib.sh"

TOOL=$BUILD/tests/foreign_tool RULES_TOOL=$BUILD/tests/rules_tool

trace_hosts() {
	host_up sender && host_up relay && host_up client &&
		link_up sender eth0 relay in0 && link_up client eth0 relay out0 &&
		address sender eth0 10.1.0.2/24 fd01::2/64 && address relay in0 10.1.0.1/24 fd01::1/64 &&
		address client eth0 10.2.0.2/24 fd02::2/64 && address relay out0 10.2.0.1/24 fd02::1/64 &&
		ip -n "${P}sender" route add default via 10.1.0.1 &&
		ip -n "${P}sender" route add default via fd01::1 &&
		forwarding_on relay
}

stream() {
	in_ns relay "$RULES_TOOL" >"$T/rules.out" <<-'OPS'
		listen cam 10.1.0.1:9099 1 0.0.0.0/0
		punch 10.2.0.1:3478
		ingress cam 10.1.0.1:9099 10.2.0.2:5004
		client cam 10.2.0.2:5004 10.2.0.1:3478 3600000 0
		listen cam [fd01::1]:9099 1 ::/0
		punch [fd02::1]:3478
		ingress cam [fd01::1]:9099 [fd02::2]:5004
		client cam [fd02::2]:5004 [fd02::1]:3478 3600000 0
		commit
	OPS
	contains "$T/rules.out" '^ok'
}

trace() { # WORD...: in the background, until it listens
	start relay trace "$TOOL" trace "$@" 20000
	wait_for 10 contains "$T/trace.log" '^(ready|failed)'
}

traced() { # PATTERN
	contains "$T/trace.log" "$1"
}

# A fixed number of datagrams, slowly enough that the second comes behind the limit.
send() { # FROM TO
	in_ns sender "$UDPTOOL" send --from "$1" --to "$2" --count 3 --rate 1000 --rtp >"$T/sent"
}

chain_of() { # FAMILY/TABLE/CHAIN: line number of its first event
	grep -n " $1 " "$T/trace.log" | head -n 1 | cut -d: -f1
}

in_order() { # CHAIN CHAIN
	local first second
	first=$(chain_of "$1") second=$(chain_of "$2")
	[ -n "$first" ] && [ -n "$second" ] && [ "$first" -lt "$second" ]
}

no_table() {
	! in_ns relay nft list tables | grep -q relayd_trace
}

untracked() {
	[ "$(in_ns relay conntrack -C)" = 0 ]
}

client_got() {
	in_ns client nft list counter inet witness media | sed -n 's/.*packets \([0-9]*\) .*/\1/p'
}

plan 30
ok "hosts" trace_hosts
ok "a stream" stream
in_ns client nft -f - <<-'RULES'
	table inet witness {
		counter media { }
		chain c { type filter hook prerouting priority -300;
			meta l4proto udp counter name media
		}
	}
RULES
in_ns relay nft -f - <<-'RULES'
	table ip x {
		chain forward { type filter hook forward priority 5; policy drop;
			udp dport 5004 jump decide
		}
		chain decide {
			udp sport 6000 accept
		}
	}
RULES

for family in 4 6; do
	from=10.1.0.2 to=10.1.0.1:9099
	[ "$family" = 4 ] || from=[fd01::2] to=[fd01::1]:9099
	ok "IPv$family: a packet is waited for" trace "dest=$to"
	ok "the table is there" not no_table
	ok "media" send "$from:6000" "$to"
	ok "it is followed to its end" wait_for 10 not running trace
	is "the trace is done" "$(tail -n 1 "$T/trace.log")" "state done"
	ok "first comes the choice of who may send" in_order 1/relayd/to_client 1/relayd/relayed
	[ "$family" = 6 ] || ok "then the others" in_order 1/relayd/relayed 2/x/decide
	ok "no table is left" no_table
	in_ns relay conntrack -F 2>/dev/null
done

before=$(client_got)
ok "a packet that is dropped" trace dest=10.1.0.1:9099 source=10.1.0.2:6001
ok "media" send 10.1.0.2:6001 10.1.0.1:9099
ok "its end" wait_for 10 not running trace
ok "is where the policy drops it" traced '^policy 2/x/forward .* verdict 0 '
in_ns relay conntrack -F 2>/dev/null
is "nothing has arrived" "$(client_got)" "$before"

ok "one of our own" trace dest=10.1.0.1:9099 probe=10.1.0.2:6000
ok "ends" wait_for 10 not running trace
ok "before it leaves" traced 'relayd_trace/stop .* verdict 0 .* 10.2.0.1:3478 -> 10.2.0.2:5004 .* probe ours'
ok "it went where media goes" in_order 1/relayd/relayed 2/x/decide
ok "nothing is left of it" eval 'no_table && untracked && [ "$(client_got)" = "$before" ]'

start relay killed "$TOOL" trace dest=10.1.0.1:9099 60000
ok "somebody traces" wait_for 10 contains "$T/killed.log" '^ready'
in_ns relay "$TOOL" trace dest=10.1.0.1:9099 100 >"$T/second.log"
ok "a second one is told so" contains "$T/second.log" '^failed Device or resource busy'
stop killed KILL
ok "killed, it leaves nothing" wait_for 5 no_table
