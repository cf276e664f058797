#!/usr/bin/env bash
# A film is sent by RTP from behind one NAT to a recorder behind another: every picture arrives,
# while the datagrams move from the relay to a direct path.
#
#   relay --- net --- wire, 10 ms --- nat --- client: ffmpeg sends to four ports of connect
#              |
#              +----- wire, 10 ms --- nat --- service: ffmpeg receives from serve, and records
. "$(dirname "$0")/lib.sh"
. "$TOP/tests/natlab.sh"
. "$TOP/tests/peerlab.sh"
. "$TOP/tests/media.sh"
plan 13

PORTS=(9000 9001 9002 9003) # video, its RTCP, sound, its RTCP
FILM_SECONDS=12
film_make "$T/film.mp4" && film_index "$T/film.mp4" || bail "no film"

everywhere() { # EVENT PORT...: has it happened for the streams of all these ports, on both sides?
	local port
	for port in "${@:2}"; do
		happened 1 "connect-p$port" "$1" && happened 1 "serve-p$port" "$1" || return
	done
}

all_bound() { # HOST
	local port
	for port in "${PORTS[@]}"; do
		udp_bound "$1" "$port" || return
	done
}

recording() { # SECONDS of it at least are there
	[ "$(grep -c '^0' "$T/got.video")" -ge $(($1 * 25)) ]
}

far_peers_up 10
relayed_begin
ok "relayd starts" peers_relay "${PORTS[@]/#/p}"
for port in "${PORTS[@]}"; do
	serve "p$port" "$port" && connect "p$port" "$port" || bail "no path for port $port"
done

# The description is the same for the recorder, as both speak to 127.0.0.1; it is made where nobody
# listens. The recorder begins first, or it would miss the first pictures.
film_sender "$T/film.mp4" 127.0.0.1 9000 "$T/film.sdp"
sender=("${film_words[@]}")
start relay describe "${sender[@]}"
wait_for 5 contains "$T/film.sdp" '^m=audio 9002'
stop describe
film_player "$T/got"
start service record "${film_words[@]/\{\}/$T/film.sdp}"
ok "a recorder listens on all four ports" wait_for 5 all_bound service

start client send "${sender[@]}"
ok "the film comes" wait_for 10 recording 1
ok "in one session for each port" everywhere open "${PORTS[@]}"
ok "at first the relay's kernel carries it" test "$(relayed)" -ge 50
# RTCP is too seldom to be worth a search.
ok "pictures and sound move to a direct path" wait_for 20 everywhere direct 9000 9002
running send
is "while the film runs" "$?" 0
moved=$(relayed)
figure "pictures that had come until then, and packets by the relay" "$(grep -c '^0' "$T/got.video")" "$moved"
finish send 30
is "the sender ends by itself" "$?" 0
finish record 10
is "and after the BYE the recorder" "$?" 0
ok "the relay has carried nothing more but RTCP" test $(($(relayed) - moved)) -lt 40

read -r sent due came lost < <(film_count "$T/film.mp4" "$T/got" video)
figure "pictures sent" "$sent, since the first one that came $due, decoded as they were sent $came, lost $lost"
is "every picture is decoded as it was sent" "$came $lost" "$sent 0"
read -r sent due came lost < <(film_count "$T/film.mp4" "$T/got" audio)
figure "sound sent" "$sent, since the first one that came $due, came $came, lost $lost"
is "and no sound is lost" "$lost" 0
for port in "${PORTS[@]}"; do
	stop "serve-p$port"
	stop "connect-p$port"
done
is "nothing was dropped" "$(for port in "${PORTS[@]}"; do dropped "serve-p$port"; dropped "connect-p$port"; done | sort -u)" 0
