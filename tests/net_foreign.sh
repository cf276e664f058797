#!/usr/bin/env bash
# What is said of other programs' rules is what they do: for each ruleset packets of every kind are
# sent, by IPv4 and IPv6, and those arrive of which rules/foreign says that they pass.
#
#   sender 10.1.0.2 ---- in0 10.1.0.1 relay 10.2.0.1 out0 ---- 10.2.0.2 client
#          fd01::2           fd01::1        fd02::1            fd02::2
. "$(dirname "$0")/lib.sh"
. "$TOP/tests/foreignlab.sh"
. "$TOP/tests/doctor.sh"

ALL="media passes; more passes; reply passes; both passes; punch passes; answer passes"
DEAD="media drops; punch passes; answer passes"

# Our own table; all others are gone.
foreign_clean() {
	in_ns relay nft flush ruleset
	in_ns relay conntrack -F 2>/dev/null
	foreign_stream
}

nft_rules() { # on stdin
	in_ns relay nft -f -
}

# What is said and came true, by both families.
said() { # DESCRIPTION WANT-IPv4 WANT-IPv6
	"$PYTHON" "$TOP/tests/foreign_real.py" "$P" "$TOOL" >"$T/said" 2>"$T/said.err" ||
		tail -n 20 "$T/said.err" >>"$T/said"
	is "$1" "$(cat "$T/said")" "4: $2"$'\n'"6: $3" || sed 's/^/# /' "$T/said.err"
}

### Firewalls ############################################################################

# firewalld without its bus: the core of the daemon applies what it would apply.
firewalld_apply() { # ZONE-OF-in0 [LINE...]: lines of Python; fw is the firewall
	local zone=$1
	shift
	printf '%s\n' "$@" >"$T/firewalld.py"
	private /usr/bin/python3 -c '
import sys
from firewall.core.fw import Firewall
fw = Firewall()
fw.start()
fw.zone.add_interface(sys.argv[1], "in0")
fw.zone.add_interface(sys.argv[1], "out0")
exec(open(sys.argv[2]).read())
' "$zone" "$T/firewalld.py"
}

by_docker() { # VERSION
	in_ns relay iptables-nft-restore <"$TOP/tests/data/docker-$1.v4" || return
	[ ! -e "$TOP/tests/data/docker-$1.v6" ] ||
		in_ns relay ip6tables-nft-restore <"$TOP/tests/data/docker-$1.v6"
}

### Rulesets #############################################################################

NOT_PUNCH="media passes; more passes; reply passes; both passes; punch drops; answer passes"
plan 69
ok "hosts" foreign_hosts
ok "files of their own" private_up
ok "our own rules" foreign_clean
said "nothing else" "$ALL" "$ALL"

foreign_clean
ok "Docker 27" by_docker 27
said "drops what it does not know, in FORWARD" "$DEAD" "$DEAD"
ok "an exception in DOCKER-USER" in_ns relay iptables-nft -I DOCKER-USER -m conntrack --ctstate DNAT -j ACCEPT
said "lets it through" "$ALL" "$DEAD"
foreign_clean
ok "Docker 28" by_docker 28
said "drops IPv4" "$DEAD" "$ALL"

foreign_clean
ok "ufw" private ufw --force enable
said "drops media and punches" "media drops; punch drops; answer passes" "media drops; punch drops; answer passes"
ok "a route" private ufw route allow in on in0 out on out0
said "lets media through" "$NOT_PUNCH" "$NOT_PUNCH"
ok "a port" private ufw allow 3478/udp
said "lets punches in" "$ALL" "$ALL"
ok "ufw is gone" private ufw --force disable

foreign_clean
ok "firewalld" firewalld_apply public
said "lets translated packets through, and no punch in" "$NOT_PUNCH" "$NOT_PUNCH"
foreign_clean
ok "with a port" firewalld_apply public 'fw.zone.add_port("public", "3478", "udp")'
said "lets punches in" "$ALL" "$ALL"
foreign_clean
ok "and the zone for the trusted" firewalld_apply trusted
said "lets all pass" "$ALL" "$ALL"
foreign_clean
ok "and that which drops" firewalld_apply drop
said "drops punches" "$NOT_PUNCH" "$NOT_PUNCH"

### Hand-made ############################################################################

# A table "inet x" with one chain of these rules, at a hook, with a policy.
chain() { # HOOK PRIORITY POLICY, rules on stdin
	{
		echo "table inet x { chain c { type ${TYPE:-filter} hook $1 priority $2; policy $3;"
		cat
		printf '\n}\n}\n'
	} >"$T/chain.nft"
	in_ns relay nft -f "$T/chain.nft"
}

# The ruleset alone beside ours; both families do the same unless told otherwise.
try() { # DESCRIPTION HOOK PRIORITY POLICY WANT-IPv4 [WANT-IPv6], rules on stdin
	foreign_clean && chain "$2" "$3" "$4" || note "not loaded: $1"
	said "$1" "$5" "${6:-$5}"
}

try "a forwarding policy" forward 0 drop "$DEAD" <<<""
try "what is established, no more" forward 0 drop "$DEAD" <<<"ct state established,related accept"
try "what is translated" forward 0 drop "$ALL" <<<"ct status dnat accept"
try "our mark" forward 0 drop "$ALL" <<<"ct mark & 0xff000000 == 0x52000000 accept"
try "another mark" forward 0 drop "$DEAD" <<<"ct mark 7 accept"
try "invalid packets" forward 0 accept "$ALL" <<<"ct state invalid drop"
try "new ones into a map" forward 0 accept "$DEAD" \
	<<<"ct state vmap { established : accept, new : drop }"
try "one way only" forward 0 drop "media passes; more passes; reply drops; both passes; punch passes; answer passes" \
	<<<'iifname "in0" oifname "out0" accept'
try "one way only, with answers" forward 0 drop "$ALL" <<<'
	iifname "in*" accept
	ct state established accept'
try "addresses of a set with ranges" forward 0 drop "$ALL" "$DEAD" \
	<<<'ip daddr { 10.2.0.0/24, 10.1.0.1-10.1.0.7 } accept'
try "and the others" forward 0 drop "$DEAD" "$ALL" \
	<<<'ip daddr != { 10.2.0.0/24, 10.1.0.1-10.1.0.7 } accept
	ip6 daddr { fd01::/64, fd02::2-fd02::9 } accept'
try "ports before translation" prerouting -150 accept "media drops; punch passes; answer passes" \
	<<<'udp dport 9000-9100 drop'
try "ports behind it" prerouting -50 accept "media drops; punch passes; answer passes" \
	<<<'udp dport 5004 udp sport { 1, 6000 } drop'
try "before anything is tracked" prerouting -250 accept "$ALL" \
	<<<'ct state established,new drop'
try "the original addresses" forward 0 accept "$DEAD" "$ALL" \
	<<<'meta l4proto udp ct original ip daddr 10.1.0.1 ct original proto-dst 9099 drop'
try "concatenations with ranges" forward 0 drop "$ALL" "$DEAD" \
	<<<'ip saddr . udp dport { 10.1.0.0/24 . 5000-6000, 10.2.0.0/24 . 6000 } accept'
try "goto, return and jumps" forward 0 drop "$ALL" <<<'
	udp dport 5004 goto one
	jump two
	}
	chain one {
	udp dport 1 drop
	jump three
	accept
	}
	chain three {
	meta l4proto udp return
	drop
	}
	chain two {
	udp dport 6000 accept'
try "the end of a goto is the policy" forward 0 drop "$DEAD" <<<'
	goto one
	accept
	}
	chain one {
	udp dport 1 accept'
try "limits are held" forward 0 drop "$ALL" <<<'limit rate over 100000/second drop
	limit rate 100000/second accept'
try "local addresses" prerouting -150 accept "media drops; punch drops; answer passes" \
	<<<'fib daddr type local drop'
try "others than local ones" prerouting -150 accept "$ALL" <<<'fib daddr type != local drop'
try "the reverse path" prerouting -150 accept "$ALL" <<<'fib saddr . iif oif missing drop'
try "the wrong path" prerouting -150 accept "media drops; punch drops; answer passes" \
	<<<'fib saddr . iif oif exists drop'
try "STUN" input 0 drop "$ALL" <<<'udp dport 3478 @th,96,32 0x2112a442 accept'
try "what is not tracked" input 0 drop "$ALL" <<<'ct state untracked accept'
try "what leaves, by mark" output 0 accept \
	"media passes; more passes; reply passes; both passes; punch passes; answer drops" \
	<<<'udp sport 3478 meta mark set 0x17
	meta mark & 0x0f == 7 reject'
try "what leaves, behind translation" postrouting 300 accept \
	"media drops; punch passes; answer drops" <<<'udp sport 3478 drop'
try "what leaves, before translation" postrouting 50 accept \
	"media drops; punch passes; answer passes" <<<'udp sport 6000 drop'
try "untracked media" prerouting -250 accept "media changes; punch passes; answer passes" \
	<<<'udp dport 9099 notrack'
# The kernel asks the newer of two chains with the same priority first.
try "two chains with one priority" forward 0 accept "$ALL" <<<'
	meta mark set 1
	}
	chain d { type filter hook forward priority 0; policy accept;
	meta mark 1 drop'
try "and in the other order" forward 0 accept "$DEAD" <<<'
	meta mark 1 drop
	}
	chain d { type filter hook forward priority 0; policy accept;
	meta mark set 1'
TYPE=nat
try "a destination of theirs" prerouting -120 accept "media changes; punch passes; answer passes" <<<'
	meta nfproto ipv4 udp dport 9099 dnat ip to 10.2.0.9
	meta nfproto ipv6 udp dport 9099 dnat ip6 to fd02::9'
try "one that comes too late" prerouting -90 accept "$ALL" <<<'udp dport 9099 redirect to :7'
try "another source" postrouting 80 accept "media changes; punch passes; answer passes" \
	<<<'oifname "out0" masquerade'
try "another source, too late" postrouting 100 accept "$ALL" <<<'oifname "out0" masquerade'
TYPE=filter
foreign_clean
ok "iptables" in_ns relay iptables-nft-restore <<-'RULES'
	*mangle
	:FORWARD ACCEPT
	-A FORWARD -p udp -m udp --dport 5004 -j MARK --set-xmark 0x10/0xff
	-A FORWARD -j CONNMARK --save-mark --mask 0xff
	-A FORWARD -p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu
	COMMIT
	*filter
	:FORWARD DROP
	:chain -
	-A FORWARD -m conntrack --ctstate INVALID -j DROP
	-A FORWARD -p udp -m multiport ! --dports 5000:5010,6000 -j DROP
	-A FORWARD -m comment --comment "to the client" -m mark --mark 0x10/0xf0 -j chain
	-A FORWARD -m iprange --src-range 10.2.0.1-10.2.0.9 -m addrtype --dst-type UNICAST -m connmark --mark 0x10/0xff -j ACCEPT
	-A chain -m pkttype ! --pkt-type unicast -j DROP
	-A chain -m limit --limit 10000/second -j ACCEPT
	COMMIT
RULES
said "iptables; an answer loses the mark" \
	"media passes; more passes; reply drops; both passes; punch passes; answer passes" "$ALL"

foreign_clean
nft_rules <<-'RULES'
	table netdev early {
		chain in { type filter hook ingress device "in0" priority 0; policy accept;
			udp dport 9099 drop
		}
	}
RULES
said "before everything" "$DEAD" "$DEAD"

foreign_clean
is "no iptables-legacy" "$(in_ns relay "$TOOL" legacy)" "4 no 6 no"
if in_ns relay iptables-legacy -t filter -S >/dev/null 2>&1; then
	is "iptables-legacy is noticed" "$(in_ns relay "$TOOL" legacy)" "4 yes 6 no"
else
	skip "iptables-legacy is noticed" "this kernel has none"
fi

### Size #################################################################################

# Elements are never all read, so their number costs nothing.
big_table() { # ELEMENTS RULES
	awk -v elements="$1" -v rules="$2" 'BEGIN {
		print "table inet big {"
		for (s = 0; s < 6; s++) {
			print "set s" s " { type ipv4_addr;" (s % 2 ? "flags interval;" : "") "elements = {"
			for (i = 0; i < elements; i++)
				printf "10.%d.%d.%d,\n", 7 + s, i / 256, i % 256
			print "}\n}"
		}
		print "chain c { type filter hook forward priority 10;"
		for (s = 0; s < 6; s++)
			print "ip saddr @s" s " drop"
		for (i = 1; i <= rules; i++)
			print "ip saddr 10.6.6.6 udp dport " i " drop"
		print "}\n}"
	}' >"$T/big.nft"
	in_ns relay nft -f "$T/big.nft"
}

walked() { # FILE
	in_ns relay "$TOOL" walk way=media first source=10.1.0.2:6000 dest=10.1.0.1:9099 \
		to=10.2.0.2:5004 from=10.2.0.1:3478 in=in0 mark=0x52000001 >"$T/walked"
}

foreign_clean
ok "walking" walked
figure "own rules, ms" "$(sed -n 's/^ms //p' "$T/walked")"
in_ns relay "$RULES_TOOL" <<<"fill 20000" >"$T/rules.out"
by_docker 27
ok "many elements and rules" big_table 10000 2000
ok "walking through them" walked
is "to an end" "$(sed -n 's/^all //p' "$T/walked")" drops
figure "20000 streams, Docker, 60000 elements, 2000 rules, ms" "$(sed -n 's/^ms //p' "$T/walked")"
