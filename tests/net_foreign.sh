#!/usr/bin/env bash
# What is said of other programs' rules is what they do: for each ruleset packets of every kind are
# sent, by IPv4 and IPv6, and those arrive of which rules/foreign says that they pass.
#
#   sender 10.1.0.2 ---- in0 10.1.0.1 relay 10.2.0.1 out0 ---- 10.2.0.2 client
#          fd01::2           fd01::1        fd02::1            fd02::2
. "$(dirname "$0")/lib.sh"

TOOL=$BUILD/tests/foreign_tool RULES_TOOL=$BUILD/tests/rules_tool
ALL="media passes; more passes; reply passes; both passes; punch passes; answer passes"
DEAD="media drops; punch passes; answer passes"

foreign_hosts() {
	host_up sender && host_up relay && host_up client &&
		link_up sender eth0 relay in0 && link_up client eth0 relay out0 &&
		address sender eth0 10.1.0.2/24 fd01::2/64 && address relay in0 10.1.0.1/24 fd01::1/64 &&
		address client eth0 10.2.0.2/24 fd02::2/64 && address relay out0 10.2.0.1/24 fd02::1/64 &&
		ip -n "${P}sender" route add default via 10.1.0.1 &&
		ip -n "${P}sender" route add default via fd01::1 &&
		ip -n "${P}client" route add default via 10.2.0.1 &&
		ip -n "${P}client" route add default via fd02::1 &&
		forwarding_on relay
}

# Our own table with a stream, its client and a hole; all others are gone.
foreign_clean() {
	in_ns relay nft flush ruleset
	in_ns relay conntrack -F 2>/dev/null
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

# ufw and firewalld keep files of their own; theirs lie in a mount namespace of the relay's.
private_up() {
	mkdir "$T/private" && start relay private "$BASH" -c '
		set -e
		mount -t tmpfs none "$1/private"
		mkdir "$1/private/etc"
		cp -a /etc/. "$1/private/etc"
		mount --bind "$1/private/etc" /etc
		for dir in /run /var/log /var/lib/ufw /var/lib/firewalld; do
			[ ! -d "$dir" ] || mount -t tmpfs none "$dir"
		done
		mkdir -p /run/lock
		echo ready
		exec sleep 600' private "$T"
	wait_for 10 contains "$T/private.log" ready
}

private() { # CMD...
	nsenter -t "$(pid_of private)" -m -n -- "$@" </dev/null
}

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

plan 12
ok "hosts" foreign_hosts
ok "files of their own" private_up
ok "nobody else" foreign_clean
said "nothing" "$ALL" "$ALL"

foreign_clean
ok "Docker 27" by_docker 27
said "drops what it does not know, in FORWARD" "$DEAD" "$DEAD"
ok "an exception" in_ns relay iptables-nft -I DOCKER-USER -m conntrack --ctstate DNAT -j ACCEPT
said "lets it through one way" "x" "$DEAD"
foreign_clean
ok "Docker 28" by_docker 28
said "Docker 28" "$DEAD" "$ALL"

foreign_clean
ok "ufw" private ufw --force enable
said "ufw" "x" "x"
ok "ufw with a route" private ufw route allow in on in0 out on out0
said "ufw with a route" "x" "x"
in_ns relay nft list ruleset > /tmp/wt/ufw.nft
private ufw --force disable

foreign_clean
ok "firewalld" firewalld_apply public
said "firewalld" "x" "x"
in_ns relay nft list ruleset > /tmp/wt/fwd.nft
