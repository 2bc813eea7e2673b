#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What the demos tell their stories with. STORY is the last line of a good one.
GUEST_MEM=$(sed -n 's/.*demo\.mem=\([^ ]*\).*/\1/p' /proc/cmdline)
# shellcheck source=scripts/vm/guest.sh
. /job/guest.sh
# shellcheck source=tests/vm/lib.sh
. /job/tests/lib.sh

failed=0
tell() {
	printf '%s\n' "$*"
	[[ $* != FAILED* ]] || failed=1
}
now() { date +%s%N; }
# timed TEXT COMMAND...: the step's story with the time it took.
timed() {
	local text=$1 t out
	shift
	t=$(now)
	if ! out=$("$@" 2>&1); then
		tell "FAILED  $text: $out"
		dmesg | sed -n 's/.*\(guestmemfs: .*\)/  the kernel: \1/p' | tail -n 1
		dmesg | tail -n 20 >&2
		finish
	fi
	printf '  %-58s %6d ms\n' "$text" $((($(now) - t) / 1000000))
}
finish() {
	if [[ $failed = 0 ]]; then
		tell "PASSED: $STORY"
	else
		tell "It failed. The consoles tell more."
	fi
	echo 'done'
	sync
	busybox poweroff -f
	sleep 60
}
claim() {
	if [[ $2 = "$3" ]]; then
		tell "  $1"
	else
		tell "FAILED  $1: '$3' and not '$2'"
	fi
}
