# shellcheck shell=bash
# events.sh: what a program with --json has told so far. Source it behind lib.sh.

events() { # NAME EVENT: how often
	grep -c "\"event\": *\"$2\"" "$T/$1.log"
}

happened() { # N NAME EVENT
	[ "$(events "$2" "$3")" -ge "$1" ]
}

event() { # NAME EVENT FIELD: of the newest one
	grep "\"event\": *\"$2\"" "$T/$1.log" | tail -n 1 >"$T/event.json" && json "$T/event.json" "d[\"$3\"]"
}
