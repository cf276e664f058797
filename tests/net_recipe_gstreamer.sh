#!/usr/bin/env bash
# docs/recipe-gstreamer.md: what it says is run as it stands there, and what is recorded is what was sent.
#
#   sender (gst-launch) ---+
#                         net --- nat (masquerade) --- client (punchctl, gst-launch)
#   relay               ---+
. "$(dirname "$0")/lib.sh"
FILM_SECONDS=90 FILM_SIZE=320x180 # it is recorded before it ends
. "$TOP/tests/media.sh"
. "$TOP/tests/docs.sh"
plan 7

lab_up
ok "a film" film_make "$T/film.mp4"
ok "relayd runs" docs_relayd
docs_put sender "$T/film.mp4"
ok "a film is watched" docs_run docs/recipe-gstreamer.md "The stream" "The sender" "The client" "To watch"
stop client.1
ok "it is recorded" docs_run docs/recipe-gstreamer.md "To record"
ok "some seconds of it" wait_for 40 film_grown "$T/home/client/recording.h264" 400000
stop client.2
film_index "$T/film.mp4"
film_recorded "$T/film.mp4" "$T/home/client/recording.h264" 25 video
