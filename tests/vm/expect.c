// SPDX-License-Identifier: GPL-2.0-only
/*
 * expect COMMAND ARGUMENT...: calls that a shell cannot make. Each prints the result,
 * so that a test can compare it with the result on another filesystem.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

static void die(const char *what)
{
	printf("%s: %s\n", what, strerror(errno));
	exit(1);
}

static int open_or_die(const char *path, int flags)
{
	int fd = open(path, flags, 0600);

	if (fd < 0)
		die(path);
	return fd;
}

static const char *result(int ret)
{
	return ret < 0 ? strerror(errno) : "ok";
}

/* leases DIR: on a file and on a directory. */
static void leases(char **arg)
{
	int dir = open_or_die(arg[0], O_RDONLY | O_DIRECTORY);
	int file = openat(dir, "leased", O_RDONLY | O_CREAT, 0600);

	printf("file: read: %s", result(fcntl(file, F_SETLEASE, F_RDLCK)));
	fcntl(file, F_SETLEASE, F_UNLCK);
	printf(", write: %s", result(fcntl(file, F_SETLEASE, F_WRLCK)));
	fcntl(file, F_SETLEASE, F_UNLCK);
	printf("; directory: read: %s", result(fcntl(dir, F_SETLEASE, F_RDLCK)));
	fcntl(dir, F_SETLEASE, F_UNLCK);
	printf(", notify: %s\n", result(fcntl(dir, F_NOTIFY, DN_CREATE)));
}

/* lease-break FILE: a second open asks the holder of a write lease to give it back. */
static void lease_break(char **arg)
{
	int file = open_or_die(arg[0], O_RDWR | O_CREAT);

	fcntl(file, F_SETSIG, SIGUSR1);
	signal(SIGUSR1, SIG_IGN);
	if (fcntl(file, F_SETLEASE, F_WRLCK))
		die("F_SETLEASE");
	printf("open: %s", open(arg[0], O_RDONLY | O_NONBLOCK) < 0 ? strerror(errno) : "ok");
	printf(", lease: %s\n", fcntl(file, F_GETLEASE) == F_UNLCK ? "gone" : "on its way");
}

/* whiteout OLD NEW: rename, and leave a whiteout. */
static void whiteout(char **arg)
{
	printf("whiteout: %s\n", result(renameat2(AT_FDCWD, arg[0], AT_FDCWD, arg[1],
						 RENAME_WHITEOUT)));
}

union handle {
	struct file_handle fh;
	char room[sizeof(struct file_handle) + MAX_HANDLE_SZ];
};

static int get_handle(const char *path, union handle *h, int flags)
{
	int mount;

	h->fh.handle_bytes = MAX_HANDLE_SZ;
	return name_to_handle_at(AT_FDCWD, path, &h->fh, &mount, flags);
}

/* The inode that a handle leads to, compared with a number. */
static const char *follow(union handle *h, ino_t ino)
{
	int dir = open_or_die(".", O_RDONLY), fd;
	struct stat st;

	fd = open_by_handle_at(dir, &h->fh, O_RDONLY);
	close(dir);
	if (fd < 0)
		return strerror(errno);
	if (fstat(fd, &st))
		die("fstat");
	close(fd);
	return st.st_ino == ino ? "the same" : "another file";
}

/* handles: of a file, a directory, a symbolic link, a removed file, in this directory. */
static void handles(char **arg)
{
	union handle file, dir, link, bad;
	struct stat st, st_dir, st_link;
	struct statfs fs;
	int fd = open_or_die("file", O_RDWR | O_CREAT), mount;

	(void)arg;
	if (mkdir("dir", 0700) || symlink("file", "link") || fstat(fd, &st) ||
	    stat("dir", &st_dir) || lstat("link", &st_link) || statfs(".", &fs))
		die("prepare");
	if (get_handle("file", &file, 0) || get_handle("dir", &dir, 0) ||
	    get_handle("link", &link, 0))
		die("name_to_handle_at");
	printf("file: %s, ", follow(&file, st.st_ino));
	printf("directory: %s, ", follow(&dir, st_dir.st_ino));
	printf("symbolic link: %s, ", follow(&link, st_link.st_ino));
	bad = file;
	bad.fh.handle_bytes = 4;
	printf("too short: %s, ", follow(&bad, st.st_ino));
	bad.fh.handle_bytes = 1;
	printf("small room: %s, ",
	       result(name_to_handle_at(AT_FDCWD, "file", &bad.fh, &mount, 0)));
	rename("file", "dir/moved");
	printf("moved: %s, ", follow(&file, st.st_ino));
	unlink("dir/moved");
	printf("removed, but open: %s, ", follow(&file, st.st_ino));
	close(fd);
	printf("closed: %s, ", follow(&file, st.st_ino));
	rmdir("dir");
	printf("directory: %s, ", follow(&dir, st_dir.st_ino));
	unlink("link");
	printf("fsid: %s\n", fs.f_fsid.__val[0] || fs.f_fsid.__val[1] ? "there" : "zero");
}

/* handle FILE: as hexadecimal digits, for follow. */
static void handle(char **arg)
{
	union handle h;
	size_t i;

	memset(&h, 0, sizeof(h));
	if (get_handle(arg[0], &h, 0))
		die("name_to_handle_at");
	for (i = 0; i < sizeof(h.fh) + h.fh.handle_bytes; i++)
		printf("%02x", (unsigned char)h.room[i]);
	printf("\n");
}

/* follow HANDLE INODE: whether it leads there, on the filesystem of this directory. */
static void follow_it(char **arg)
{
	union handle h;
	size_t i, n = strlen(arg[0]) / 2;
	unsigned int byte;

	for (i = 0; i < n && i < sizeof(h); i++) {
		sscanf(arg[0] + 2 * i, "%2x", &byte);
		h.room[i] = byte;
	}
	printf("%s\n", follow(&h, atoll(arg[1])));
}

/* parents FILE: a handle that has the parent as well, which 6.12 cannot ask for. */
static void parents(char **arg)
{
	union handle h;
	struct stat st;

	if (stat(arg[0], &st))
		die(arg[0]);
	if (get_handle(arg[0], &h, 0x002 /* AT_HANDLE_CONNECTABLE */))
		printf("not on this kernel: %s\n", strerror(errno));
	else
		printf("%u bytes: %s\n", h.fh.handle_bytes, follow(&h, st.st_ino));
}

/* Names in @buf, and whether the handles beside them lead to @ino. */
static void print_events(char *buf, ssize_t len, ino_t ino)
{
	struct fanotify_event_metadata *e = (void *)buf;
	struct fanotify_event_info_fid *info;
	struct file_handle *fh;
	union handle h;

	for (; FAN_EVENT_OK(e, len); e = FAN_EVENT_NEXT(e, len)) {
		info = (void *)(e + 1);
		fh = (void *)info->handle;
		memcpy(&h, fh, sizeof(*fh) + fh->handle_bytes);
		printf("%llx %s in %s; ", (unsigned long long)e->mask,
		       (char *)fh->f_handle + fh->handle_bytes, follow(&h, ino));
	}
	printf("\n");
}

/* fanotify: FAN_REPORT_DFID_NAME on the filesystem of this directory. */
static void fanotify(char **arg)
{
	int fd = fanotify_init(FAN_CLASS_NOTIF | FAN_REPORT_DFID_NAME | FAN_NONBLOCK, O_RDONLY);
	char buf[4096] __attribute__((aligned(8)));
	struct stat st;

	(void)arg;
	if (fd < 0)
		die("fanotify_init");
	if (fanotify_mark(fd, FAN_MARK_ADD | FAN_MARK_FILESYSTEM,
			  FAN_CREATE | FAN_DELETE | FAN_MOVED_TO, AT_FDCWD, "."))
		die("fanotify_mark");
	if (stat(".", &st))
		die("stat");
	close(open_or_die("new", O_RDWR | O_CREAT));
	rename("new", "moved");
	unlink("moved");
	print_events(buf, read(fd, buf, sizeof(buf)), st.st_ino);
}

/* maxbytes FILE SIZE: make it that large, by a size or by an allocation. */
static void maxbytes(char **arg)
{
	int fd = open_or_die(arg[0], O_RDWR | O_CREAT | O_TRUNC);
	off_t size = strtoll(arg[1], NULL, 0);
	struct stat st;

	printf("truncate: %s", result(truncate(arg[0], size)));
	printf(", ftruncate: %s", result(ftruncate(fd, size)));
	printf(", fallocate: %s", result(fallocate(fd, 0, size - 4096, 4096)));
	fstat(fd, &st);
	printf(", size %lld\n", (long long)st.st_size);
}

/* overflow FILE: sizes that are no size. */
static void overflow(char **arg)
{
	const off_t max = INT64_MAX, page = 4096;
	int fd = open_or_die(arg[0], O_RDWR | O_CREAT | O_TRUNC);
	struct stat st;

	printf("truncate to -1: %s", result(truncate(arg[0], -1)));
	printf(", ftruncate to -1: %s", result(ftruncate(fd, -1)));
	printf(", fallocate beyond all: %s", result(fallocate(fd, 0, max, page)));
	printf(", at its end: %s", result(fallocate(fd, 0, max - page + 2, page)));
	printf(", keeping the size: %s",
	       result(fallocate(fd, FALLOC_FL_KEEP_SIZE, max, page)));
	printf(", of nothing: %s", result(fallocate(fd, 0, 0, 0)));
	printf(", before the file: %s", result(fallocate(fd, 0, -page, page)));
	fstat(fd, &st);
	printf(", size %lld\n", (long long)st.st_size);
}

static volatile sig_atomic_t too_large;

static void on_sigxfsz(int sig)
{
	(void)sig;
	too_large = 1;
}

/* How a call ended, and whether SIGXFSZ came. */
static void say_fsize(const char *what, int ret)
{
	printf("%s: %s%s\n", what, result(ret), too_large ? ", SIGXFSZ" : "");
	too_large = 0;
}

/* A new file of @size bytes, and then no more than 4 MiB for files of this process. */
static int open_limited(const char *path, off_t size)
{
	const struct rlimit limit = { 4 << 20, 4 << 20 };
	int fd = open_or_die(path, O_RDWR | O_CREAT | O_TRUNC);

	if (ftruncate(fd, size) || setrlimit(RLIMIT_FSIZE, &limit))
		die("RLIMIT_FSIZE");
	signal(SIGXFSZ, on_sigxfsz);
	return fd;
}

/* fsize FILE: sizes on both sides of RLIMIT_FSIZE, and of a file that is beyond it. */
static void fsize(char **arg)
{
	const off_t mib = 1 << 20;
	int fd = open_limited(arg[0], 8 * mib);
	struct stat st;

	say_fsize("truncate", truncate(arg[0], 10 * mib));
	say_fsize("ftruncate", ftruncate(fd, 10 * mib));
	say_fsize("fallocate", fallocate(fd, 0, 8 * mib, mib));
	say_fsize("fallocate within the file", fallocate(fd, 0, 6 * mib, mib));
	say_fsize("smaller, and still beyond it", ftruncate(fd, 6 * mib));
	say_fsize("as large as before", ftruncate(fd, 8 * mib));
	say_fsize("within it", ftruncate(fd, 2 * mib));
	say_fsize("up to it", ftruncate(fd, 4 * mib));
	say_fsize("a byte beyond it", ftruncate(fd, 4 * mib + 1));
	fstat(fd, &st);
	printf("size %lld\n", (long long)st.st_size);
}

/* fsize-keep FILE: blocks beyond RLIMIT_FSIZE, with the size kept within it. */
static void fsize_keep(char **arg)
{
	int fd = open_limited(arg[0], 0);

	say_fsize("fallocate", fallocate(fd, FALLOC_FL_KEEP_SIZE, 8 << 20, 1 << 20));
}

/* fsize-write FILE: writes on both sides of RLIMIT_FSIZE. */
static void fsize_write(char **arg)
{
	static char buf[8192];
	const off_t limit = 4 << 20;
	int fd = open_limited(arg[0], 0);

	say_fsize("write up to it", pwrite(fd, buf, 4096, limit - 4096));
	say_fsize("write at it", pwrite(fd, buf, 4096, limit));
	printf("write across it: %zd bytes\n", pwrite(fd, buf, 8192, limit - 4096));
	say_fsize("and then", 0);
}

static int source, target;
static off_t total;

static void *copy(void *unused)
{
	off_t at = 0, to = 0;

	(void)unused;
	if (copy_file_range(source, &at, target, &to, total, 0) != total)
		die("copy_file_range");
	return NULL;
}

/*
 * punch-source SOURCE TARGET: punch a file that is being copied. The target grows as the copy
 * goes on, so its size says whether that has ended when the punch returns.
 */
static void punch_source(char **arg)
{
	pthread_t copier;
	struct stat st;

	source = open_or_die(arg[0], O_RDWR);
	target = open_or_die(arg[1], O_RDWR | O_CREAT);
	fstat(source, &st);
	total = st.st_size;
	pthread_create(&copier, NULL, copy, NULL);
	do {
		sched_yield();
		fstat(target, &st);
	} while (!st.st_size);
	if (fallocate(source, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 2 << 20))
		die("punch");
	fstat(target, &st);
	printf("punched %s\n", st.st_size < total ? "meanwhile" : "when all was copied");
	pthread_join(copier, NULL);
}

static void *copy_many(void *files)
{
	int *fd = files, i;
	off_t at, to;

	for (i = 0; i < 300; i++) {
		at = to = 0;
		if (copy_file_range(fd[0], &at, fd[1], &to, 1 << 20, 0) != 1 << 20)
			die("copy_file_range");
	}
	return NULL;
}

/* cross-copies A B: from A to B twice and from B to A, all at the same time. */
static void cross_copies(char **arg)
{
	int a = open_or_die(arg[0], O_RDWR), b = open_or_die(arg[1], O_RDWR), i;
	int pairs[3][2] = { { a, b }, { b, a }, { a, b } };
	pthread_t copier[3];

	for (i = 0; i < 3; i++)
		pthread_create(&copier[i], NULL, copy_many, pairs[i]);
	for (i = 0; i < 3; i++)
		pthread_join(copier[i], NULL);
	printf("done\n");
}

static void say_sigbus(int sig)
{
	(void)sig;
	_exit(write(1, "SIGBUS\n", 7) != 7);
}

/* private-read FILE: touch its first page by way of the page cache. */
static void private_read(char **arg)
{
	char *p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, open_or_die(arg[0], O_RDONLY), 0);

	if (p == MAP_FAILED)
		die("mmap");
	signal(SIGBUS, say_sigbus);
	(void)*(volatile char *)p;
	printf("read\n");
}

static const struct command {
	const char *name;
	int nr;
	void (*run)(char **arg);
} commands[] = {
	{ "leases",	1, leases },
	{ "lease-break", 1, lease_break },
	{ "whiteout",	2, whiteout },
	{ "handles",	0, handles },
	{ "handle",	1, handle },
	{ "follow",	2, follow_it },
	{ "parents",	1, parents },
	{ "fanotify",	0, fanotify },
	{ "maxbytes",	2, maxbytes },
	{ "overflow",	1, overflow },
	{ "fsize",	1, fsize },
	{ "fsize-keep",	1, fsize_keep },
	{ "fsize-write", 1, fsize_write },
	{ "private-read", 1, private_read },
	{ "punch-source", 2, punch_source },
	{ "cross-copies", 2, cross_copies },
};

int main(int argc, char **argv)
{
	size_t i;

	for (i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		if (argc == commands[i].nr + 2 && !strcmp(argv[1], commands[i].name)) {
			commands[i].run(argv + 2);
			return 0;
		}
	fprintf(stderr, "expect: bad command or number of arguments\n");
	return 2;
}
