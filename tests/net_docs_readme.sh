#!/usr/bin/env bash
# README.md: what it says is run as it stands there. The demo, a stream, two peers, the exporter, and a
# service that a user's systemd offers; net_package.sh and net_docs_build.sh have the rest.
#
#   sender ---+
#            net --- nat --- client
#   relay  ---+ +--- nat2 --- service
#   here: this tree; relay and later service: machines with systemd
. "$(dirname "$0")/lib.sh"
. "$TOP/tests/media.sh"
. "$TOP/tests/natlab.sh"
. "$TOP/tests/peerlab.sh"
. "$TOP/tests/machine.sh"
. "$TOP/tests/docs.sh"

machine_needed "README.md"
plan 12

echoes() {
	[ "$(echo hello | docs_root client timeout 2 socat -t 1 - UDP:127.0.0.1:28785)" = hello ]
}

exported() {
	docs_root relay curl -sf --noproxy '*' http://127.0.0.1:9478/metrics | grep '^relayd_up 1'
}

ok "the demo" docs_run README.md "See it"

peers_up
ok "a film" film_make "$T/film.mp4"
ok "relayd runs" docs_service relay
docs_put sender "$T/film.mp4"
ok "the first stream" docs_run README.md "The first stream on a VPS"
ok "two seconds are played" wait_for 40 player_played client.1 2
start service echo socat UDP-RECVFROM:28785,bind=127.0.0.1,fork EXEC:cat
ok "two peers" docs_run README.md "Two peers"
ok "reach each other" wait_for 40 echoes
ok "the exporter" docs_run README.md "Watch it"
ok "tells of relayd" wait_for 10 exported

stop service.1
ok "a machine boots" docs_machine service "$T/installed"
ok "a unit of the user's" docs_run README.md "As a unit of a user"
ok "offers the service" wait_for 40 echoes
