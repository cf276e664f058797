#!/usr/bin/env bash
# A relay with Docker's rules, of three versions: its default drop in FORWARD ends the stream, and
# what punchctl doctor prints brings it back. And where nobody manages the firewall: a default drop
# in plain iptables and in nftables.
#
#   sender ---+
#            net --- nat --- client
#   relay  ---+
#   (the rules, by iptables-restore)
. "$(dirname "$0")/lib.sh"
. "$TOP/tests/doctor.sh"
plan 34

lab_up
relayd_conf "address = { \"$RELAY4\", \"$RELAY6\" }"
stream_conf cam 'listen = "9099"'
stream_conf cam6 'listen = "9100"'
ok "files of its own" private_up
ok "relayd starts" relayd_start
ok "a client punches" punches cam "$RELAY4" 5004
ok "and one over IPv6" punches cam6 "$RELAY6" 5006 9100
ok "the stream flows" flows

for version in 20.10 27 28; do
	ok "Docker $version: its rules" docker_rules "$version" private
	ok "Docker $version: the stream is dead" dead
	ok "Docker $version: doctor says why" found forward stops
	ok "Docker $version: the printed command" run_all_printed forward
	ok "Docker $version: the stream flows" flows
done

docker_rules 27 private
ok "over IPv6 it is dead" dead "[$SENDER6]:7000" "[$RELAY6]:9100" 5006
# Where systemd runs, the command that keeps it over a boot is one for it.
private sh -c 'mkdir -p /run/systemd/system; printf "#!/bin/sh\necho \"\$@\" >>/run/told\n" >/run/systemctl; chmod 755 /run/systemctl; cp /run/systemctl /run/timedatectl'
ok "doctor --fix mends it" private env "PATH=/run:$PATH" "$PUNCHCTL" --socket "$T/relayd/relayd.sock" doctor --fix --yes
ok "over IPv6 it flows" flows "[$SENDER6]:7000" "[$RELAY6]:9100" 5006
ok "and over IPv4" flows
# What systemd would run when Docker starts: it finds the rule there, and adds none.
line=$(private sed -n 's/^ExecStartPost=//p' /etc/systemd/system/docker.service.d/relayd-iptables.conf)
ok "the command for the boot runs" private sh -c "$line"
is "and leaves one rule" "$(private iptables -S DOCKER-USER | grep -c connmark)" 1

# --- nobody in particular

private rm -r /run/systemd

rules_gone private
private iptables -P FORWARD DROP
private iptables -P INPUT DROP
private iptables -A INPUT -i lo -j ACCEPT
ok "plain iptables: dead" dead
ok "plain iptables: doctor says so of punches too" found punch stops
ok "plain iptables: --fix" doctor --fix --yes
ok "plain iptables: flows" flows

rules_gone private
private nft -f - <<-'RULES'
	table inet host {
		chain forward {
			type filter hook forward priority 10; policy drop;
			ct state established accept
		}
		chain input {
			type filter hook input priority 0; policy drop;
			iif lo accept
		}
	}
RULES
ok "nftables: dead" dead
ok "nftables: --fix" doctor --fix --yes
ok "nftables: flows" flows
ok "nothing else would stop it" doctor
