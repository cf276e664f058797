# shellcheck shell=bash
# doctor.sh: a relay with a file system of its own where it matters, so that a firewall and the
# commands that punchctl doctor prints change nothing outside. Source it behind lib.sh.
# shellcheck disable=SC2154

# In a mount namespace of the relay's: /etc is a copy, /run and what programs keep are empty.
private_up() {
	start relay private "$BASH" -c '
		set -e
		mkdir "$1/private" "$1/private/etc"
		mount -t tmpfs none "$1/private"
		mkdir "$1/private/etc"
		cp -a /etc/. "$1/private/etc"
		mount --bind "$1/private/etc" /etc
		for dir in /run /var/log /var/lib/ufw /var/lib/firewalld; do
			[ ! -d "$dir" ] || mount -t tmpfs none "$dir"
		done
		mkdir -p /run/dbus /run/lock /etc/udev/rules.d /etc/sysctl.d
		echo ready
		exec sleep 600' private "$T"
	wait_for 10 contains "$T/private.log" ready
}

private() { # CMD...
	nsenter -t "$(pid_of private)" -m -n -- "$@"
}

# Its exit status, and the findings in $T/doctor.json.
doctor() { # [OPTION...]
	private "$PUNCHCTL" --socket "$T/relayd/relayd.sock" --json doctor "$@" \
		>"$T/doctor.json" 2>"$T/doctor.err" && return
	cat "$T/doctor.json" "$T/doctor.err" # for a test that fails
	return 1
}

finds() { # ID [WEIGHT]
	[ "$(json "$T/doctor.json" "any('$1' in ('', f['id']) and f['weight'] in '${2:-stops weakens note}'.split() for f in d['findings'])")" = true ]
}

found() { # ID [WEIGHT]: doctor finds it now; its status does not matter
	doctor || true
	finds "$@"
}

# The command as it was printed, of the first finding with this id.
printed() { # ID [fix|keep]
	json "$T/doctor.json" "[f['${2:-fix}'] for f in d['findings'] if f['id'] == '$1' and f['${2:-fix}']][0]"
}

run_printed() { # ID [fix|keep]
	local command
	command=$(printed "$@") || return
	note "$command"
	private sh -c "$command" >"$T/printed.out" 2>&1 || {
		cat "$T/printed.out"
		return 1
	}
}

# Mends, one printed command after the other, whatever is found with this id.
run_all_printed() { # ID
	local left
	for left in 3 2 1 0; do
		doctor
		finds "$1" || return 0
		[ "$left" -gt 0 ] && run_printed "$1" || return
	done
}

punches() { # NAME RELAY LOCAL-PORT [LISTEN-PORT]
	start client "punch-$1" "$PUNCHCTL" punch "$1@${2/*:*/[$2]}" --key-file "$T/$1.key" --port "$3" --to "${4:-9099}"
	wait_for 10 stream_is "$1" ready
}

# How many of 50 datagrams arrive: in $ARRIVED. SENDING is who sends.
send() { # FROM TO LOCAL-PORT
	start client recv "$UDPTOOL" recv --bind "127.0.0.1:$3" --expect 50 --for 20 --idle 1
	wait_for 5 udp_bound client "$3" || return
	in_ns "${SENDING:-sender}" "$UDPTOOL" send --from "$1" --to "$2" --count 50 --rate 500 >"$T/sent"
	wait_for 1 gone "$(pid_of recv)" || kill -TERM "$(pid_of recv)"
	finish recv 5
	ARRIVED=$(json "$T/recv.log" 'd["distinct"]')
}

flows() {
	send "${1:-$SENDER4:7000}" "${2:-$RELAY4:9099}" "${3:-5004}" && [ "$ARRIVED" -ge 45 ]
}

dead() {
	send "${1:-$SENDER4:7000}" "${2:-$RELAY4:9099}" "${3:-5004}" && [ "$ARRIVED" -eq 0 ]
}

# Nobody has rules on the relay but relayd. CMD... runs a command there.
rules_gone() { # CMD...
	"$@" nft -f - <<-'RULES'
		table ip filter
		delete table ip filter
		table ip nat
		delete table ip nat
		table ip raw
		delete table ip raw
		table ip6 filter
		delete table ip6 filter
		table inet host
		delete table inet host
	RULES
}

# Docker's as they are when it has just started, and nobody else's.
docker_rules() { # VERSION CMD...
	rules_gone "${@:2}" && "${@:2}" iptables-restore <"$TOP/tests/data/docker-$1.v4" || return
	[ ! -f "$TOP/tests/data/docker-$1.v6" ] || "${@:2}" ip6tables-restore <"$TOP/tests/data/docker-$1.v6"
}
