# shellcheck shell=bash
# foreignlab.sh: a straight way through a relay that has our table with one stream, for scenarios about
# what other programs' rules do to its packets. Source it behind lib.sh.
#
#   sender 10.1.0.2 ---- in0 10.1.0.1 relay 10.2.0.1 out0 ---- 10.2.0.2 client
#          fd01::2           fd01::1        fd02::1            fd02::2
# shellcheck disable=SC2034,SC2154

TOOL=$BUILD/tests/foreign_tool RULES_TOOL=$BUILD/tests/rules_tool

link_of() { # HOST INTERFACE: its MAC address
	ip -n "$P$1" -br link show dev "$2" | awk '{ print $3 }'
}

# Rules that drop their discovery are not what this is about, nor how long it takes.
neighbours_known() { # HOST INTERFACE HOST INTERFACE PREFIX4 PREFIX6
	local prefix
	for prefix in "$5" "$6"; do
		ip -n "$P$1" neigh replace "${prefix}1" lladdr "$(link_of "$3" "$4")" dev "$2" nud permanent &&
			ip -n "$P$3" neigh replace "${prefix}2" lladdr "$(link_of "$1" "$2")" dev "$4" nud permanent || return
	done
}

foreign_hosts() {
	host_up sender && host_up relay && host_up client &&
		link_up sender eth0 relay in0 && link_up client eth0 relay out0 &&
		address sender eth0 10.1.0.2/24 fd01::2/64 && address relay in0 10.1.0.1/24 fd01::1/64 &&
		address client eth0 10.2.0.2/24 fd02::2/64 && address relay out0 10.2.0.1/24 fd02::1/64 &&
		ip -n "${P}sender" route add default via 10.1.0.1 &&
		ip -n "${P}sender" route add default via fd01::1 &&
		ip -n "${P}client" route add default via 10.2.0.1 &&
		ip -n "${P}client" route add default via fd02::1 &&
		forwarding_on relay &&
		neighbours_known sender eth0 relay in0 10.1.0. fd01:: &&
		neighbours_known client eth0 relay out0 10.2.0. fd02::
}

# Our own table with a stream, its client and a hole.
foreign_stream() {
	in_ns relay "$RULES_TOOL" >"$T/rules.out" <<-'OPS'
		listen cam 10.1.0.1:9099 1 0.0.0.0/0
		punch 10.2.0.1:3478
		ingress cam 10.1.0.1:9099 10.2.0.2:5004 any 3600000 0
		client cam 10.2.0.2:5004 10.2.0.1:3478
		listen cam [fd01::1]:9099 1 ::/0
		punch [fd02::1]:3478
		ingress cam [fd01::1]:9099 [fd02::2]:5004 any 3600000 0
		client cam [fd02::2]:5004 [fd02::1]:3478
		commit
	OPS
	contains "$T/rules.out" '^ok'
}
