# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# What a guest's virtio devices do with its RAM, and what moves it, with pages and without.
# lab: memory=4G seconds=900

. /job/guest.sh
GUEST_MEM=192M

# 64 KiB of which each word differs.
new_disk() {
	head -c 65536 /job/vmlinuz >"$1"
	md5sum <"$1" | cut -c1-32
}

vhost_user_daemon() {
	qemu-storage-daemon --pidfile /tmp/daemon --daemonize \
		--blockdev driver=file,node-name=d,filename=/tmp/disk,read-only=on \
		--export "type=vhost-user-blk,id=e,node-name=d,addr.type=unix,addr.path=/tmp/user.sock"
}

allocated() { stat -c '%b' $GUEST_RAM | awk '{ print $1 / 2048 }'; }

# shrank_below MIB: the file has less.
shrank_below() { [[ $(allocated) -lt $1 ]]; }

# A guest with all of them.
devices() {
	local before daemon
	vhost_user_daemon
	daemon=$(cat /tmp/daemon)
	check "$how: QEMU starts" guest_start \
		-netdev tap,id=n,ifname=tap0,vhost=on,script=no,downscript=no \
		-device virtio-net-pci,netdev=n \
		-chardev socket,id=u,path=/tmp/user.sock -device vhost-user-blk-pci,chardev=u \
		-device virtio-balloon-pci
	check "$how: the guest boots" guest_counts_on 1
	busybox ip addr add 10.9.0.1/24 dev tap0
	busybox ip link set tap0 up
	check "$how: vhost-net: the guest reaches the host" guest_run \
		"ip addr add 10.9.0.2/24 dev eth0; ip link set eth0 up; ping -c 2 10.9.0.1"
	same "$how: vhost-user: the guest reads its disk" "$disk" \
		"$(guest_run "md5sum </dev/vda | cut -c1-32")"
	before=$(allocated)
	monitor "balloon 136" >/dev/null
	check "$how: balloon: it takes memory from the guest" soon \
		eval 'monitor "info balloon" | grep -q actual=136'
	report info "$how: balloon: of $GUEST_MEM the file has $(allocated) MiB, $before before"
	check "$how: balloon: the file gets smaller" shrank_below "$before"
	monitor "balloon 192" >/dev/null
	check "$how: balloon: it gives the memory back" soon \
		eval 'monitor "info balloon" | grep -q actual=192'
	check "$how: guest: it reports no damage" guest_is_healthy
	guest_quit
	kill "$daemon"
	soon ended "$daemon"
}

# 128 MiB that are plugged in, and out.
virtio_mem() {
	local GUEST_APPEND="memhp_default_state=online_movable" GUEST_MEM=256M
	truncate -s 256M $GUEST_RAM
	truncate -s 128M $mnt/plugged
	check "$how: virtio-mem: QEMU starts" guest_start -m 256M,maxmem=1G \
		-object "memory-backend-file,id=v,size=128M,mem-path=$mnt/plugged,share=on,align=2M" \
		-device virtio-mem-pci,memdev=v,id=vm0,requested-size=128M
	check "$how: virtio-mem: the guest boots" guest_counts_on 1
	check "$how: virtio-mem: the guest has that memory" test \
		"$(guest_run "sed -n 's/MemTotal: *\\([0-9]*\\).*/\\1/p' /proc/meminfo")" -gt 300000
	guest_run "head -c 50331648 /dev/zero >/tmp/much && rm /tmp/much" >/dev/null
	check "$how: virtio-mem: the file has blocks for it" test "$(stat -c %b $mnt/plugged)" != 0
	monitor "qom-set /machine/peripheral/vm0 requested-size 0" >/dev/null
	check "$how: virtio-mem: once unplugged, the file has none" soon \
		eval '[[ $(stat -c %b $mnt/plugged) = 0 ]]'
	guest_quit
	rm $mnt/plugged
}

reporting() {
	local before
	check "$how: QEMU starts with free page reporting" guest_start \
		-device virtio-balloon-pci,free-page-reporting=on
	guest_counts_on 1
	guest_run "head -c 33554432 /dev/zero >/tmp/much"
	before=$(allocated)
	guest_run "rm /tmp/much"
	# The guest reports what is free in pieces of 4 MiB: what else lies in them stays.
	check "$how: free page reporting: the file gets smaller" soon shrank_below $((before - 8))
	report info "$how: free page reporting: the file has $(allocated) MiB, $before before"
	check "$how: guest: it reports no damage" guest_is_healthy
}

# To another QEMU, by the network.
moved() {
	guest_use there
	GUEST_MACHINE="-machine q35" guest_start -device virtio-balloon-pci,free-page-reporting=on \
		-incoming defer
	monitor "migrate_set_capability multifd on" "migrate_incoming tcp:127.0.0.1:4444" >/dev/null
	guest_use ""
	monitor "migrate_set_capability multifd on" "migrate_set_capability zero-copy-send on" \
		"migrate -d tcp:127.0.0.1:4444" >/dev/null
	if [[ $how = "with pages" ]]; then
		check "$how: migration by MSG_ZEROCOPY: it completes" guest_migrated
	else
		refused "$how: migration by MSG_ZEROCOPY: it fails" "Bad address" guest_migrated
	fi
	guest_use there
	guest_quit
	guest_use ""
}

postcopy() {
	guest_start -incoming defer
	refused "$how: incoming postcopy: QEMU refuses it" "Postcopy is not supported" \
		monitor_says "migrate_set_capability postcopy-ram on"
	guest_quit
}

monitor_says() {
	monitor "$@" >/tmp/said
	cat /tmp/said
	! grep -q Error /tmp/said
}

all() {
	truncate -s $GUEST_MEM $GUEST_RAM
	devices
	rm $GUEST_RAM $guest_console
	truncate -s $GUEST_MEM $GUEST_RAM
	if [[ $how = "with pages" ]]; then
		virtio_mem
		rm $GUEST_RAM $guest_console
		truncate -s $GUEST_MEM $GUEST_RAM
	fi
	reporting
	moved
	guest_quit
	postcopy
	rm $GUEST_RAM $guest_console
}

stage1() {
	start
	modprobe -a vhost_net tun 2>/dev/null
	mkdir -p /dev/net
	busybox ip link set lo up
	disk=$(new_disk /tmp/disk)
	how="without pages"
	all
	umount $mnt
	check "tree: it mounts with pages" mount_g -o pages
	how="with pages"
	all
	same "in the end: all blocks are free" "$(stat -f -c %b $mnt)" "$(stat -f -c %f $mnt)"
}
