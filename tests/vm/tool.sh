# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# The program guestmemfs on a real host: what it says is so, and it jumps.
# lab: memory=4G cpus=1

tool=/job/guestmemfs

# says TEXT PATTERN COMMAND...: it succeeds and says so.
says() {
	local text=$1 pattern=$2 out
	shift 2
	if out=$("$@" 2>&1) && grep -qE -- "$pattern" <<<"$out"; then
		report ok "$text"
	else
		fail "$text" "${out:-nothing}" "'$pattern'"
	fi
}

stage1() {
	refused "status: it fails without the module" "not loaded" $tool status
	says "plan: it prints memmap= for this machine" 'memmap=.*\$' $tool plan 256M
	start
	truncate -s 10M $mnt/a
	/job/tests/mapped fill $mnt/a 1
	says "status: it shows the state" 'mounted' $tool status
	says "status: it shows the region" '0x48000000@0x138000000' $tool status
	refused "dump: it fails if nothing is published" "there is no image" $tool dump
	check "check: it accepts this kernel's command line" $tool check
	refused "check: it refuses a command line without a region" "memmap" \
		$tool check --cmdline "root=/dev/vda"
	refused "check: it refuses a smaller region" "the next kernel would take" \
		$tool check --cmdline "$(sed 's/guestmemfs=1152M/guestmemfs=1024M/' /proc/cmdline)"
	check "active: 1 can be written" bash -c "echo 1 >/sys/fs/guestmemfs/active"
	says "dump: it shows the file and its blocks" '\ba\b' $tool dump
	if [[ -e /sys/kernel/debug/kho/out/sub_fdts/guestmemfs ]]; then
		same "dump --kho: it shows what dump shows" "$($tool dump)" \
			"$($tool dump --kho | tail -n +2)"
	fi
	echo 0 >/sys/fs/guestmemfs/active
	umount $mnt
	rmmod guestmemfs
	says "dump --region: it shows the sealed slot and the file" '\ba\b' \
		$tool dump --region 1152M@4992M
	start
	remember
	refused "kexec: it fails if the kernel is not there" "nothing was frozen" \
		$tool kexec /nowhere --initrd /job/initrd
	same "kexec: one that fails freezes nothing" 0 "$(cat /sys/fs/guestmemfs/active)"
	says "kexec --no-jump: it says that it loaded and froze" "Loaded and frozen" \
		$tool kexec /job/vmlinuz --initrd /job/initrd --no-jump
	same "kexec --no-jump: the kernel is loaded" 1 "$(cat /sys/kernel/kexec_loaded)"
	same "kexec --no-jump: the tree is frozen" 1 "$(cat /sys/fs/guestmemfs/active)"
	kexec -u
	echo 0 >/sys/fs/guestmemfs/active
	echo 2 >/job/stage
	sync
	echo "=== kexec" >/dev/ttyS0
	$tool kexec /job/vmlinuz --initrd /job/initrd
	fail "kexec: it jumps" "status $?"
}

stage2() {
	new_log >/dev/null
	start
	logs "kexec: the tree comes by the right carrier" "took over [0-9]* inodes from $carrier"
	compare "tree after guestmemfs kexec"
	# On to a kernel whose region is another one.
	next_stage "" "" "$(sed 's/guestmemfs=1152M/guestmemfs=512M/' /proc/cmdline)"
}

stage3() {
	local right
	new_log >/dev/null
	check "module: it loads" load
	same "another region: the image is quarantined" quarantined \
		"$(cat /sys/fs/guestmemfs/guestmemfs/state)"
	refused "check: it refuses the same region again" "the files are in 1152M@4992M" $tool check
	right=$(sed 's/guestmemfs=512M/guestmemfs=1152M/' /proc/cmdline)
	says "check: it accepts the image's region" "yes: .*pool guestmemfs in 0x48000000@0x138000000" \
		$tool check --cmdline "$right"
	echo 4 >/job/stage
	sync
	echo "=== kexec" >/dev/ttyS0
	$tool kexec /job/vmlinuz --initrd /job/initrd --cmdline "$right"
	fail "kexec out of quarantine: it jumps" "status $?"
}

stage4() {
	new_log >/dev/null
	start
	compare "tree after guestmemfs kexec out of quarantine"
}
