# shellcheck shell=bash
# screen.sh: a terminal on a host of the lab, and what is on it. Source it behind lib.sh and say on
# which host, SCREEN=relay; tmux is the terminal.
# shellcheck disable=SC2154

mux() { # WORD... of tmux
	in_ns "$SCREEN" tmux -S "$T/$SCREEN.tmux" -f /dev/null "$@"
}

keys() { # KEY...
	mux send-keys "$@"
}

on_screen() { # PATTERN
	mux capture-pane -p >"$T/screen" && contains "$T/screen" "$1"
}

shows() { # DESCRIPTION PATTERN
	ok "$1" wait_for "${SHOWS_IN:-5}" on_screen "$2"
}

# What is on the screen, as the reason of a test that fails.
tap_log() {
	[ -S "$T/$SCREEN.tmux" ] && mux capture-pane -p | sed 's/^/# /'
}
