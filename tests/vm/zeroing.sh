# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Who zeroes what fallocate() allocates: the caller, several of them in parallel.
# lab: memory=4G kernels=debian-6.12 seconds=400

cgroup=/sys/fs/cgroup/tenant
half=$((400 << 20))

zeroing() { /job/tests/zeroing "$@"; }

# CPU time of all kworkers, in ms.
kworkers() {
	cat /proc/[0-9]*/stat 2>/dev/null | awk -v hz="$(getconf CLK_TCK)" \
		'$2 ~ /^\(kworker/ { n += $14 + $15 } END { print int(n * 1000 / hz) }'
}

# alone TEXT COMMAND...: the command prints its CPU time; kworkers need little meanwhile.
alone() {
	local before mine theirs text=$1
	shift
	before=$(kworkers)
	mine=$("$@")
	theirs=$(($(kworkers) - before))
	report info "$text: $mine ms of the caller's, $theirs ms of kworkers'"
	check "zeroing, $text: the caller does it" test "${mine:-0}" -gt $((2 * theirs))
	check "zeroing, $text: all is zero" /job/tests/mapped zero $mnt/a
	same "zeroing, $text: all is written" 0 "$(io -r -c 'fiemap -v' $mnt/a |
		awk 'NR > 2 && $NF ~ /8/ { n++ } END { print n + 0 }')"
}

in_cgroup() {
	sh -c "echo \$\$ >$cgroup/cgroup.procs; exec \"\$@\"" sh "$@"
}

together() {
	local start end sum
	start=${EPOCHREALTIME/./}
	zeroing $mnt/a 0 $half 10 >/tmp/first &
	zeroing $mnt/a $half $half 10 >/tmp/second &
	wait
	end=${EPOCHREALTIME/./}
	sum=$(($(cat /tmp/first) + $(cat /tmp/second)))
	report info "two on one file: $sum ms of CPU time in $(((end - start) / 1000)) ms"
	check "zeroing: two on ranges of one file work at once" \
		test $((sum * 1000)) -gt $(((end - start) * 6 / 5))
	check "zeroing: all of both ranges is zero" /job/tests/mapped zero $mnt/a
}

limited() {
	local pid
	mountpoint -q /sys/fs/cgroup || mount -t cgroup2 cgroup2 /sys/fs/cgroup
	echo +cpu >/sys/fs/cgroup/cgroup.subtree_control
	mkdir $cgroup
	echo 50000 100000 >$cgroup/cpu.max
	alone "half a CPU" in_cgroup /job/tests/zeroing $mnt/a 0 $half 5
	check "zeroing: cpu.max held it up" test \
		"$(awk '$1 == "nr_throttled" { print $2 }' $cgroup/cpu.stat)" -gt 2
	rm $mnt/a
	# At a hundredth of a CPU a block takes a second or more.
	echo 1000 100000 >$cgroup/cpu.max
	(in_cgroup /job/tests/zeroing $mnt/a 0 $half) >/dev/null &
	soon test -s $mnt/a
	pid=$(cat $cgroup/cgroup.procs)
	kill -9 "$pid"
	check "zeroing: a signal ends it" soon sh -c "! kill -0 $pid 2>/dev/null"
	check "zeroing: it ended before all was zeroed" test "$(io -r -c 'fiemap -v' $mnt/a |
		awk 'NR > 2 && $NF ~ /8/ { n++ } END { print n + 0 }')" -gt 0
	echo max >$cgroup/cpu.max
	check "zeroing: what was left is zeroed when it is touched" /job/tests/mapped zero $mnt/a
}

stage1() {
	start
	alone "unlimited" /job/tests/zeroing $mnt/a 0 $((2 * half))
	rm $mnt/a
	together
	rm $mnt/a
	if grep -q cgroup2 /proc/filesystems; then
		limited
	else
		skip "zeroing: a limit of CPU time holds" "$kernel has no control groups"
	fi
}
