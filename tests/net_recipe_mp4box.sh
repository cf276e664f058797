#!/usr/bin/env bash
# docs/recipe-mp4box.md: what it says is run as it stands there, and a film is watched, and recorded as it
# was sent. The sender is a Debian 11, the last one that has GPAC.
#
#   sender (gpac) ---+
#                   net --- nat (masquerade) --- client (punchctl, ffplay, ffmpeg)
#   relay         ---+
. "$(dirname "$0")/lib.sh"
FILM_SECONDS=90 FILM_SIZE=320x180 # it is recorded before it ends
. "$TOP/tests/media.sh"
. "$TOP/tests/docs.sh"

GPAC=/var/cache/punchrelay/debian-11

[ -d "$GPAC" ] || {
	plan 1
	skip "a film by MP4Box" "there is no $GPAC: scripts/setup --test could not reach the mirror"
	exit
}
plan 11

lab_up
ok "a film" film_make "$T/film.mp4"
ok "its checksums" film_index "$T/film.mp4"
ok "relayd runs" docs_relayd
ok "a sender with GPAC" docs_host sender "$GPAC"
docs_put sender "$T/film.mp4"
ok "a film is watched" docs_run docs/recipe-mp4box.md "The stream" "The sender" "The client" "To watch"
ok "two seconds are played" wait_for 40 player_played client.1 2
stop client.1
ok "it is recorded" docs_run docs/recipe-mp4box.md "To record"
film_recorded "$T/film.mp4" "$T/home/client/recording.mp4" 25 video audio
