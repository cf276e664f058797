#!/usr/bin/env bash
# What the test clients of others find out about each kind of NAT that tests have.
#
#   relay 203.0.113.7, 203.0.113.8 --- net --- box or Linux 192.0.N.9 --- n_N 10.0.0.2
#         2001:db8:2::7, ::8                   firewall                   2001:db8:N::2
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/natlab.sh"

# type, what natdiscovery is to say of mapping and filtering, and what stun. A NAT that keeps the
# port for every destination cannot be told from one whose mapping does not depend on it.
EI="Endpoint Independent" AD="Address Dependent" APD="Address and Port Dependent"
NATS=(
	"none|$EI|$EI|Open"
	"linux|$EI|$APD|Independent Mapping, Port Dependent Filter"
	"linux-random|$APD|$APD|Dependent Mapping"
	"full-cone|$EI|$EI|Independent Mapping, Independent Filter"
	"restricted|$EI|$AD|Independent Mapping, Address Dependent Filter"
	"port-restricted|$EI|$APD|Independent Mapping, Port Dependent Filter"
	"symmetric-preserving|$EI|$APD|Independent Mapping, Port Dependent Filter"
	"symmetric-sequential|$APD|$APD|Dependent Mapping"
	"symmetric-random|$APD|$APD|Dependent Mapping"
	"linux-like|$EI|$APD|Independent Mapping, Port Dependent Filter"
	"cgn|$EI|$APD|Independent Mapping, Port Dependent Filter"
)
# Where there is a firewall and no NAT: type, what natdiscovery is to say of filtering in IPv6.
WALLS=("none|$EI" "restricted|$AD" "port-restricted|$APD")
plan $((2 + 4 * ${#NATS[@]} + 2 * ${#WALLS[@]}))

for tool in turnutils_natdiscovery turnutils_stunclient stun; do
	command -v "$tool" >/dev/null || bail "no $tool"
done
natlab_up
for i in "${!NATS[@]}"; do
	natbox_host "n_$i" "192.0.$((10 + i)).9" "${NATS[i]%%|*}" || bail "no ${NATS[i]%%|*}"
done
for i in "${!WALLS[@]}"; do
	natbox_host "w_$i" "192.0.$((50 + i)).9,2001:db8:$((50 + i))::" "${WALLS[i]%%|*}" || bail "no firewall"
done
relayd_conf "address = { \"$RELAY4\", \"$RELAY4B\", \"$RELAY6\", \"$RELAY6B\" }" "rfc3489 = 3480"
ok "relayd starts" relayd_start

for i in "${!NATS[@]}"; do
	start "n_$i" "discover_$i" timeout 30 turnutils_natdiscovery -m -f "$RELAY4"
	start "n_$i" "stun_$i" timeout 30 stun "$RELAY4:3480"
	# It asks a second time in a way that a server may leave unanswered, and would wait for ever.
	start "n_$i" "client_$i" timeout 4 turnutils_stunclient "$RELAY4"
done
for i in "${!WALLS[@]}"; do
	start "w_$i" "discover_w$i" timeout 30 turnutils_natdiscovery -m -f -L "2001:db8:$((50 + i))::2" "$RELAY6"
done
for i in "${!NATS[@]}"; do
	finish "discover_$i" 30
	finish "stun_$i" 30
	finish "client_$i" 30
done
for i in "${!WALLS[@]}"; do
	finish "discover_w$i" 30
done

found() { # N WORD: mapping or filtering, as natdiscovery says it
	sed -n "s/.*NAT with \(.*\) $2!/\1/p" "$T/discover_$1.log"
}

old_found() { # N: what stun says of mapping and filter
	sed -n 's/^Primary: //; T; s/, preserves.*//; s/, random.*//; s/, \(no \|will \)hairpin.*//; s/[ \t]*$//; p' \
		"$T/stun_$1.log"
}

# Our side of the NAT, as turnutils_stunclient was told it, and the relay's second address.
client_found() { # N
	sed -n 's/.*UDP reflexive addr: \(.*\):[0-9]*$/\1/p; s/.*Other addr: : \(.*\):[0-9]*$/\1/p' \
		"$T/client_$1.log" | sort -u | paste -sd ' '
}

for i in "${!NATS[@]}"; do
	IFS='|' read -r type mapping filtering old <<<"${NATS[i]}"
	is "$type: mapping" "$(found "$i" Mapping)" "$mapping"
	is "$type: filtering" "$(found "$i" Filtering)" "$filtering"
	is "$type: stun of RFC 3489" "$(old_found "$i")" "$old"
	is "$type: turnutils_stunclient" "$(client_found "$i")" "192.0.$((10 + i)).9 $RELAY4B"
done
for i in "${!WALLS[@]}"; do
	ok "IPv6, ${WALLS[i]%%|*}: no NAT" contains "$T/discover_w$i.log" "(No|NO) NAT"
	is "IPv6, ${WALLS[i]%%|*}: filtering" "$(found "w$i" Filtering)" "${WALLS[i]#*|}"
done
limited=$(pctl metrics | sed -n 's/^relayd_behaviour_total{result="\(limited\|unpadded\)"} //p' | tr '\n' ' ')
figure "answers withheld from $((${#NATS[@]} + ${#WALLS[@]})) networks that tested at once: $limited"
is "none of them was withheld an answer" "$limited" "0 0 "
