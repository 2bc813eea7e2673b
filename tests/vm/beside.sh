# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# All that succession.sh does, beside another pool that is unmounted, frozen or quarantined in
# turn: neither notices the other.
# lab: memory=5G with=debian-6.12,debian-7 seconds=1500 cpus=1 reboot=yes limit=4500M
# lab: append=guestmemfs=1152M@4992M,guestmemfs=side:256M@6656M,memmap=1152M$4992M,memmap=256M$6656M
# lab-debug: limit=9G

# shellcheck source=tests/vm/succession.sh
. /job/tests/succession.sh

side=/mnt/side
side_status=/sys/fs/guestmemfs/side

# The functions that this file puts others before.
for name in load kexec_load stage8 stage9; do
	eval "$(declare -f $name | sed "1s/$name/alone_$name/")"
done

# What happens to the other pool in the stage that comes. One in quarantine that KHO has brought
# keeps the module loaded, so not where the module is unloaded.
condition() {
	case $(cat /job/stage) in
	2|17|18) echo frozen ;;
	*) case $(($(cat /job/stage) % 3)) in
		0) echo quarantined ;;
		1) echo unmounted ;;
		2) echo frozen ;;
		esac ;;
	esac
}

mount_side() {
	mkdir -p $side
	mount -t guestmemfs "$@" side $side
}

side_begins() {
	check "side: it mounts" mount_side
	truncate -s 20M $side/file
	/job/tests/mapped fill $side/file 4
	mkdir $side/dir
	setfattr -n user.side -v value $side/dir
	describe $side >/job/side-tree
	sums $side >/job/side-sums
	umount $side
	touch /job/side-there
}

side_goes_on() {
	check "side: it mounts" mount_side
	same "side: metadata, extents and free blocks are as they were" "$(cat /job/side-tree)" "$(describe $side)"
	same "side: contents are as they were" "$(cat /job/side-sums)" "$(sums $side)"
	umount $side
}

# load: the other pool is looked at, and left as the stage wants it.
load() {
	alone_load "$@" || return
	# Not if region= names the one pool alone.
	[[ -d $side_status ]] || return 0
	# Firmware's boot has lost it.
	[[ $(cat /proc/sys/kernel/bootloader_type) = 208 ]] || [[ -e /tmp/side-seen ]] ||
		rm -f /job/side-there
	touch /tmp/side-seen
	if [[ $(cat /proc/cmdline) = *side:128M* ]]; then
		same "side: it is quarantined" quarantined "$(cat $side_status/state)"
		refused "side: it does not mount" "" mount_side
	elif [[ ! -e /job/side-there ]]; then
		side_begins
	else
		side_goes_on
		[[ $(condition) != frozen ]] ||
			check "side: it can be frozen" bash -c "echo 1 >$side_status/active"
	fi
}

# kexec_load: the next command line has what quarantines the other pool, or has it no more.
kexec_load() {
	local size=256M
	[[ $(condition) != quarantined ]] || size=128M
	# shellcheck disable=SC2001 # a pattern
	alone_kexec_load "${1:-}" "${2:-}" \
		"$(sed "s/side:[0-9]*M/side:$size/" <<<"${3:-$(cat /proc/cmdline)}")"
}

# refuses TEXT PATTERN [PARAMETER]: as in succession.sh, of the one pool.
refuses() {
	new_log >/dev/null
	check "$1: the module loads" load "${@:3}"
	refused "$1: the mount is refused" "$2" mount_says
	same "$1: one line of the log says so" 1 \
		"$(new_log | grep -c 'pool guestmemfs: .*image is quarantined')"
	same "$1: the state is quarantined" quarantined "$(cat $status/state)"
	check "$1: the reason is in sysfs" grep -q "$2" $status/quarantine
}

stage8() {
	new_log >/dev/null
	check "no memmap=: the module loads for the other pool" load
	logs "no memmap=: the log says what is missing" "(no memmap=.* holds it|is memory the kernel uses)"
	refused "no memmap=: the pool does not mount" "was not loaded" mount_says
	check "no memmap=: the pool is not in sysfs" test ! -e $status
	next_stage "" "" "$(cat /proc/cmdline) memmap=1152M\$4992M"
}

# The kernel without memmap= may have loaded this one into the midst of the pool's memory.
stage9() {
	if load && [[ ! -d $status && ! -e /job/again ]]; then
		touch /job/again
		echo 8 >/job/stage
		next_stage
	fi
	touch /job/again
	alone_stage9
}
