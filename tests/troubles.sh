# shellcheck shell=bash
# troubles.sh: for what the host is short of, or does to relayd: each has a name, which is everywhere
# while it lasts, and in the log once. Source it behind lib.sh; a stream cam1 and a process monitor,
# `punchctl --json monitor`, are what it asks.

troubles() { # NAME: is it in show?
	pctl --json show cam1 | "$PYTHON" -c 'import json, sys
sys.exit(all(t["trouble"] != sys.argv[1] for t in json.load(sys.stdin)["troubles"]))' "$1"
}

trouble_is() { # NAME 0|1: in the metrics
	[ "$(metric "relayd_trouble{trouble=\"$1\"}")" -eq "$2" ]
}

times() { # PATTERN: how often the log says it
	grep -c "$1" "$T/relayd.err"
}

doctor_finds() { # ID
	pctl --json doctor >"$T/doctor.json" 2>"$T/doctor.err" || true
	[ "$(json "$T/doctor.json" "any(f['id'] == '$1' for f in d['findings'])")" = true ]
}

shown() { # NAME TEXT
	pctl show cam1 | grep -q "^$1, for .*: .*$2"
}

# It is known everywhere, and told once. Six tests.
named() { # WHAT NAME TEXT DOCTOR-ID
	ok "$1: show names it" wait_for 15 troubles "$2"
	ok "$1: for people too" shown "$2" "$3"
	ok "$1: so do the metrics" trouble_is "$2" 1
	ok "$1: so does doctor" doctor_finds "$4"
	is "$1: the log says so once" "$(times "relayd: $2: .*$3")" 1
	ok "$1: whoever monitors hears of it" grep -q "\"trouble\".*$3" "$T/monitor.log"
}

# Three.
passes() { # WHAT NAME [TIMES]
	ok "$1: it is over" wait_for 30 not troubles "$2"
	ok "$1: in the metrics too" trouble_is "$2" 0
	is "$1: the log says so" "$(times "relayd: $2 is over")" "${3:-1}"
}
