#!/usr/bin/env bash
# One packet is followed through the rules of everybody, a real one or, where none comes, one of our
# own, which then leaves neither the relay nor a trace.
#
#   sender 10.1.0.2 ---- in0 10.1.0.1 relay 10.2.0.1 out0 ---- 10.2.0.2 client
#          fd01::2           fd01::1        fd02::1            fd02::2
. "$(dirname "$0")/lib.sh"
. "$TOP/tests/foreignlab.sh"

trace() { # WORD...: in the background, until it listens
	start relay trace "$TOOL" trace "$@" "$(seconds 20000)"
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

# Base chains that a packet was to be asked by, and those that it was asked by, in order.
foretold() { # FROM TO TO-AFTER FROM-AFTER
	in_ns relay "$TOOL" walk way=media first "source=$1" "dest=$2" "to=$3" "from=$4" in=in0 \
		mark=0x52000001 >"$T/walk"
	awk '/ \| / && !/not asked/ { print $4 }' "$T/walk"
}

happened() {
	awk 'NR == FNR { if (/ \| /) base[$4]; next } $2 in base && $2 != last { print last = $2 }' \
		"$T/walk" "$T/trace.log"
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

plan 35
ok "hosts" foreign_hosts
ok "a stream" foreign_stream
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
	table inet y {
		chain late { type filter hook forward priority 5; policy accept;
		}
		chain before { type filter hook prerouting priority -110; policy accept;
		}
		chain after { type filter hook prerouting priority -90; policy accept;
		}
		chain theirs { type nat hook prerouting priority -111; policy accept;
			udp dport 1 redirect to :2
		}
		chain leave { type nat hook postrouting priority 50; policy accept;
			udp dport 1 masquerade
		}
	}
RULES

# Of two tables' chains with one priority only the list of hooks says which is newer.
if in_ns relay nft list hooks ip 2>/dev/null | grep -q relayd; then
	in_ns relay nft -f - <<-'RULES'
		table ip x {
			chain last { type filter hook forward priority 5; policy accept;
			}
		}
	RULES
else
	note "this kernel does not list its hooks"
fi

for family in 4 6; do
	from=10.1.0.2 to=10.1.0.1:9099 client=10.2.0.2:5004 hole=10.2.0.1:3478
	[ "$family" = 4 ] || from="[fd01::2]" to="[fd01::1]:9099" \
		client="[fd02::2]:5004" hole="[fd02::1]:3478"
	ok "IPv$family: a packet is waited for" trace "dest=$to"
	ok "the table is there" not no_table
	ok "media" send "$from:6000" "$to"
	ok "it is followed to its end" wait_for 10 not running trace
	is "the trace is done" "$(tail -n 1 "$T/trace.log")" "state done"
	ok "first comes the choice of who may send" in_order 1/relayd/raw_in 1/relayd/to_client
	[ "$family" = 6 ] || ok "then the others" in_order 1/relayd/to_client 2/x/decide
	want=$(foretold "$from:6000" "$to" "$client" "$hole")
	is "as was foretold" "$(happened)" "$want"
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
ok "it went where media goes" in_order 1/relayd/to_client 2/x/decide
ok "nothing is left of it" eval 'no_table && untracked && [ "$(client_got)" = "$before" ]'

ok "what leaves the relay itself" trace out source=10.2.0.1:3478
in_ns relay "$UDPTOOL" send --from 10.2.0.1:3478 --to 10.2.0.2:5004 --count 1 --rate 1000 >"$T/sent"
ok "ends, too" wait_for 10 not running trace
ok "passing our own chain" traced ' 1/relayd/raw_out '

start relay killed "$TOOL" trace dest=10.1.0.1:9099 60000
ok "somebody traces" wait_for 10 contains "$T/killed.log" '^ready'
in_ns relay "$TOOL" trace dest=10.1.0.1:9099 100 >"$T/second.log"
ok "a second one is told so" contains "$T/second.log" '^failed Device or resource busy'
stop killed KILL
ok "killed, it leaves nothing" wait_for 5 no_table
