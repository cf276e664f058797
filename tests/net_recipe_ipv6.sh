#!/usr/bin/env bash
# docs/recipe-ipv6.md: a client without NAT, behind a router that lets in only what was asked for. Of
# a film nothing passes before the client punches, and then it is recorded as it was sent.
#
#   sender 2001:db8:1::175 ---+
#                            net --- home --- client 2001:db8:5::2
#   relay  2001:db8:2::7   ---+
. "$(dirname "$0")/lib.sh"
FILM_SECONDS=40 FILM_SIZE=320x180 # the recording is to end before the film begins anew
. "$TOP/tests/media.sh"
. "$TOP/tests/docs.sh"
. "$TOP/tests/recipe.sh"
plan 17

CLIENT=2001:db8:5::2 NEWER=2001:db8:5::77
DOCS_RELAY=$RELAY6 DOCS_SENDER=$SENDER6 DOCS_CLIENT=$CLIENT

home_up() {
	host_up net && forwarding_on net &&
		public_host sender eth0 "$SENDER6" && public_host relay eth0 "$RELAY6" &&
		public_host home wan "$NAT6" && forwarding_on home && inner_host client home lan "$CLIENT" &&
		ip -n "${P}net" route add 2001:db8:5::/64 via "$NAT6" &&
		in_ns home nft -f - <<-'RULES'
			table ip6 firewall {
				counter unasked { }
				chain forward {
					type filter hook forward priority 0; policy drop
					ct state established,related accept
					iifname "lan" accept
					counter name unasked
				}
			}
		RULES
}

unasked() {
	in_ns home nft list counter ip6 firewall unasked | sed -n 's/.*packets \([0-9]*\) .*/\1/p'
}

# What the package tells the kernel.
sysctls() {
	in_ns relay sysctl -q -p "$TOP/systemd/sysctl.d/60-relayd.conf"
}

# The relay's own router advertises the way out, and nobody else names it.
advertise() {
	ip -n "${P}relay" -6 route del default
	start net router dnsmasq --no-daemon --conf-file=/dev/null --port=0 --enable-ra --interface=relay \
		--dhcp-range=::,constructor:relay,static --user=root
	wait_for 20 way_out
}

way_out() {
	[ -n "$(ip -n "${P}relay" -6 route show default proto ra)" ]
}

# What nobody has asked for does not reach the client.
closed() {
	local before
	before=$(unasked)
	in_ns sender "$UDPTOOL" send --from "[$SENDER6]:7000" --to "[$CLIENT]:9099" --count 10 --rate 100 >"$T/sent"
	[ "$(unasked)" -eq $((before + 10)) ]
}

sent_to() { # ADDRESS: packets have been forwarded to it
	pctl --json show film >"$T/show.json" &&
		[ "$(json "$T/show.json" '[p["client"].rsplit(":", 1)[0] for p in d["ports"] if p["packets"] and p["client"]][0]')" = "$1" ]
}

home_up || bail "no network"
ok "a film" film_make "$T/film.mp4"
ok "its checksums" film_index "$T/film.mp4"
ok "the package's settings" sysctls
ok "a host that forwards takes its way out from its router" advertise
ok "relayd starts" docs_relayd
docs_put sender "$T/film.mp4"
docs_known "[$RELAY6]" relay
docs_known "[$SENDER6]" sender
ok "the page makes a stream" docs_run docs/recipe-ipv6.md "The relay"
ok "its sender" docs_run docs/recipe-ipv6.md "The sender"
ok "the client's router lets nothing in" closed
before=$(unasked)
ok "its client records it" docs_run docs/recipe-ipv6.md "The client"
ok "the relay shows both" docs_run docs/recipe-ipv6.md "Both families"
is "nothing has come to the router unasked" $(($(unasked) - before)) 0
film_recorded "$T/film.mp4" "$T/home/client/recording.mp4" 100 video audio

start client punch "$PUNCHCTL" punch "film@[$RELAY6]" --key-file "$T/home/client/film.key" --port 5004 --to 9099
ok "a client punches" wait_for 10 sent_to "[$CLIENT]"
address client eth0 "$NEWER/64"
ip -n "${P}client" addr del "$CLIENT/64" dev eth0
ok "it has another address, and the stream follows" wait_for 30 sent_to "[$NEWER]"
