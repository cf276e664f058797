#!/usr/bin/env bash
# docs/recipe-vlc.md: what it says is run as it stands there, and what is recorded is what was sent, but
# for what VLC drops when the machine is slow.
#
#   sender (VLC) ---+
#                  net --- nat (masquerade) --- client (punchctl, VLC, ffplay)
#   relay        ---+
. "$(dirname "$0")/lib.sh"
FILM_SECONDS=90 FILM_SIZE=320x180 # it is recorded before it ends
. "$TOP/tests/media.sh"
. "$TOP/tests/docs.sh"
plan 9

lab_up
ok "a film" film_make "$T/film.mp4"
ok "relayd runs" docs_relayd
docs_put sender "$T/film.mp4"
ok "a film is watched" docs_run docs/recipe-vlc.md "The stream" "The sender" "The client" "To watch"
stop client.1
ok "it is recorded" docs_run docs/recipe-vlc.md "To record"
ok "some seconds of it" wait_for 40 film_grown "$T/home/client/recording.ts" 400000
stop client.2
ok "another player plays it" docs_run docs/recipe-vlc.md "Another player"
ok "plays two seconds" wait_for 40 player_played client.3 2
film_index "$T/film.mp4"
film_index "$T/home/client/recording.ts"
read -r came lost < <(film_gaps "$T/film.mp4" "$T/home/client/recording.ts" video)
figure "pictures recorded" "$came, missing or spoilt $lost"
ok "pictures are recorded" test "$came" -ge 25
ok "nine in ten as they were sent" test $((lost * 10)) -le "$came" # VLC drops what comes too late
