# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# The switch: what a frozen tree refuses, and that thaw gives it all back.
# lab: memory=4G

active=/sys/kernel/kho/active
image=/sys/fs/guestmemfs/guestmemfs/image
out=/sys/kernel/debug/kho/out/sub_fdts/guestmemfs

# state TEXT STATE
state() {
	same "$1: is $2" "$2" "$(cat /sys/fs/guestmemfs/guestmemfs/state)"
}

# A fault that waits for thaw keeps no lock of mm.
threads() {
	local pid
	truncate -s 8M $mnt/t
	/job/tests/mapped poke $mnt/t 0 written
	echo 1 >$active
	holding /job/tests/frozen threads $mnt/t
	pid=$!
	check "sleeping fault: mmap, munmap, faults, smaps and signals go on" \
		grep -q held /tmp/held
	for f in maps smaps cmdline; do
		check "sleeping fault: others can read $f of its process" \
			timeout 20 cat "/proc/$pid/$f"
	done
	check "sleeping fault: ps can show its process" timeout 20 ps -o pid,rss,args -p "$pid"
	check "sleeping fault: its process can be sent SIGKILL" sh -c "kill -9 $pid"
	wait $pid 2>/dev/null
	same "sleeping fault: SIGKILL ends its process" 137 $?
	holding /job/tests/frozen threads $mnt/t
	pid=$!
	holding /job/tests/frozen syscall $mnt/t
	check "system call's fault: maps can be read beside it" timeout 20 cat "/proc/$!/maps"
	sleep 1
	before=$(awk '{ print $14 + $15 }' "/proc/$!/stat")
	sleep 2
	same "system call's fault: it sleeps in spite of a signal" "$before" "$(awk '{ print $14 + $15 }' "/proc/$!/stat")"
	check "thaw: succeeds beside faults that sleep" bash -c "echo 0 >$active"
	wait $!
	same "thaw: a system call's fault goes on, then its signal is handled" 0 $?
	wait $pid
	same "thaw: a thread's fault goes on, with the right contents" 0 $?
	rm $mnt/t
}

# Names change while the tree is frozen and thawed.
churn() {
	local i failed=0 writers=()
	for i in 0 1 2; do
		/job/tests/churn $mnt $i 600 &
		writers+=($!)
	done
	for i in {1..100}; do
		sleep 0.005
		echo 1 >$active || failed=$((failed + 1))
		echo 0 >$active || failed=$((failed + 1))
	done
	same "100 rounds beside writers: the switch never fails" 0 $failed
	for i in "${writers[@]}"; do
		check "100 rounds beside writers: each lives" eval '! ended $i'
	done
	kill -9 "${writers[@]}"
	wait "${writers[@]}" 2>/dev/null
}

stage1() {
	start
	same "active: is 0 after the mount" 0 "$(cat $active)"
	for bad in 2 -1 yes '' 10; do
		refused "active: '$bad' is EINVAL" "Invalid argument" bash -c "echo '$bad' >$active"
	done
	tracing=/sys/kernel/tracing/events/guestmemfs
	mount -t tracefs none /sys/kernel/tracing 2>/dev/null
	[[ ! -e $tracing ]] || echo 1 >$tracing/enable
	for how in freeze mem disk; do
		grep -qsw $how /sys/power/state || continue
		refused "sleep: $how is EPERM" "not permitted" bash -c "echo $how >/sys/power/state"
		logs "sleep: the log says why $how is refused" "files would be lost"
	done
	truncate -s 8M $mnt/a
	truncate -s 8M $mnt/fresh
	truncate -s 8M $mnt/fresh2
	mkdir $mnt/d
	ln -s a $mnt/s
	/job/tests/mapped fill $mnt/a 1
	before=$(describe $mnt)
	holding /job/tests/mapped hold $mnt/a
	holder=$!
	check "active: 1 can be written" bash -c "echo 1 >$active"
	same "active: reads 1" 1 "$(cat $active)"
	state "state" frozen
	same "active: reads 1 in the sysfs of guestmemfs" 1 "$(cat /sys/fs/guestmemfs/active)"
	check "active: 1 can be written again" bash -c "echo 1 >$active"
	while read -r text command; do
		refused "frozen: $text is EBUSY" "Device or resource busy" sh -c "$command"
	done <<-END
	create touch $mnt/new
	mkdir mkdir $mnt/new
	symlink ln -s x $mnt/new
	mknod mkfifo $mnt/new
	link ln $mnt/a $mnt/new
	unlink rm $mnt/a
	rmdir rmdir $mnt/d
	rename mv $mnt/a $mnt/new
	exchange /job/tests/exchange $mnt/a $mnt/d
	grow truncate -s 10M $mnt/a
	shrink truncate -s 1M $mnt/a
	chmod chmod 777 $mnt/a
	chown chown 1 $mnt/a
	touch touch $mnt/a
	END
	same "frozen: refused changes change nothing" "$before" "$(describe $mnt)"
	check "frozen: names can be read" ls -lR $mnt
	/job/tests/mapped sum $mnt/a >/tmp/sum
	check "frozen: written blocks can be written" \
		soon sh -c "! /job/tests/mapped sum $mnt/a | cmp - /tmp/sum"
	[[ ! -e $out ]] || check "frozen: KHO has the image" cmp $out $image
	check "image: dtc decodes it" sh -c "dtc -I dtb -O dts $image >/tmp/dts"
	check "image: it has the file's name" grep -q '"a", \|, "a"' /tmp/dts

	/job/tests/mapped fill $mnt/fresh 1 &
	waiter=$!
	check "frozen: a fault on an unwritten block sleeps" soon asleep $waiter 1
	/job/tests/mapped fill $mnt/fresh 1 &
	killed=$!
	soon asleep $killed 1
	check "frozen: a fault that sleeps can be killed" sh -c "kill -9 $killed"
	wait $killed 2>/dev/null
	holding /job/tests/frozen sizes $mnt/fresh2
	sizes=$!
	check "frozen: two faults of different sizes for one block sleep" asleep $sizes 2
	check "frozen: KHO has the image unless the region alone carries it" test "$(cat /sys/fs/guestmemfs/guestmemfs/carriers)" = region -o -e $out
	check "active: 0 can be written" bash -c "echo 0 >$active"
	same "active: reads 0" 0 "$(cat $active)"
	state "state" mounted
	check "active: 0 can be written again" bash -c "echo 0 >$active"
	wait $waiter
	same "thaw: the fault goes on" 0 $?
	wait $sizes
	same "thaw: faults of different sizes get the same entry" 0 $?
	check "thaw: changes go on" touch $mnt/new
	check "thaw: KHO's image is withdrawn" test ! -e $out
	kill $holder
	if [[ -e $tracing ]]; then
		wait $holder 2>/dev/null
		umount $mnt && mount_g
		echo 0 >$tracing/enable
		for event in 'freeze: freeze err=0' 'freeze: thaw err=0' \
			'publish: size=[1-9][0-9]* generation=1 err=0' \
			'restore: inodes=[1-9][0-9]* err=0' \
			'fault: ino=[0-9]* pgoff=0x0 requested=9 entered=9 result=0x100' \
			'zero: block=[1-9][0-9]* err=0'; do
			check "events: the trace has gmfs_$event" \
				grep -q "gmfs_$event" /sys/kernel/tracing/trace
		done
	else
		skip "events: the trace has freeze, publish, restore, fault and zero" \
			"$kernel has no tracepoints"
	fi

	threads
	for i in $(seq 20); do
		if ! { echo 1 >$active && echo 0 >$active; }; then
			fail "round $i: the switch takes 1 and 0" "an error"
		fi
	done
	churn
	check "frozen: umount and mount succeed" bash -c \
		"echo 1 >$active; umount $mnt && mount -t guestmemfs none $mnt"
	refused "frozen: the tree still is after umount and mount" "busy" touch $mnt/later
	echo 0 >$active
	rm -r ${mnt:?}/*
	umount $mnt
	check "unmounted: active: 1 can be written" bash -c "echo 1 >$active"
	check "rmmod: succeeds while frozen" rmmod guestmemfs
	check "rmmod: KHO's image is withdrawn" test ! -e $out
	check "rmmod: the switch is gone" test ! -e $active
}
