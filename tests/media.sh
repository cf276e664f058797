# shellcheck shell=bash disable=SC2034 # film_words is for those who source this
# media.sh: a film, the words that stream and play it, and the comparison of what was played with
# what was sent. Sourced after lib.sh by scenarios with real media, by scripts/demo and scripts/lab.

FILM_SECONDS=${FILM_SECONDS:-10}
FILM_SIZE=${FILM_SIZE:-640x360} # an emulated machine decodes smaller pictures in time

# No picture is like another, and neither is any packet of the noisy sound, so a checksum says which
# one it is. A key picture each half second, with the headers repeated, is where a client that comes
# later can begin.
film_make() { # FILE
	ffmpeg -nostdin -v error -y -f lavfi -i "testsrc2=size=$FILM_SIZE:rate=25" \
		-f lavfi -i 'sine=frequency=440:beep_factor=4[a];anoisesrc=amplitude=0.02[b];[a][b]amix' \
		-map 0:v -c:v libx264 -preset veryfast -pix_fmt yuv420p -g 12 -b:v 1M \
		-x264-params repeat-headers=1 \
		-map 1:a -c:a aac -b:a 96k -t "$FILM_SECONDS" "$1"
}

# The checksums of what is sent: pictures as they decode, and packets of sound, because the last bits
# of decoded sound depend on where a decoder began.
film_index() { # FILE [silent]
	local sound=(-map 0:a -c copy -f framemd5 "$1.audio")
	[ -z "${2-}" ] || sound=()
	ffmpeg -nostdin -v error -y -i "$1" -map 0:v -fps_mode passthrough -f framemd5 "$1.video" "${sound[@]}"
}

# Sets the array film_words to the words of a sender: video to PORT and RTCP to the next one, audio
# to the two after them. The BYE at the end lets the player end by itself. The RTP source ports are
# ephemeral unless a SOURCE-PORT is given; then they count up from it as the destinations do.
film_sender() { # FILE ADDRESS PORT SDP [SOURCE-PORT]
	local address=$2 video="$3?pkt_size=1300" audio="$(($3 + 2))?pkt_size=1300"
	[ "$address" = "${address#*:}" ] || address="[$address]"
	[ -z "${5-}" ] || video+="&localport=$5" audio+="&localport=$(($5 + 2))"
	film_words=(ffmpeg -nostdin -v error -re -i "$1"
		-map 0:v -c copy -f rtp -rtpflags send_bye "rtp://$address:$video"
		-map 0:a -c copy -f rtp -rtpflags send_bye "rtp://$address:$audio"
		-sdp_file "$4")
}

# Sets film_words to the words of a player, {} being the description. As it decodes, it writes the
# checksums to PREFIX.video and PREFIX.audio; its 50th picture goes to PREFIX.png. Of its
# options, -fpsprobesize spares it a second of guessing, and one thread holds no picture back.
film_player() { # PREFIX
	film_words=(ffmpeg -nostdin -v error -y -protocol_whitelist 'file,udp,rtp'
		-buffer_size 4000000 -fpsprobesize 0 -threads 1 -i '{}'
		-map 0:v -fps_mode passthrough -flush_packets 1 -f framemd5 "$1.video"
		-map 0:a -c copy -flush_packets 1 -f framemd5 "$1.audio"
		-map 0:a -f null -
		-map 0:v -fps_mode passthrough -vf 'select=eq(n\,50)' -frames:v 1 -update 1 "$1.png")
}

film_begun() { # PREFIX: has a picture been decoded?
	grep -qs '^0' "$1.video"
}

# Prints "SENT DUE CAME LOST": due are those that were sent from the first one that came on, and lost
# are those of them that did not come bit by bit. Sound is due up to the last one that came: ffmpeg
# gathers several of its frames for a datagram, and forgets the incomplete one at the end.
film_count() { # FILE PREFIX video|audio
	awk -F', *' -v kind="$3" '
		/^#/ { next }
		NR == FNR { number[$6] = ++sent; next }
		$6 in number && !($6 in seen) {
			seen[$6]
			if (!came++) first = number[$6]
			if (number[$6] > last) last = number[$6]
		}
		END {
			if (kind == "video") last = sent
			due = came ? last - first + 1 : 0
			print sent, due, came + 0, due - came
		}
	' "$1.$3" "$2.$3"
}

# The same of a film that is sent again and again, for a part of it that was recorded: prints "CAME
# LOST", lost being those that are missing or spoilt behind the first one that came; then a line of each
# place where some are. The last four do not count: a picture may be sent behind a later one that it
# needs, and then the end cuts it off. Nor does sound that is missing where RTCP has set the clock back,
# which shows as a packet of a single tick: by the old clock, ffmpeg's -t had come to its end.
film_gaps() { # FILE PREFIX video|audio
	awk -F', *' -v kind="$3" '
		/^#/ { next }
		NR == FNR { number[$6] = ++sent; next }
		!($6 in number) { spoilt += came > 0; next }
		came++ {
			gap = set_back ? 0 : (number[$6] - last - 1 + sent) % sent
			lost += gap > spoilt ? gap : spoilt
			if (gap || spoilt)
				where = where sprintf("behind %d, before %s: %d missing, %d spoilt\n", last, $3, gap, spoilt)
			spoilt = 0
		}
		{ last = number[$6]; set_back = kind == "audio" && $4 == 1 }
		END { printf "%d %d\n%s", came, lost + spoilt, where }
	' "$1.$3" <(head -n -4 "$2.$3")
}

# Two tests of each kind: so much of the film was recorded, and each picture or packet as it was sent.
# The film has its index; the recording gets one.
film_recorded() { # FILE RECORDING AT-LEAST video|audio...
	local kind came lost silent=silent
	[[ " ${*:4} " != *" audio "* ]] || silent=
	film_index "$2" "$silent"
	for kind in "${@:4}"; do
		film_gaps "$1" "$2" "$kind" >"$2.gaps"
		read -r came lost <"$2.gaps"
		figure "$kind recorded" "$came, missing or spoilt $lost"
		ok "$kind is recorded" test "$came" -ge "$3"
		is "$kind: each as it was sent" "$lost" 0 || note "of $came: $(tail -n +2 "$2.gaps")"
	done
}

film_grown() { # RECORDING BYTES
	[ "$(stat -c %s "$1" 2>/dev/null || echo 0)" -ge "$2" ]
}

# Has this ffplay played so much? Its clock begins with the sender's.
player_played() { # NAME SECONDS
	tr '\r' '\n' <"$T/$1.err" | awk -v want="$2" '
		$2 !~ /^(A-V|M-V|M-A):/ || $1 == "nan" { next }
		!began++ { first = $1 }
		$1 - first >= want { found = 1 }
		END { exit !found }
	'
}
