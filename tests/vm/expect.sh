# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Programs that expect what tmpfs does: each call is made here and on a tmpfs, and the
# results are compared.
# lab: memory=4G cpus=1

expect() { /job/tests/expect "$@" 2>&1; }

# alike TEXT COMMAND...: the same result on both. %s in an argument is the mount point.
alike() {
	local text=$1
	shift
	same "$text" "$(cd /mnt/t && "${@//%s//mnt/t}" 2>&1)" "$(cd $mnt && "${@//%s/$mnt}" 2>&1)"
}

leases() {
	alike "leases: files and directories as on tmpfs" expect leases .
	same "leases: a file takes them" "file: read: ok, write: ok" "$(expect leases $mnt | cut -d';' -f1)"
	alike "leases: a second open breaks one" expect lease-break broken
	rm -f $mnt/leased $mnt/broken
}

stage1() {
	start
	mkdir -p /mnt/t
	check "tmpfs" mount -t tmpfs none /mnt/t
	leases
}
