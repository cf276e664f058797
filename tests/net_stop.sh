#!/usr/bin/env bash
# A stop in the moment in which there is no net side to stop: relayd ends at once, and nothing else
# does. The net side is killed again and again, until the kernel side waits before it starts another.
#
#   relay 203.0.113.7, alone
. "$(dirname "$0")/lib.sh"
plan 3

end_net_side() {
	wait_for 5 net_side >/dev/null || return
	kill -KILL "$(net_side | head -n 1)" 2>/dev/null
}

lab_up
relayd_conf
stream_conf cam1 'listen = "9099"'
relayd_start || bail "relayd does not start"
start relay bystander setpriv --reuid "$(relayd_user)" --clear-groups sleep 60
for _ in 1 2 3 4 5 6 7 8; do
	end_net_side
done
ok "there is no net side" wait_for 1 not net_side
kill -TERM "$(pid_of relayd)"
ok "relayd ends at once" wait_for 1 not running relayd
ok "and no other process of its user does" running bystander
