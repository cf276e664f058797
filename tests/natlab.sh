# shellcheck shell=bash
# natlab.sh: hosts behind NATs of every kind, for peers; to be sourced after lib.sh.
#
#   relay  eth0 203.0.113.7, 203.0.113.8 --- net --- NAME  natbox ---- eth0 NAME  10.0.0.2
#               2001:db8:2::7, ::8            |      192.0.2.9              2001:db8:3::9
#                                             |
#                                             +----- NAME  natbox, a wire --- wan NAMEnat lan ----- eth0 NAME
#                                                                             192.0.2.9  10.0.0.1   10.0.0.2
#
# A natbox has no namespace of its own: it makes two TUN devices, one of them in the namespace of
# the host behind it, the other in net.

# Other scripts read these.
# shellcheck disable=SC2034
{
	NATBOX=${NATBOX:-$BUILD/tests/natbox/natbox}
	RELAY4B=203.0.113.8 RELAY6B=2001:db8:2::8
}

# Only RELAY4B and RELAY6B are this file's.
# shellcheck disable=SC2153
natlab_hosts() {
	host_up net && forwarding_on net &&
		public_host relay eth0 "$RELAY4" "$RELAY6" && forwarding_on relay &&
		address relay eth0 "$RELAY4B/24" "$RELAY6B/64"
}

natlab_up() {
	natlab_hosts || bail "no network"
}

# Makes a box between net and interfaces of other hosts; net reaches the addresses through it. They
# have no link-local addresses, or every host would ask for routers and groups at its start.
box_start() { # NAME ADDRESS[,PREFIX6] HOST:INTERFACE[,HOST:INTERFACE...] NATBOX-OPTION...
	local name=$1 wan=$2 inside=() ends end
	IFS=, read -ra ends <<<"$3"
	shift 3
	for end in "${ends[@]}"; do
		inside+=(--inside "${end#*:}@$P${end%%:*}")
		in_ns "${end%%:*}" sysctl -qw net.ipv6.conf.default.addr_gen_mode=1 || return
	done
	start net "$name-box" "$NATBOX" "${inside[@]}" --outside "$name" "$@"
	wait_for 5 box_stands "$name" "${ends[@]}" || {
		cat "$T/$name-box.err" >&2
		return 1
	}
	ip -n "${P}net" route add "${wan%%,*}/32" dev "$name" || return
	[ "$wan" = "${wan#*,}" ] || ip -n "${P}net" route add "${wan#*,}/64" dev "$name"
}

box_stands() { # NAME HOST:INTERFACE...
	local end
	interface_is_up net "$1" || return
	for end in "${@:2}"; do
		interface_is_up "${end%%:*}" "${end#*:}" || return
	done
}

interface_is_up() { # HOST INTERFACE
	ip -n "$P$1" link show dev "$2" 2>/dev/null | grep -q '[<,]UP[,>]'
}

# A host at the end of a box: the n-th behind a NAT, 10.0.0.n. Its IPv6 address is public.
box_host() { # HOST INTERFACE ADDRESS/BITS PREFIX6 N
	address "$1" "$2" "$3" && ip -n "$P$1" route add default dev "$2" || return
	[ -z "$4" ] || { address "$1" "$2" "$4$5/64" && ip -6 -n "$P$1" route add default dev "$2"; }
}

# Hosts behind a NAT: 10.0.0.2, 10.0.0.3 ..., and 2001:db8:3::2 ... when the prefix is 2001:db8:3::
# TYPE is one of natbox's, or none: then the address is the host's own; or one of linux_host's.
natbox_host() { # NAME[,NAME...] ADDRESS[,PREFIX6] TYPE [NATBOX-OPTION...]
	local names wan=$2 type=$3 prefix="" name ends=() n=1 addr
	IFS=, read -ra names <<<"$1"
	shift 3
	case $type in
	linux | linux-random | linux-clash) linux_host "${names[0]}" "$wan" "$type" "$@" && return || return ;;
	none) set -- --none "$@" ;;
	*) set -- --type "$type" --public "${wan%%,*}" "$@" ;;
	esac
	[ "$wan" = "${wan#*,}" ] || prefix=${wan#*,}
	for name in "${names[@]}"; do
		host_up "$name" || return
		ends+=("$name:eth0")
	done
	box_start "${names[0]}" "$wan" "$(IFS=, && echo "${ends[*]}")" "$@" || return
	for name in "${names[@]}"; do
		n=$((n + 1)) addr=10.0.0.$n/24
		[ "$type" = none ] && addr=${wan%%,*}/32
		box_host "$name" eth0 "$addr" "$prefix" "$n" || return
	done
}

# A host behind Linux' own NAT, with a wire to net that may have a delay. TYPE is linux: masquerade;
# linux-random: another port for each destination; linux-clash: as linux, but it accepts what nobody
# has asked for, and what comes too early spoils ports.
linux_host() { # NAME ADDRESS TYPE [NATBOX-OPTION...]
	local name=$1 wan=$2 type=$3
	shift 3
	host_up "${name}nat" && forwarding_on "${name}nat" &&
		box_start "$name" "$wan" "${name}nat:wan" --none "$@" &&
		box_host "${name}nat" wan "$wan/32" '' '' && nat_table "${name}nat" || return
	case $type in
	linux) ;;
	linux-random) nat_rule "${name}nat" 'masquerade fully-random' ;;
	linux-clash) in_ns "${name}nat" nft flush chain inet nat input ;;
	*) return 1 ;;
	esac && inner_host "$name" "${name}nat" lan 10.0.0.2
}

# A counter of a box, as it is now: the document is d, e.g. box_count a 'd["layers"][0]["refused"]'
box_count() { # NAME EXPRESSION
	local log=$T/$1-box.log before
	before=$(grep -c . "$log")
	kill -USR1 "$(pid_of "$1-box")" && wait_for 2 box_has_said "$log" "$before" || return
	tail -n 1 "$log" >"$T/$1-box.count"
	json "$T/$1-box.count" "$2"
}

box_has_said() { # LOG LINES
	[ "$(grep -c . "$1")" -gt "$2" ]
}
