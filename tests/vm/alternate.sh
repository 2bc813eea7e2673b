# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Twenty kexecs in a row between an old kernel and a new one, with changes in
# between: nothing differs from a model on another filesystem.
# lab: memory=4G cpus=1 kernels=debian-6.12 with=debian-6.12,debian-7 seconds=1800 limit=4500M
# lab-debug: limit=9G

model=/job/model
other=debian-7

# Both trees get what is done, so that they can be compared.
both() {
	local dir
	for dir in $mnt $model; do
		(cd $dir && "$@") || fail "change in $dir: $* succeeds" "status $?"
	done
}

# One of eight changes to one of the files; with none of them, a new one.
change() {
	local f files size
	files=("$model"/[0-9]*)
	f=$(basename "${files[RANDOM % ${#files[@]}]}")
	size=$(stat -c %s "$model/$f" 2>/dev/null)
	case ${size:+$((RANDOM % 8))} in
	''|0|1)	f=$RANDOM
		both truncate -s $((8 + RANDOM * 200)) $f
		both /job/tests/mapped poke $f 0 "$f" ;;
	2)	both truncate -s +$((RANDOM * 100)) "$f" ;;
	3)	both truncate -s -$((RANDOM * 10)) "$f" ;;
	4)	both fallocate -p -o $((RANDOM * 64)) -l $((RANDOM * 100)) "$f" ;;
	5)	both rm "$f" ;;
	6)	both mv "$f" $RANDOM ;;
	7)	[[ $size -le 8 ]] ||
			both /job/tests/mapped poke "$f" $((RANDOM * 64 % (size - 8))) $RANDOM ;;
	esac
}

# A shared mapping would fill the holes, and none would meet a kexec.
sums() {
	(cd "$1" && find . -type f -size +0 -print0 | sort -z | /job/tests/mapped sums private)
}

names() {
	(cd "$1" && find . -mindepth 1 ! -name lost+found -printf '%P %s %m %n\n' | sort)
}

agree() {
	same "kexec $1: names, sizes, modes and links are as in the model" \
		"$(names $model)" "$(names $mnt)"
	same "kexec $1: contents are as in the model" "$(sums $model)" "$(sums $mnt)"
}

round() {
	local n=$1 i
	load || fail "module: it loads" "status $?"
	mount_g || fail "tree: it mounts" "status $?"
	mkdir -p $model
	# It was as the model before.
	[[ $n = 1 ]] || compare "kexec $((n - 1)), $(uname -r)"
	RANDOM=$n
	for i in $(seq 12); do
		change
	done
	agree "$((n - 1)), changed"
	remember
	sync
	[[ $n -le 20 ]] || return
	[[ $((n % 3)) = 0 ]] || echo 1 >/sys/fs/guestmemfs/active
	# Each kernel goes twice by kexec_file_load(2), and then by the quicker kexec_load(2).
	[[ $n -le 4 ]] || old_kexec=$(($(region) - 1))
	if [[ $((n % 2)) = 1 ]]; then
		next_kernel $other
	else
		next_kernel "$kernel"
	fi
}

for n in $(seq 21); do
	eval "stage$n() { round $n; }"
done
