#!/usr/bin/env bash
# Behind NATs that draw a new port for every destination a service is reached directly all the same, by a port
# that its router maps on request.
#
#   relay 203.0.113.7 --- net --- nat    192.0.2.9, random ports ---- client  10.0.0.2
#                          |
#                          +----- router 5.5.5.9, random ports ------ service 10.0.2.2
#                                 miniupnpd
#
# The router's address is a public one, as miniupnpd maps nothing where its outside is reserved.
. "$(dirname "$0")/lib.sh"
. "$TOP/tests/events.sh"
plan 14

UPNPD=$(command -v miniupnpd)

upnpd_conf() {
	cat <<-CONF
		ext_ifname=wan
		listening_ip=lan
		enable_natpmp=yes
		enable_upnp=yes
		secure_mode=yes
		system_uptime=yes
		min_lifetime=10
		max_lifetime=86400
		uuid=0e6b7ad0-6a9e-4d6d-9d2c-6c8b8a9d0002
		allow 1024-65535 10.0.2.0/24 1024-65535
		deny 0-65535 0.0.0.0/0 0-65535
	CONF
}

# With the chains to which what it maps is added.
upnpd_start() {
	upnpd_conf >"$T/upnpd.conf"
	upnpd_table router || return
	start router upnpd "$UPNPD" -d -f "$T/upnpd.conf" -P "$T/upnpd.pid"
	wait_for 5 udp_bound router 5351
}

maps() { # how many ports the router maps now
	in_ns router nft list chain inet filter prerouting_miniupnpd | grep -c dnat
}

maps_are() { # N
	[ "$(maps)" -eq "$1" ]
}

serve() { # [OPTION...]
	start service serve "$PUNCHCTL" serve "svc@$RELAY4" --key-file "$T/svc.key" --to 8000 --json "$@"
	wait_for 5 happened 1 serve waiting
}

connect() { # [OPTION...]
	start client connect "$PUNCHCTL" connect "svc@$RELAY4" --key-file "$T/svc.key" --listen 9000 --json "$@"
	wait_for 10 happened 1 connect ready
}

talk() {
	start service echo "$TOP/tests/duplex.py" --bind 127.0.0.1:8000 --rate 50
	wait_for 5 udp_bound service 8000
	start client ask "$TOP/tests/duplex.py" --to 127.0.0.1:9000 --rate 50
}

if [ -z "$UPNPD" ]; then
	for _ in $(seq 14); do
		skip "a router that maps ports" "miniupnpd is not installed"
	done
	exit
fi

lab_up
nat_host router 5.5.5.9 && inner_host service router lan 10.0.2.2 || bail "no network"
nat_rule nat "masquerade fully-random" && nat_rule router "masquerade fully-random" || bail "no NATs"
upnpd_start || bail "no miniupnpd"
relayd_conf "address = { \"$RELAY4\" }" 'consent = 10'
stream_conf svc 'peers = 8'
ok "relayd starts" relayd_start

ok "a service is known" serve
ok "the router maps ports to the sockets that wait" wait_for 15 happened 2 serve gateway
ok "which are the router's" [ "$(event serve gateway mapped | sed 's/:.*//')" = 5.5.5.9 ]
is "and no more of them" "$(maps)" 2
ok "a client has a way to it" connect
talk
ok "a direct path is found" wait_for 10 happened 1 connect direct
ok "by both" wait_for 5 happened 1 serve direct
is "by a punch, without a search" "$(event connect direct plan) $(event connect direct probes | awk '{ print $1 < 60 }')" \
	"punch 1"
is "to a port that is mapped" "$(in_ns router nft list chain inet filter prerouting_miniupnpd |
	grep -c "dport $(event connect direct peer | sed 's/.*://') ")" 1
figure "direct after ms, with probes: $(event connect direct ms) $(event connect direct probes)"
kill -USR1 "$(pid_of serve)"
ok "the relay only: all is given back" wait_for 10 maps_are 0
kill -USR2 "$(pid_of serve)"
ok "direct paths again: ports are mapped again" wait_for 15 maps_are 3
stop serve
is "at the end it is given back" "$? $(maps)" "0 0"
serve --no-gateway
ok "it can be kept from asking" not wait_for 3 happened 1 serve gateway
