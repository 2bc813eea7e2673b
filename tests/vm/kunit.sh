# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# The pure files' tests in the kernel: guestmemfs_kunit.ko.
# lab: memory=2G kernels=kho append=kunit.enable=1,kunit.autorun=1

stage1() {
	local results suite n=0 verdict name
	check "KUnit module: it loads" insmod /job/guestmemfs_kunit.ko
	for results in /sys/kernel/debug/kunit/guestmemfs_*/results; do
		[[ -e $results ]] || continue
		n=$((n + 1))
		suite=$(basename "$(dirname "$results")")
		cat "$results"
		# Tests stand four blanks in; their parameters further, suites less.
		sed -nE 's/^ {4}ok [0-9]+ /ok /p; s/^ {4}not ok [0-9]+ /not_ok /p' \
			"$results" | while read -r verdict name; do
			report "${verdict/_/ }" "$suite: $name"
		done
		# One that stopped half-way has no tests that failed either.
		check "$suite: the suite passes" grep -q "^ok 1 $suite" "$results"
	done
	same "suites: all have results" 5 "$n"
	check "KUnit module: it unloads" rmmod guestmemfs_kunit
}
