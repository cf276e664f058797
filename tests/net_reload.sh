#!/usr/bin/env bash
# Reloads while media flow: a hundred times the stream itself is edited, or another one in a file of
# its own comes or goes; keys in files of their own are changed, and mistakes change nothing.
#
#   sender --- net --- nat --- client
#               |
#             relay: punchctl reload, SIGHUP
. "$(dirname "$0")/lib.sh"
plan 52

RELOADS=100
RATE=1000
OTHER=172.17.0.1 # of an interface that comes and goes, as Docker's does
RAW=9500         # a port of another program

# part NAME STREAM PORTS [OPTION...]: a file of the configuration with one stream, its key in a file
# of its own.
part() {
	local user file=$T/relayd.conf.d/$1 name=$2 ports=$3
	shift 3
	user=$(relayd_user)
	[ -f "$T/keys/$name" ] || head -c 32 /dev/urandom | base64 -w 0 >"$T/keys/$name"
	chown "$user:" "$T/keys/$name" && chmod 600 "$T/keys/$name"
	{
		printf 'stream "%s" {\n\tlisten = "%s"\n' "$name" "$ports"
		printf '\tkey-file = "%s"\n' "$T/keys/$name"
		[ $# -eq 0 ] || printf '\t%s\n' "$@"
		echo '}'
	} >"$file.new"
	chown "$user:" "$file.new" && chmod 600 "$file.new"
	mv "$file.new" "$file.conf"
}

cam1() { # PORTS [OPTION...]: the stream with the media
	part 05-cam1 cam1 "$1" "source = \"$SENDER4\"" "${@:2}"
}

edit_cam1() { # NUMBER: ports beside its own, rates and raw punch ports come and go
	case $(($1 % 6)) in
	0) cam1 9099 ;;
	1) cam1 9099 'rate = 9000000' ;;
	2) cam1 9099-9100 'rate = 9000000' 'quota = "10G"' ;;
	3) cam1 9098-9100 'rate = 19000000' 'raw-punch = 9700' ;;
	4) cam1 9099-9100 'raw-punch = 9700' "clients = \"$NAT4/32\"" ;;
	5) cam1 9099 'raw-punch = 9800' ;;
	esac
}

edit_cam2() { # NUMBER
	if (($1 % 2)); then
		rm "$T/relayd.conf.d/20-cam2.conf"
	else
		part 20-cam2 cam2 9103
	fi
}

reloads() { # every other one edits the stream with the media
	local i
	for ((i = 1; i <= RELOADS; i++)); do
		if ((i % 2)); then edit_cam1 $(((i + 1) / 2)); else edit_cam2 $((i / 2 - 1)); fi
		[[ $(pctl reload) == *" $((i % 2)) changed, "* ]] || return
		((i % 12 != 7)) || [ "$(raw_ports)" = 9700,9701 ] || return
	done
}

raw_ports() { # in the kernel, of this address
	in_ns relay nft -j list set inet relayd raw4 | "$PYTHON" -c 'import json, sys
ports = [e["concat"] for s in json.load(sys.stdin)["nftables"] if "set" in s for e in s["set"].get("elem", [])]
print(",".join(sorted(str(port) for at, port in ports if at == sys.argv[1])))' "$RELAY4"
}

peer() { # HOST ROLE FROM [OPTION...]: of the stream web; it ends when it is sent away
	start "$1" "peer_$2" "$PYTHON" "$TOP/tests/peertool.py" "$2" --from "$3" --to "$RELAY4:3478" \
		--name web --key-file "$T/keys/web" --for 60 "${@:4}"
}

pairs_are() { # COUNT
	[ "$(pctl --json show web | "$PYTHON" -c 'import json, sys; print(len(json.load(sys.stdin)["pairs"]))')" = "$1" ]
}

rate_of_pairs() { # BYTES: of both sides
	[ "$(in_ns relay nft list table inet relayd | grep -c "limit rate $1 bytes/second.* comment \"web\"")" = 2 ]
}

kernel_has() { # STREAM PORT
	in_ns relay nft list table inet relayd | grep -q "$RELAY4 . $2 counter .* comment \"$1\""
}

kernel_rate() { # BYTES: of the stream with the media
	in_ns relay nft list table inet relayd | grep -q "$RELAY4 . 9099 limit rate $1 bytes/second"
}

has() { # STREAM
	pctl show "$1"
}

refused() { # STATUS and the one line that reload says, which begins with WHAT
	local said
	said=$(pctl reload 2>&1) && return 1
	[[ $said == "punchctl: $1"* ]] && [ "$(wc -l <<<"$said")" -eq 1 ]
}

lab_up
relayd_conf 'address = { "auto" }'
mkdir "$T/relayd.conf.d" "$T/keys"
cam1 9099
part 10-door door 9101
ok "relayd starts with a file in the folder" relayd_start
ok "whose stream is there" has door

start client punch "$PUNCHCTL" punch "cam1@$RELAY4" --key-file "$T/keys/cam1" --port 5004 --to 9099
ok "a client" wait_for 5 stream_is cam1 ready
start client recv "$UDPTOOL" recv --bind 127.0.0.1:5004 --for 120 --idle 4
wait_for 5 udp_bound client 5004
start sender send "$UDPTOOL" send --from "$SENDER4:7000" --to "$RELAY4:9099" --count 1000000 --rate $RATE
ok "media" wait_for 5 stream_is cam1 live
begun=$(microseconds)
ok "$RELOADS reloads" reloads
took=$(($(microseconds) - begun))
ok "the last of them took the second camera away" not has cam2
ok "the kernel has the newest rate of the first" kernel_rate 9000000
is "and no raw punch port any more" "$(raw_ports)" ""
ok "SIGHUP reloads as well" part 20-cam2 cam2 9103
kill -HUP "$(pid_of relayd)"
ok "and brings it back" wait_for 5 has cam2

# --- mistakes
part 30-cam3 cam3 9103
ok "a port that another file's stream has is refused" \
	refused "$T/relayd.conf.d/30-cam3.conf:2: stream \"cam3\": port 9103 belongs to"
pctl reload 2>"$T/said"
ok "which is named" contains "$T/said" "of $T/relayd.conf.d/20-cam2.conf:1; choose another"
part 30-cam3 cam3 9105
chmod 644 "$T/keys/cam3"
ok "a key that everybody may read is refused" \
	refused "$T/relayd.conf.d/30-cam3.conf:3: stream \"cam3\": key-file: everybody on this host"
chmod 602 "$T/keys/cam3"
ok "so is one that everybody may write" \
	refused "$T/relayd.conf.d/30-cam3.conf:3: stream \"cam3\": key-file: everybody on this host may write"
rm "$T/keys/cam3"
ok "and one that is not there" \
	refused "$T/relayd.conf.d/30-cam3.conf:3: stream \"cam3\": key-file: $T/keys/cam3: No such file"
ok "nothing of it is there" not has cam3
ok "all else is" has cam2
rm "$T/relayd.conf.d/30-cam3.conf"
mkfifo "$T/relayd.conf.d/30-cam3.conf"
ok "nor is one waited for whom nobody writes" \
	refused "$T/relayd.conf.d/30-cam3.conf: cannot be read: not a regular file; mend it"
rm "$T/relayd.conf.d/30-cam3.conf"
ok "without it all is well" pctl reload
start relay other "$UDPTOOL" recv --bind "0.0.0.0:$RAW" --for 120
ok "another program has a port" wait_for 5 udp_bound relay "$RAW"
cam1 9099 "raw-punch = $RAW"
ok "which is refused as a raw punch port of the stream with the media" \
	refused "$T/relayd.conf: stream \"cam1\": raw punch port $RELAY4:$RAW: Address already in use"
ok "which goes on" stream_is cam1 live
cam1 9099
part 30-cam3 cam3 9105 "raw-punch = $RAW"
ok "and of a new one" refused "$T/relayd.conf: stream \"cam3\": raw punch port $RELAY4:$RAW: "
ok "which is not there" not has cam3
is "nor a raw punch port" "$(raw_ports)" ""
stop other
ok "once it is free" contains <(pctl reload) '1 added, 1 changed, 0 removed'
is "it is" "$(raw_ports)" $RAW
part 10-door door 9101 "raw-punch = $RAW"
part 20-cam2 cam2 9105
part 30-cam3 cam3 9103
ok "streams that take each other's ports in one reload" \
	contains <(pctl reload) '0 added, 3 changed, 0 removed'
ok "have them" kernel_has cam2 9105
ok "both" kernel_has cam3 9103
is "and the raw punch port" "$(raw_ports)" $RAW
rm "$T/relayd.conf.d/30-cam3.conf"
part 10-door door 9101
part 20-cam2 cam2 9103
ok "and give them back" contains <(pctl reload) '0 added, 2 changed, 1 removed'
is "with the raw punch port" "$(raw_ports)" ""

# --- peers
part 40-web web 9110 'peers = 2'
ok "a stream for peers" pctl reload
peer sender service "$SENDER4:6000"
peer client client "$CLIENT4:5000" --count 1000000
ok "who meet" wait_for 5 pairs_are 1
part 40-web web 9110 'peers = 3' 'rate = 7000000'
ok "may be more and have another rate" contains <(pctl reload) '0 added, 1 changed, 0 removed'
ok "which the kernel has" rate_of_pairs 7000000
ok "they go on" pairs_are 1
ok "and have not been sent away" running peer_client
stop peer_client && stop peer_service

# --- an interface that comes and goes
in_ns relay ip link add docker0 type veth peer name docker1
in_ns relay ip addr add "$OTHER/16" dev docker0
in_ns relay ip link set docker0 up
ok "another address is no reason to refuse a reload" contains <(pctl reload) '0 added, 0 changed, 0 removed'
ok "nor the next" pctl reload
is "but told of once" "$(grep -c "a restart would take $OTHER\$" "$T/relayd.err")" 1
part 30-cam3 cam3 "$OTHER:9105"
ok "a stream cannot listen there before" refused "$T/relayd.conf: stream \"cam3\": listen: "
rm "$T/relayd.conf.d/30-cam3.conf"
in_ns relay ip link del docker0
ok "without it reloads go on" pctl reload
ok "which is told as well" contains "$T/relayd.err" 'has the addresses again'

# --- what is changed, and what is not
ok "nothing changed is said" contains <(pctl reload) '0 added, 0 changed, 0 removed'
head -c 32 /dev/urandom | base64 -w 0 >"$T/keys/door"
ok "a new key is a change" contains <(pctl reload) '0 added, 1 changed, 0 removed'
start client door "$PUNCHCTL" punch "door@$RELAY4" --key-file "$T/keys/door" --port 5006 --to 9101
ok "and holds" wait_for 5 stream_is door ready
ok "--check prints what the files mean together" contains \
	<(in_ns relay "$RELAYD" --config "$T/relayd.conf" --check) '^stream "cam2"'

stop send
ok "the receiver ends" finish recv 20
lost=$(json "$T/recv.log" 'd["lost"]')
figure "$RELOADS reloads in $((took / 1000)) ms at $RATE packets/s: $lost of $(json "$T/recv.log" 'd["received"]') packets lost"
is "not one packet was lost" "$lost" 0
is "nor doubled" "$(json "$T/recv.log" 'd["duplicated"]')" 0
