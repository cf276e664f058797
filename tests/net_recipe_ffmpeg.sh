#!/usr/bin/env bash
# docs/recipe-ffmpeg.md: what it says is run as it stands there, and a film is watched, and recorded as
# it was sent.
#
#   sender (ffmpeg) ---+
#                     net --- nat (masquerade) --- client (punchctl, ffplay, ffmpeg)
#   relay           ---+
# check: timeout 150
. "$(dirname "$0")/lib.sh"
. "$TOP/tests/media.sh"
. "$TOP/tests/docs.sh"
plan 13

PAGE=docs/recipe-ffmpeg.md

# ffplay itself tells how far it has played.
played() { # SECONDS
	tr '\r' '\n' <"$T/client.1.err" | awk -v want="$1" '$2 ~ /^(A-V|M-V|M-A):/ && $1 >= want { found = 1 } END { exit !found }'
}

lab_up
ok "a film" film_make "$T/film.mp4"
ok "its checksums" film_index "$T/film.mp4"
ok "relayd runs" docs_relayd
docs_put sender "$T/film.mp4"
for part in "The stream" "The sender" "The client" "To watch"; do
	ok "$part" docs_run "$PAGE" "$part"
done
ok "two seconds are played" wait_for 20 played 2
stop client.1
ok "To record" docs_run "$PAGE" "To record"
ok "When nothing comes" docs_run "$PAGE" "When nothing comes"
film_index "$T/home/client/film.mkv"
read -r came lost < <(film_gaps "$T/film.mp4" "$T/home/client/film.mkv" video)
figure "pictures recorded" "$came, missing or spoilt $lost"
ok "five seconds of pictures are recorded" test "$came" -ge 100
is "each as it was sent" "$lost" 0
read -r came lost < <(film_gaps "$T/film.mp4" "$T/home/client/film.mkv" audio)
figure "packets of sound recorded" "$came, missing or spoilt $lost"
is "and so is the sound" "$lost" 0
