#!/usr/bin/env bash
# What `punchctl nat` says of real NATs, with a relay that has two addresses and one that has one,
# and of routers that map ports on request.
#
#   relay  203.0.113.7, .8 ---+     192.0.2.9    nat ------- client     10.0.0.2
#                          ---+     198.18.1.9   random ---- c_random   10.1.1.2
#   sender 198.51.100.175  --net    198.18.2.9   counting -- c_counting 10.1.2.2
#                             |     198.18.3.9   cone ------ c_cone     10.1.3.2
#                             |     198.18.4.9   adf ------- c_adf      10.1.4.2
#                             |     198.18.5.9   isp ------- home ----- c_home 10.2.0.2
#                             |                    6.6.6.1   6.6.6.2
#                             +---- 5.5.5.9      mapper ---- c_mapper   10.1.6.2
#                             +---- 5.5.6.9      old ------- c_old      10.1.7.2
#
# nat, home, mapper and old run miniupnpd, which maps nothing where its outside is reserved for private
# use or documents; hence the addresses of the last three.
. "$(dirname "$0")/lib.sh"
plan 83

SECOND4=203.0.113.8
KINDS="open nat random counting cone adf home"

# Every new flow has the next port but one: 20000, 20002, ...
counting_rule() { # NAT WAN-ADDRESS
	local i map=
	for ((i = 0; i < 2000; i++)); do
		map+="$i : $((20000 + 2 * i)), "
	done
	nat_rule "$1" "snat ip to $2 : numgen inc mod 2000 map { ${map%, } }"
}

# One more NAT of this kind, and a host behind it.
nat_of() { # KIND NUMBER
	nat_host "$1" "198.18.$2.9" && inner_host "c_$1" "$1" lan "10.1.$2.2" || return
	case $1 in
	random) nat_rule random "masquerade fully-random" ;;
	counting) counting_rule counting "198.18.$2.9" ;;
	cone) cone_rules cone "" ;;
	adf) cone_rules adf "udp dport . ip saddr @seen" ;;
	esac
}

# Home routers that map ports, the old one by UPnP only.
mappers() {
	nat_host mapper 5.5.5.9 && inner_host c_mapper mapper lan 10.1.6.2 &&
		nat_host old 5.5.6.9 && inner_host c_old old lan 10.1.7.2
}

# A home router whose wan is the inside of a carrier's NAT.
home_of() { # CARRIER-NUMBER
	nat_host isp "198.18.$1.9" && inner_host home isp lan 6.6.6.2 &&
		ip -n "${P}home" link set eth0 down && ip -n "${P}home" link set eth0 name wan up &&
		ip -n "${P}home" route add default via 6.6.6.1 && forwarding_on home &&
		nat_table home && inner_host c_home home lan 10.2.0.2
}

host_of() { # KIND: where the client is
	case $1 in
	open) echo sender ;;
	nat) echo client ;;
	*) echo "c_$1" ;;
	esac
}

ask() { # KIND LOG WORD...: punchctl nat from there, into $T/LOG.log
	local host
	host=$(host_of "$1")
	start "$host" "$2" timeout 60 "$PUNCHCTL" --json nat "${@:3}"
}

ask_all() { # ADDRESS PREFIX
	local kind
	for kind in $KINDS; do
		ask "$kind" "$2-$kind" "$1" --no-gateway
	done
	for kind in $KINDS; do
		finish "$2-$kind" 30 || note "$kind: status $?"
	done
}

said() { # LOG MEMBER
	json "$T/$1.log" "d['$2']"
}

upnpd_conf() { # LAN-ADDRESS/BITS NATPMP
	cat <<-CONF
		ext_ifname=wan
		listening_ip=lan
		enable_natpmp=$2
		enable_upnp=yes
		secure_mode=yes
		system_uptime=yes
		min_lifetime=10
		max_lifetime=86400
		notify_interval=60
		uuid=0e6b7ad0-6a9e-4d6d-9d2c-6c8b8a9d0001
		allow 1024-65535 $1 1024-65535
		deny 0-65535 0.0.0.0/0 0-65535
	CONF
}

# Its chains, to which what it maps is added.
upnpd_start() { # NAT LAN-ADDRESS/BITS [NATPMP]
	local nat=$1
	upnpd_conf "$2" "${3:-yes}" >"$T/upnpd-$nat.conf"
	upnpd_table "$nat" || return
	start "$nat" "upnpd-$nat" "$UPNPD" -d -f "$T/upnpd-$nat.conf" -P "$T/upnpd-$nat.pid"
	wait_for 5 udp_bound "$nat" 1900
}

maps() { # NAT: how many ports it maps now
	in_ns "$1" nft list chain inet filter prerouting_miniupnpd | grep -c dnat
}

# What the sender sends to the router's port 7000 arrives at the host's. From another port each time,
# as a flow that was let in goes on without the mapping.
reaches() { # NAT
	local outside
	FROM=$((${FROM:-7000} + 1))
	outside=$(in_ns "$1" ip -4 -br addr show wan | awk '{ sub("/.*", "", $3); print $3 }')
	start "c_$1" "got-$1" "$UDPTOOL" recv --bind 0.0.0.0:7000 --expect 5 --for 5
	wait_for 5 udp_bound "c_$1" 7000 &&
		in_ns sender "$UDPTOOL" send --from "$SENDER4:$FROM" --to "$outside:7000" --count 5 --rate 100 &&
		finish "got-$1" 6 && [ "$(json "$T/got-$1.log" 'd["distinct"]')" = 5 ]
}

# A firewall in front of the relay, of which that knows nothing.
wall() { # EXPRESSION of what does not come in, EXPRESSION of what does not leave
	in_ns relay nft -f - <<-NFT
		table inet wall {
			chain inward { type filter hook prerouting priority raw; $1 drop; }
			chain outward { type filter hook postrouting priority 300; $2 drop; }
		}
	NFT
}

unwall() {
	in_ns relay nft delete table inet wall
}

older_than() { # SECONDS: the mapping that is held
	[ $(($(microseconds) - HELD_SINCE)) -gt $(($1 * 1000000)) ]
}

lab_up
ip -n "${P}relay" addr add "$SECOND4/24" dev eth0
nat_of random 1 && nat_of counting 2 && nat_of cone 3 && nat_of adf 4 && home_of 5 && mappers ||
	bail "no NATs"

relayd_conf "address = { \"$RELAY4\", \"$SECOND4\" }"
ok "relayd starts with two addresses" relayd_start

### Two addresses tell everything ########################################################

ask_all "$RELAY4" two
while read -r kind mapping filtering allocation layers ttl; do
	is "$kind: mapping" "$(said "two-$kind" mapping)" "$mapping"
	is "$kind: filtering" "$(said "two-$kind" filtering)" "$filtering"
	is "$kind: allocation" "$(said "two-$kind" allocation)" "$allocation"
	is "$kind: layers" "$(said "two-$kind" layers)" "$layers"
	is "$kind: TTL" "$(said "two-$kind" opener_ttl)" "$ttl"
done <<-'TABLE'
	open none endpoint-independent preserving 0 null
	nat endpoint-independent address-and-port-dependent preserving 1 2
	random address-and-port-dependent address-and-port-dependent random 1 null
	counting address-and-port-dependent address-and-port-dependent sequential 1 null
	cone endpoint-independent endpoint-independent preserving 1 null
	adf endpoint-independent address-dependent preserving 1 2
	home endpoint-independent address-and-port-dependent preserving 2 3
TABLE
is "the step of a NAT that counts" "$(said two-counting step)" 2
is "a NAT that draws ports, from all of them" \
	"$(said two-random low)-$(said two-random high)" 1024-65535
is "the address that the relay sees" \
	"$(json "$T/two-home.log" 'd["mapped"].rsplit(":", 1)[0]')" 198.18.5.9
is "peers that are reached from behind a NAT that draws ports" \
	"$(json "$T/two-random.log" '" ".join(d["peers"].values())')" "direct search relay relay"

# The relay answers from elsewhere only so often, and its silence must not become a verdict.
for i in 1 2 3 4; do
	ask adf "again-$i" "$RELAY4" --no-gateway
	finish "again-$i" 10
done
is "asked again and again, the same" "$(said again-4 filtering) $(said again-4 opener_ttl)" \
	"address-dependent 2"

start client words "$PUNCHCTL" nat "$RELAY4" --no-gateway
ok "the same in words" finish words 10
ok "which name the mapping" contains "$T/words.log" '^mapping +endpoint-independent: '
note "$(cat "$T/words.log")"

### What is named and does not answer ####################################################

wall "ip daddr $SECOND4" "ip saddr $SECOND4"
start c_cone half "$PUNCHCTL" nat "$RELAY4" --no-gateway
finish half 10
ok "the second address is filtered: it is named where it leaves mapping open" contains "$T/half.log" \
	"^mapping .* or address-dependent: .*; its other address, $SECOND4:3479, does not answer\$"
ok "and where it leaves filtering open" contains "$T/half.log" \
	"^filtering .* or address-dependent: .*; its other address, $SECOND4:3479, does not answer\$"
unwall

### Routers that map ports ###############################################################

UPNPD=$(command -v miniupnpd)
if [ -n "$UPNPD" ]; then
	upnpd_start nat 10.0.0.0/24 && upnpd_start home 10.2.0.0/24 && upnpd_start mapper 10.1.6.0/24 &&
		upnpd_start old 10.1.7.0/24 no || bail "no miniupnpd"
	start c_mapper held "$BUILD/tests/gateway_tool" 10.1.6.2 7000 20
	HELD_SINCE=$(microseconds)
	start c_old aged "$BUILD/tests/gateway_tool" 10.1.7.2 7000 20
	ask nat unable "$RELAY4"
	ask home inner "$RELAY4"
	ask mapper router "$RELAY4"
	finish unable 10
	finish inner 10
	finish router 10
	is "a router is asked in all its languages" \
		"$(json "$T/router.log" '[d["gateway"][k] for k in ("nat_pmp", "pcp", "upnp")]')" \
		"[true, true, true]"
	is "and maps the port" "$(json "$T/router.log" 'd["gateway"]["mapping"] == d["mapped"]')" true
	is "which is of use" "$(json "$T/router.log" 'd["gateway"]["useful"]')" true
	is "one that cannot is told from one that does not answer" \
		"$(json "$T/unable.log" '[d["gateway"]["nat_pmp"], d["gateway"]["mapping"]]')" \
		"[true, null]"
	is "behind a carrier's NAT it is of none" \
		"$(json "$T/inner.log" '[d["gateway"]["external"], d["gateway"]["useful"]]')" \
		'["6.6.6.2", false]'
	ok "a port is mapped by NAT-PMP" wait_for 5 contains "$T/held.log" '5.5.5.9:7000.*NAT-PMP.* 20'
	ok "strangers reach it" reaches mapper
	ok "a port is mapped by UPnP" wait_for 5 contains "$T/aged.log" '5.5.6.9:7000.*UPnP IGD.* 20'
	ok "strangers reach that" reaches old
	ok "the keeper of that ends" stop aged
	is "at the end it is given back" "$(maps old)" 0
else
	for what in languages mapping use failure carrier NAT-PMP NAT-PMP UPnP UPnP end end; do
		skip "a router: $what" "miniupnpd is not installed"
	done
fi

### The lifetime #########################################################################

in_ns nat sysctl -qw net.netfilter.nf_conntrack_udp_timeout=4 \
	net.netfilter.nf_conntrack_udp_timeout_stream=7
ask nat lifetime "$RELAY4" --no-gateway --lifetime-max 20s
ok "the lifetime is found" finish lifetime 60
ok "as the NAT has it" [ "$(json "$T/lifetime.log" '4 <= d["lifetime"] <= 7.5')" = true ]
figure lifetime "$(said lifetime lifetime)"

if [ -n "$UPNPD" ]; then
	wait_for 30 older_than 25 || note "it is $HELD_SINCE"
	ok "a mapping is renewed" reaches mapper
	ok "the keeper ends" stop held
	is "and given back" "$(maps mapper)" 0
else
	skip "renewal" "miniupnpd is not installed"
	skip "given back" "miniupnpd is not installed"
	skip "the end" "miniupnpd is not installed"
fi

### Less than everything #################################################################

relayd_stop
relayd_conf "address = { \"$RELAY4\" }"
ok "relayd starts with one address" relayd_start
ask_all "$RELAY4" one
while read -r kind mapping filtering; do
	is "$kind: what one address tells" "$(said "one-$kind" mapping) $(said "one-$kind" filtering)" \
		"$mapping $filtering"
done <<-'TABLE'
	open none not-port-dependent
	nat not-port-dependent address-and-port-dependent
	random address-and-port-dependent address-and-port-dependent
	counting address-and-port-dependent address-and-port-dependent
	cone not-port-dependent not-port-dependent
	adf not-port-dependent not-port-dependent
	home not-port-dependent address-and-port-dependent
TABLE

CLOSED='port 3479 of the relay does not answer; a firewall in front of it\?'
wall "udp dport 3479" "udp sport 3479"
start c_cone walled "$PUNCHCTL" nat "$RELAY4" --no-gateway
ask cone walled-json "$RELAY4" --no-gateway
finish walled 10
finish walled-json 10
ok "its other port is filtered: that is why mapping is unknown" contains "$T/walled.log" \
	"^mapping +unknown: $CLOSED\$"
ok "and filtering, of which silence says nothing" contains "$T/walled.log" \
	"^filtering +unknown: $CLOSED\$"
is "which is named to programs" "$(said walled-json alternate)" "$RELAY4:3479"
unwall
wall "udp dport 3479" "udp sport 9"
ask cone inward "$RELAY4" --no-gateway
finish inward 10
is "from there it still answers a cone" "$(said inward mapping) $(said inward filtering)" \
	"unknown not-port-dependent"
unwall

# Somebody else's server
relayd_stop
start relay turnserver turnserver -n --no-auth --no-tls --no-dtls --no-tcp --no-cli -p 3478 \
	-L "$RELAY4" -L "$SECOND4" --log-file stdout --pidfile "$T/turnserver.pid"
wait_for 5 udp_bound relay 3479 || note "coturn does not serve"
ask_all "$RELAY4" turn
for kind in $KINDS; do
	is "$kind: the same from coturn" \
		"$(said "turn-$kind" mapping) $(said "turn-$kind" filtering) $(said "turn-$kind" opener_ttl)" \
		"$(said "two-$kind" mapping) $(said "two-$kind" filtering) $(said "two-$kind" opener_ttl)"
done

ask nat nobody "$RELAY4:3999" --no-gateway
finish nobody 10
is "nobody there: the status" $? 1
is "nobody there: blocked" "$(said nobody blocked)" true
in_ns client "$PUNCHCTL" nat >/dev/null 2>&1
is "no relay named" $? 2
