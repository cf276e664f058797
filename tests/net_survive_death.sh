#!/usr/bin/env bash
# Our own death: media of 100 streams flow while the net side, the kernel side and both are killed,
# also between a commit and the flush behind it, and nothing of them is lost. The next start adopts
# what there is and repairs only what differs, wherever a change was when we died.
#
#   sender 198.51.100.175 ---- relay 203.0.113.7 ---- client 192.0.2.9
. "$(dirname "$0")/lib.sh"
RELAYD=$BUILD/tests/relayd_points # the one that can stop itself
MANY=$BUILD/tests/manyflow
STREAMS=100
SECONDS_EACH=2
RATES=(1000 500 250 100 50)
[ -z "${WAIT_FACTOR-}" ] || RATES=(50 20 10 5) # an emulated machine
export POINT_STOP=flush

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
	# That of clients that stand still must not run out on a slow machine.
	relayd_conf 'consent = 300'
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
	for RATE in "${RATES[@]}"; do
		while_flowing "$RATE" true || return
		CONTROL="$SENT, at $RATE a second on each of $STREAMS streams $((SENT - GOT)), sent in $TOOK s"
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

# Stops the relay at a point of what punchctl asks for, and kills it there.
kill_in_the_midst() { # PUNCHCTL-OPTION...
	kill -USR1 "$(pid_of relayd)"
	pctl "$@" >"$T/midst.log" 2>&1 &
	wait_for 5 is_stopped "$(pid_of relayd)" || return
	relayd_kill
	wait "$!"
	relayd_start
}

# What a start changes in the table, as nft sees it. nft 1.0.6 crashes when it sees a timeout object
# go, so it is asked for one kind at a time; the marker says that it listens.
witnessed_start() {
	local what
	in_ns relay nft -f - <<-'RULES'
		table inet marker {
			set numbers { type mark; }
			chain empty { }
		}
	RULES
	for what in elements rules chains sets; do
		start relay "monitor-$what" nft monitor "$what"
	done
	wait_for 5 all_listen || return
	relayd_start
	mark
	for what in elements rules chains sets; do
		stop "monitor-$what"
	done
	in_ns relay nft delete table inet marker
	cat "$T"/monitor-*.log | grep -Ev 'marker|relayd-probe|^#' >"$T/witness"
	return 0
}

MARK=0
mark() {
	MARK=$((MARK + 1))
	in_ns relay nft -f - <<-RULES
		add element inet marker numbers { $MARK }
		add rule inet marker empty meta mark $MARK
		add chain inet marker chain$MARK
		add set inet marker set$MARK { type mark; }
	RULES
	wait_for 3 all_have_marked
}

all_have_marked() {
	local what
	for what in elements rules chains sets; do
		grep -q marker "$T/monitor-$what.log" || return
	done
	[ "$MARK" -eq 0 ] || grep -q "$(printf '0x%08x' "$MARK")" "$T/monitor-elements.log"
}

all_listen() {
	mark
}

log_says() { # PATTERN
	contains "$T/relayd.err" "$1"
}

holds() { # SET ADDRESS PORT
	in_ns relay nft get element inet relayd "$1" "{ $2 . $3 }"
}

flow_leads_to() { # PORT
	in_ns relay conntrack -L -p udp --orig-port-dst 10000 2>/dev/null | grep -q "src=$NAT4 dst=$RELAY4 sport=$1 "
}

table_leads_to() { # PORT
	holds ingress4 "$RELAY4" 10000 | grep -q ": $NAT4 . $1 "
}

restarted_with_stop() { # WHERE
	relayd_kill
	POINT_STOP=$1 relayd_start
}

killed_at() { # WHERE PUNCHCTL-OPTION...
	restarted_with_stop "$1" && kill_in_the_midst "${@:2}"
}

key_changed() { # STREAM
	sed -i "/stream \"s$1\"/,/}/s|key = .*|key = \"$(head -c 32 /dev/urandom | base64 -w 0)\"|" \
		"$T/relayd.conf"
}

key_changed_dead() { # STREAM
	relayd_kill
	key_changed "$1"
	relayd_start
}

key_changed_killed() { # STREAM
	restarted_with_stop commit && holds egress4 "$NAT4" $((20000 + $1)) && key_changed "$1" &&
		kill_in_the_midst reload
}

only_closed() { # STREAM, of which the next one is open
	not holds ingress4 "$RELAY4" $((10000 + $1)) && not holds egress4 "$NAT4" $((20000 + $1)) &&
		holds ingress4 "$RELAY4" $((10001 + $1)) && holds egress4 "$NAT4" $((20001 + $1))
}

both_listen() {
	pctl show more && pctl show most && holds listen4 "$RELAY4" 12001 &&
		holds listen4 "$RELAY4" 12002
}

# A new client takes the first stream over, and the relay is killed at a point of that, with the
# table at one of them and the flow of the sender too, which stays there as long as it sends. From
# the flush on nobody but the next start can say who has the stream: the new one stands still then,
# and the clients of before do all the time, for their next punch would take it back.
handed_over() { # WHERE OLD NEW TABLE FLOW; the last four are ports
	wait_for 5 flow_leads_to "$2" || return
	restarted_with_stop "$1" || return
	kill -USR1 "$(pid_of relayd)"
	start client late "$MANY" recv --relay "$RELAY4:3478" --from "$NAT4:$3" \
		--key "$(cat "$T/s0.key")" --listen 10000 --streams 1 --again 1000
	wait_for 5 is_stopped "$(pid_of relayd)" || return
	[ "$1" = commit ] || kill -STOP "$(pid_of late)"
	table_leads_to "$4" || return
	wait_for 5 flow_leads_to "$5" || return
	relayd_kill
	begin=$(microseconds)
	relayd_start && wait_for 5 flow_leads_to "$3" || return
	TOOK=$((($(microseconds) - begin) / 1000))
	stop late KILL
	table_leads_to "$3" && wait_for 5 not holds egress4 "$NAT4" "$2" && running sending
}

plan 26
hosts || bail "no network"
configure
ok "relayd starts" relayd_start
start client media "$MANY" recv --relay "$RELAY4:3478" --from "$NAT4:20000" --key "$(cat "$T/s0.key")" \
	--listen 10000 --streams "$STREAMS" --again 5
ok "$STREAMS clients punch" wait_for 10 contains "$T/media.log" punched
ok "without a death, nothing is lost at some rate" control
figure "control: packets lost of ${CONTROL-none}"
across "kill -9 of the net side" kill_net_side
across "kill -9 of the kernel side" kill_kernel_side
across "kill -9 of both" kill_both
across "kill -9 between commit and flush" kill_in_the_midst --json add extra --listen 12000

# --- a start changes only what differs

kill -STOP "$(pid_of media)" # its punches would begin consent anew
ok "who wants a name that is taken changes nothing either" not pctl add s3 --listen 12003
relayd_kill
ok "relayd starts, and nft watches" witnessed_start
is "nothing differs: nothing is changed" "$(cat "$T/witness")" ""
ok "which the log says" log_says "adopted $STREAMS clients; 0 parts were missing, 0 are removed"
relayd_kill
in_ns relay nft delete element inet relayd ingress4 "{ $RELAY4 . 10007 }"
ok "an element is taken away while relayd is dead" witnessed_start
is "it is put back, with its consent, and nothing else is touched" \
	"$(grep -v 10007 "$T/witness")|$(grep -c "^add element.* ingress4 .*10007" "$T/witness")" "|1"

# --- a key that changes

ok "a key is changed while relayd is dead" key_changed_dead 1
ok "its client is let go, and no other" only_closed 1
ok "a key is changed, and relayd killed before the kernel hears of it" key_changed_killed 2
ok "that client is let go too" only_closed 2

# --- wherever a change was

start sender sending "$MANY" send --from "$SENDER4:7099" --to "$RELAY4:10000" \
	--streams 1 --rate 200 --packets 60000 --run 20
ok "killed before the commit of a hand-over, the flow goes to the new client" \
	handed_over commit 20000 21000 20000 20000
ok "killed between commit and flush of one, also" handed_over flush 21000 22000 22000 21000
figure "from the death on, ms" "${TOOK-never}"
ok "killed between flush and answer, also" handed_over answer 22000 23000 23000 23000
stop sending KILL
ok "a stream is kept that was being added" killed_at flush add more --listen 12001
ok "also before anything of it was committed" killed_at commit add most --listen 12002
ok "and both listen" both_listen
ok "a stream has gone that was being removed" killed_at commit remove more
ok "from the table too" not holds listen4 "$RELAY4" 12001
kill -CONT "$(pid_of media)"

stop media
is "no packet came twice" "$(tail -n 1 "$T/media.log" | "$PYTHON" -c 'import json, sys
print(sum(r["duplicated"] for r in json.load(sys.stdin)))')" 0
