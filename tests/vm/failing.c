// SPDX-License-Identifier: GPL-2.0-only
/*
 * failing DIR OPERATION...: each operation with its first allocation failing, then
 * with its second, until it needs no more (Documentation/fault-injection,
 * /proc/PID/fail-nth). One that fails must have changed nothing that stat() and
 * statfs() tell, and must do once memory is there.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#define MIB		(1L << 20)
#define ACTIVE		"/sys/fs/guestmemfs/active"

static int file;	/* "file", of 64 MiB, all hole but for its first block */
static int zero;	/* /dev/zero */
static int fail_nth;

static int close_if(int fd)
{
	return fd < 0 ? -1 : close(fd);
}

static int activate(const char *value)
{
	int fd = open(ACTIVE, O_WRONLY), n;

	if (fd < 0)
		return -1;
	n = write(fd, value, 1);
	close(fd);
	return n == 1 ? 0 : -1;
}

static int create(void) { return close_if(open("new", O_CREAT | O_EXCL | O_RDWR, 0600)); }
static int remove_new(void) { return unlink("new"); }
static int make_dir(void) { return mkdir("new", 0700); }
static int remove_dir(void) { return rmdir("new"); }
static int soft(void) { return symlink("a target that is longer than what fits into an inode, by far", "new"); }
static int hard(void) { return link("file", "new"); }
static int fifo(void) { return mknod("new", S_IFIFO | 0600, 0); }
static int rename_it(void) { return rename("old", "new"); }
static int rename_back(void) { return rename("new", "old"); }
static int tmpfile_it(void) { return close_if(open(".", O_TMPFILE | O_RDWR, 0600)); }
static int nothing(void) { return 0; }
static int set(void) { return setxattr("file", "user.name", "value", 5, 0); }
static int unset(void) { return removexattr("file", "user.name"); }
static int grow(void) { return truncate("old", 20 * MIB); }
static int shrink(void) { return truncate("old", 0); }
static int allocate(void) { return fallocate(file, 0, 30 * MIB, 10 * MIB); }
static int punch(void)
{
	return fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4 * MIB, 60 * MIB);
}
static int freeze(void) { return activate("1"); }
static int thaw(void) { return activate("0"); }
static int mount_it(void) { return mount("none", "/mnt/failing", "guestmemfs", 0, ""); }
static int umount_it(void) { return umount("/mnt/failing"); }

/* The middle of an allocated run: what stays is in two pieces. */
static int allocate_all(void) { return fallocate(file, 0, 4 * MIB, 60 * MIB); }
static int split(void)
{
	return fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 20 * MIB, 2 * MIB);
}

/* read() so that what faults is a system call's, which says EFAULT. */
static int fault(void)
{
	char *p = mmap(NULL, 64 * MIB, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	int n;

	if (p == MAP_FAILED)
		return -1;
	n = read(zero, p + 40 * MIB, 1);
	munmap(p, 64 * MIB);
	return n == 1 ? 0 : -1;
}

/* The same with the mapping there before: what fails is the fault. */
static char *mapped;

static int map_it(void)
{
	mapped = mmap(NULL, 64 * MIB, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	return mapped == MAP_FAILED ? -1 : 0;
}

static int touch(void) { return read(zero, mapped + 40 * MIB, 1) == 1 ? 0 : -1; }
static int unmap_it(void) { return munmap(mapped, 64 * MIB) || punch(); }

static const struct op {
	const char *name;
	int (*prepare)(void), (*run)(void), (*undo)(void);
} ops[] = {
	{ "create", nothing, create, remove_new },
	{ "mkdir", nothing, make_dir, remove_dir },
	{ "symlink", nothing, soft, remove_new },
	{ "link", nothing, hard, remove_new },
	{ "mknod", nothing, fifo, remove_new },
	{ "rename", nothing, rename_it, rename_back },
	{ "tmpfile", nothing, tmpfile_it, nothing },
	{ "setxattr", nothing, set, unset },
	{ "truncate", nothing, grow, shrink },
	{ "fallocate", nothing, allocate, punch },
	{ "punch", allocate_all, split, punch },
	{ "fault", nothing, fault, punch },
	{ "touch", map_it, touch, unmap_it },
	{ "freeze", nothing, freeze, thaw },
	{ "thaw", freeze, thaw, nothing },
	{ "mount", nothing, mount_it, umount_it },
};

#define NR_OPS	(sizeof(ops) / sizeof(ops[0]))

struct state {
	long bfree, ffree, size, blocks, nlink, names, old_size, active;
};

static struct state look(const char *dir)
{
	struct state s = { .names = !access("new", F_OK) + 2 * !access("old", F_OK) };
	int fd = open(ACTIVE, O_RDONLY);
	struct stat st = { 0 };
	struct statfs fs;
	char c = 0;

	if (read(fd, &c, 1) == 1)
		s.active = c;
	close(fd);
	stat("old", &st);
	s.old_size = st.st_size;
	if (statfs(dir, &fs) || stat("file", &st))
		return s;
	s.bfree = fs.f_bfree;
	s.ffree = fs.f_ffree;
	s.size = st.st_size;
	s.blocks = st.st_blocks;
	s.nlink = st.st_nlink;
	return s;
}

static int inject(int n)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", n);
	return pwrite(fail_nth, text, strlen(text), 0) > 0 ? 0 : -1;
}

/* What is left to count: 0 if an allocation has failed. */
static int left(void)
{
	char text[16] = "";

	if (pread(fail_nth, text, sizeof(text) - 1, 0) <= 0)
		return -1;
	inject(0);
	return atoi(text);
}

static int run(const struct op *op)
{
	struct state before, after;
	int n, err, failed = 0, rest = 0;

	for (n = 1; !rest; n++) {
		if (op->prepare()) {
			perror("preparing");
			return 1;
		}
		before = look(".");
		if (inject(n)) {
			perror("fail-nth");
			return 1;
		}
		err = op->run() ? errno : 0;
		rest = left();
		after = look(".");
		if (err) {
			failed++;
			/* A fault that cannot map its block leaves it in the file. */
			if (op->run != fault && op->run != touch && memcmp(&before, &after, sizeof(before))) {
				printf("%s, allocation %d: %s, and not as before\n",
				       op->name, n, strerror(err));
				return 1;
			}
			if (rest) {
				printf("%s: %s, though memory was there\n", op->name, strerror(err));
				return 1;
			}
			if (err != ENOMEM && err != EFAULT)
				printf("%s, allocation %d: %s\n", op->name, n, strerror(err));
			if (op->run()) {
				printf("%s, after allocation %d: %s\n", op->name, n, strerror(errno));
				return 1;
			}
		}
		if (op->undo()) {
			perror("undoing");
			return 1;
		}
	}
	printf("%s: %d allocations, %d times it failed\n", op->name, n - 2, failed);
	return 0;
}

int main(int argc, char **argv)
{
	size_t i;
	int j;

	fail_nth = open("/proc/thread-self/fail-nth", O_RDWR);
	if (argc < 3 || fail_nth < 0 || chdir(argv[1])) {
		perror("failing");
		return 2;
	}
	file = open("file", O_RDWR);
	zero = open("/dev/zero", O_RDONLY);
	for (j = 2; j < argc; j++) {
		for (i = 0; i < NR_OPS && strcmp(argv[j], ops[i].name); i++)
			;
		if (i == NR_OPS || run(&ops[i]))
			return 1;
	}
	return 0;
}
