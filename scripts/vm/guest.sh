# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# A KVM guest with its RAM in guestmemfs, driven by QEMU's monitor. Used by the
# demos and by the tests; GUEST_MEM is the guest's size, GUEST_RAM its file,
# GUEST_BACKEND how QEMU maps it. Or GUEST_MACHINE is what QEMU gets in place of these two.
# GUEST_APPEND is for the guest's command line: see guest-init.

GUEST_MEM=${GUEST_MEM:-256M}
GUEST_RAM=${GUEST_RAM:-/mnt/g/guest-ram}
GUEST_BACKEND=${GUEST_BACKEND:-share=on,align=2M}

# guest_use NAME: which guest the functions below are about.
guest_use() {
	guest_dir=/job/guest${1:+-$1}
	guest_console=$guest_dir/console
}
guest_use ""

# guest_start [QEMU-ARGUMENT...]
guest_start() {
	modprobe kvm_amd 2>/dev/null
	mkdir -p $guest_dir
	rm -f $guest_dir/monitor $guest_dir/line $guest_dir/pid
	local machine=${GUEST_MACHINE:-}
	[[ -n $machine ]] || machine="-machine q35,memory-backend=pc.ram -object \
		memory-backend-file,id=pc.ram,size=$GUEST_MEM,mem-path=$GUEST_RAM,$GUEST_BACKEND"
	# shellcheck disable=SC2086
	qemu-system-x86_64 -accel kvm -cpu EPYC $machine \
		-m "$GUEST_MEM" -nodefaults -display none -daemonize \
		-kernel /job/guest-vmlinuz -initrd /job/guest-initrd \
		-append "console=ttyS0 quiet ${GUEST_APPEND:-}" \
		-chardev "file,id=c,path=$guest_console,append=on" -serial chardev:c \
		-chardev "socket,id=d,path=$guest_dir/line,server=on,wait=off" -serial chardev:d \
		-monitor "unix:$guest_dir/monitor,server=on,wait=off" \
		-pidfile $guest_dir/pid "$@"
}

# monitor COMMAND...: what the monitor answers.
monitor() {
	local c
	{ for c in "$@"; do echo "$c"; done; sleep 0.2; } |
		socat -t 2 - UNIX-CONNECT:$guest_dir/monitor | tr -d '\r'
}

# migrated: wait for a migration to end, and say how it did.
guest_migrated() {
	local i state
	for i in $(seq 600); do
		[[ -e $guest_dir/monitor ]] || { echo "QEMU is not there"; return 1; }
		state=$(monitor "info migrate" | sed -n 's/.*[Ss]tatus: *//p' | head -n 1)
		case $state in
		completed*|failed*) break ;;
		esac
		sleep 0.1
	done
	[[ $state = completed* ]] || { echo "migration after ${i}00 ms: $state"; return 1; }
}

guest_save() {
	monitor "migrate_set_capability x-ignore-shared on" \
		"migrate_set_parameter mode cpr-reboot" \
		"migrate -d file:$1" >/dev/null
	guest_migrated
}

guest_restore() {
	monitor "migrate_set_capability x-ignore-shared on" \
		"migrate_set_parameter mode cpr-reboot" \
		"migrate_incoming file:$1" >/dev/null
	guest_migrated && monitor cont >/dev/null
}

guest_quit() {
	local pid
	pid=$(cat $guest_dir/pid)
	monitor quit >/dev/null 2>&1
	while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done
}

guest_blob() {
	sed -n 's/.*GUEST blob \([0-9a-f]*\).*/\1/p' $guest_console | head -n 1
}

# The last checksum of it that the guest printed, to its end.
guest_sum() {
	grep -aoE 'GUEST [0-9]+ [0-9a-f]{32}' $guest_console | tail -n 1 | cut -d' ' -f3
}

# The highest count the guest printed.
guest_count() {
	grep -ao 'GUEST [0-9]* ' $guest_console | tail -n 1 | tr -dc 0-9
}

# guest_counts_on N: wait until it printed a count above N.
guest_counts_on() {
	local i n
	for i in $(seq 600); do
		n=$(guest_count)
		[[ ${n:-0} -gt $1 ]] && return
		sleep 0.2
	done
	echo "the guest did not count on from $1 within $((i / 5)) s"
	return 1
}

guest_is_healthy() {
	! grep -aE 'BAD|panic|Oops|BUG:' $guest_console
}

# guest_pages SIZE: how many of its pages KVM maps with that size (4k, 2m, 1g).
guest_pages() {
	cat /sys/kernel/debug/kvm/"$(cat $guest_dir/pid)"-*/pages_"$1" 2>/dev/null
}

# guest_mark TEXT: have the guest write 4 MiB that depend on TEXT, and wait until
# it tells their checksum.
guest_mark() {
	local i
	echo "$1" | socat -t 1 - UNIX-CONNECT:$guest_dir/line
	for i in $(seq 300); do
		guest_marked "$1" >/dev/null && return
		sleep 0.2
	done
	echo "the guest did not mark $1 within $((i / 5)) s"
	return 1
}

# The checksum of what guest_mark had it write.
guest_marked() {
	grep -aoE "GUEST marked $1 [0-9a-f]{32}" $guest_console | tail -n 1 | grep -o '[^ ]*$'
}

# guest_run COMMAND: have the guest's shell run it. The last line that it says; fails as it does.
guest_run() {
	local nr i line
	nr=$(($(grep -ac 'GUEST ran' $guest_console) + 1))
	echo "run $*" | socat -t 1 - UNIX-CONNECT:$guest_dir/line >/dev/null
	for i in $(seq 600); do
		line=$(grep -a 'GUEST ran' $guest_console | sed -n "${nr}p" | tr -d '\r')
		[[ -n $line ]] && break
		sleep 0.1
	done
	[[ $line =~ 'GUEST ran '([0-9]+)' '(.*) ]] || { echo "no answer in $((i / 10)) s"; return 1; }
	echo "${BASH_REMATCH[2]}"
	return "${BASH_REMATCH[1]}"
}

# guest_memory KEY: KiB of its RAM by /proc/PID/smaps, Rss or Private_Dirty say.
guest_memory() {
	awk -v ram="$GUEST_RAM" -v key="$1:" '
		/^[0-9a-f]+-/ { in_ram = $6 == ram }
		in_ram && $1 == key { n += $2 }
		END { print n + 0 }' "/proc/$(cat $guest_dir/pid)/smaps"
}
