#!/usr/bin/env bash
# docs_root.sh: gives a host of the lab a file system of its own, for tests/docs.sh; ends when it is
# killed. What it mounts is in a mount namespace of its own, which ip netns exec has made.
set -eu
folder=$1 host=$2 build=$3 base=$4
top=$(cd "$(dirname "$0")/.." && pwd)

mount=$folder/docs/$host root=$folder/docs/$host/root
mount -t tmpfs -o mode=755 docs "$mount"
mkdir "$root" "$mount/upper" "$mount/work"
mount -t overlay -o "lowerdir=$base,upperdir=$mount/upper,workdir=$mount/work" docs "$root"
for dir in proc sys dev; do
	mount --rbind "/$dir" "$root/$dir"
done
mount -t tmpfs -o mode=755 run "$root/run"
mount -t tmpfs -o mode=1777 tmp "$root/tmp"
mount --rbind "$folder/home" "$root/home"

# What is said to be done "in this folder" is done in a view of this tree.
if [ "$host" = here ]; then
	mkdir -p "$mount/tree/upper" "$mount/tree/work" "$root$top"
	mount -t overlay -o "lowerdir=$top,upperdir=$mount/tree/upper,workdir=$mount/tree/work" tree "$root$top"
fi

# The programs, where a "make install" without a package puts them.
install -D -t "$root/usr/local/sbin" "$build/relayd/relayd" "$build/exporter/relayd-exporter"
install -D -t "$root/usr/local/bin" "$build/punchctl/punchctl"
cat >"$root/usr/local/bin/scp" <<-'SCP'
	#!/bin/bash
	# Copies between the hosts of the lab, whose homes are all here. Who reads the page comes when
	# the file is there; this may come too early.
	words=()
	for word; do
		[ "$word" = "${word#*:}" ] || word=/home/${word%:*}/${word##*:}
		words+=("$word")
	done
	for try in {1..400}; do
		for word in "${words[@]:0:${#words[@]}-1}"; do
			[ -s "$word" ] || { sleep 0.1 && continue 2; }
		done
		break
	done
	exec cp "${words[@]}"
SCP
cat >"$root/usr/local/bin/systemctl" <<-'SYSTEMCTL'
	#!/bin/bash
	# No systemd is here, but relayd can reload.
	[ "$*" = "reload relayd" ] || { echo "no systemd here for: $*" >&2 && exit 1; }
	exec punchctl reload
SYSTEMCTL
chmod 755 "$root/usr/local/bin/scp" "$root/usr/local/bin/systemctl"

# The lab has no name server, and sudo asks for the host's own name.
rm -f "$root/etc/resolv.conf"
touch "$root/etc/resolv.conf"
echo "127.0.1.1 $(uname -n)" >>"$root/etc/hosts"

# A user who may sudo, and relayd's.
grep -q '^relayd:' "$root/etc/group" || echo 'relayd:x:61001:' >>"$root/etc/group"
grep -q '^relayd:' "$root/etc/passwd" ||
	echo 'relayd:x:61001:61001::/var/lib/relayd:/usr/sbin/nologin' >>"$root/etc/passwd"
echo 'user:x:61000:' >>"$root/etc/group"
echo "user:x:61000:61000::/home/$host:/bin/bash" >>"$root/etc/passwd"
echo 'user:*:19000::::::' >>"$root/etc/shadow"
install -d "$root/etc/sudoers.d" "$root/etc/relayd.conf.d"
echo 'user ALL=(ALL) NOPASSWD: ALL' >"$root/etc/sudoers.d/user"
chroot "$root" install -d -o relayd -g relayd -m 750 /var/lib/relayd /run/relayd

echo ready
exec chroot "$root" sleep 3600
