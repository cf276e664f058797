#!/usr/bin/env bash
# Random sequences of punches, roams, senders, removals, reloads, deaths and foreign hands: after each
# step kernel, relayd's table and registry agree with a model, and packets arrive where it says.
#
#   senders 198.51.100.1-254, 198.51.101.1-254 --- relay 203.0.113.7 --- 192.0.2.1-254 clients
#           2001:db8:1::/64                        2001:db8:2::7         2001:db8:3::/64
#
# PROPERTY_SEED and PROPERTY_STEPS replace the seed that is drawn, and the number of steps;
# PROPERTY_REPLAY plays what a failure has printed.
. "$(dirname "$0")/lib.sh"
plan 2
CONF=$T/relayd.conf

property() { # STEPS SECONDS [OPTION...]
	"$PYTHON" "$TOP/tests/property.py" --prefix "$P" --relayd "$RELAYD" --config "$CONF" --log "$T/relayd.err" \
		--database "$T/relayd/streams.db" --socket "$T/relayd/relayd.sock" --steps "$1" --seconds "$2" "${@:3}" \
		>"$T/property.log" 2>&1
	local status=$?
	[ "$status" -eq 0 ] || sed 's/^#* */#   /' "$T/property.log" >&3
	cat "$T/property.log"
	return "$status"
}

figures() {
	while read -r line; do
		figure "$line"
	done <"$T/property.log"
}

# All addresses of the two sides are of one host each; the relay's own is behind neither.
property_hosts() {
	local host net
	for host in relay senders clients; do
		host_up "$host" || return
	done
	forwarding_on relay
	link_up relay senders senders eth0 && link_up relay clients clients eth0 || return
	address relay senders 198.51.100.1/24 198.51.101.1/24 2001:db8:1::1/64 &&
		address relay clients 192.0.2.1/24 2001:db8:3::1/64 &&
		address relay lo "$RELAY4/32" "$RELAY6/128" || return
	address senders eth0 198.51.100.{10,11}/24 198.51.101.12/24 2001:db8:1::{10,11}/64 &&
		address clients eth0 192.0.2.{20,21,22,23}/24 2001:db8:3::{20,21}/64 || return
	for host in senders clients; do
		for net in $([ "$host" = senders ] && echo 198.51.100.1 2001:db8:1::1 || echo 192.0.2.1 2001:db8:3::1); do
			ip -n "$P$host" route add default via "$net" || return
		done
	done
}

exec 3>&1
property_hosts || bail "no network"
relayd_conf "address = { \"$RELAY4\", \"$RELAY6\" }" 'consent = 10'
mv "$CONF" "$CONF.base"
touch "$CONF" && chgrp "$(id -gn "$(relayd_user)")" "$CONF" && chmod 640 "$CONF"

if [ -n "${PROPERTY_SEED-}" ]; then
	ok "seed $PROPERTY_SEED" property "${PROPERTY_STEPS:-200}" 100000 --seed "$PROPERTY_SEED" \
		${PROPERTY_REPLAY:+--replay "$PROPERTY_REPLAY"} ${PROPERTY_SHRINK:+--shrink "$PROPERTY_SHRINK"}
	figures
	skip "a seed that is drawn" "PROPERTY_SEED is set"
	exit
fi
ok "a sequence that is always the same" property 300 20 --seed 1
figures
seed=$(od -An -N3 -tu4 /dev/urandom | tr -d ' ')
ok "one that is drawn: seed $seed" property "${PROPERTY_STEPS:-300}" 20 --seed "$seed"
figures
