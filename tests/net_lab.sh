#!/usr/bin/env bash
# scripts/lab: on a terminal it shows a pane for each host, in which the words of the hints do what they
# say; when it is left nothing stays.
#
#   here: this tree, with a terminal; the lab is within
. "$(dirname "$0")/lib.sh"
. "$TOP/tests/docs.sh"
. "$TOP/tests/screen.sh"
plan 9

# shellcheck disable=SC2034
SCREEN=here SHOWS_IN=30

# Asks the lab's own tmux, since panes are chosen by keys that must not come too fast.
pane_types() { # NUMBER LINE
	docs_root here sh -c 'tmux -S /tmp/punchrelay-*/tmux send-keys -t "lab.$1" "$2" Enter' sh "$@"
}

described() {
	docs_root here sh -c 'test -s /tmp/punchrelay-*/session.sdp'
}

relay_lists() { # PATTERN
	pane_types 1 'clear; punchctl list' && wait_for 2 on_screen "$1"
}

nothing_left() {
	[ -z "$(docs_root here ls /run/netns)" ]
}

ok "there is a tree" docs_ready here
echo 'TERM=screen sudo scripts/lab && echo it has ended' >"$T/lab"
docs_as here "$T/lab"
mux new-session -d -x 200 -y 60 "${docs_words[*]@Q}; sleep 60" || bail "no terminal"
SHOWS_IN=90 shows "the sender's pane" "The sender, $SENDER4"
shows "the client's" "The client, $CLIENT4"
ok "the relay has a stream" wait_for 20 relay_lists 'cam1 +waiting +9099-9102'
pane_types 0 stream
wait_for 20 described
pane_types 2 play
ok "it is sent, and played" wait_for 40 relay_lists "cam1 +live .*$NAT4:"
pane_types 3 'conntrack -L'
shows "the NAT has its flows" "src=$CLIENT4 dst=$RELAY4"
pane_types 3 'forget; echo status $?'
shows "and forgets them" 'status 0'
keys C-b
keys d
shows "it is left" 'it has ended'
ok "and nothing stays" wait_for 10 nothing_left
