# shellcheck shell=bash
# lib.sh: the common ground of the scenario tests: hosts (see hosts.sh), relayd on one of them, things
# that run in the background, and TAP. Source it, say plan, build, test; it cleans up.
# tests/README.md describes every function.
set -u
umask 022
export LC_ALL=C

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
BUILD=${BUILD:-$TOP/build}
RELAYD=${RELAYD:-$BUILD/relayd/relayd}
PUNCHCTL=${PUNCHCTL:-$BUILD/punchctl/punchctl}
PYTHON=${PYTHON:-/usr/bin/python3}
PATH=$PATH:/usr/sbin:/sbin

# Other scripts read these.
# shellcheck disable=SC2034
{
	UDPTOOL=$TOP/tests/udptool.py
	SENDER4=198.51.100.175 SENDER6=2001:db8:1::175
	RELAY4=203.0.113.7 RELAY6=2001:db8:2::7
	NAT4=192.0.2.9 NAT6=2001:db8:3::9
	CLIENT4=10.0.0.2 CLIENT6=fd00::2
}

P=pr$$   # what the names of our namespaces begin with
T=       # our folder; its contents are gone at the end
declare -A PIDS=()

. "$TOP/tests/hosts.sh"

### Processes ############################################################################

in_ns() { # HOST CMD...
	local host=$1
	shift
	ip netns exec "$P$host" "$@"
}

# ip netns exec becomes the command, so the pid that we remember is the command's own.
start() { # HOST NAME CMD...
	local host=$1 name=$2
	shift 2
	ip netns exec "$P$host" "$@" </dev/null >"$T/$name.log" 2>"$T/$name.err" &
	PIDS[$name]=$!
}

pid_of() { # NAME
	echo "${PIDS[$1]-}"
}

running() { # NAME
	[ -n "${PIDS[$1]-}" ] && not gone "${PIDS[$1]}"
}

# Ends what start began and gives its exit status.
stop() { # NAME [SIGNAL]
	local pid=${PIDS[$1]-}
	[ -n "$pid" ] || return 127
	unset "PIDS[$1]"
	{ # the shell would tell of a kill
		kill -"${2:-TERM}" "$pid"
		wait "$pid"
	} 2>/dev/null
}

# Waits for it to end by itself and gives its exit status; 124 when it is still there after SECONDS.
finish() { # NAME SECONDS
	local pid=${PIDS[$1]-}
	[ -n "$pid" ] || return 127
	wait_for "$2" gone "$pid" || return 124
	unset "PIDS[$1]"
	wait "$pid" 2>/dev/null
}

# A child that has ended stays visible to kill until somebody waits for it, hence the state.
gone() { # PID
	local state
	state=$(sed -n 's/^State:\t\(.\).*/\1/p' "/proc/$1/status" 2>/dev/null)
	[ -z "$state" ] || [ "$state" = Z ]
}

microseconds() {
	echo "${EPOCHREALTIME/[^0-9]/}"
}

now() { # seconds since 1970 with six digits; the clock that udptool.py uses too
	echo "$EPOCHREALTIME"
}

# What a wait of N seconds is here: an emulated machine takes WAIT_FACTOR times as long.
seconds() { # N
	awk -v s="$1" -v f="${WAIT_FACTOR:-1}" 'BEGIN { print s * f }'
}

# How many packets a second: an emulated machine carries fewer.
rate() { # N
	[ -z "${WAIT_FACTOR-}" ] && echo "$1" || echo $(($1 / 4))
}

# Asks every 20 ms until the command succeeds.
wait_for() { # SECONDS CMD...
	local seconds=$1 end
	shift
	end=$(($(microseconds) + $(awk -v s="$(seconds "$seconds")" 'BEGIN { printf "%d", s * 1000000 }')))
	until "$@" >/dev/null 2>&1; do
		[ "$(microseconds)" -lt "$end" ] || return 1
		sleep 0.02
	done
}

contains() { # FILE PATTERN; the pattern is an extended regular expression
	grep -Eq -- "$2" "$1"
}

not() { # CMD...
	! "$@"
}

udp_bound() { # HOST PORT
	[ -n "$(in_ns "$1" ss -Huln "sport = :$2")" ]
}

json() { # FILE EXPRESSION; d is the document, e.g. json x.log 'd["ports"][0]["client"]'
	"$PYTHON" -c 'import json, sys
d = json.load(open(sys.argv[1]))
v = eval(sys.argv[2])
print(json.dumps(v) if isinstance(v, (dict, list, bool)) or v is None else v)' "$1" "$2"
}

### relayd ###############################################################################

relayd_user() {
	getent passwd relayd >/dev/null && echo relayd || echo nobody
}

# Writes $T/relayd.conf; arguments are lines of it and replace the lines of the same key here.
relayd_conf() { # ['key = value'...]
	local user dir line key
	user=$(relayd_user)
	dir=$T/relayd
	mkdir -p "$dir" && chown "$user:" "$dir" && chmod 755 "$dir"
	declare -A keys=(
		[address]="{ \"$RELAY4\" }" [user]="\"$user\""
		[database]="\"$dir/streams.db\"" [socket]="\"$dir/relayd.sock\""
	)
	for line in "$@"; do
		key=${line%%=*}
		keys[${key// /}]=${line#*=}
	done
	for key in "${!keys[@]}"; do
		printf '%s = %s\n' "$key" "${keys[$key]# }"
	done >"$T/relayd.conf"
}

# Adds a stream to the file, and its key to $T/NAME.key unless one is there.
stream_conf() { # NAME ['key = value'...]
	local name=$1 line
	shift
	[ -f "$T/$name.key" ] || (umask 077 && head -c 32 /dev/urandom | base64 -w 0 >"$T/$name.key")
	{
		printf 'stream "%s" {\n\tkey = "%s"\n' "$name" "$(cat "$T/$name.key")"
		for line in "$@"; do
			printf '\t%s\n' "$line"
		done
		printf '}\n'
	} >>"$T/relayd.conf"
	chgrp "$(id -gn "$(relayd_user)")" "$T/relayd.conf" && chmod 640 "$T/relayd.conf"
}

pctl() { # punchctl's words; asks the relay's daemon
	in_ns relay "$PUNCHCTL" --socket "$T/relayd/relayd.sock" "$@"
}

metric() { # SERIES: its value
	pctl metrics | awk -v name="$1" '$1 == name { print $2 }'
}

counts() { # SERIES VALUE: at least
	[ "$(metric "$1")" -ge "$2" ]
}

total() { # FAMILY RESULT
	metric "relayd_$1_total{result=\"$2\"}"
}

stream_is() { # NAME STATE
	pctl --json show "$1" | "$PYTHON" -c 'import json, sys
sys.exit(json.load(sys.stdin)["state"] != sys.argv[1])' "$2"
}

relayd_answers() {
	! running relayd || { [ -S "$T/relayd/relayd.sock" ] && pctl list; }
}

# Starts it and waits until it serves; not a success when it has ended instead.
relayd_start() { # [OPTION...]
	cat "$T/relayd.err" >>"$T/relayd.old" 2>/dev/null
	start relay relayd "$RELAYD" --config "$T/relayd.conf" "$@"
	wait_for 5 relayd_answers && running relayd
}

relayd_stop() {
	stop relayd
}

relayd_pids() { # both processes
	local pid
	for pid in $(ip netns pids "${P}relay"); do
		[ "$(readlink "/proc/$pid/exe")" = "$(readlink -f "$RELAYD")" ] && echo "$pid"
	done
}

net_side() { # the pid of the process without privileges
	relayd_pids | grep -vx "$(pid_of relayd)"
}

relayd_kill() { # both at once, with no chance to say goodbye
	local pid pids
	pids=$(relayd_pids)
	# shellcheck disable=SC2086
	kill -KILL $pids
	stop relayd KILL
	# The one that has the sockets is not our child.
	for pid in $pids; do
		wait_for 5 gone "$pid"
	done
	return 0
}

### TAP ##################################################################################

TAP_PLAN=0 TAP_RUN=0 TAP_FAILED=0

plan() { # N
	TAP_PLAN=$1
	echo "1..$1"
}

note() { # TEXT...
	printf '# %s\n' "${*//$'\n'/$'\n'# }"
}

figure() { # NAME VALUE...
	echo "# figure: $*"
}

tap_ok() { # DESCRIPTION
	TAP_RUN=$((TAP_RUN + 1))
	echo "ok $TAP_RUN - $1"
}

tap_not_ok() { # DESCRIPTION
	TAP_RUN=$((TAP_RUN + 1)) TAP_FAILED=$((TAP_FAILED + 1))
	echo "not ok $TAP_RUN - $1"
}

tap_log() { # the end of what relayd said
	[ -s "$T/relayd.err" ] || return
	note "relayd's last words:"
	tail -n 20 "$T/relayd.err" | sed 's/^/#   /'
}

ok() { # DESCRIPTION CMD...
	local what=$1 status
	shift
	"$@" >"$T/ok.out" 2>&1 && tap_ok "$what" && return
	status=$?
	tap_not_ok "$what"
	note "status $status of: $*"
	tail -n 20 "$T/ok.out" | sed 's/^/#   /'
	tap_log
	return 1
}

is() { # DESCRIPTION GOT WANT
	[ "$2" = "$3" ] && tap_ok "$1" && return
	tap_not_ok "$1"
	note "     got: $2"
	note "expected: $3"
	tap_log
	return 1
}

skip() { # DESCRIPTION REASON...
	TAP_RUN=$((TAP_RUN + 1))
	echo "ok $TAP_RUN - $1 # SKIP ${*:2}"
}

bail() { # REASON...
	echo "Bail out! $*"
	[ -n "$T" ] && tap_log
	exit 1
}

### The end ##############################################################################

# Ends every process in the namespaces that begin with this prefix, then the namespaces.
lab_sweep() { # PREFIX
	local ns pids
	for ns in /run/netns/"$1"[a-z]*; do
		[ -e "$ns" ] || continue
		pids=$(ip netns pids "${ns##*/}" 2>/dev/null)
		# shellcheck disable=SC2086
		[ -z "$pids" ] || kill -KILL $pids 2>/dev/null
		ip netns delete "${ns##*/}" 2>/dev/null
	done
	cgroups_sweep "$1"
}

# What the systemd of a machine has made; the last processes may still be on their way out.
cgroups_sweep() { # PREFIX
	local dir
	for dir in /sys/fs/cgroup/{,unified/}"$1"[a-z]*/; do
		[ ! -d "$dir" ] || wait_for 5 find "$dir" -depth -type d -exec rmdir {} +
	done
}

# Cleans up for a script that was killed and could not: it waits, in a session of its own and
# holding none of our descriptors, until the script is gone.
lab_guard() {
	setsid "$BASH" -c '
		trap "" INT TERM HUP
		tail --pid="$1" -s 0.3 -f /dev/null
		. "$2"
		lab_sweep "$3"
		rm -rf "$4"
	' guard "$$" "${BASH_SOURCE[0]}" "$P" "$T" </dev/null >/dev/null 2>&1 9>&- &
	GUARD=$!
	disown "$GUARD"
}

lab_end() {
	local status=$?
	trap '' INT TERM HUP
	trap - EXIT
	cd /
	{ # the shell would tell of everything that it sees killed
		lab_sweep "$P"
		# shellcheck disable=SC2046
		kill -KILL $(jobs -p)
		wait
	} 2>/dev/null
	rm -rf "$T"
	kill -KILL "$GUARD" 2>/dev/null
	[ "$TAP_PLAN" -eq "$TAP_RUN" ] || {
		note "planned $TAP_PLAN tests, ran $TAP_RUN"
		status=1
	}
	[ "$TAP_FAILED" -eq 0 ] || status=1
	exit "$status"
}

# Sourced by its own guard it only lends its functions.
if [ "$0" != guard ]; then
	[ "$EUID" -eq 0 ] || bail "namespaces want root"
	T=$(mktemp -d "${TMPDIR:-/tmp}/punchrelay-$$-XXXXXX") || bail "no temporary folder"
	chmod 711 "$T" # relayd's user reaches its own folder in it, and lists nothing
	lab_guard
	trap lab_end EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
	trap 'exit 129' HUP
fi
