#!/usr/bin/env bash
# Debian's ufw on the relay: no stream flows; punchctl doctor says why, and the commands that it
# prints let the stream through, also after ufw has loaded its rules anew. The same with --fix.
#
#   sender ---+
#            net --- nat --- client
#   relay  ---+
#   (ufw, in a mount namespace with an /etc of its own)
. "$(dirname "$0")/lib.sh"
. "$TOP/tests/doctor.sh"
plan 24

lab_up
relayd_conf "address = { \"$RELAY4\", \"$RELAY6\" }"
stream_conf cam 'listen = "9099"'
stream_conf cam6 'listen = "9100"'
ok "files of its own" private_up
ok "relayd starts" relayd_start
ok "ufw is there" private ufw --force enable

start client punch-cam "$PUNCHCTL" punch "cam@$RELAY4" --key-file "$T/cam.key" --port 5004 --to 9099
ok "no punch comes through" not wait_for 1 stream_is cam ready
ok "doctor names ufw" found punch stops
ok "that is an error" not doctor
ok "and says so in words" contains <(private "$PUNCHCTL" --socket "$T/relayd/relayd.sock" doctor) '^STOPS: .*ufw'
ok "the command that it prints" run_all_printed punch
stop punch-cam
ok "opens the way for punches" punches cam "$RELAY4" 5004
ok "but the stream is dead" dead
ok "doctor names what is forwarded" found forward stops
ok "the commands that it prints" run_all_printed forward
ok "let the stream flow" flows
ok "over IPv6 too" punches cam6 "$RELAY6" 5006 9100
ok "it flows there" flows "[$SENDER6]:7000" "[$RELAY6]:9100" 5006
doctor
ok "nothing else would stop it" not finds "" stops
private ufw reload >"$T/reload.out" 2>&1
ok "it flows after ufw's reload" flows

# --- what relayd answers is not tracked, so a firewall that lets out little drops it

private ufw default deny outgoing >"$T/deny.out" 2>&1
ok "nothing let out, doctor names the answers" found answer stops
ok "the command that it prints" run_all_printed answer
stop punch-cam
ok "lets them out" punches cam "$RELAY4" 5004
private ufw default allow outgoing >"$T/allow.out" 2>&1

# --- as it was, and --fix

private sh -c 'ufw --force disable; ufw --force reset; rm -f /etc/ufw/*.rules.2*; ufw --force enable' >"$T/reset.out" 2>&1
ok "reset, it is dead" dead
ok "doctor --fix mends it" doctor --fix --yes
ok "it flows again" flows
ok "nothing is outside" not grep -q 52000000 /etc/ufw/before.rules
