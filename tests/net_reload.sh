#!/usr/bin/env bash
# Reloads while media flow: a stream in a file of its own comes and goes a hundred times, keys in
# files of their own are changed, and mistakes change nothing.
#
#   sender --- net --- nat --- client
#               |
#             relay: punchctl reload, SIGHUP
. "$(dirname "$0")/lib.sh"
plan 24

RELOADS=100
RATE=1000

# part NAME STREAM PORT: a file of the configuration with one stream, its key in a file of its own.
part() {
	local user
	user=$(relayd_user)
	[ -f "$T/keys/$2" ] || head -c 32 /dev/urandom | base64 -w 0 >"$T/keys/$2"
	chown "$user:" "$T/keys/$2" && chmod 600 "$T/keys/$2"
	printf 'stream "%s" {\n\tlisten = %s\n\tkey-file = "%s"\n}\n' "$2" "$3" "$T/keys/$2" \
		>"$T/relayd.conf.d/$1.new"
	chown "$user:" "$T/relayd.conf.d/$1.new" && chmod 600 "$T/relayd.conf.d/$1.new"
	mv "$T/relayd.conf.d/$1.new" "$T/relayd.conf.d/$1.conf"
}

reloads() { # every other one takes the second camera away again
	local i
	for ((i = 0; i < RELOADS; i++)); do
		if ((i % 2)); then
			rm "$T/relayd.conf.d/20-cam2.conf"
		else
			part 20-cam2 cam2 9103
		fi
		pctl reload >"$T/reload" || return
	done
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
relayd_conf
stream_conf cam1 'listen = "9099"' "source = \"$SENDER4\""
mkdir "$T/relayd.conf.d" "$T/keys"
part 10-door door 9101
ok "relayd starts with a file in the folder" relayd_start
ok "whose stream is there" has door

start client punch "$PUNCHCTL" punch "cam1@$RELAY4" --key-file "$T/cam1.key" --port 5004 --to 9099
ok "a client" wait_for 5 stream_is cam1 ready
start client recv "$UDPTOOL" recv --bind 127.0.0.1:5004 --for 120 --idle 4
start sender send "$UDPTOOL" send --from "$SENDER4:7000" --to "$RELAY4:9099" --count 1000000 --rate $RATE
ok "media" wait_for 5 stream_is cam1 live
begun=$(microseconds)
ok "$RELOADS reloads" reloads
took=$(($(microseconds) - begun))
ok "the last of them took the second camera away" not has cam2
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
