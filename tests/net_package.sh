#!/usr/bin/env bash
# The Debian packages: built and installed as README.md says, looked through by lintian; then installed,
# upgraded as docs/operations.md says, removed and purged in a machine that has seen none.
#
#   relay (a machine with systemd) --- net
#   here (a machine with systemd, and this tree) --- net
#
# check: timeout 900
. "$(dirname "$0")/lib.sh"
. "$TOP/tests/machine.sh"
. "$TOP/tests/docs.sh"
DOCS_LIMIT=800
DOCS_ENV+=(DEB_BUILD_OPTIONS="nocheck parallel=2")

machine_needed "the packages"
plan 45

# What files there are but for logs, caches and notes of apt's own, and who may log in.
everything() {
	machine relay find / -xdev \( -path /var/log -o -path /var/cache -o -path /var/lib/apt -o -path /tmp \
		-o -path /var/tmp \) -prune -o -print | sort
	machine relay sort /etc/passwd /etc/group /etc/shadow /etc/gshadow
}

# The same package as its next version, with other defaults.
next_of() { # DEB
	local next=$T/next
	dpkg-deb -R "$1" "$next" && sed -i "s/\\b$version\\b/$version+next/" "$next/DEBIAN/control" || return
	[ ! -f "$next/etc/relayd.conf" ] || echo '# a new default' >>"$next/etc/relayd.conf"
	(cd "$next" && find . -type f ! -path './DEBIAN/*' -printf '%P\0' | xargs -0 md5sum >DEBIAN/md5sums) &&
		dpkg-deb --root-owner-group -b "$next" "${1%.deb}.next.deb" && rm -r "$next"
}

copy_in() { # FILE...
	local file
	for file; do
		machine relay sh -c "cat >/tmp/${file##*/}" <"$file" || return
	done
}

packages() { # apt-get's words
	machine relay env DEBIAN_FRONTEND=noninteractive apt-get -y -o Dpkg::Use-Pty=0 \
		-o Dpkg::Options::=--force-confold "$@" </dev/null
}

# The libraries with which it is built, as they are named there.
libraries() { # FILE FIRST-LINE LAST-LINE
	sed -n "/$2/,/$3/p" "$1" | grep -oE '[a-z0-9-]+-dev\b|\bcheck\b' | sort -u
}

mode_of() { # PATH
	machine relay stat -c '%U:%G %a' "$1"
}

stream_names() {
	machine relay punchctl complete -- show '' | cut -f 1 | xargs
}

unit() { # PROPERTY [UNIT]
	machine relay systemctl show -P "$1" "${2:-relayd}"
}

exporter() { # systemctl's words
	machine relay systemctl --quiet "$@" relayd-exporter
}

has_table() {
	in_ns relay nft list table inet relayd
}

file_has() { # FILE PATTERN
	machine relay grep -q "$2" "$1"
}

settings() { # FILE: in its order, of the table's size only the names
	sed -nE '/^-?net\./ { s/^-//; s/^(net\.netfilter\.[^ ]*) = .*/\1/; p }' "$1"
}

version=$(dpkg-parsechangelog -l "$TOP/debian/changelog" -S Version)
arch=$(dpkg --print-architecture)
relay=$T/packages/punchrelay_${version}_$arch.deb
client=$T/packages/punchrelay-client_${version}_$arch.deb
static=$T/packages/punchrelay-client-static_${version}_$arch.deb
next=("/tmp/punchrelay_${version}_$arch.next.deb" "/tmp/punchrelay-client_${version}_$arch.next.deb")
host_up net && forwarding_on net && public_host relay eth0 "$RELAY4" "$RELAY6" &&
	public_host here eth0 "$SENDER4" || bail "no network"
ok "a machine boots" docs_machine here
ok "it has the tree" docs_owned
ok "the packages are built and installed" docs_run README.md "Installing"
is "relayd runs, and will after a boot" \
	"$(docs_root here systemctl show -P ActiveState -P UnitFileState relayd | xargs)" "active enabled"
mkdir "$T/packages" && docs_root here sh -c "cd '$TOP/build' && tar -c punchrelay*" | tar -x -C "$T/packages"
# Machine code may spell any word.
ok "lintian has nothing to say" lintian --allow-root --fail-on error,warning,info --display-info \
	--suppress-tags spelling-error-in-binary \
	"$T/packages"/*.changes
is "their build depends on what scripts/setup installs for one" \
	"$(libraries "$TOP/debian/control" '^Build-Depends:' '^Standards-Version:')" \
	"$(libraries "$TOP/scripts/setup" '^build_packages=' '^)')"
is "the operator's page repeats the settings of the kernel" \
	"$(settings "$TOP/docs/operations.md")" "$(settings "$TOP/systemd/sysctl.d/60-relayd.conf")"
ok "their next versions" eval 'next_of "$relay" && next_of "$client"'

ip -n "${P}relay" link add eth1 type veth peer name inside
ip -n "${P}relay" link add docker0 type bridge
in_ns relay sysctl -qw net.ipv6.conf.eth1.accept_ra=1 net.ipv6.conf.inside.accept_ra=1 \
	net.ipv6.conf.inside.forwarding=1
ok "another machine boots" docs_machine relay
copy_in "$relay" "$client" "$static" "${relay%.deb}.next.deb" "${client%.deb}.next.deb"
everything >"$T/before"

# --- the client's packages alone, then the relay's

ok "the client's package without libraries installs by itself" packages install "/tmp/${static##*/}"
is "it depends on nothing" "$(dpkg-deb -f "$static" Depends)" ""
dpkg-deb -x "$static" "$T/static"
ok "its punchctl runs where nothing else is" chroot "$T/static" /usr/bin/punchctl --version
ok "the client's package takes its place" packages install "/tmp/${client##*/}"
ok "and makes no user" not machine relay getent passwd relayd
ok "punchctl runs" machine relay punchctl nat --help
ok "the relay's package installs" packages install "/tmp/${relay##*/}"
is "its user has no shell and no password" \
	"$(machine relay getent passwd relayd | cut -d : -f 6-) $(machine relay getent shadow relayd | cut -d : -f 2)" \
	"/var/lib/relayd:/usr/sbin/nologin !*"
is "the configuration is the group's to read" "$(mode_of /etc/relayd.conf)" "root:relayd 640"
is "so is the folder beside it" "$(mode_of /etc/relayd.conf.d)" "root:relayd 750"
is "the state is the user's" "$(mode_of /var/lib/relayd)" "relayd:relayd 750"
is "who is in the group reaches the socket" "$(mode_of /run/relayd) $(mode_of /run/relayd/relayd.sock)" \
	"relayd:relayd 755 relayd:relayd 660"
is "the service runs, and will after a boot" "$(unit ActiveState) $(unit UnitFileState)" "active enabled"
is "the exporter waits to be enabled" \
	"$(machine relay systemctl show -P ActiveState relayd-exporter) $(machine relay systemctl is-enabled relayd-exporter)" \
	"inactive disabled"
is "the kernel forwards" "$(in_ns relay cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf/all/forwarding | xargs)" "1 1"
is "router advertisements are taken where they were" "$(accept_ra relay eth0 docker0 inside eth1)" "0 0 1 2"
ok "the doctor finds nothing that would stop a stream" machine relay punchctl doctor
ok "a stream is added" machine relay punchctl add cam1 --listen 9099

# --- an upgrade

printf 'stream "cam2" {\n\tlisten = "9101"\n\tkey = "MDEyMzQ1Njc4OWFiY2RlZg=="\n}\n' |
	machine relay sh -c 'cat >>/etc/relayd.conf'
machine relay chmod 600 /etc/relayd.conf && machine relay chown relayd /etc/relayd.conf
before=$(unit MainPID)
ok "the exporter is enabled" exporter enable --now
exporting=$(unit MainPID relayd-exporter)
for deb in "$relay" "$client"; do
	cp "${deb%.deb}.next.deb" "$T/home/relay/${deb##*/}"
done
ok "the next versions install, as the page says" docs_run docs/operations.md "Upgrade"
is "and are what runs" "$(machine relay dpkg-query -W -f '${Version} ' punchrelay punchrelay-client)" \
	"$version+next $version+next "
rm "$T/home/relay"/*.deb
ok "the configuration is as the administrator has left it" file_has /etc/relayd.conf cam2
is "and so is its mode" "$(mode_of /etc/relayd.conf)" "relayd:relayd 600"
ok "the new default lies beside it" file_has /etc/relayd.conf.dpkg-dist 'a new default'
is "the service was restarted" "$(unit ActiveState) $([ "$(unit MainPID)" = "$before" ] || echo anew)" "active anew"
is "so was the exporter" \
	"$(unit ActiveState relayd-exporter) $([ "$(unit MainPID relayd-exporter)" = "$exporting" ] || echo anew)" "active anew"
is "the streams are there" "$(stream_names | tr ' ' '\n' | sort | xargs)" "cam1 cam2"
machine relay systemctl disable --quiet relayd
exporter stop
ok "they install again" packages --reinstall install "${next[@]}"
is "a service that was disabled stays so" "$(unit UnitFileState)" disabled
is "and an exporter that was stopped" "$(unit ActiveState relayd-exporter)" inactive

# --- the end

ok "the kernel has a table of relayd's" has_table
exporter start
printf 'stream "cam3" {\n\tlisten = "9103"\n\tkey = "MDEyMzQ1Njc4OWFiY2RlZg=="\n}\n' |
	machine relay install -m 640 -g relayd /dev/stdin /etc/relayd.conf.d/cam3.conf
ok "the relay's package is removed" packages remove punchrelay
is "the services do not run" "$(unit ActiveState) $(unit ActiveState relayd-exporter)" "inactive inactive"
ok "its table is gone, the configuration and the streams are not" eval \
	'! has_table && file_has /etc/relayd.conf cam2 && machine relay test -s /var/lib/relayd/streams.db'
ok "both are purged" packages purge punchrelay punchrelay-client
everything >"$T/after"
is "nothing is left" "$(diff "$T/before" "$T/after")" ""
