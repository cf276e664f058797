#!/usr/bin/env bash
# A punchctl without shared libraries punches where there is nothing but itself, its user's files
# and, for names, hosts and resolv.conf: in a root of its own.
#
#   sender --- net --- nat --- client: chroot
#               |
#             relay
. "$(dirname "$0")/lib.sh"

static=punchctl/punchctl-static
libs=$(sed -n 's/^STATIC_LIBS = //p' "$BUILD/Makefile")
if [ -z "$libs" ] || grep -q '^SANITIZE = .' "$BUILD/Makefile"; then
	plan 1
	skip "a static punchctl" "this build has sanitizers, or a library has no archive here"
	exit
fi
plan 14

alone() { # NAME WORD... of punchctl, where nothing else is
	start client "$1" env -i HOME=/home "$(command -v chroot)" "$T/root" /punchctl "${@:2}"
}

conf() { # RELAY
	printf 'relay %s\nport 5004\nto 9099\n' "$1" >"$T/root/home/.config/punchrelay/cam1.conf"
}

said() { # NAME PATTERN
	contains "$T/$1.err" "$2"
}

punches() { # DESCRIPTION RELAY
	conf "$2"
	alone "$2" punch cam1
	ok "$1" wait_for 10 said "$2" "punched: 9099 as $NAT4:"
	stop "$2"
}

lab_up
relayd_conf
stream_conf cam1 'listen = "9099"' "source = \"$SENDER4\""
ok "relayd starts" relayd_start
ok "it is made" make -s -C "$BUILD" "$static"
figure "bytes of it, stripped" "$(strip -o "$T/stripped" "$BUILD/$static" && stat -c %s "$T/stripped")"
mkdir -p "$T/root/home/.config/punchrelay" "$T/root/etc"
cp "$BUILD/$static" "$T/root/punchctl"
ok "it runs without anything else" in_ns client chroot "$T/root" /punchctl --version
alone nothing punch cam1
finish nothing 5
is "what is missing is said" "$? $(cat "$T/nothing.err")" \
	'2 punchctl: "cam1" is not NAME@RELAY, and there is no /home/.config/punchrelay/cam1.conf'
conf "$RELAY4"
alone nothing punch cam1
finish nothing 5
is "the key too" "$? $(cat "$T/nothing.err")" \
	"2 punchctl: /home/.config/punchrelay/cam1.key: No such file or directory"
install -m 644 "$T/cam1.key" "$T/root/home/.config/punchrelay/cam1.key"

alone punch punch cam1
ok "it punches" wait_for 5 stream_is cam1 ready
ok "and says that others may read the key" said punch 'cam1\.key can be read by everybody; chmod 600 mends it$'
chmod 600 "$T/root/home/.config/punchrelay/cam1.key"
start client recv "$UDPTOOL" recv --bind 127.0.0.1:5004 --expect 500 --for 20
wait_for 5 udp_bound client 5004
start sender send "$UDPTOOL" send --from "$SENDER4:7000" --to "$RELAY4:9099" --count 500 --rate 250
finish send 20
finish recv 20
is "media come through it" "$(json "$T/recv.log" 'd["distinct"]')" 500
stop punch
is "it ends well" "$?" 0
ok "it says what NAT there is" in_ns client chroot "$T/root" /punchctl nat "$RELAY4"

# What other hosts have in their place is of no use to it, and does no harm.
printf 'hosts: files mymachines myhostname resolve [!UNAVAIL=return] dns\n' >"$T/root/etc/nsswitch.conf"
printf '%s in.hosts.example\n' "$RELAY4" >"$T/root/etc/hosts"
punches "a name of the hosts file is found" in.hosts.example
start client dns dnsmasq --keep-in-foreground --no-resolv --no-hosts --pid-file= --user=root --listen-address=127.0.0.1 \
	--bind-interfaces --local=/example/ "--address=/in.dns.example/$RELAY4"
ok "there is a name server" wait_for 5 udp_bound client 53
printf 'nameserver 127.0.0.1\n' >"$T/root/etc/resolv.conf"
punches "one of DNS too" in.dns.example
alone nowhere punch cam1@nowhere.example --key-file /home/.config/punchrelay/cam1.key --port 5004
finish nowhere 20
is "one that is not there is named" "$? $(cat "$T/nowhere.err")" "1 punchctl: nowhere.example: Name or service not known"
