#!/usr/bin/env bash
# What clients that nobody here wrote find out about NATs of every kind, with a relay that has two
# addresses, with one that has one, and with two that have one each and answer for one another.
#
#   relay  203.0.113.7, .8 ---+     192.0.2.9      nat ----- client 10.0.0.2
#   other  203.0.114.9     ---+
#   sender 198.51.100.175  --net    198.18.1.9     random -- c_random 10.1.1.2
#   victim 198.18.9.9      ---+     198.18.2.9     cone ---- c_cone   10.1.2.2
#                                   198.18.3.9     adf  ---- c_adf    10.1.3.2
. "$(dirname "$0")/lib.sh"
plan 66

SECOND4=203.0.113.8 OTHER4=203.0.114.9 VICTIM4=198.18.9.9
KINDS="open masquerade random cone adf"

# ask.py FROM TO [change=N] [port=N] [pad=N] [wait=S]: a Binding request, and what came back, to
# that socket or the one of --port, as JSON; null is silence.
cat >"$T/ask.py" <<'PYTHON'
import json, os, select, socket, struct, sys

def endpoint(text):
    host, _, port = text.rpartition(":")
    return host, int(port)

more = {k: float(v) for k, v in (a.split("=") for a in sys.argv[3:])}
tid, body = os.urandom(12), b""
if "change" in more:
    body += struct.pack("!HHI", 3, 4, int(more["change"]))
if "port" in more:
    body += struct.pack("!HHHH", 0x27, 4, int(more["port"]), 0)
if "pad" in more:
    n = int(more["pad"]) - 24 - len(body)
    body += struct.pack("!HH", 0x26, n) + bytes(n)
socks = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM)]
socks[0].bind(endpoint(sys.argv[1]))
if "port" in more:
    socks.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    socks[1].bind((endpoint(sys.argv[1])[0], int(more["port"]) or 1))
request = struct.pack("!HHI", 1, len(body), 0x2112A442) + tid + body
socks[0].sendto(request, endpoint(sys.argv[2]))
ready = select.select(socks, [], [], more.get("wait", 2))[0]
if not ready:
    print("null")
    sys.exit()
data, source = ready[0].recvfrom(2000)
out = {"from": "%s:%d" % source, "at": ready[0].getsockname()[1], "type": data[:2].hex(),
       "asked": len(request), "answered": len(data), "same": data[8:20] == tid}
at = 20
while at < len(data):
    kind, size = struct.unpack_from("!HH", data, at)
    value = data[at + 4:at + 4 + size]
    if kind in (1, 0x20, 0x802B, 0x802C):
        port, addr = struct.unpack_from("!H4s", value, 2)
        if kind == 0x20:
            port ^= 0x2112
            addr = bytes(a ^ b for a, b in zip(addr, data[4:8]))
        name = {1: "mapped", 0x20: "xor", 0x802B: "origin", 0x802C: "other"}[kind]
        out[name] = "%s:%d" % (socket.inet_ntoa(addr), port)
    elif kind == 0xFF04:
        out["alternate"] = struct.unpack_from("!H", value, 4)[0]
    elif kind == 9:
        out["code"] = value[2] * 100 + value[3]
    at += 4 + size + -size % 4
print(json.dumps(out))
PYTHON

# flood.py TO COUNT PREFIXES: change requests in others' names: of the victim, or with PREFIXES of
# that many networks; in rounds of 100 a tenth of a second. Prints the seconds that it took.
cat >"$T/flood.py" <<'PYTHON'
import os, socket, struct, sys, time

host, port = sys.argv[1].rsplit(":", 1)
count, prefixes = int(sys.argv[2]), int(sys.argv[3])
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
begin = time.monotonic()
for i in range(count):
    name = "198.18.9.9" if prefixes == 1 else "100.%d.%d.9" % (64 + i % prefixes // 256, i % 256)
    body = struct.pack("!HHI", 1, 8, 0x2112A442) + os.urandom(12) + struct.pack("!HHI", 3, 4, 6)
    udp = struct.pack("!HHHH", 5000 + i % 1000, int(port), 8 + len(body), 0) + body
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0,
                       socket.inet_aton(name), socket.inet_aton(host))
    raw.sendto(head + udp, (host, 0))
    if i % 100 == 99:
        time.sleep(0.1)
print("%.1f" % (time.monotonic() - begin))
PYTHON

# One more NAT of this kind, and a host behind it.
nat_of() { # KIND NUMBER
	nat_host "$1" "198.18.$2.9" && inner_host "c_$1" "$1" lan "10.1.$2.2" || return
	case $1 in
	random) nat_rule "$1" "masquerade fully-random" ;;
	cone) cone_rules "$1" "" ;;
	adf) cone_rules "$1" "udp dport . ip saddr @seen" ;;
	esac
}

host_of() { # KIND: where the client is
	case $1 in
	open) echo sender ;;
	masquerade) echo client ;;
	*) echo "c_$1" ;;
	esac
}

# The words of natdiscovery, and those of stun, for what each NAT is known to do.
mapping_of() { # KIND
	[ "$1" = random ] && echo "Address and Port Dependent" || echo "Endpoint Independent"
}

filtering_of() { # KIND
	case $1 in
	open | cone) echo "Endpoint Independent" ;;
	adf) echo "Address Dependent" ;;
	*) echo "Address and Port Dependent" ;;
	esac
}

verdict_of() { # KIND
	case $1 in
	open) echo "Open" ;;
	masquerade) echo "Independent Mapping, Port Dependent Filter" ;;
	random) echo "Dependent Mapping" ;;
	cone) echo "Independent Mapping, Independent Filter" ;;
	adf) echo "Independent Mapping, Address Dependent Filter" ;;
	esac
}

found() { # KIND WORD: mapping or filtering, as natdiscovery says it
	sed -n "s/.*NAT with \(.*\) $2!/\1/p" "$T/discover_$1.log"
}

old_found() { # KIND: what stun says, less what is not about filters and mappings
	sed -n 's/^Primary: //; T; s/, preserves.*//; s/, random.*//; s/, \(no \|will \)hairpin.*//; s/[ \t]*$//; p' \
		"$T/stun_$1.log"
}

# All clients at once: they wait for most of the time.
discover() { # ADDRESS
	local kind
	for kind in $KINDS; do
		start "$(host_of "$kind")" "discover_$kind" timeout 30 turnutils_natdiscovery -m -f "$1"
		start "$(host_of "$kind")" "stun_$kind" timeout 30 stun "$1:3480"
	done
	for kind in $KINDS; do
		finish "discover_$kind" 30
		finish "stun_$kind" 30
	done
}

found_all() { # WHO
	local kind
	for kind in $KINDS; do
		is "$1, $kind: mapping" "$(found "$kind" Mapping)" "$(mapping_of "$kind")"
		is "$1, $kind: filtering" "$(found "$kind" Filtering)" "$(filtering_of "$kind")"
		is "$1, $kind: stun of RFC 3489" "$(old_found "$kind")" "$(verdict_of "$kind")"
	done
}

ask() { # HOST FROM TO MORE...
	local host=$1
	shift
	in_ns "$host" "$PYTHON" "$T/ask.py" "$@" >"$T/ask.log"
}

said() { # EXPRESSION of d, or null
	json "$T/ask.log" "$1 if d else None"
}

# The other relay has a configuration of its own, and no streams.
other_conf() {
	mkdir -p "$T/other" && chown "$(relayd_user):" "$T/other" && chmod 755 "$T/other"
	sed "s#$T/relayd/#$T/other/#; s/^address.*/address = { \"$OTHER4\" }/; s/^partner = .*/partner = \"$RELAY4:3478\"/" \
		"$T/relayd.conf" >"$T/other.conf"
	chgrp "$(id -gn "$(relayd_user)")" "$T/other.conf" && chmod 640 "$T/other.conf"
}

other_start() {
	start other other "$RELAYD" --config "$T/other.conf"
}

partner_is() { # 0 or 1
	pctl metrics | grep -qx "relayd_partner_alive $1"
}

lab_up
address relay eth0 "$SECOND4/24" && public_host other eth0 "$OTHER4" && forwarding_on other &&
	public_host victim eth0 "$VICTIM4" &&
	nat_of random 1 && nat_of cone 2 && nat_of adf 3 || bail "no network"
for tool in turnutils_natdiscovery turnutils_stunclient stun; do
	command -v "$tool" >/dev/null || bail "no $tool"
done
in_ns victim nft -f - <<-'RULES'
	table inet witness {
		counter hits { }
		chain input {
			type filter hook input priority 0
			meta l4proto udp counter name hits
		}
	}
RULES

hits() {
	in_ns victim nft list counter inet witness hits | sed -n 's/.*packets \([0-9]*\) bytes \([0-9]*\).*/\1 \2/p'
}

# --- two addresses

relayd_conf "address = { \"$RELAY4\", \"$SECOND4\" }" "rfc3489 = 3480"
ok "two addresses: relayd starts" relayd_start
discover "$RELAY4"
found_all "two addresses"

ask sender "$SENDER4:6001" "$SECOND4:3479"
is "two addresses: the other of the other" "$(said 'd["other"]')" "$RELAY4:3478"
is "two addresses: where it came from" "$(said 'd["origin"]')" "$SECOND4:3479"
ask sender "$SENDER4:6002" "$RELAY4:3478" change=4
is "only the address changes" "$(said 'd["from"]')" "$SECOND4:3478"
ask sender "$SENDER4:6003" "$RELAY4:3479" change=2
is "only the port changes" "$(said '[d["from"], d["origin"]]')" "[\"$RELAY4:3478\", \"$RELAY4:3478\"]"
ask sender "$SENDER4:6004" "$RELAY4:3478" port=6104
is "an answer to another port" "$(said '[d["at"], d["xor"]]')" "[6104, \"$SENDER4:6004\"]"
ask sender "$SENDER4:6005" "$RELAY4:3478" port=6105 pad=100
is "but not with padding" "$(said '[d["at"], d["code"]]')" "[6005, 400]"
# It ends only when an answer of more than 1280 bytes comes, which is never.
in_ns sender timeout 2 turnutils_stunclient "$RELAY4" >"$T/stunclient.log"
is "turnutils_stunclient sees both addresses" \
	"$(grep -c "Other addr: : $SECOND4:3479" "$T/stunclient.log") $(grep -c "Response origin: : $SECOND4:3479" "$T/stunclient.log")" "2 1"

# --- in others' names

before=$(total behaviour elsewhere)
seconds=$(in_ns sender "$PYTHON" "$T/flood.py" "$RELAY4:3478" 3000 1)
read -r packets bytes <<<"$(hits)"
figure "3000 forged change requests in ${seconds} s: the victim got $packets packets, $bytes bytes"
ok "a flood in the victim's name stays small" \
	awk -v n="$packets" -v s="$seconds" 'BEGIN { exit !(n > 0 && n <= 65 + 10 * s) }'
before=$(total behaviour elsewhere)
seconds=$(in_ns sender "$PYTHON" "$T/flood.py" "$RELAY4:3478" 3000 1000)
after=$(total behaviour elsewhere)
figure "3000 in the names of 1000 networks in ${seconds} s: $((after - before)) answers in all"
ok "and so does one in everybody's" \
	awk -v n="$((after - before))" -v s="$seconds" 'BEGIN { exit !(n > 0 && n <= 201 + 200 * s) }'
ok "plain requests are served meanwhile" ask sender "$SENDER4:6006" "$RELAY4:3478"
is "with the address" "$(said 'd["xor"]')" "$SENDER4:6006"
relayd_stop

# --- one address

relayd_conf "rfc3489 = 3480"
ok "one address: relayd starts" relayd_start
ask sender "$SENDER4:6011" "$RELAY4:3478"
is "one address: nothing is promised" "$(said '[d.get("other"), d.get("alternate"), d["answered"]]')" "[null, null, 32]"
ask sender "$SENDER4:6012" "$RELAY4:3478" pad=64
is "one address: who pads learns of the second port" \
	"$(said '[d["alternate"], d["origin"], d["answered"] <= d["asked"]]')" "[3479, \"$RELAY4:3478\", true]"
ask sender "$SENDER4:6013" "$RELAY4:3479" pad=64
is "one address: and there of the first" "$(said '[d["alternate"], d["from"]]')" "[3478, \"$RELAY4:3479\"]"
ask sender "$SENDER4:6014" "$RELAY4:3478" change=2
is "one address: the port changes" "$(said 'd["from"]')" "$RELAY4:3479"
ask sender "$SENDER4:6015" "$RELAY4:3478" change=6 wait=0.5
is "one address: another address is met with silence" "$(said 1)" null
in_ns client timeout 20 turnutils_natdiscovery -t -T 1 "$RELAY4" >"$T/lifetime.log"
is "one address: a mapping that lives is found alive" "$(grep -c 'Local addr' "$T/lifetime.log")" 2
in_ns nat sysctl -qw net.netfilter.nf_conntrack_udp_timeout=1
in_ns client timeout 20 turnutils_natdiscovery -t -T 4 "$RELAY4" >"$T/lifetime.log"
is "one address: and one that is dead, dead" "$(grep -c 'Local addr' "$T/lifetime.log")" 1
in_ns nat sysctl -qw net.netfilter.nf_conntrack_udp_timeout=30
KINDS="open masquerade" discover "$RELAY4"
is "one address: natdiscovery knows that it knows nothing" "$(found masquerade Filtering)" ""
note "one address: stun says of masquerade: $(old_found masquerade); of none: $(old_found open)"
relayd_stop

# --- two relays with one address each

relayd_conf "rfc3489 = 3480" "partner = \"$OTHER4:3478\"" "partner-key = \"$(head -c 32 /dev/urandom | base64 -w 0)\""
other_conf
ok "partners: the first starts" relayd_start
ask sender "$SENDER4:6021" "$RELAY4:3478"
is "partners: nothing is promised while one is alone" "$(said 'd.get("other")')" null
other_start
ok "partners: they find each other" wait_for 10 partner_is 1
ask sender "$SENDER4:6022" "$RELAY4:3478"
is "partners: one names the other" "$(said 'd["other"]')" "$OTHER4:3479"
discover "$RELAY4"
found_all "partners"
ask sender "$SENDER4:6023" "$RELAY4:3478" change=6
is "partners: the other answers" "$(said '[d["from"], d["origin"], d["xor"], d["same"]]')" \
	"[\"$OTHER4:3479\", \"$OTHER4:3479\", \"$SENDER4:6023\", true]"
read -r before _ <<<"$(hits)"
seconds=$(in_ns sender "$PYTHON" "$T/flood.py" "$RELAY4:3478" 3000 1)
read -r packets bytes <<<"$(hits)"
figure "3000 forged requests to one of two partners in ${seconds} s: the victim got $((packets - before)) packets"
ok "partners: a flood in the victim's name stays small" \
	awk -v n="$((packets - before))" -v s="$seconds" 'BEGIN { exit !(n > 0 && n <= 65 + 10 * s) }'
stop other TERM
ok "partners: when one ends the other knows" wait_for 12 partner_is 0
ask sender "$SENDER4:6024" "$RELAY4:3478"
is "partners: and promises nothing any more" "$(said 'd.get("other")')" null
other_start
ok "partners: they find each other again" wait_for 10 partner_is 1
is "partners: nobody was refused" "$(total behaviour stranger)" 0

# --- what an earlier configuration had is not kept

elements() { # SET
	in_ns relay nft list set inet relayd "$1" | sed -n 's/.*elements = {\(.*\)/\1/p' | tr -d ' }'
}

relayd_stop
relayd_conf "alternate = 0"
ok "without an alternate port: relayd starts" relayd_start
is "without an alternate port: the kernel knows of none" "$(elements punch4)" "$RELAY4.3478"
is "without an alternate port: nor of any for RFC 3489" "$(elements raw4)" ""
ok "without an alternate port: nobody is there" not udp_bound relay 3479
sed -i 's/^alternate = .*/alternate = 3479/' "$T/relayd.conf"
ok "a reload cannot open one" not pctl reload
