# shellcheck shell=bash
# recipe.sh: for recipes about the relay's host: its relayd is docs.sh's, which scenarios ask, give
# streams and start anew. Source it behind docs.sh.
# shellcheck disable=SC2154

pctl() {
	docs_root relay punchctl "$@"
}

# A stream that the page does not speak of, and its key in $T/NAME.key. Prints what add prints.
recipe_stream() { # NAME PORT
	(umask 077 && "$PUNCHCTL" key >"$T/$1.key") && pctl add "$1" --listen "$2" --key-file /dev/stdin <"$T/$1.key"
}

# systemctl restart relayd
recipe_restart() {
	stop relayd
	docs_enter relay
	start relay relayd "${docs_words[@]}" relayd
	wait_for 10 pctl list
}
