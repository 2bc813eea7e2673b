# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# What VM tests are written with. A test is a file of functions stage1, stage2,
# ...: each runs in a fresh boot or, after next_stage, in the next kernel.

mnt=/mnt/g
kernel=$(cat /job/kernel-name)

# report ok|"not ok"|info TEXT: one line of the verdict.
report() {
	echo "$1 $2" >/dev/ttyS1
	echo "$1 $2"
}

# fail TEXT GOT [WANT]: the verdict has the last line of GOT, the console all of it.
fail() {
	report "not ok" "$1 (got ${2##*$'\n'}${3:+, expected $3})"
	[[ $2 != *$'\n'* ]] || echo "$2"
}

# skip TEXT REASON: an expectation that this kernel or machine gives no way to check.
skip() { report skip "$1 # $2"; }

# check TEXT COMMAND...: the command must succeed.
check() {
	local text=$1 out status
	shift
	if out=$("$@" 2>&1); then
		report ok "$text"
	else
		status=$?
		fail "$text" "${out:-nothing} and status $status"
		echo "  failed: $*"
	fi
}

# refused TEXT MESSAGE COMMAND...: it must fail and say MESSAGE.
refused() {
	local text=$1 message=$2 out
	shift 2
	if out=$("$@" 2>&1); then
		fail "$text" "success" "'$message'"
	elif [[ $out != *"$message"* ]]; then
		fail "$text" "${out:-nothing}" "'$message'"
	else
		report ok "$text"
	fi
}

# same TEXT WANT GOT
same() {
	if [[ $2 = "$3" ]]; then
		report ok "$1"
	elif [[ $2$3 = *$'\n'* ]]; then
		echo "$2" >/tmp/want
		echo "$3" >/tmp/got
		diff /tmp/want /tmp/got >/tmp/diff
		fail "$1" "other lines, of which diff says first '$(grep -m 1 '^[<>]' /tmp/diff)'"
		cat /tmp/diff
	else
		fail "$1" "'$3'" "'$2'"
	fi
}

# soon COMMAND...: it may take a minute until the command succeeds.
soon() {
	local i
	for i in {1..600}; do
		"$@" >/dev/null 2>&1 && return
		sleep 0.1
	done
	return 1
}

# holding COMMAND...: run it in the background, and go on when it has said something.
holding() {
	rm -f /tmp/held
	"$@" >/tmp/held &
	soon test -s /tmp/held
}

# asleep PID NR: so many of its threads are in a fault; what they sleep in is no system
# call. Or they are in one, and no signal wakes them but one that kills.
asleep() {
	local t n=0
	for t in "/proc/$1/task"/*; do
		if grep -q '^-1 ' "$t/syscall" || [[ $(awk '{ print $3 }' "$t/stat") = D ]]; then
			n=$((n + 1))
		fi
	done
	[[ $n = "$2" ]]
}

# ended PID: it has, whether it was waited for or not.
ended() { [[ ! -e /proc/$1 || $(awk '{ print $3 }' "/proc/$1/stat") = Z ]]; }

# io COMMANDS FILE: xfs_io, which tells of errors but exits with 0.
io() {
	local out
	out=$(xfs_io "$@" 2>&1 >/tmp/io)
	cat /tmp/io
	[[ -z $out ]] || { echo "$out"; return 1; }
}

# few_faults MAX FILE [ALIGN]: to write to each of its pages takes so many faults at most,
# mapped at a multiple of ALIGN. No last-level page tables: one table of another level, and
# one more where mmap() chooses the place.
few_faults() {
	local faults tables
	read -r faults tables <<<"$(/job/tests/mapped faults "$2" "${3:-0}")"
	echo "$faults faults, $tables KiB of page tables"
	[[ -n $tables && $faults -le $1 && $tables -le $((${3:-0} ? 8 : 16)) ]]
}

# harness PROGRAM [ARGUMENT...]: one on the kernel's selftest harness. Each of its tests is
# a line of the verdict, with what it said if it failed.
harness() {
	local line name said='' n=0 nr=0
	FILE=$mnt/harness "/job/tests/$1" "${@:2}" >/tmp/harness 2>&1
	while IFS= read -r line; do
		echo "$line"
		case $line in
		1..*)
			nr=${line#1..} ;;
		*"# SKIP"*)
			name=${line#ok * }
			skip "$1: ${name%% #*}" "${name#*# SKIP }"
			n=$((n + 1)) ;;
		"ok "*|"not ok "*)
			name=${line#*ok * }
			name=${name//_/ }
			report "${line%%ok *}ok" "${name//./: }$said"
			n=$((n + 1)) said= ;;
		"# "*:Expected*) ;;
		"# $1.c:"*)
			said+="; ${line#*:*:*:}" ;;
		"# "*": Test terminated "*)
			said+="; ${line#*: }" ;;
		esac
	done </tmp/harness
	((nr && n == nr)) || fail "$1: all of its tests end" "$n" "$nr"
}

# resident TEXT: the lab notes what this VM has of the host's memory at this moment.
resident() {
	report resident "$1"
	sleep 3
}

# grows_by MIB TEXT: the lab checks that it grew by no more between the last two notes.
grows_by() { report grows-by "$1 $2"; }

# The module of the kernel that runs now, which need not be the first one.
load() {
	local k
	for k in /job/kernels/*; do
		[[ $(cat "$k/release") != "$(uname -r)" ]] ||
			{ insmod "$k/guestmemfs.ko" "$@"; return; }
	done
	echo "there is no module for $(uname -r)"
	return 1
}

mount_g() {
	mkdir -p $mnt
	mount -t guestmemfs "$@" guestmemfs $mnt
}

start() {
	check "module: it loads" load
	check "tree: it mounts" mount_g
}

# The log's lines since the last call.
new_log() {
	dmesg | tail -n +$(($(cat /tmp/log-seen 2>/dev/null || echo 0) + 1))
	dmesg | wc -l >/tmp/log-seen
}

# logs TEXT PATTERN: the kernel said so since the last call of new_log.
logs() {
	if new_log >/tmp/log && grep -qE "$2" /tmp/log; then
		report ok "$1"
	else
		fail "$1" "$(grep guestmemfs /tmp/log || echo "no line of the module's in the log")" "'$2'"
	fi
}

# Physical address of the region.
region() {
	awk -F- '/ : guestmemfs$/ { gsub(" ", "", $1); print "0x" $1 }' /proc/iomem
}

# By kexec_file_load(2), which KHO wants and which keeps off the region. A test that
# sets old_kexec has stock kernels do it by kexec_load(2), for which kexec(8) takes
# the memory's end, whatever memmap= says, unless told not to; and without
# purgatory's checksums of all that is loaded, two fifths of such a boot under TCG.
kexec_load() {
	local append how=-s
	append=$(cat /proc/cmdline)
	[[ -z ${old_kexec:-} || $(uname -r) != *-cloud-* ]] ||
		how="-c --no-checks --mem-max=$old_kexec"
	kexec $how -l "${1:-/job/vmlinuz}" --initrd="${2:-/job/initrd}" \
		--command-line="${3:-$append}"
}

# next_kernel NAME [CMDLINE]: into a kernel of the test's header.
next_kernel() {
	next_stage "/job/kernels/$1/vmlinuz" "/job/kernels/$1/initrd" "${2:-}"
}

# next_stage: into the next kernel, where the next stage runs.
next_stage() {
	local stage out
	stage=$(cat /job/stage 2>/dev/null || echo 1)
	echo $((stage + 1)) >/job/stage
	if ! out=$(kexec_load "$@" 2>&1); then
		fail "kexec: it loads the next kernel" "${out:-nothing}"
		return
	fi
	sync
	echo "=== kexec" >/dev/ttyS0
	kexec -e
	sleep 60
	fail "kexec: it jumps" "the same kernel, 60 s later"
}

# Who brings the image if all went well.
case $kernel in
kho|debug) carrier=KHO ;;
*) carrier="the region" ;;
esac

# Everything a tree tells, in a form that diff can compare.
describe() {
	(cd "$1" && find . -exec stat -c '%n|%i|%f|%h|%u|%g|%s|%b|%t,%T|%.9X|%.9Y|%.9Z|%.9W' {} + |
		sort)
	(cd "$1" && find . -type l -printf '%p -> %l\n' | sort)
	(cd "$1" && find . -type f -print0 | sort -z | /job/tests/runs)
	(cd "$1" && find . -print0 | sort -z | xargs -0 getfattr -hd -m - --)
	(cd "$1" && lsattr -aR . 2>/dev/null | grep -E '^[-a-zA-Z]+ ' | sort -k 2)
	stat -f -c 'free %f of %b' "$1"
	echo "inodes $(($(stat -f -c '%c - %d' "$1")))"
}

# Contents of every file, by mapping it, which fills holes, and waits for thaw if
# it must; but for files that must stay untouched, and those of churn.
sums() {
	(cd "$1" && find . -type f -size +0 ! -name 'untouched*' ! -name '[ab][0-9]' -print0 |
		sort -z | /job/tests/mapped sums shared)
}

remember() {
	describe $mnt >/job/tree
	sums $mnt >/job/sums
}

# compare TEXT [BLOCKS]: what remember saw is there, and so many blocks more, all of them free.
compare() {
	same "$1: metadata, extents and free blocks are as they were" \
		"$(awk -v n="${2:-0}" '/^free / { $2 += n; $4 += n } 1' /job/tree)" "$(describe $mnt)"
	same "$1: contents are as they were" "$(cat /job/sums)" "$(sums $mnt)"
}

# perform PROGRAM OPERATION FILE: one of limits.h, or a program of its own; says in one word
# how it ended.
perform() {
	case $2 in
	nested) /job/tests/nested "$3" ;;
	vhost-scsi) /job/tests/vhostscsi "$3" "$(vhost_scsi_target)" ;;
	*) "/job/tests/$1" "$2" "$3" ;;
	esac 2>/dev/null
}

# A SCSI target of vhost-scsi in this kernel, with 4 MiB of its memory for a disk; prints its name.
vhost_scsi_target() {
	local config=/sys/kernel/config name=naa.600140554cf3a18e target
	[[ -d $config/target ]] || {
		mount -t configfs none $config
		modprobe -a vhost_scsi target_core_mod
	} 2>/dev/null
	target=$config/target/vhost/$name/tpgt_1
	echo $name
	[[ ! -d $target ]] || return 0
	mkdir -p $config/target/core/rd_mcp_0/lab $target/lun/lun_0 2>/dev/null || return
	echo rd_pages=1024 >$config/target/core/rd_mcp_0/lab/control
	echo 1 >$config/target/core/rd_mcp_0/lab/enable
	echo naa.600140554cf3a18f >$target/nexus
	ln -s $config/target/core/rd_mcp_0/lab $target/lun/lun_0/lab
}

check_kmemleak() {
	[[ -e /sys/kernel/debug/kmemleak ]] || return 0
	umount $mnt 2>/dev/null
	echo scan >/sys/kernel/debug/kmemleak
	sleep 6
	echo scan >/sys/kernel/debug/kmemleak
	# A module that is gone has no names any more.
	if grep -qE 'gmfs|\[guestmemfs\]|comm "(insmod|mount)"' /sys/kernel/debug/kmemleak; then
		fail "kmemleak: the module leaks nothing" "$(cat /sys/kernel/debug/kmemleak)"
	else
		report ok "kmemleak: the module leaks nothing"
	fi
}
