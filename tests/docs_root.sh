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

# The lab has no name server; the file may be a link to a folder of ours.
rm -f "$root/etc/resolv.conf"
cp -r "$folder/layer/." "$root"

# The user, and relayd's.
grep -q '^relayd:' "$root/etc/group" || echo 'relayd:x:61001:' >>"$root/etc/group"
grep -q '^relayd:' "$root/etc/passwd" ||
	echo 'relayd:x:61001:61001::/var/lib/relayd:/usr/sbin/nologin' >>"$root/etc/passwd"
echo 'user:x:61000:' >>"$root/etc/group"
echo "user:x:61000:61000::/home/$host:/bin/bash" >>"$root/etc/passwd"
echo 'user:*:19000::::::' >>"$root/etc/shadow"
install -d "$root/etc/relayd.conf.d"
chroot "$root" install -d -o relayd -g relayd -m 750 /var/lib/relayd /run/relayd

echo ready
exec chroot "$root" sleep 3600
