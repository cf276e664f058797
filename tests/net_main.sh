#!/usr/bin/env bash
# The main job: a film with picture and sound, RTP and RTCP on four ports, reaches a client behind
# NAT through the kernel of the relay, and every picture since the first one is as it was sent.
#
#   sender (ffmpeg) ---+
#                     net --- nat (masquerade) --- client (punchctl, ffmpeg)
#   relay           ---+
. "$(dirname "$0")/lib.sh"
. "$TOP/tests/media.sh"
plan 14

datagrams_in() { # HOST: delivered to programs, as the host's kernel counts them
	in_ns "$1" awk '$1 == "Udp:" && $2 ~ /^[0-9]/ { print $2 }' /proc/net/snmp
}

seen_by_relay() { # AT-LEAST
	[ "$(pctl --json show film >"$T/show.json" && json "$T/show.json" 'd["refused"]')" -ge "$1" ]
}

packets_relayed() { # PORT...: each on a line
	local port
	for port; do
		json "$T/show.json" "[p['packets'] for p in d['ports'] if p['listen'].endswith(':$port')][0]"
	done
}

witnessed() { # COUNTER: packets
	in_ns sender nft list counter inet witness "$1" | sed -n 's/.*packets \([0-9]*\) .*/\1/p'
}

ok "a film" film_make "$T/film.mp4"
ok "its checksums" film_index "$T/film.mp4"
lab_up
in_ns sender nft -f - <<-RULES
	table inet witness {
		counter reports { }
		counter other { }
		chain wire {
			type filter hook input priority 0
			ip saddr $RELAY4 udp sport { 9100, 9102 } counter name reports
			ip saddr $RELAY4 udp sport != { 9100, 9102 } counter name other
		}
	}
RULES
relayd_conf
stream_conf film 'listen = "9099-9102"' "source = \"$SENDER4\""
ok "relayd starts" relayd_start

film_sender "$T/film.mp4" "$RELAY4" 9099 "$T/film.sdp"
start sender src "${film_words[@]}"
ok "the sender sends before anybody has punched" wait_for 5 seen_by_relay 20

film_player "$T/got"
udp_before=$(datagrams_in relay)
punched=$(microseconds)
start client punch "$PUNCHCTL" punch "film@$RELAY4" --key-file "$T/film.key" --sdp "$T/film.sdp" -- "${film_words[@]}"
ok "there is a picture" wait_for 10 film_begun "$T/got"
first=$((($(microseconds) - punched) / 1000))
finish src $((FILM_SECONDS + 10)) || note "the sender: status $?"
pctl --json show film >"$T/show.json"
received=$(metric relayd_datagrams_received_total)
udp_after=$(datagrams_in relay)
finish punch 10
is "the player ends by itself after the BYE, and punchctl with it" "$?" 0

read -r sent due came lost < <(film_count "$T/film.mp4" "$T/got" video)
figure "pictures sent" "$sent, since the first one that came $due, decoded as they were sent $came, lost $lost"
is "every picture after the first is decoded" "$lost" 0
ok "they were most of the film" test "$came" -gt $((sent * 6 / 10))
read -r sent due came lost < <(film_count "$T/film.mp4" "$T/got" audio)
figure "sound sent" "$sent, since the first one that came $due, came $came, lost $lost"
is "and no sound is lost" "$lost" 0
figure "milliseconds from the start of punchctl to the first picture" "$first"

# --- the way it took

mapfile -t packets < <(packets_relayed 9099 9100 9101 9102)
figure "packets that the kernel forwarded to the client, by port" "${packets[*]}"
ok "RTP and RTCP went through the kernel on all four ports" \
	test "${packets[0]}" -gt 500 -a "${packets[1]}" -gt 0 -a "${packets[2]}" -gt 100 -a "${packets[3]}" -gt 0
figure "of these, datagrams that relayd's host delivered to a program" "$((udp_after - udp_before))"
ok "the relay's host delivered only punches" test "$((udp_after - udp_before))" -le 40
is "and relayd received nothing that is no punch" "$(total punches malformed)" 0
ok "as many as it counted" test "$received" -le "$((udp_after - udp_before))"
# ffmpeg 5.1 sends no receiver reports for an SDP; net_senders.sh sends one.
figure "receiver reports of the player that reached the sender" "$(witnessed reports)"
is "nothing reached the sender from any other port of the relay" "$(witnessed other)" 0
