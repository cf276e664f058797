#!/usr/bin/env bash
# The recipe for a relay with ufw: no stream flows before its commands are run, and each does after
# them, also when ufw has loaded its rules anew.
#
#   sender ---+
#            net --- nat --- client
#   relay  ---+
#   (ufw)
. "$(dirname "$0")/lib.sh"
. "$TOP/tests/docs.sh"
. "$TOP/tests/recipe.sh"
. "$TOP/tests/doctor.sh"
plan 19

# One that is refused goes on trying.
punch() {
	start client punch "$PUNCHCTL" punch "cam@$RELAY4" --key-file "$T/cam.key" --port 5004 --to 9099
}

flows6() {
	flows "[$SENDER6]:7000" "[$RELAY6]:9100" 5006
}

lab_up
ok "relayd starts" docs_relayd
ok "a stream" recipe_stream cam 9099
ok "and one for IPv6" recipe_stream cam6 9100
ok "ufw is there" docs_root relay ufw --force enable
punch
ok "no punch comes through" not wait_for 2 stream_is cam ready
ok "the page lets punches in" docs_run docs/recipe-ufw.md "Punches"
ok "so the same client's is answered" wait_for 10 stream_is cam ready
ok "and over IPv6" punches cam6 "$RELAY6" 5006 9100
ok "but the stream is dead" dead
ok "over IPv6 too" dead "[$SENDER6]:7000" "[$RELAY6]:9100" 5006
ok "the page lets streams through" docs_run docs/recipe-ufw.md "Streams"
ok "it flows" flows
ok "over IPv6 too" flows6
ok "the doctor has nothing to say" docs_run docs/recipe-ufw.md "Look at it"
docs_root relay sh -c 'ufw disable && ufw --force enable' >"$T/again" 2>&1
ok "it flows when ufw was off and on" flows
docs_root relay ufw default deny outgoing >"$T/deny" 2>&1
stop punch
pctl flush cam >"$T/flush"
punch
ok "nothing let out, no punch is answered" not wait_for 2 stream_is cam ready
ok "the page lets answers out" docs_run docs/recipe-ufw.md "Where nothing is let out"
ok "the client is answered" wait_for 10 stream_is cam ready
ok "and it flows" flows
