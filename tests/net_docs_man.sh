#!/usr/bin/env bash
# The examples of the manual pages: each is run, or read by the program that it is for, as it stands there.
#
#   sender ---+
#   relay  ---+  (a machine with systemd)
#            net --- nat --- client
#   operator -+ +--- nat2 --- service (a machine with systemd)
#   new ------+
#   cloud (10.0.0.4), cloud2: configurations are read there
. "$(dirname "$0")/lib.sh"
. "$TOP/tests/media.sh"
. "$TOP/tests/natlab.sh"
. "$TOP/tests/peerlab.sh"
. "$TOP/tests/machine.sh"
. "$TOP/tests/docs.sh"
machine_needed "the examples of the manual pages"
plan 26

# A stream, and its key for the user of a host, in this file of the home.
stream_for() { # NAME HOST FILE OPTION...
	docs_root relay punchctl add "$1" "${@:4}" >"$T/added" &&
		grep -Eo '[A-Za-z0-9+/]{43}=' "$T/added" | head -n 1 >"$T/$1.key" && key_for "$1" "$2" "$3"
}

key_for() { # NAME HOST FILE
	docs_root "$2" install -D -m 600 -o "$DOCS_UID" -g "$DOCS_UID" /dev/stdin "/home/$2/$3" <"$T/$1.key"
}

# As a user does it; what goes on is ended as HOST.NUMBER.
user_does() { # HOST COMMAND
	echo "$2" >"$T/block" && docs_do "$1" "$T/block"
}

user_starts() { # HOST COMMAND
	echo "exec $2" >"$T/block" && docs_start "$1" "$T/block"
}

echoes() {
	[ "$(echo hello | docs_root client timeout 2 socat -t 1 - UDP:127.0.0.1:28785)" = hello ]
}

said() { # NAME PATTERN
	cat "$T/$1.log" "$T/$1.err" >"$T/said" && contains "$T/said" "$2"
}

exported() {
	docs_root relay curl -s http://127.0.0.1:9478/metrics >"$T/metrics" && contains "$T/metrics" '^relayd_up 1'
}

# What relayd makes of a host's configuration.
understood() { # HOST
	docs_root "$1" relayd --check >"$T/checked"
}

peers_up
public_host operator eth0 198.18.66.6 && public_host new eth0 198.18.67.7 && forwarding_on new || bail "no network"
ok "a film" film_make "$T/film.mp4"
film_sender "$T/film.mp4" "$RELAY4" 9099 "$T/film.sdp"
start sender film bash -c 'while "$@"; do :; done' film "${film_words[@]}"
ok "relayd runs" docs_service relay
ok "a machine behind NAT" docs_machine service "$T/installed"
docs_root service install -d -o "$DOCS_UID" -g "$DOCS_UID" /home/service/.config /home/service/.config/punchrelay
docs_root service install -m 755 /dev/stdin /usr/local/bin/service <<<'#!/bin/sh
exec sleep 600'

# --- punchctl(8)

ok "a stream for peers" stream_for game service game.key --peers 4
key_for game service .config/punchrelay/game.key
docs_ready client && key_for game client game.key
ok "a stream for a service" stream_for cam2 client cam2.key --listen 9105
user_starts client "socat UDP-RECVFROM:5004,fork EXEC:cat"
start service echo socat UDP-RECVFROM:28785,bind=127.0.0.1,fork EXEC:cat
wait_for 10 test -s "$T/film.sdp" && docs_put client "$T/film.sdp"
ok "punchctl(8)" docs_run man/punchctl.8
ok "a film is played" wait_for 40 player_played client.2 2
ok "peers reach each other" wait_for 40 echoes
ok "the unit runs" user_does service "systemctl --user is-active punchctl-serve@game"
ok "a program has the library" docs_root service sh -c 'grep -l libpunchshare /proc/[0-9]*/maps'
ok "a service is punched for" wait_for 20 said client.4 punched
for name in client.3 service.1; do
	stop "$name"
done

# --- punchrelay.conf(5)

docs_root client sh -c 'echo "$1 relay.example" >>/etc/hosts' sh "$RELAY4"
docs_root service sh -c 'echo "$1 relay.example" >>/etc/hosts' sh "$RELAY4"
ok "punchrelay.conf(5)" docs_run man/punchrelay.conf.5
key_for game client .config/punchrelay/theirs.key
ok "a unit reads it" user_does service "systemctl --user restart punchctl-serve@game"
user_starts client "punchctl connect theirs"
ok "a service is reached by its name" wait_for 40 echoes

# --- relayd-exporter(8)

docs_ready operator && docs_root operator install -D -m 644 /dev/stdin /etc/prometheus/relayd.token <<<token
ok "relayd-exporter(8)" docs_run man/relayd-exporter.8
ok "it tells of relayd" exported
ok "Prometheus understands its configuration" docs_root operator promtool check config /home/operator/prometheus.yml

# --- relayd(8)

docs_put new "$TOP/relayd.conf.example"
mv "$T/home/new/relayd.conf.example" "$T/home/new/relayd.conf" && chown root: "$T/home/new/relayd.conf"
ok "relayd(8)" docs_run man/relayd.8
ok "relayd has left nothing" not in_ns relay nft list table inet relayd
ok "where it runs in the foreground there is a table" wait_for 10 in_ns new nft list table inet relayd

# --- relayd.conf(5)

for host in cloud cloud2; do
	host_up "$host" && link_up "$host" eth0 net "$host" && address "$host" eth0 10.0.0.4/24 && docs_ready "$host"
done
DOCS_KEY=$("$PUNCHCTL" key)
docs_root cloud2 install -D -m 640 -g relayd /dev/stdin /etc/relayd.keys/cam1 <<<"$DOCS_KEY"
docs_root cloud2 install -m 640 -g relayd /dev/stdin /etc/relayd.conf <"$TOP/relayd.conf.example"
ok "relayd.conf(5)" docs_run man/relayd.conf.5
for host in cloud cloud2; do
	ok "a relay understands its configuration" understood "$host"
	ok "and has the stream" contains "$T/checked" 'stream "?cam1'
done
docs_root cloud sed -i 's|\(source = "[0-9.]*\)"|\1/24"|' /etc/relayd.conf
docs_root cloud relayd --check >"$T/mistake" 2>&1
is "a mistake is answered as the page says" "$(sed 's/^relayd: //' "$T/mistake" | head -n 1)" \
	"$(sed -n '/^\/etc\/relayd.conf:6/,/^\.Ed/ { /^\.Ed/!p }' "$TOP/man/relayd.conf.5" | paste -s -d ' ')"
