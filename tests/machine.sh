# shellcheck shell=bash
# machine.sh: a Debian 12 with its own systemd on a host of the lab: what is installed there, and
# what its units do, changes nothing outside. Source it behind lib.sh.
#
# scripts/setup --test makes the system once; a machine sees it under a layer of its own that is
# memory. What it mounts is in a mount namespace of its own, and goes with its last process.
# shellcheck disable=SC2154

MACHINE_BASE=/var/cache/punchrelay/debian-12

# Or says why there can be none.
machine_possible() {
	if ! findmnt -n -t cgroup2 >/dev/null; then
		echo "no cgroup2 is mounted here"
	elif [ ! -d "$MACHINE_BASE" ]; then
		echo "there is no $MACHINE_BASE: scripts/setup --test could not reach the mirror"
	else
		return 0
	fi
	return 1
}

# Where there can be none the scenario ends, with one test that is skipped.
machine_needed() { # WHAT
	local why
	why=$(machine_possible) && return
	plan 1
	skip "$1" "$why"
	exit
}

machine_answers() { # HOST
	machine "$1" systemctl is-system-running | grep -Eq 'running|degraded'
}

# Boots one; the folders lie over the system, their files as if they had been installed. MACHINE_HOME
# is to be its /home, and of MACHINE_TREE it has a view of its own, at the same place.
machine_up() { # HOST [FOLDER...]
	local host=$1 lower=$MACHINE_BASE dir
	shift
	for dir in "$@"; do
		lower=$dir:$lower
	done
	mkdir "$T/$host.machine" && start "$host" "$host.machine" "$BASH" -c '
		mount -t cgroup2 cgroup2 "$3" && mkdir "$3/$1" && echo $$ >"$3/$1/cgroup.procs" &&
			exec unshare --mount --pid --fork --kill-child --uts --ipc --cgroup "${@:2}"' \
		machine "$P$host" "$TOP/tests/machine_boot.sh" "$T/$host.machine" "$lower" \
		"${MACHINE_HOME-}" "${MACHINE_TREE-}"
	wait_for 30 machine_answers "$host"
}

machine_init() { # HOST
	local pid
	pid=$(pid_of "$1.machine")
	cat "/proc/$pid/task/$pid/children"
}

machine() { # HOST CMD...
	local init
	init=$(machine_init "$1") || return
	shift
	# shellcheck disable=SC2086
	nsenter -t ${init:-none} -m -p -u -i -n -C -r -w -- env -i LC_ALL=C \
		PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"
}

unit_is() { # HOST UNIT PROPERTY VALUE
	[ "$(machine "$1" systemctl show -P "$3" "$2")" = "$4" ]
}

# Whether router advertisements are taken there: 0, 1 (unless it forwards) or 2.
accept_ra() { # HOST INTERFACE...
	local interface
	for interface in "${@:2}"; do
		in_ns "$1" cat "/proc/sys/net/ipv6/conf/$interface/accept_ra"
	done | xargs
}
