#!/usr/bin/env bash
# docs/recipe-game.md: two players behind NATs of their own join a server behind another NAT, and hear
# each other, directly, and by the relay when the direct paths are cut; the server then sees their own
# addresses, and whoever has an old key is left out.
#
#   relay --- net --- nat  --- client   anna: minetest, punchctl connect
#              |
#              +----- nat2 --- service  minetestserver, punchctl serve
#              |
#              +----- nat3 --- friend   ben: punchctl connect, which starts minetest
. "$(dirname "$0")/lib.sh"
. "$TOP/tests/docs.sh"
. "$TOP/tests/recipe.sh"
. "$TOP/tests/natlab.sh"
. "$TOP/tests/peerlab.sh"
plan 26

NAT3=198.18.5.9
DOCS_ENV+=(PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/games)

# A player without a screen, who says a word every two seconds and writes down what the others say.
player() { # HOST
	local home=$T/home/$1/.minetest
	docs_host "$1" || return
	mkdir -p "$home/clientmods/talk"
	echo 'load_mod_talk = true' >"$home/clientmods/mods.conf"
	echo 'name = talk' >"$home/clientmods/talk/mod.conf"
	cat >"$home/clientmods/talk/init.lua" <<-'LUA'
		local count, idle = 0, 0
		core.register_globalstep(function(dtime)
			idle = idle + dtime
			if idle < 2 then return end
			idle, count = 0, count + 1
			core.send_chat_message("word " .. count)
		end)
		core.register_on_receiving_chat_message(function(message)
			print("heard " .. message)
		end)
	LUA
	printf '%s\n' 'video_driver = null' 'enable_sound = false' 'enable_client_modding = true' \
		'viewing_range = 20' >"$home/minetest.conf"
	chown -R "$DOCS_UID:$DOCS_UID" "$home"
	# Debian 12's dies now and then at its start.
	# shellcheck disable=SC2016
	docs_root "$1" sh -c 'cat >/usr/local/bin/minetest && chmod 755 /usr/local/bin/minetest' <<-'SH'
		#!/bin/sh
		for _ in 1 2 3; do
			begin=$(date +%s)
			/usr/games/minetest "$@"
			status=$?
			[ $status -eq 139 ] && [ $(($(date +%s) - begin)) -lt 5 ] || exit $status
		done
	SH
}

server() {
	docs_host service && docs_root service sh -c 'echo "csm_restriction_flags = 0" >>/etc/minetest/minetest.conf'
}

joined() { # NAME [.*ADDRESS]
	contains "$T/service.1.err" "$1.*joins game"
}

# The player's program says goodbye; while the server does not know that, it lets nobody in by the same
# name. Debian 12's now and then dies of that, or hangs, and the server takes half a minute to notice.
leave() { # HOST NAME
	player_end "$1" TERM
	wait_for 10 left "$2" && return
	player_end "$1" KILL
	wait_for 60 left "$2"
}

player_end() { # HOST SIGNAL
	local pid
	for pid in $(ip netns pids "$P$1"); do
		[[ $(readlink "/proc/$pid/exe") != */minetest ]] || kill -"$2" "$pid"
	done
}

left() { # NAME
	contains "$T/service.1.err" "$1 (leaves game|times out)"
}

words() { # RUN NAME: of somebody whom that player has heard
	grep -c "heard .*$2.*word" "$T/$1.err"
}

# Both hear each other from now on.
hear() { # RUN-OF-ANNA RUN-OF-BEN
	local anna ben
	anna=$(words "$2" anna) ben=$(words "$1" ben)
	wait_for 10 more_than "$2" anna $((anna + 1)) && wait_for 10 more_than "$1" ben $((ben + 1))
}

more_than() { # RUN NAME N
	[ "$(words "$1" "$2")" -gt "$3" ]
}

# Packets that go from NAT to NAT, by no relay.
direct_begin() {
	in_ns net nft -f - <<-RULES
		table inet witness {
			counter direct { }
			chain forward {
				type filter hook forward priority 10
				ip saddr $NAT2 ip daddr { $NAT4, $NAT3 } counter name direct
			}
		}
	RULES
}

direct() {
	in_ns net nft list counter inet witness direct | sed -n 's/.*packets \([0-9]*\) .*/\1/p'
}

# Both go directly, and what each has in reserve is there.
settled() {
	pctl show game >"$T/shown" && contains "$T/shown" 'is waiting' && contains "$T/shown" '4 pairs'
}

directs() { # N: players with a direct path
	[ "$(grep -c ': direct to ' "$T/service.2.err")" -ge "$1" ]
}

paired_again() { # RUN of connect, which has read another key
	sed '1,/another key/d' "$T/$1.err" | grep -q 'session .* paired'
}

peers_up
nat_host nat3 "$NAT3" && inner_host friend nat3 lan 10.0.3.2 || bail "no third NAT"
relayed_begin
direct_begin
ok "relayd starts" docs_relayd
ok "a server that lets players' programs talk" server
ok "a player" player client
ok "and another" player friend
ok "the page" docs_run docs/recipe-game.md "The relay" "The server" "The players"
ok "anna joins" wait_for 20 joined anna
ok "ben joins" wait_for 20 joined ben
ok "both have a direct path" wait_for 20 directs 2
ok "each has another pair in reserve, and nothing is relayed" wait_for 20 settled
ok "the page shows that" docs_run docs/recipe-game.md "Who is there"
before=$(direct)
ok "they hear each other" hear client.2 friend.1
ok "by the direct paths" test $(($(direct) - before)) -gt 10
figure "packets directly, and by the relay" "$(direct) $(relayed)"
path_cut "$NAT4" "$NAT2"
path_cut "$NAT3" "$NAT2"
before=$(relayed)
ok "the paths are cut, and they hear each other" hear client.2 friend.1
ok "by the relay" test $(($(relayed) - before)) -gt 10
ok "nobody has left" not left '(anna|ben)'

# --- the server's own socket

path_mend
ok "anna leaves" leave client anna
ok "ben leaves" leave friend ben
stop client.1
stop service.2
ok "the server's own socket is punched" docs_run docs/recipe-game.md "Players with addresses of their own"
ok "once relayd has the ports for it" recipe_restart
ok "the players come again" docs_run docs/recipe-game.md "The players"
ok "the server sees anna's address" wait_for 20 joined "anna.*$NAT4"
ok "and ben's" wait_for 20 joined "ben.*$NAT3"
ok "they hear each other" hear client.4 friend.2

# --- another key

ok "there is another key" docs_run docs/recipe-game.md "When somebody has to leave"
ok "anna, who has it, is connected again" wait_for 20 paired_again client.3
ok "ben is refused" wait_for 20 contains "$T/friend.2.err" 'does not accept key'
