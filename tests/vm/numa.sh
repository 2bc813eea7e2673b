# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# A host of two nodes, with a hole in the first one: where blocks come from, guests whose
# RAM is bound to a node, and that all of it survives a kexec.
# lab: nodes=5G,4G seconds=700 limit=4G
# lab-debug: limit=7G
# lab: append=guestmemfs=640M@4992M;640M@8G,guestmemfs=db:256M@5632M,guestmemfs=far:256M@8832M,memmap=896M$4992M,memmap=896M$8G

. /job/guest.sh

GUEST_MEM=128M
sysfs=/sys/fs/guestmemfs
db=/mnt/db
far=/mnt/far

numa() { /job/tests/numa "$@"; }

# where FILE: how many of its blocks are on which node, in the order of the file, as in
# "4@0 2@1". Node 1 begins at 7 GiB.
where() {
	printf '%s\0' "$1" | /job/tests/runs | awk '{
		for (i = 2; i <= NF; i++) {
			split($i, run, /[+@]/)
			node = run[3] >= 7 * 2 ^ 30
			if (n && node != last) {
				printf "%s%d@%d", sep, n, last
				sep = " "
				n = 0
			}
			n += run[2] / 2 ^ 21
			last = node
		}
		if (n)
			printf "%s%d@%d", sep, n, last
		print ""
	}'
}

# fresh SIZE: the file a anew, with holes, in a mount with the option sparse.
fresh() {
	rm -f $mnt/a
	truncate -s "$1" $mnt/a
}

mount_others() {
	mkdir -p $db $far
	mount -t guestmemfs db $db && mount -t guestmemfs far $far
}

numbers() {
	local used=$1
	same "sysfs: the windows, with $used blocks used on node 1" \
		"0x28000000@0x138000000 0 319 319 main
0x28000000@0x200000000 1 319 $((319 - used))" "$(cat $sysfs/guestmemfs/windows)"
	same "sysfs: the nodes, with $used blocks used on node 1" \
		"0 319 319
1 319 $((319 - used))" "$(cat $sysfs/guestmemfs/nodes)"
	same "statfs: of all windows, with $used blocks used on node 1" "$((638 - used)) of 638" \
		"$(stat -f -c '%f of %b' $mnt)"
}

tasks() {
	taskset -c 0 truncate -s 8M $mnt/a
	same "no policy: the blocks are on the node of the CPU, 0" "4@0" "$(where $mnt/a)"
	rm $mnt/a
	taskset -c 1 truncate -s 8M $mnt/a
	same "no policy: the blocks are on the node of the CPU, 1" "4@1" "$(where $mnt/a)"
	numbers 4
	rm $mnt/a
	taskset -c 0 /job/tests/numa task bind 2 truncate -s 8M $mnt/a
	same "set_mempolicy(MPOL_BIND): truncate" "4@1" "$(where $mnt/a)"
	rm $mnt/a
	taskset -c 0 /job/tests/numa task bind 2 fallocate -l 8M $mnt/a
	same "set_mempolicy(MPOL_BIND): fallocate" "4@1" "$(where $mnt/a)"
	rm $mnt/a
	refused "set_mempolicy(MPOL_BIND): no block of another node" "No space left" \
		numa task bind 2 truncate -s 640M $mnt/a
	same "set_mempolicy(MPOL_BIND): nothing is left of it" "638 of 638" "$(stat -f -c '%f of %b' $mnt)"
	taskset -c 0 /job/tests/numa task preferred 2 truncate -s 640M $mnt/a
	same "set_mempolicy(MPOL_PREFERRED): the rest comes from the other node" "319@1 1@0" "$(where $mnt/a)"
	rm $mnt/a
	numa task interleave 3 truncate -s 12M $mnt/a
	same "set_mempolicy(MPOL_INTERLEAVE): block by block" "1@0 1@1 1@0 1@1 1@0 1@1" "$(where $mnt/a)"
	rm $mnt/a
	numa task preferred-many 2 truncate -s 12M $mnt/a
	same "set_mempolicy(MPOL_PREFERRED_MANY)" "6@1" "$(where $mnt/a)"
	rm $mnt/a
	same "fallocate: the task may run where it could before" 3 \
		"$(taskset -c 0,1 bash -c "fallocate -l 64M $mnt/a && taskset -p \$\$" | sed 's/.*: //')"
	rm $mnt/a
}

mbinds() {
	taskset -c 0 truncate -s 16M $mnt/a
	same "mbind(MPOL_BIND): it succeeds" ok "$(numa bind bind 2 $mnt/a)"
	same "mbind(MPOL_BIND): unwritten blocks move at once" "8@1" "$(where $mnt/a)"
	same "mbind(MPOL_BIND) of a part" ok "$(numa bind bind 1 $mnt/a 2 5)"
	same "mbind(MPOL_BIND) of a part: the others stay" "2@1 3@0 3@1" "$(where $mnt/a)"
	/job/tests/mapped fill $mnt/a 3
	same "mbind(MPOL_BIND) of written blocks: it succeeds" ok "$(numa bind bind 2 $mnt/a)"
	same "mbind(MPOL_BIND) of written blocks: they stay" "2@1 3@0 3@1" "$(where $mnt/a)"
	rm $mnt/a
	taskset -c 0 truncate -s 16M $mnt/a
	same "mbind(MPOL_INTERLEAVE): it succeeds" ok "$(numa bind interleave 3 $mnt/a)"
	same "mbind(MPOL_INTERLEAVE): every second block moves" \
		"1@0 1@1 1@0 1@1 1@0 1@1 1@0 1@1" "$(where $mnt/a)"
	same "mbind(MPOL_PREFERRED): it succeeds" ok "$(numa bind preferred 1 $mnt/a)"
	same "mbind(MPOL_PREFERRED): blocks move" "8@0" "$(where $mnt/a)"
	same "mbind(MPOL_DEFAULT): it succeeds" ok "$(numa bind default 0 $mnt/a)"
	same "mbind(MPOL_DEFAULT): nothing moves" "8@0" "$(where $mnt/a)"
	rm $mnt/a
	numa task bind 2 truncate -s 600M $mnt/full
	taskset -c 0 truncate -s 100M $mnt/a
	same "mbind(MPOL_BIND) without room: ENOMEM" "Cannot allocate memory" "$(numa bind bind 2 $mnt/a)"
	same "mbind(MPOL_BIND) without room: nothing moves" "50@0" "$(where $mnt/a)"
	same "mbind(MPOL_PREFERRED) without room: it succeeds" ok "$(numa bind preferred 2 $mnt/a)"
	rm $mnt/a $mnt/full
	truncate -s 8M $db/a
	same "mbind(MPOL_BIND) to a node without a window: EINVAL" "Invalid argument" "$(numa bind bind 2 $db/a)"
	same "mbind(MPOL_PREFERRED) to a node without a window: it succeeds" ok "$(numa bind preferred 2 $db/a)"
	same "mbind(MPOL_PREFERRED) to a node without a window: the blocks stay" "4@0" "$(where $db/a)"
	rm $db/a
	taskset -c 0 truncate -s 8M $mnt/a
	echo 1 >$sysfs/active
	same "mbind() while the tree is frozen, with nothing to move: it succeeds" ok \
		"$(numa bind bind 1 $mnt/a)"
	same "mbind() while the tree is frozen: EBUSY" "Device or resource busy" "$(numa bind bind 2 $mnt/a)"
	echo 0 >$sysfs/active
	rm $mnt/a
	mount -o remount,sparse $mnt
	fresh 16M
	same "mbind(MPOL_BIND): blocks that are touched then" ok "$(numa touch bind 2 $mnt/a)"
	same "mbind(MPOL_BIND): they are on the node" "8@1" "$(where $mnt/a)"
	fresh 16M
	same "mbind(MPOL_INTERLEAVE): blocks that are touched then" ok "$(numa touch interleave 3 $mnt/a)"
	same "mbind(MPOL_INTERLEAVE): they are on both nodes" \
		"1@0 1@1 1@0 1@1 1@0 1@1 1@0 1@1" "$(where $mnt/a)"
	rm $mnt/a
	mount -o remount,nosparse $mnt
}

# mpol OPTION WANT: mounted so, a file of 12 MiB has its blocks there.
mpol() {
	umount $mnt
	check "mpol=$1: it mounts" mount_g -o "mpol=$1"
	same "mpol=$1: /proc/mounts says so" "${3:-$1}" \
		"$(awk -v dir=$mnt '$2 == dir { print $4 }' /proc/mounts | sed 's/.*mpol=//')"
	taskset -c 0 truncate -s 12M $mnt/a
	same "mpol=$1: the blocks are there" "$2" "$(where $mnt/a)"
	rm $mnt/a
}

mounts() {
	mpol bind:1 "6@1"
	mpol interleave "1@0 1@1 1@0 1@1 1@0 1@1" "interleave:0-1"
	mpol prefer:1 "6@1"
	mpol local "6@0"
	numa task bind 1 truncate -s 4M $mnt/a
	same "mpol=: a task's policy goes before it" "2@0" "$(where $mnt/a)"
	rm $mnt/a
	check "mpol=: remount sets another one" mount -o remount,mpol=bind:1 $mnt
	truncate -s 4M $mnt/a
	same "mpol=: what is remounted counts" "2@1" "$(where $mnt/a)"
	rm $mnt/a
	refused "mpol=bind of no window: remount is refused" "has no window there" \
		mount -o remount,mpol=bind:5 $mnt
	umount $mnt
	refused "mpol=bind of no window: the mount is refused" "has no window there" mount_g -o mpol=bind:5
	refused "mpol=nonsense: the mount is refused" "mpol knows default, local, prefer" mount_g -o mpol=nonsense
	refused "mpol=bind: the mount is refused" "needs nodes with bind" mount_g -o mpol=bind
	refused "mpol=bind=static:0: the mount is refused" "mpol" mount_g -o mpol=bind=static:0
	refused "mpol=bind:x: the mount is refused" "needs a list of nodes" mount_g -o mpol=bind:x
	check "tree: it mounts" mount_g
}

# Options of a guest with two nodes of its own, one on each of the host's.
two_nodes() {
	GUEST_MACHINE="-machine q35 -smp 2"
	local node
	for node in 0 1; do
		GUEST_MACHINE+=" -object memory-backend-file,id=m$node,size=64M,mem-path=$mnt/node$node,share=on,align=2M,host-nodes=$node,policy=bind"
		GUEST_MACHINE+=" -numa node,nodeid=$node,memdev=m$node,cpus=$node"
	done
}

# every_guest FUNCTION: with the name of each guest.
every_guest() {
	guest_use bound
	GUEST_RAM=$mnt/bound GUEST_BACKEND=share=on,align=2M,host-nodes=1,policy=bind "$@" bound
	guest_use far
	GUEST_RAM=$far/ram GUEST_BACKEND=share=on,align=2M,host-nodes=1,policy=bind,prealloc=on "$@" far
	guest_use two
	two_nodes
	"$@" two
	GUEST_MACHINE=
}

begin() {
	check "QEMU $1: it starts" guest_start
	check "guest $1: it boots" guest_counts_on 2
}

save() {
	check "guest $1: it can be saved" guest_save $guest_dir/vm.sav
	guest_quit
	guest_count >$guest_dir/count
}

resume() {
	check "QEMU $1: it waits for the saved state" guest_start -incoming defer
	check "guest $1: it can be restored" guest_restore $guest_dir/vm.sav
	check "guest $1: it counts on" guest_counts_on "$(($(cat $guest_dir/count) + 2))"
	check "guest $1: it reports no damage" guest_is_healthy
}

places() {
	same "$1: the guest that is bound is on node 1" "64@1" "$(where $mnt/bound)"
	same "$1: the one with prealloc=on is on node 1" "64@1" "$(where $far/ram)"
	same "$1: the guest of two nodes is on both" "32@0 32@1" \
		"$(where $mnt/node0) $(where $mnt/node1)"
}

# A pool that is all on node 1.
numa_maps() {
	umount $far
	check "pages: pool far mounts with them" mount -t guestmemfs -o pages far $far
	truncate -s 8M $far/paged
	holding /job/tests/mapped hold $far/paged
	same "pages: numa_maps tells the node" N1=2048 \
		"$(grep "$far/paged" "/proc/$!/numa_maps" | grep -o 'N[0-9]*=[0-9]*')"
	kill $!
	wait $! 2>/dev/null
}

stage1() {
	start
	check "two more pools: they mount" mount_others
	numbers 0
	tasks
	mbinds
	mounts
	numbers 0
	every_guest begin
	places "before a kexec"
	every_guest save
	describe $mnt >/job/tree
	describe $far >/job/tree-far
	cp $sysfs/guestmemfs/windows /job/windows
	next_stage
}

stage2() {
	start
	check "two more pools: they mount" mount_others
	same "kexec: metadata, extents and free blocks are as they were" "$(cat /job/tree)" "$(describe $mnt)"
	same "kexec, pool far: metadata, extents and free blocks are as they were" \
		"$(cat /job/tree-far)" "$(describe $far)"
	same "kexec: the windows are as they were" "$(cat /job/windows)" "$(cat $sysfs/guestmemfs/windows)"
	places "after a kexec"
	every_guest resume
	every_guest guest_quit
	numa_maps
	umount $mnt $db $far
	check "rmmod: succeeds" rmmod guestmemfs
}
