#!/usr/bin/env bash
# machine_boot.sh: becomes the first process of a machine; tests/machine.sh starts it in namespaces.
set -eu
mount=$1 lower=$2 home=$3 tree=$4

mount --make-rprivate /
mount -t tmpfs -o mode=755 machine "$mount"
root=$mount/root
mkdir "$root" "$mount/upper" "$mount/work"
mount -t overlay -o "lowerdir=$lower,upperdir=$mount/upper,workdir=$mount/work" machine "$root"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs -o mode=755 run "$root/run"
mount -t tmpfs -o mode=755,nosuid dev "$root/dev"
mkdir "$root/dev/net" "$root/dev/shm" "$root/dev/pts"
for device in null zero full random urandom tty; do
	touch "$root/dev/$device"
	mount --bind "/dev/$device" "$root/dev/$device"
done
mknod -m 666 "$root/dev/net/tun" c 10 200
mount -t tmpfs shm "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 pts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
[ -z "$home" ] || mount --bind "$home" "$root/home"
if [ -n "$tree" ]; then
	mkdir -p "$mount/tree/upper" "$mount/tree/work" "$root$tree"
	mount -t overlay -o "lowerdir=$tree,upperdir=$mount/tree/upper,workdir=$mount/tree/work" tree "$root$tree"
fi
mkdir "$root/outside"
cd "$root"
pivot_root . outside
umount -l /outside
rmdir /outside
exec env -i container=punchrelay /lib/systemd/systemd --log-target=console
