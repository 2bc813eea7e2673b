# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Programs that others wrote: the kernel's selftests, stress-ng and fio.
# As many inodes as stress-ng makes need a large region.
# lab: memory=264G append=guestmemfs=257G,memmap=257G$4G seconds=700
# lab-debug: memory=88G append=guestmemfs=81G,memmap=81G$4G

# ksft TEXT FAILS COMMAND...: a selftest passes, but for the tests named in FAILS.
ksft() {
	local text=$1 fails=$2 failed
	shift 2
	"$@" >/tmp/ksft 2>&1
	cat /tmp/ksft
	# What it skips, or knows to fail everywhere, it did not pass.
	grep -E '^ok .*# (SKIP|XFAIL)' /tmp/ksft | while read -r line; do
		line=${line#ok }
		skip "$text: ${line%% #*}" "${line#*# }"
	done
	sed -i -E '/^ok .*# (SKIP|XFAIL)/d' /tmp/ksft
	failed=$(grep '^not ok' /tmp/ksft | sed 's/^not ok [0-9]* *-* *//' | paste -sd,)
	if ! grep -q '^ok' /tmp/ksft; then
		fail "$text: some of its tests pass" "none"
	else
		same "$text: $(grep -c '^ok' /tmp/ksft) tests pass, and only known ones fail" \
			"$fails" "$failed"
	fi
}

# How long each half of stress-ng runs, seconds: a minute in all on kho.
time=5
[[ $kernel != kho ]] || time=30

stressors() {
	mkdir $mnt/stress
	# fallocate and fiemap want read() and write(); those that need pages of a
	# shared mapping (O_DIRECT, vmsplice) are not here.
	mount -o remount,fileio $mnt
	check "stress-ng: its mmap stressors succeed for $time s" stress-ng --temp-path $mnt/stress --timeout $time \
		--verify --metrics-brief --log-file /tmp/stress --mmap 1 --mmap-file --mmap-bytes 64M \
		--mmapfixed 1 --mmaphuge 1 --mmaphuge-mmaps 64 --mmaphuge-file --remap 1 --remap-pages 512
	check "stress-ng: its file stressors succeed" \
		stress-ng --temp-path $mnt/stress --timeout $time \
		--verify --metrics-brief --log-file /tmp/stress-files --fallocate 1 --fallocate-bytes 64M --fpunch 1 \
		--seek 1 --seek-size 16M --rename 1 --link 1 --symlink 1 --dentry 1 --dentries 100 \
		--dir 1 --dir-dirs 100 --xattr 1 --touch 1 --filename 1 --open 1 --chmod 1 \
		--fiemap 1 --fiemap-bytes 8M --copy-file 1 --copy-file-bytes 128M --hdd 1 --hdd-bytes 16M
	same "stress-ng: both runs skip no stressor" 2 \
		"$(cat /tmp/stress /tmp/stress-files | grep -c 'skipped: 0')"
	mount -o remount,nofileio $mnt
	rm -rf ${mnt:?}/stress
}

stage1() {
	start
	truncate -s 16M $mnt/pfn
	# It maps to read; while the file is open for writing that is by pfns.
	exec 9<>$mnt/pfn
	ksft "selftests/mm/pfnmap" "" /job/tests/pfnmap -- $mnt/pfn
	exec 9>&-
	cd $mnt || return
	# 6.12: mincore() asks the page cache about a VM_PFNMAP mapping, which is not
	# there, and mremap() does not move several VMAs at once.
	old_mincore='' old_mremap=''
	if [[ $kernel = debian-6.12 ]]; then
		old_mincore=global.check_file_mmap
		old_mremap="mremap move multiple vmas,mremap move multiple vmas [dontunnmap],"
		old_mremap+="mremap move multiple vmas split,mremap move multiple vmas split [dontunnmap],"
		old_mremap+="mremap move multiple invalid vmas"
	fi
	ksft "selftests/mincore" "$old_mincore" /job/tests/mincore_selftest
	ksft "selftests/mm/mremap_test" "$old_mremap" timeout 200 /job/tests/mremap_test -t 4
	cd / || return
	stressors
	truncate -s 128M $mnt/fio	# else fio write()s it
	check "fio: its mmap engine verifies what it wrote" \
		fio --name=v --filename=$mnt/fio --size=128M --bs=4k \
		--rw=randwrite --ioengine=mmap --verify=crc32c --output=/tmp/fio
	check "fio: its threads succeed on one file" \
		fio --name=t --filename=$mnt/fio --size=64M --bs=64k \
		--rw=randrw --ioengine=mmap --numjobs=3 --thread --time_based --runtime=5 --output=/tmp/fio
	rm -f $mnt/pfn $mnt/fio
	same "in the end: all blocks are free" "$(stat -f -c %b $mnt)" "$(stat -f -c %f $mnt)"
	check "umount: succeeds" umount $mnt
}
