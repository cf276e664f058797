# shellcheck shell=bash
# hosts.sh: hosts in network namespaces, the links between them, and a NAT that the kernel is. Sourced
# by lib.sh.
#
#   sender eth0 198.51.100.175 ----+
#               2001:db8:1::175    |
#                                 net ---- wan 192.0.2.9       nat  lan 10.0.0.1 --- eth0 client
#   relay  eth0 203.0.113.7   -----+       2001:db8:3::9            fd00::1          10.0.0.2
#               2001:db8:2::7                                                        fd00::2

# Forged senders are among the tests, so nothing filters by reverse path; and addresses are usable
# at once, without waiting for the detection of duplicates.
host_up() { # HOST
	ip netns add "$P$1" || return
	in_ns "$1" sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0 \
		net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0 \
		net.ipv6.conf.all.disable_ipv6=0 net.ipv6.conf.default.disable_ipv6=0 \
		net.ipv6.conf.default.accept_ra=0 net.ipv4.ip_forward=0 &&
		ip -n "$P$1" link set lo up
}

link_up() { # HOST INTERFACE HOST INTERFACE
	ip link add "$2" netns "$P$1" type veth peer name "$4" netns "$P$3" &&
		ip -n "$P$1" link set "$2" up && ip -n "$P$3" link set "$4" up
}

address() { # HOST INTERFACE ADDRESS/BITS...
	local host=$1 interface=$2 addr
	shift 2
	for addr in "$@"; do
		case $addr in
		*:*) ip -n "$P$host" addr add "$addr" dev "$interface" nodad || return ;;
		*) ip -n "$P$host" addr add "$addr" dev "$interface" || return ;;
		esac
	done
}

forwarding_on() { # HOST
	in_ns "$1" sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
}

first_of() { # ADDRESS: the router's address in its network
	case $1 in
	*:*) echo "${1%::*}::1" ;;
	*) echo "${1%.*}.1" ;;
	esac
}

# A host with public addresses of its own networks (/24 and /64), reached through net.
public_host() { # HOST INTERFACE ADDRESS...
	local host=$1 interface=$2 addr bits
	shift 2
	host_up "$host" && link_up "$host" "$interface" net "$host" || return
	for addr in "$@"; do
		bits=24
		[ "$addr" = "${addr#*:}" ] || bits=64
		address "$host" "$interface" "$addr/$bits" &&
			address net "$host" "$(first_of "$addr")/$bits" &&
			ip -n "$P$host" route add default via "$(first_of "$addr")" || return
	done
}

# Replaces how a NAT translates what leaves it, e.g. "masquerade", "masquerade random",
# "masquerade to :40000-49999"; ports in a statement want udp, so only UDP is restricted.
nat_rule() { # NAT STATEMENT
	in_ns "$1" nft -f - <<-RULES
		table inet nat
		flush chain inet nat leave
		add rule inet nat leave oifname "wan" meta l4proto udp $2
		add rule inet nat leave oifname "wan" masquerade
	RULES
}

# A home router: masquerades lan, and ignores what nobody inside has asked for. Were such packets
# accepted, they would leave entries that push the client's later packets on to other ports.
nat_host() { # NAT WAN-ADDRESS...
	public_host "$1" wan "${@:2}" && forwarding_on "$1" && nat_table "$1"
}

# The rules of a home router, for a host that has its wan interface already.
nat_table() { # NAT
	in_ns "$1" nft -f - <<-'RULES' && nat_rule "$1" masquerade
		table inet nat {
			chain input {
				type filter hook input priority 0
				iifname "wan" ct state new drop
			}
			chain forward {
				type filter hook forward priority 0
				iifname "wan" ct state new drop
			}
			chain leave {
				type nat hook postrouting priority 100
			}
		}
	RULES
}

# What a NAT lets in, beside the flows of its own: everything to a port that is mapped, or only what
# comes from an address to which was sent from there.
cone_rules() { # NAT MATCH
	in_ns "$1" nft -f - <<-RULES
		table inet cone {
			map mapped {
				type inet_service : ipv4_addr . inet_service
				flags dynamic,timeout
				timeout 60s
				size 65535
			}
			set seen {
				type inet_service . ipv4_addr
				flags dynamic,timeout
				timeout 60s
				size 65535
			}
			chain learn {
				type filter hook postrouting priority 90
				oifname "wan" meta l4proto udp update @mapped { udp sport : ip saddr . udp sport }
				oifname "wan" meta l4proto udp update @seen { udp sport . ip daddr }
			}
			chain enter {
				type nat hook prerouting priority -100
				iifname "wan" meta l4proto udp $2 dnat ip to udp dport map @mapped
			}
		}
		flush chain inet nat forward
	RULES
}

# The chains to which miniupnpd adds what it maps.
upnpd_table() { # NAT
	in_ns "$1" nft -f - <<-'RULES'
		table inet filter {
			chain forward {
				type filter hook forward priority 10
				jump miniupnpd
			}
			chain miniupnpd {
			}
			chain prerouting {
				type nat hook prerouting priority -100
				jump prerouting_miniupnpd
			}
			chain postrouting {
				type nat hook postrouting priority 101
				jump postrouting_miniupnpd
			}
			chain prerouting_miniupnpd {
			}
			chain postrouting_miniupnpd {
			}
		}
		insert rule inet nat forward ct status dnat accept
	RULES
}

# A host behind a NAT; its addresses' networks lie on the NAT's lan interface.
inner_host() { # HOST NAT LAN-INTERFACE ADDRESS...
	local host=$1 nat=$2 lan=$3 addr bits
	shift 3
	host_up "$host" && link_up "$host" eth0 "$nat" "$lan" || return
	for addr in "$@"; do
		bits=24
		[ "$addr" = "${addr#*:}" ] || bits=64
		address "$host" eth0 "$addr/$bits" &&
			address "$nat" "$lan" "$(first_of "$addr")/$bits" &&
			ip -n "$P$host" route add default via "$(first_of "$addr")" || return
	done
}

# The NAT loses its table and gives new mappings, from another range of ports each time. The new
# rule comes first: flushed before, a busy flow would be entered again by the old one.
nat_forget() { # [NAT]
	local nat=${1:-nat} low
	NAT_ROUND=$((${NAT_ROUND:-0} + 1))
	low=$((20000 + NAT_ROUND % 8 * 5000))
	nat_rule "$nat" "masquerade to :$low-$((low + 4999))" &&
		in_ns "$nat" conntrack -F >/dev/null 2>&1
}

lab_hosts() {
	host_up net && forwarding_on net &&
		public_host sender eth0 "$SENDER4" "$SENDER6" &&
		public_host relay eth0 "$RELAY4" "$RELAY6" && forwarding_on relay &&
		nat_host nat "$NAT4" "$NAT6" &&
		inner_host client nat lan "$CLIENT4" "$CLIENT6"
}

lab_up() {
	lab_hosts || bail "no network"
}
