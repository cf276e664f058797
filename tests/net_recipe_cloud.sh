#!/usr/bin/env bash
# docs/recipe-cloud.md: a relay with a private address alone, behind a provider's 1:1 NAT and a
# firewall that lets in what the page says and no more; at 169.254.169.254 it says what the public
# address is. A film is recorded as it was sent.
#
#   sender --- net --- nat --- client
#               | +--- nat2 --- service
#             cloud   203.0.113.7 is 10.1.0.4, and only that may leave
#              | |
#   10.1.0.4 relay camera 10.1.1.5       (the relay is a machine with systemd)
. "$(dirname "$0")/lib.sh"
FILM_SECONDS=40 FILM_SIZE=320x180 # the recording is to end before the film begins anew
. "$TOP/tests/media.sh"
. "$TOP/tests/machine.sh"
. "$TOP/tests/docs.sh"
. "$TOP/tests/recipe.sh"
. "$TOP/tests/doctor.sh"

machine_needed "docs/recipe-cloud.md"
plan 24

PRIVATE4=10.1.0.4 CAMERA4=10.1.1.5 CLOUD4=169.254.169.254

# The table of the page, as rules.
let_in() {
	sed -nE "s/^\| ([0-9-]+) \| everywhere \|.*/iifname wan udp dport \1 accept/p
		s/^\| ([0-9-]+) \| the sender \|.*/iifname wan ip saddr $SENDER4 udp dport \1 accept/p" \
		"$TOP/docs/recipe-cloud.md"
}

cloud_up() {
	host_up net && forwarding_on net &&
		public_host sender eth0 "$SENDER4" && nat_host nat "$NAT4" && inner_host client nat lan "$CLIENT4" &&
		nat_host nat2 198.18.4.9 && inner_host service nat2 lan 10.0.2.2 &&
		public_host cloud wan "$RELAY4" && forwarding_on cloud &&
		inner_host relay cloud lan "$PRIVATE4" && forwarding_on relay &&
		inner_host camera cloud lan2 "$CAMERA4" && address cloud lan "$CLOUD4/32" && in_ns cloud nft -f - <<-RULES
			table ip cloud {
				counter dropped { }
				chain in {
					type nat hook prerouting priority -100
					iifname "wan" ip daddr $RELAY4 dnat to $PRIVATE4
				}
				chain out {
					type nat hook postrouting priority 100
					oifname "wan" ip saddr $PRIVATE4 snat to $RELAY4
				}
				chain firewall {
					type filter hook forward priority 0; policy drop
					ct state established accept
					iifname "lan" ip saddr $PRIVATE4 accept
					iifname "lan2" ip saddr $CAMERA4 accept
					$(let_in)
					iifname "lan" counter name dropped
				}
			}
		RULES
}

dropped() {
	in_ns cloud nft list counter ip cloud dropped | sed -n 's/.*packets \([0-9]*\) .*/\1/p'
}

# What a sender in the cloud sends to the private address.
camera_flows() {
	SENDING=camera flows "$CAMERA4:7000" "$PRIVATE4:9104"
}

# One peer's question, and the other's answer, by the relay.
echoes() {
	[ "$(echo hello | in_ns client timeout 2 socat -t 1 - UDP:127.0.0.1:9000)" = hello ]
}

# Clients of a new stream are told of the public address, and of no other.
told() { # STREAM PORT
	recipe_stream "$1" "$2" >"$T/added" && contains <(grep -o "$1@.*" "$T/added" | xargs) "^$1@$RELAY4 [^@]*\$"
}

shown() {
	pctl --json show early >"$T/shown.json" && [ "$(json "$T/shown.json" 'd["ports"][0]["listen"]')" = "$RELAY4:9105" ]
}

cloud_up || bail "no network"
echo azure-standard >"$T/cloudd.mode"
start cloud cloudd "$PYTHON" "$TOP/tests/cloudd.py" "$CLOUD4:80" "$T/cloudd.mode" "$PRIVATE4" "$RELAY4"
wait_for 10 in_ns cloud curl -s "http://$CLOUD4/" || bail "no metadata service"
ok "a film" film_make "$T/film.mp4"
ok "its checksums" film_index "$T/film.mp4"
ok "relayd starts" docs_service relay
docs_put sender "$T/film.mp4"
recipe_stream early 9105 >"$T/added"
ok "clients are told of the private address" contains "$T/added" "early@$PRIVATE4"
ok "the firewall lets clients ask" docs_run docs/recipe-cloud.md "The provider's firewall"
ok "the page names the public one" docs_run docs/recipe-cloud.md "The public address"
ok "the doctor does not miss it" not contains <(pctl doctor) advertise
ok "clients are told of it, and of no other" told late 9106
ok "or has the cloud asked" docs_run docs/recipe-cloud.md "One that may change"
ok "which knows it" wait_for 10 shown
ok "the doctor does not miss it then" not contains <(pctl doctor) advertise
ok "and clients are told of no other" told latest 9107
ok "a stream is recorded" docs_run docs/recipe-cloud.md "A stream"
pctl --json show film >"$T/show.json"
is "the relay sees the client as the others do" \
	"$(json "$T/show.json" 'd["ports"][0]["client"].rsplit(":", 1)[0]')" "$NAT4"
ok "and says why it comes" docs_run docs/recipe-cloud.md "When nothing comes"
film_recorded "$T/film.mp4" "$T/home/client/recording.mp4" 50 video audio

ok "a stream from within the cloud" recipe_stream inner 9104
ok "a client punches for it" punches inner "$RELAY4" 5004 9104
ok "flows" camera_flows
pctl add peers --peers 4 --key-file /dev/stdin <"$T/inner.key" >"$T/added"
start service echo socat UDP-RECVFROM:8000,bind=127.0.0.1,fork EXEC:cat
start service serve "$PUNCHCTL" serve "peers@$RELAY4" --key-file "$T/inner.key" --to 127.0.0.1:8000 --relay-only
start client connect "$PUNCHCTL" connect "peers@$RELAY4" --key-file "$T/inner.key" --listen 127.0.0.1:9000 --relay-only
ok "peers reach each other by the relay" wait_for 20 echoes
is "nothing has left with a source that is not the relay's" "$(dropped)" 0
