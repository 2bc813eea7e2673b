# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Two pools: each has its own tree, image, state and switch, and what is wrong with one
# is not wrong with the other.
# lab: memory=4G append=guestmemfs=512M,guestmemfs=db:640M,memmap=1152M$4992M seconds=700

. /job/guest.sh

GUEST_MEM=128M
sysfs=/sys/fs/guestmemfs
db=/mnt/db

mount_db() {
	mkdir -p $db
	mount -t guestmemfs "$@" db $db
}

start_both() {
	start
	check "db: it mounts" mount_db
}

# in_db COMMAND...: with the functions of lib.sh that are about $mnt.
in_db() { mnt=$db "$@"; }

states() { cat $sysfs/guestmemfs/state $sysfs/db/state | xargs; }
switches() { cat $sysfs/active $sysfs/guestmemfs/active $sysfs/db/active /sys/kernel/kho/active | xargs; }

remember_both() {
	describe $mnt >/job/tree
	describe $db >/job/tree-db
	sums $mnt >/job/sums
	sums $db >/job/sums-db
}

compare_both() {
	compare "$1, pool guestmemfs"
	same "$1, pool db: metadata, extents and free blocks are as they were" \
		"$(cat /job/tree-db)" "$(describe $db)"
	same "$1, pool db: contents are as they were" "$(cat /job/sums-db)" "$(sums $db)"
}

# each_guest FUNCTION: for the guest of each pool.
each_guest() {
	local pool
	for pool in guestmemfs db; do
		GUEST_RAM=$mnt/ram
		[[ $pool != db ]] || GUEST_RAM=$db/ram
		guest_use $pool
		"$@" $pool
	done
}

boot_guest() {
	truncate -s $GUEST_MEM $GUEST_RAM
	check "QEMU in pool $1: it starts" guest_start
	check "guest in pool $1: it boots" guest_counts_on 2
}

save_guest() {
	check "guest in pool $1: it can be saved" guest_save $guest_dir/vm.sav
	guest_quit
	guest_count >$guest_dir/count
}

restore_guest() {
	check "QEMU in pool $1: it waits for the saved state" guest_start -incoming defer
	check "guest in pool $1: it can be restored" guest_restore $guest_dir/vm.sav
	check "guest in pool $1: it counts on" guest_counts_on "$(($(cat $guest_dir/count) + 2))"
	check "guest in pool $1: it reports no damage" guest_is_healthy
	guest_quit
}

stage1() {
	start_both
	same "sysfs: a directory for each pool, and the switch" "active db guestmemfs" \
		"$(cd $sysfs && echo *)"
	same "sysfs: each pool has its region" "0x20000000@0x138000000 0x28000000@0x158000000" \
		"$(cat $sysfs/guestmemfs/windows $sysfs/db/windows | cut -d " " -f 1 | xargs)"
	same "statfs: each pool has its blocks" "255 319" "$(stat -f -c %b $mnt $db | xargs)"
	mkdir -p /mnt/again
	mount -t guestmemfs none /mnt/again
	same "mount: another source mounts the first pool" "$(stat -c %d $mnt)" "$(stat -c %d /mnt/again)"
	umount /mnt/again
	same "inode numbers: each pool has its own" "2 2" \
		"$(touch $mnt/a $db/a; stat -c %i $mnt/a $db/a | xargs)"

	truncate -s 6M $mnt/a
	/job/tests/mapped fill $mnt/a 1
	refused "link: into another pool is EXDEV" "cross-device" ln $mnt/a $db/b
	check "copy: into another pool" cp $mnt/a $db/a
	check "copy: its contents are the source's" \
		test "$(/job/tests/mapped sum $mnt/a)" = "$(/job/tests/mapped sum $db/a)"
	truncate -s 8M $db/only-here
	/job/tests/mapped fill $db/only-here 2
	rm $mnt/a
	check "remove: the other pool's file stays" test -e $db/a

	echo 1 >$sysfs/db/active
	same "freeze one: its state" "mounted frozen" "$(states)"
	same "freeze one: its switch alone is on" "0 0 1 0" "$(switches)"
	check "freeze one: the other can be changed" touch $mnt/b
	refused "freeze one: it cannot be changed" "busy" touch $db/c
	check "freeze all: one is frozen already" bash -c "echo 1 >$sysfs/active"
	same "freeze all: all switches are on" "1 1 1 1" "$(switches)"
	echo 0 >$sysfs/guestmemfs/active
	same "thaw one: the other stays frozen" "0 0 1 0" "$(switches)"
	check "thaw all" bash -c "echo 0 >/sys/kernel/kho/active"
	same "thaw all: all switches are off" "0 0 0 0" "$(switches)"
	check "thaw all: both can be changed" touch $mnt/c $db/c

	each_guest boot_guest
	each_guest save_guest
	remember_both
	check "publish: all pools" bash -c "echo 1 >$sysfs/active"
	same "publish: all are frozen" "frozen frozen" "$(states)"
	check "tool: status shows both pools" \
		bash -c "/job/guestmemfs status | grep '^pool' | xargs | grep -qx 'pool db pool guestmemfs'"
	check "tool: check finds both" /job/guestmemfs check
	check "tool: dump shows the other pool's file" \
		bash -c "/job/guestmemfs dump --pool db | grep -q only-here"
	next_stage
}

stage2() {
	new_log >/dev/null
	check "module: it loads" load
	new_log >/tmp/both
	for pool in guestmemfs db; do
		check "kexec: $carrier brings pool $pool" \
			grep -q "pool $pool: took over [0-9]* inodes from $carrier" /tmp/both
	done
	mount_g
	mount_db
	compare_both "kexec"
	each_guest restore_guest
	remember_both
	# Without publishing; and db gets another size, so it is quarantined.
	next_stage "" "" "$(sed 's/db:640M/db:512M/' /proc/cmdline)"
}

stage3() {
	start
	compare "one pool in quarantine: the other"
	same "one pool in quarantine: the states" "mounted quarantined" "$(states)"
	refused "one pool in quarantine: it does not mount" "of another pool" mount_db
	touch $mnt/later
	describe $mnt >/job/tree
	same "one pool in quarantine: all can be published" "1 1 1 1" \
		"$(echo 1 >$sysfs/active; switches)"
	next_stage "" "" "$(sed 's/guestmemfs=512M guestmemfs=db:512M/guestmemfs=512M@4992M,640M@5504M/' /proc/cmdline)"
}

stage4() {
	new_log >/dev/null
	check "another pool's memory as a window: the module loads" load
	logs "another pool's memory as a window: quarantine" "quarantined: the windows at .* begin a pool each"
	refused "another pool's memory as a window: no mount" "" mount_g
	same "another pool's memory as a window: the pool can be published" 1 \
		"$(echo 1 >$sysfs/active; cat $sysfs/active)"
	next_stage "" "" "$(sed 's/guestmemfs=512M@4992M,640M@5504M/guestmemfs=512M guestmemfs=db:640M/' /proc/cmdline)"
}

stage5() {
	start_both
	compare_both "back from quarantine"
	umount $mnt $db
	check "rmmod: succeeds" rmmod guestmemfs
	same "rmmod: nothing of it stays in sysfs" "no" "$([[ -e $sysfs || -e /sys/kernel/kho ]] || echo no)"

	# By parameters, in another order: the first one is what other sources mount.
	check "region= twice: the module loads" load region=db:640M@5504M region=512M
	mount_g
	mount_db
	compare_both "region= twice"
	umount $mnt
	mount -t guestmemfs none $mnt
	same "region= twice: another source mounts the first" "$(stat -c %d $db)" "$(stat -c %d $mnt)"
	umount $mnt $db
	rmmod guestmemfs

	wrong "two of one name" "region=x:256M@4992M: two pools have that name" x \
		region=x:256M@4992M region=x:256M@5248M
	wrong "overlap" "region=x:256M@4992M: overlaps another pool" x \
		region=x:256M@4992M region=y:256M@5G
	wrong "a slash in the name" "region=x/y:256M@4992M: a pool's name has" x/y \
		region=x/y:256M@4992M
	wrong "memory that the kernel uses" "is memory the kernel uses" x region=x:256M@4G
	wrong "another driver has it" "another driver has claimed a part of" "" region=x:256M@4992M
	start_both
	compare_both "after wrong lines"
	umount $mnt $db
	rmmod guestmemfs
	check_kmemleak
}

# wrong TEXT PATTERN NAME PARAMETER...: the log says so in one line for each, no mount of
# NAME succeeds, and pool db works.
wrong() {
	local text=$1 pattern=$2 name=$3
	shift 3
	new_log >/dev/null
	[[ -n $name ]] || { insmod /job/guestmemfs_peek.ko at=0x138000000 claim=4096; name=x; }
	check "$text: the module loads" load "$@" region=db:640M@5504M
	new_log | grep 'guestmemfs: ' | grep -Ev 'taint|pool db|mbind' >/tmp/wrong
	same "$text: a line of the log for each pool" $# "$(wc -l </tmp/wrong)"
	check "$text: the log says what is wrong (${pattern%%:*})" grep -q -- "$pattern" /tmp/wrong
	refused "$text: the pool does not mount" "pool $name was not loaded" \
		mount -t guestmemfs "$name" $mnt
	refused "$text: nor does another source, if it was the first" "pool $name was not loaded" \
		mount -t guestmemfs none $mnt
	check "$text: the other pool mounts" mount_db
	same "$text: the other pool's files are there" "$(cat /job/sums-db)" "$(sums $db)"
	umount $db
	rmmod guestmemfs
	rmmod guestmemfs_peek 2>/dev/null
}
