#!/usr/bin/env bash
# punchctl top over ssh, as an operator sees it: what the relay shows is drawn on a terminal that is
# elsewhere, keys go the other way, and a new size is followed.
#
#   client: tmux with ssh --- nat --- net --- relay: dropbear, punchctl top
. "$(dirname "$0")/lib.sh"
. "$TOP/tests/screen.sh"
plan 8
command -v tmux >/dev/null || bail "no tmux"

SCREEN=client

# root's keys are in a namespace of its own.
sshd_start() {
	mkdir "$T/ssh" && dropbearkey -t ed25519 -f "$T/ssh/host" >"$T/ssh/host.log" 2>&1 &&
		ssh-keygen -q -t ed25519 -N '' -f "$T/ssh/user" || return
	start relay sshd unshare --mount sh -c '
		mount -t tmpfs -o mode=700 none /root && mkdir -m 700 /root/.ssh &&
			install -m 600 "$1/user.pub" /root/.ssh/authorized_keys && exec dropbear -F -E -s -r "$1/host" -p 22 -P "$1/pid"
	' sshd "$T/ssh"
	wait_for 10 contains "$T/sshd.err" 'Not backgrounding'
}

# The words for ssh that are the operator's.
operator() {
	printf '%q ' ssh -t -F none -i "$T/ssh/user" -o "UserKnownHostsFile=$T/ssh/known" -o StrictHostKeyChecking=accept-new \
		-o LogLevel=ERROR "root@$RELAY4" LC_ALL=C.UTF-8 "$PUNCHCTL" --socket "$T/relayd/relayd.sock" top
}

lab_up
relayd_conf
stream_conf cam1 'listen = "9099"' "source = \"$SENDER4\""
stream_conf cam2 'listen = "9101"' "source = \"$SENDER4\""
ok "relayd starts" relayd_start
ok "so does a server for ssh" sshd_start
mux new-session -d -x 120 -y 20 "$(operator); echo status \$?; sleep 60"
SHOWS_IN=20 shows "its streams" '^cam2 +waiting +9101 '
start client punch "$PUNCHCTL" punch "cam1@$RELAY4" --key-file "$T/cam1.key" --port 5004 --to 9099
start sender send "$UDPTOOL" send --from "$SENDER4:7000" --to "$RELAY4:9099" --count 30000 --rate 500 \
	--size 1000
shows "their rate, and its curve" '^cam1 +live .* [0-9.]+ kB/s.*[▁▂▃▄▅▆▇█]{3}'
keys / c a m 2
ok "keys come through" wait_for 5 not on_screen '^cam1'
keys Escape
mux resize-window -x 60 -y 12
shows "a new size is followed" '^cam1 +live +192[0-9.:]+ +[0-9.]+ kB/s'
ok "with fewer columns" not on_screen SENDER
keys q
shows "and the end leaves the terminal as it was" '^status 0'
mux kill-server
