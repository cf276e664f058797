#!/usr/bin/env bash
# Our own death: media of 100 streams flow while the net side, the kernel side and both are killed,
# also between a commit and the flush behind it, and nothing of them is lost. The next start adopts
# what there is and repairs only what differs.
#
#   sender 198.51.100.175 ---- relay 203.0.113.7 ---- client 192.0.2.9
#
# check: timeout 120
. "$(dirname "$0")/lib.sh"
RELAYD=$BUILD/tests/relayd_points # the one that can stop itself
MANY=$BUILD/tests/manyflow
STREAMS=100
SECONDS_EACH=2
export POINT_STOP=1

hosts() {
	host_up sender && host_up relay && host_up client && forwarding_on relay || return
	link_up sender eth0 relay in0 && link_up client eth0 relay out0 || return
	address sender eth0 "$SENDER4/24" && address relay in0 198.51.100.1/24 &&
		address client eth0 "$NAT4/24" && address relay out0 192.0.2.1/24 &&
		address relay lo "$RELAY4/32" &&
		ip -n "${P}sender" route add default via 198.51.100.1 &&
		ip -n "${P}client" route add default via 192.0.2.1
}

configure() {
	local i key
	key=$(head -c 32 /dev/urandom | base64 -w 0)
	relayd_conf
	for i in $(seq 0 $((STREAMS - 1))); do
		printf '%s' "$key" >"$T/s$i.key"
		stream_conf "s$i" "listen = \"$((10000 + i))\"" "source = \"$SENDER4\""
	done
}

# Sends to all streams for a while; meanwhile the command.
RUN=0
while_flowing() { # RATE CMD...
	local rate=$1
	shift
	RUN=$((RUN + 1))
	start sender sending "$MANY" send --from "$SENDER4:7099" --to "$RELAY4:10000" \
		--streams "$STREAMS" --rate "$rate" --packets $((rate * SECONDS_EACH)) --run "$RUN"
	sleep 0.5
	"$@" >"$T/command.out" 2>&1
	finish sending 20 || return
	wait_for 5 contains "$T/media.log" "^run $RUN " || return
	SENT=$((rate * SECONDS_EACH * STREAMS))
	GOT=$(sed -n "s/^run $RUN //p" "$T/media.log")
	TOOK=$(json "$T/sending.log" 'd["seconds"]')
}

# The highest rate at which nothing is lost on this machine while nobody is killed.
control() {
	for RATE in 1000 500 250 100 50; do
		while_flowing "$RATE" true || return
		figure "control: packets lost of $SENT, at $RATE a second on each of $STREAMS streams" \
			"$((SENT - GOT)), sent in $TOOK s"
		[ "$SENT" -ne "$GOT" ] || return 0
	done
	return 1
}

across() { # WHAT CMD...
	local what=$1
	shift
	while_flowing "$RATE" "$@" || { tap_not_ok "$what"; return; }
	figure "$what: packets lost of $SENT, at $RATE a second on each of $STREAMS streams" \
		"$((SENT - GOT)), sent in $TOOK s"
	is "$what: nothing is lost" "$((SENT - GOT))" 0
	sed 's/^/#   /' "$T/command.out"
}

net_side() {
	pgrep -P "$(pid_of relayd)"
}

net_side_is_new() { # PID
	[ -n "$(net_side)" ] && [ "$(net_side)" != "$1" ] && relayd_answers
}

kill_net_side() {
	local pid
	pid=$(net_side)
	kill -KILL "$pid"
	wait_for 5 net_side_is_new "$pid"
}

# The net side ends with it.
kill_kernel_side() {
	local pid
	pid=$(net_side)
	stop relayd KILL
	wait_for 5 gone "$pid"
	relayd_start
}

kill_both() {
	relayd_kill
	relayd_start
}

is_stopped() { # PID
	grep -q '^State:.T' "/proc/$1/status"
}

kill_between_commit_and_flush() {
	kill -USR1 "$(pid_of relayd)"
	pctl --json add extra --listen 12000 >"$T/extra.json" &
	wait_for 5 is_stopped "$(pid_of relayd)" || return
	relayd_kill
	wait "$!"
	relayd_start
}

adopted() {
	sed -n 's/^relayd: adopted //p' "$T/relayd.err" | tail -n 1
}

plan 10
hosts || bail "no network"
configure
ok "relayd starts" relayd_start
start client media "$MANY" recv --relay "$RELAY4:3478" --from "$NAT4:20000" --key "$(cat "$T/s0.key")" \
	--listen 10000 --streams "$STREAMS" --again 5
ok "$STREAMS clients punch" wait_for 10 contains "$T/media.log" punched
ok "without a death, nothing is lost at some rate" control
across "kill -9 of the net side" kill_net_side
across "kill -9 of the kernel side" kill_kernel_side
across "kill -9 of both" kill_both
across "kill -9 between commit and flush" kill_between_commit_and_flush
stop media
tail -n 1 "$T/media.log" | sed 's/^/# /'
note "$(adopted)"
