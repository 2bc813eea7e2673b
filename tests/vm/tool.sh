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
		report "not ok" "$text"
		echo "$out"
	fi
}

stage1() {
	refused "no module" "not loaded" $tool status
	says "plan for this machine" 'memmap=.*\$' $tool plan 256M
	start
	truncate -s 10M $mnt/a
	/job/tests/mapped fill $mnt/a 1
	says "status: state" 'mounted' $tool status
	says "status: region" '0x48000000@0x138000000' $tool status
	refused "nothing is published" "there is no image" $tool dump
	check "check" $tool check
	refused "check: no region on the command line" "memmap" $tool check --cmdline "root=/dev/vda"
	refused "check: a smaller region" "the next kernel would take" \
		$tool check --cmdline "$(sed 's/guestmemfs=1152M/guestmemfs=1024M/' /proc/cmdline)"
	check "freeze" bash -c "echo 1 >/sys/fs/guestmemfs/active"
	says "dump: the file and its blocks" '\ba\b' $tool dump
	if [[ -e /sys/kernel/debug/kho/out/sub_fdts/guestmemfs ]]; then
		same "dump --kho says the same" "$($tool dump)" \
			"$($tool dump --kho | tail -n +2)"
	fi
	echo 0 >/sys/fs/guestmemfs/active
	umount $mnt
	rmmod guestmemfs
	says "dump --region: the sealed slot and the file" '\ba\b' $tool dump --region 1152M@4992M
	start
	remember
	refused "kexec: a kernel that is not there" "nothing was frozen" \
		$tool kexec /nowhere --initrd /job/initrd
	same "nothing is frozen" 0 "$(cat /sys/fs/guestmemfs/active)"
	says "kexec --no-jump" "Loaded and frozen" $tool kexec /job/vmlinuz --initrd /job/initrd --no-jump
	same "loaded" 1 "$(cat /sys/kernel/kexec_loaded)"
	same "frozen" 1 "$(cat /sys/fs/guestmemfs/active)"
	kexec -u
	echo 0 >/sys/fs/guestmemfs/active
	echo 2 >/job/stage
	sync
	echo "=== kexec" >/dev/ttyS0
	$tool kexec /job/vmlinuz --initrd /job/initrd
	report "not ok" "kexec"
}

stage2() {
	new_log >/dev/null
	start
	logs "published after loading" "took over [0-9]* inodes from $carrier"
	compare "guestmemfs kexec"
	# On to a kernel whose region is another one.
	next_stage "" "" "$(sed 's/guestmemfs=1152M/guestmemfs=512M/' /proc/cmdline)"
}

stage3() {
	local right
	new_log >/dev/null
	check "load" load
	same "quarantined" quarantined "$(cat /sys/fs/guestmemfs/state)"
	refused "check: this region again" "the files are in 1152M@4992M" $tool check
	right=$(sed 's/guestmemfs=512M/guestmemfs=1152M/' /proc/cmdline)
	says "check: the region of the image" "yes: .*0x48000000@0x138000000" \
		$tool check --cmdline "$right"
	echo 4 >/job/stage
	sync
	echo "=== kexec" >/dev/ttyS0
	$tool kexec /job/vmlinuz --initrd /job/initrd --cmdline "$right"
	report "not ok" "kexec"
}

stage4() {
	new_log >/dev/null
	start
	compare "guestmemfs kexec out of quarantine"
}
