#!/usr/bin/env bash
# docs/recipe-camera.md: what it says is run as it stands there; what a camera shows only to its own network
# is recorded by a client behind NAT as it is, also when the camera was away.
#
#   camera --- sender (ffmpeg) ---+
#   (RTSP)                       net --- nat (masquerade) --- client (punchctl, ffplay, ffmpeg)
#              relay           ---+
. "$(dirname "$0")/lib.sh"
FILM_SECONDS=90 FILM_SIZE=320x180 # it is recorded before it ends
. "$TOP/tests/media.sh"
. "$TOP/tests/docs.sh"
plan 12

export DOCS_CAMERA=10.1.0.9

camera_on() {
	start camera camera "$PYTHON" "$TOP/tests/camera.py" "$T/film.mp4" user secret
	wait_for 40 contains "$T/camera.log" ready
}

lab_up
host_up camera && link_up camera eth0 sender eth1 &&
	address camera eth0 "$DOCS_CAMERA/24" && address sender eth1 10.1.0.1/24 || bail "no camera"
ok "a film" film_make "$T/film.mp4"
film_index "$T/film.mp4"
ok "a camera that shows it" camera_on
ok "relayd runs" docs_relayd
ok "a film is watched" docs_run docs/recipe-camera.md "The stream" "The sender" "The client" "To watch"
ok "two seconds are played" wait_for 40 player_played client.1 2
stop client.1
ok "it is recorded" docs_run docs/recipe-camera.md "To record"
film_recorded "$T/film.mp4" "$T/home/client/recording.mp4" 25 video

stop camera
ok "the camera comes back" camera_on
ok "and is recorded again" docs_run docs/recipe-camera.md "To record"
film_recorded "$T/film.mp4" "$T/home/client/recording.mp4" 25 video
