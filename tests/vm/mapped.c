// SPDX-License-Identifier: GPL-2.0-only
/*
 * mapped - what VM tests do to files by mapping them: fill them, sum them, and look at how
 * they are mapped. Each command exits with 0 if what it was asked for came true.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/falloc.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MIB	(1UL << 20)
#define GIB	(1UL << 30)

static void die(const char *what)
{
	fprintf(stderr, "mapped: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int open_file(const char *path)
{
	int fd = open(path, O_RDWR);

	if (fd < 0)
		die(path);
	return fd;
}

static size_t size_of(int fd)
{
	struct stat st;

	if (fstat(fd, &st))
		die("fstat");
	return st.st_size;
}

/* Map at an address aligned to @align. */
static char *map(int fd, size_t len, off_t offset, size_t align)
{
	char *p, *at;

	p = mmap(NULL, len + align, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		die("reserve");
	at = (char *)(((uintptr_t)p + align - 1) & ~(align - 1));
	p = mmap(at, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd,
		 offset);
	if (p == MAP_FAILED)
		die("mmap");
	return p;
}

static uint64_t mix(uint64_t x)
{
	x ^= x >> 30;
	x *= 0xbf58476d1ce4e5b9;
	x ^= x >> 27;
	x *= 0x94d049bb133111eb;
	return x ^ x >> 31;
}

/* fill FILE SEED: a pattern that differs in every word. */
static int cmd_fill(char **a)
{
	int fd = open_file(a[0]);
	size_t len = size_of(fd), i;
	uint64_t seed = strtoull(a[1], NULL, 0), *p;

	p = (uint64_t *)map(fd, len, 0, 2 * MIB);
	for (i = 0; i < len / 8; i++)
		p[i] = mix(seed + i);
	return 0;
}

static int print_sum(const unsigned char *p, size_t len)
{
	uint64_t sum = len;
	size_t i;

	for (i = 0; i + 8 <= len; i += 8)
		sum = (sum ^ *(uint64_t *)(p + i)) * 0x9e3779b97f4a7c15 +
		      (sum >> 29);
	for (; i < len; i++)
		sum = (sum ^ p[i]) * 0x9e3779b97f4a7c15 + (sum >> 29);
	printf("%016" PRIx64 "\n", sum);
	return 0;
}

static int sum(const char *path, bool shared)
{
	int fd = shared ? open_file(path) : open(path, O_RDONLY);
	size_t len = size_of(fd);
	void *p = NULL;

	if (len)
		p = shared ? map(fd, len, 0, 2 * MIB) :
			mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		die("mmap");
	print_sum(p, len);
	if (len)
		munmap(p, len);
	close(fd);
	return 0;
}

/* sum FILE: a checksum of all of it, read through a mapping. */
static int cmd_sum(char **a)
{
	return sum(a[0], true);
}

/* private-sum FILE: the same, by a private mapping of a file opened to read. */
static int cmd_private_sum(char **a)
{
	return sum(a[0], false);
}

/* sums shared|private: of the files that standard input names, each ended by NUL. */
static int cmd_sums(char **a)
{
	bool shared = !strcmp(a[0], "shared");
	char *path = NULL;
	size_t size = 0;

	while (getdelim(&path, &size, 0, stdin) > 0) {
		printf("%s ", path);
		sum(path, shared);
	}
	return 0;
}

/* cached FILE: how many bytes of it are in the page cache. */
static int cmd_cached(char **a)
{
	int fd = open(a[0], O_RDONLY);
	size_t len = size_of(fd), i, n = 0;
	unsigned char *seen = malloc(len / 4096 + 1);
	void *p = mmap(NULL, len, PROT_READ, MAP_PRIVATE, fd, 0);

	if (p == MAP_FAILED || mincore(p, len, seen))
		die("mincore");
	for (i = 0; i < len / 4096; i++)
		n += seen[i] & 1;
	printf("%zu\n", n * 4096);
	return 0;
}

/* zero FILE: whether all of it reads as zeroes. */
static int cmd_zero(char **a)
{
	int fd = open_file(a[0]);
	size_t len = size_of(fd), i;
	char *p = map(fd, len, 0, 2 * MIB);

	for (i = 0; i < len; i++) {
		/* A word at a time where there is a whole one. */
		while (i % 8 == 0 && i + 8 <= len && !*(uint64_t *)(p + i))
			i += 8;
		if (i < len && p[i]) {
			fprintf(stderr, "mapped: byte %zu is %#x\n", i, p[i]);
			return 1;
		}
	}
	return 0;
}

/* poke FILE OFFSET TEXT and peek FILE OFFSET TEXT, each by a mapping there. */
static int cmd_poke(char **a)
{
	off_t at = strtoull(a[1], NULL, 0), page = at & ~4095L;
	char *p = map(open_file(a[0]), 8192, page, 4096);

	memcpy(p + (at - page), a[2], strlen(a[2]));
	return 0;
}

static int cmd_peek(char **a)
{
	off_t at = strtoull(a[1], NULL, 0), page = at & ~4095L;
	char *p = map(open_file(a[0]), 8192, page, 4096);

	if (!memcmp(p + (at - page), a[2], strlen(a[2])))
		return 0;
	fprintf(stderr, "mapped: there is '%.*s'\n", (int)strlen(a[2]),
		p + (at - page));
	return 1;
}

/* range FILE FROM LENGTH SEED|zero: whether it is as fill left it, or zeroes. */
static int cmd_range(char **a)
{
	int fd = open_file(a[0]), zero = !strcmp(a[3], "zero");
	size_t from = strtoull(a[1], NULL, 0), len = strtoull(a[2], NULL, 0), i;
	uint64_t seed = strtoull(a[3], NULL, 0), *p;

	p = (uint64_t *)map(fd, size_of(fd), 0, 2 * MIB);
	for (i = from / 8; i < (from + len) / 8; i++)
		if (p[i] != (zero ? 0 : mix(seed + i)))
			return fprintf(stderr, "mapped: wrong at %zu\n", i * 8), 1;
	return 0;
}

/* equal FILE A B LENGTH: two parts of a file are. */
static int cmd_equal(char **a)
{
	int fd = open_file(a[0]);
	char *p = map(fd, size_of(fd), 0, 2 * MIB);

	return !!memcmp(p + strtoull(a[1], NULL, 0), p + strtoull(a[2], NULL, 0),
			strtoull(a[3], NULL, 0));
}

/* bad-buffer FILE: read to and write from memory that is not there. */
static int cmd_bad_buffer(char **a)
{
	int fd = open_file(a[0]);
	char *p = mmap(NULL, 2 * 4096, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	munmap(p + 4096, 4096);
	if (pread(fd, p, 8192, 0) != 4096 || pwrite(fd, p, 8192, 0) != 4096)
		return fprintf(stderr, "mapped: not what fits\n"), 0;
	if (pwrite(fd, p + 4096, 1, 0) != -1 || errno != EFAULT)
		return 0;
	if (pread(fd, p + 4096, 1, 0) != -1)
		return 0;
	die("pread");
	return 1;
}

/* self-write FILE: write a file from a mapping of itself, and read to one. */
static int cmd_self_write(char **a)
{
	int fd = open_file(a[0]), i;
	size_t len = 2 * MIB;
	char *p;

	if (ftruncate(fd, 0) || ftruncate(fd, 8 * MIB))
		die("ftruncate");
	p = map(fd, 8 * MIB, 0, 2 * MIB);
	for (i = 0; i < 2; i++) {
		if (pwrite(fd, p + 6 * MIB, len, i * MIB) != (ssize_t)len)
			die("pwrite");
		if (pread(fd, p + 4 * MIB + 100, MIB, 100) != (ssize_t)MIB)
			die("pread");
		memset(p + 6 * MIB, 'x', len);
	}
	return p[MIB] != 'x' || p[3 * MIB - 1] != 'x' || p[0] != 0;
}

/* sparse-sum FILE: as sum, but of its data alone, so that no hole is filled. */
static int cmd_sparse_sum(char **a)
{
	int fd = open_file(a[0]);
	char *p = map(fd, size_of(fd), 0, 2 * MIB);
	off_t from = 0, to = 0;
	uint64_t sum = 0;

	while ((from = lseek(fd, to, SEEK_DATA)) >= 0) {
		to = lseek(fd, from, SEEK_HOLE);
		printf("%lld-%lld ", (long long)from, (long long)to);
		for (; from < to; from += 8)
			sum = (sum ^ *(uint64_t *)(p + from)) * 0x9e3779b97f4a7c15 +
			      (sum >> 29);
	}
	printf("%016" PRIx64 "\n", sum);
	return 0;
}

static sigjmp_buf caught;

static void on_signal(int sig)
{
	siglongjmp(caught, sig);
}

static int touch_signal(volatile char *p)
{
	int sig = sigsetjmp(caught, 1);

	if (!sig)
		*p = *p;
	return sig;
}

/* eof FILE: the page that holds EOF is there, the next one is SIGBUS. */
static int cmd_eof(char **a)
{
	int fd = open_file(a[0]);
	size_t len = size_of(fd), end = (len + 4095) & ~4095UL;
	char *p = map(fd, end + 4 * MIB, 0, 2 * MIB);

	signal(SIGBUS, on_signal);
	if (lseek(fd, 0, SEEK_END) != (off_t)len)
		return fprintf(stderr, "mapped: SEEK_END is elsewhere\n"), 1;
	if (len && touch_signal(p + end - 1))
		return fprintf(stderr, "mapped: SIGBUS before EOF\n"), 1;
	if (touch_signal(p + end) != SIGBUS)
		return fprintf(stderr, "mapped: no SIGBUS after EOF\n"), 1;
	if (touch_signal(p + end + 2 * MIB) != SIGBUS)
		return fprintf(stderr, "mapped: no SIGBUS far after EOF\n"), 1;
	return 0;
}

/* shrink FILE SIZE: truncating takes a mapping away beyond the new EOF. */
static int cmd_shrink(char **a)
{
	int fd = open_file(a[0]);
	size_t len = size_of(fd), size = strtoull(a[1], NULL, 0), i;
	char *p = map(fd, len, 0, 2 * MIB);

	signal(SIGBUS, on_signal);
	memset(p, 0x5a, len);
	if (ftruncate(fd, size))
		die("ftruncate");
	for (i = 0; i < len; i += 4096)
		if ((touch_signal(p + i) == SIGBUS) !=
		    (i >= ((size + 4095) & ~4095UL)))
			return fprintf(stderr, "mapped: wrong at %zu\n", i), 1;
	if (ftruncate(fd, len))
		die("ftruncate back");
	for (i = 0; i < len; i++)
		if (p[i] != (i < size ? 0x5a : 0))
			return fprintf(stderr, "mapped: %zu is %#x\n", i, p[i]), 1;
	return 0;
}

/* halve FILE: 1 GiB, all of it written, mapped by a PUD; then truncated. */
static int cmd_halve(char **a)
{
	int fd = open_file(a[0]);
	char *p = map(fd, GIB, 0, GIB);

	signal(SIGBUS, on_signal);
	p[0] = 1;
	p[GIB / 2 - 1] = 2;
	if (ftruncate(fd, GIB / 2))
		die("ftruncate");
	if (p[0] != 1 || p[GIB / 2 - 1] != 2)
		return fprintf(stderr, "mapped: contents\n"), 1;
	if (touch_signal(p + GIB / 2) != SIGBUS)
		return fprintf(stderr, "mapped: no SIGBUS after EOF\n"), 1;
	if (ftruncate(fd, GIB) || p[GIB / 2] || p[GIB - 1])
		return fprintf(stderr, "mapped: not zero after growing\n"), 1;
	return 0;
}

/* A number from /proc/self/smaps or status. */
static long proc_value(const char *path, const char *key)
{
	FILE *f = fopen(path, "r");
	char line[256];
	long value = -1;

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, key, strlen(key)))
			value = strtol(line + strlen(key), NULL, 10);
	if (f)
		fclose(f);
	return value;
}

static long faults(void)
{
	/* Written here first: what its page of the stack costs is not for the next to pay. */
	struct rusage r = {};

	getrusage(RUSAGE_SELF, &r);
	return r.ru_minflt + r.ru_majflt;
}

/*
 * faults FILE ALIGN MAX: map it, write a byte to each page, and count faults
 * and the page tables they took (VmPTE counts last-level tables).
 */
static int cmd_faults(char **a)
{
	int fd = open_file(a[0]);
	size_t len = size_of(fd), i;
	long max = atol(a[2]), before, took, tables;
	volatile char *p = map(fd, len, 0, strtoull(a[1], NULL, 0));

	tables = proc_value("/proc/self/status", "VmPTE:");
	before = faults();
	for (i = 0; i < len; i += 4096)
		p[i] = 1;
	took = faults() - before;
	tables = proc_value("/proc/self/status", "VmPTE:") - tables;
	printf("%zu MiB touched: %ld faults, %ld KiB of page tables\n",
	       len / MIB, took, tables);
	/* One PMD table may come; a last-level table for each 2 MiB must not. */
	return took > max || tables > 8;
}

/* punched FILE FAULTS: of 1 GiB that is mapped, a block goes; so many faults follow. */
static int cmd_punched(char **a)
{
	int fd = open_file(a[0]);
	volatile char *p = map(fd, GIB, 0, GIB);
	long before, took;
	size_t i;

	for (i = 0; i < GIB; i += 2 * MIB)
		p[i] = 1;
	if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 10 * MIB, 2 * MIB))
		die("punch");
	before = faults();
	for (i = 0; i < GIB; i += 2 * MIB)
		p[i] = 2;
	took = faults() - before;
	printf("%ld faults\n", took);
	return took != atol(a[1]);
}

/*
 * softdirty FILE: while soft-dirty is tracked a page costs one fault still, and so does
 * a block, whether it is read first or not: no entry is read-only. The pages of the
 * stack, which are, may add two.
 */
static int cmd_softdirty(char **a)
{
	int fd = open_file(a[0]), refs = open("/proc/self/clear_refs", O_WRONLY);
	size_t len = 100 * 4096, blocks = 14 * MIB, i;
	volatile char *p = map(fd, len, 4096, 4096), *q = map(fd, blocks, 0, 2 * MIB);
	long before, took;

	if (refs < 0 || write(refs, "4", 1) != 1)
		die("clear_refs");
	before = faults();
	for (i = 0; i < len; i += 4096) {
		if (i < len / 2)
			(void)p[i];
		p[i] = 1;
	}
	for (i = 0; i < blocks; i += 2 * MIB) {
		(void)q[i];
		q[i] = 1;
	}
	took = faults() - before;
	printf("%ld faults\n", took);
	return took < 107 || took > 109;
}

/*
 * forked FILE: fork takes the parent's entries away: seven blocks, seven faults. It made
 * the pages of the stack read-only, which may add two.
 */
static int cmd_forked(char **a)
{
	size_t len = 14 * MIB, i;
	volatile char *p = map(open_file(a[0]), len, 0, 2 * MIB);
	long before, took;
	int status;
	pid_t pid;

	for (i = 0; i < len; i += 2 * MIB)
		p[i] = 1;
	pid = fork();
	if (!pid) {
		for (i = 0; i < len && p[i] == 1; i += 2 * MIB)
			;
		_exit(i < len);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		die("fork");
	before = faults();
	for (i = 0; i < len; i += 2 * MIB)
		(void)p[i];
	took = faults() - before;
	printf("%ld faults\n", took);
	return status || took < 7 || took > 9;
}

static void *write_there(void *p)
{
	*(volatile char *)p = 1;
	return NULL;
}

/*
 * orders FILE: with the tree frozen, one thread waits for a block with a PMD entry
 * and one, as the process wants no huge pages any more, with a PTE. It gets the same.
 */
static int cmd_orders(char **a)
{
	volatile char *p = map(open_file(a[0]), 4 * MIB, 0, 2 * MIB);
	pthread_t one, other;
	long before, took;
	size_t i;

	pthread_create(&one, NULL, write_there, (void *)p);
	usleep(500000);
	if (prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0))
		die("prctl");
	pthread_create(&other, NULL, write_there, (void *)(p + 4096));
	pthread_join(one, NULL);
	pthread_join(other, NULL);
	before = faults();
	for (i = 2 * MIB; i < 4 * MIB; i += 4096)
		p[i] = 1;
	took = faults() - before;
	printf("%ld faults for a block\n", took);
	return p[0] != 1 || p[4096] != 1 || took != 1;
}

/* unaligned FILE: mapped one page off, with an offset of one page and a half block. */
static int cmd_unaligned(char **a)
{
	int fd = open_file(a[0]);
	char *p = map(fd, 8 * MIB, 0, 2 * MIB), *q;
	size_t i;

	for (i = 0; i < 8 * MIB; i += 8)
		*(uint64_t *)(p + i) = mix(i);
	q = mmap(NULL, 10 * MIB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	q = (char *)(((uintptr_t)q + 2 * MIB) & ~(2 * MIB - 1)) + 4096;
	q = mmap(q, 4 * MIB, PROT_READ, MAP_SHARED | MAP_FIXED, fd,
		 MIB + 4096 * 3);
	if (q == MAP_FAILED)
		die("mmap");
	for (i = 0; i < 4 * MIB; i += 8)
		if (*(uint64_t *)(q + i) != mix(i + MIB + 4096 * 3))
			return fprintf(stderr, "mapped: wrong at %zu\n", i), 1;
	return 0;
}

/* touch FILE: map it, write to each page; the nanoseconds that took. */
static int cmd_touch(char **a)
{
	int fd = open_file(a[0]);
	size_t len = size_of(fd), i;
	struct timespec t0, t1;
	volatile char *p;

	clock_gettime(CLOCK_MONOTONIC, &t0);
	p = map(fd, len, 0, 2 * MIB);
	for (i = 0; i < len; i += 4096)
		p[i] = 1;
	clock_gettime(CLOCK_MONOTONIC, &t1);
	printf("%lld\n", (t1.tv_sec - t0.tv_sec) * 1000000000LL +
	       t1.tv_nsec - t0.tv_nsec);
	return 0;
}

/* The parent looks at a child's mapping by the ways that get_user_pages() serves. */
static int spy(pid_t child, char *p)
{
	char buf[16], path[64];
	struct iovec local = { buf, sizeof(buf) }, remote = { p, sizeof(buf) };
	int fd, bad = 0;

	if (process_vm_readv(child, &local, 1, &remote, 1, 0) >= 0)
		bad = fprintf(stderr, "mapped: process_vm_readv reads it\n");
	snprintf(path, sizeof(path), "/proc/%d/mem", child);
	fd = open(path, O_RDWR);
	if (fd >= 0 && pread(fd, buf, sizeof(buf), (off_t)(uintptr_t)p) >= 0)
		bad = fprintf(stderr, "mapped: /proc/PID/mem reads it\n");
	if (fd >= 0 && pwrite(fd, "x", 1, (off_t)(uintptr_t)p) >= 0)
		bad = fprintf(stderr, "mapped: /proc/PID/mem writes it\n");
	return bad;
}

/* spy FILE: a mapping is not read by get_user_pages(). */
static int cmd_spy(char **a)
{
	char *p = map(open_file(a[0]), 2 * MIB, 0, 2 * MIB), c;
	int ready[2], bad;
	pid_t child;

	memcpy(p, "secret", 6);
	if (pipe(ready))
		die("pipe");
	child = fork();
	if (!child) {
		if (write(ready[1], "", 1) != 1 || memcmp(p, "secret", 6))
			_exit(1);
		pause();
	}
	if (read(ready[0], &c, 1) != 1)
		die("child");
	bad = spy(child, p);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	return !!bad;
}

/* devmem ADDRESS: /dev/mem neither reads nor maps it. */
static int cmd_devmem(char **a)
{
	off_t at = strtoull(a[0], NULL, 0);
	int fd = open("/dev/mem", O_RDONLY);
	char buf[16];
	void *p;

	if (fd < 0)
		die("/dev/mem");
	if (pread(fd, buf, sizeof(buf), at) > 0)
		return fprintf(stderr, "mapped: /dev/mem reads it\n"), 1;
	p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, at);
	if (p != MAP_FAILED)
		return fprintf(stderr, "mapped: /dev/mem maps it\n"), 1;
	return 0;
}

/* word SEED: the first one of a file that fill was given SEED for. */
static int cmd_word(char **a)
{
	printf("%016" PRIx64 "\n", mix(strtoull(a[0], NULL, 0)));
	return 0;
}

/* anywhere FILE MAX: as faults, but where mmap() puts it. */
static int cmd_anywhere(char **a)
{
	int fd = open_file(a[0]);
	size_t len = size_of(fd), i;
	volatile char *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	long before = faults();

	for (i = 0; i < len; i += 4096)
		p[i] = 1;
	before = faults() - before;
	fprintf(stderr, "mapped: %ld faults at %p\n", before, (void *)p);
	return before > atol(a[1]);
}

static int is_whole(const char *p, size_t from, size_t to)
{
	for (; from < to; from += MIB)
		if (*(volatile uint64_t *)(p + from) != mix(from))
			return fprintf(stderr, "mapped: wrong at %zu\n", from), 0;
	return 1;
}

/*
 * other FILE: two processes map it by PUD entries, one of them a part of it that
 * begins within a GiB; that one forks and splits its VMA. 2 GiB, all written.
 */
static int cmd_other(char **a)
{
	int fd = open_file(a[0]), status, i;
	char *p = map(fd, 2 * GIB, 0, GIB), *q;

	for (i = 0; i < 2048; i++)
		*(uint64_t *)(p + i * MIB) = mix(i * MIB);
	if (!fork()) {
		munmap(p, 2 * GIB);
		q = map(fd, 2 * GIB - GIB / 2, GIB / 2, GIB);
		for (i = 0; i < 20; i++) {
			if (!fork())
				_exit(*(uint64_t *)q != mix(GIB / 2));
			if (wait(&status) < 0 || status)
				_exit(1);
			*(volatile uint64_t *)(q + GIB) = mix(GIB + GIB / 2);
			munmap(q + (2 * i + 8) * MIB, 4096);
		}
		_exit(0);
	}
	while (waitpid(-1, &status, WNOHANG) == 0)
		if (!is_whole(p, 0, 2 * GIB))
			return 1;
	return status || !is_whole(p, 0, 2 * GIB);
}

/* moved FILE: a move by mremap() in one process leaves another one's PUD entry. 1 GiB. */
static int cmd_moved(char **a)
{
	int fd = open_file(a[0]), go[2], status;
	char *p = map(fd, GIB, 0, GIB), *q, c;
	long before;
	pid_t pid;

	if (pipe(go))
		die("pipe");
	pid = fork();
	if (!pid) {
		munmap(p, GIB);
		q = mmap(NULL, 3 * GIB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		q = (char *)(((uintptr_t)q + GIB - 1) & ~(GIB - 1));
		p = map(fd, GIB, 0, GIB);
		if (read(go[0], &c, 1) != 1 || p[0] != 1)
			_exit(1);
		p = mremap(p, GIB, GIB, MREMAP_MAYMOVE | MREMAP_FIXED, q);
		_exit(p != q || p[0] != 1);
	}
	p[0] = 1;
	if (write(go[1], "", 1) != 1 || waitpid(pid, &status, 0) != pid)
		die("the other process");
	before = faults();
	(void)*(volatile char *)p;
	before = faults() - before;
	printf("%ld faults\n", before);
	return status || before;
}

/* hold FILE: map it, write to every page, say so, and do it for ever. */
static int cmd_hold(char **a)
{
	int fd = open_file(a[0]);
	size_t len = size_of(fd), i;
	volatile char *p = map(fd, len, 0, 2 * MIB);
	unsigned long n;

	for (n = 0; ; n++) {
		for (i = 0; i < len; i += 4096)
			*(volatile unsigned long *)(p + i) = n;
		if (!n) {
			puts("held");
			fflush(stdout);
		}
		usleep(1000);
	}
	return 1;
}

/* parts FILE: what is done to a part of a mapping leaves the rest alone. */
static int cmd_parts(char **a)
{
	int fd = open_file(a[0]), status;
	char *p = map(fd, 16 * MIB, 0, 2 * MIB), *q;
	size_t i;

	signal(SIGSEGV, on_signal);
	signal(SIGBUS, on_signal);
	for (i = 0; i < 16 * MIB; i++)
		p[i] = i >> 12;
	if (mprotect(p + MIB, MIB, PROT_READ))
		die("mprotect");
	if (touch_signal(p + MIB - 1) || touch_signal(p + 2 * MIB) ||
	    touch_signal(p + MIB) != SIGSEGV)
		return fprintf(stderr, "mapped: mprotect of a part\n"), 1;
	if (mprotect(p + MIB, MIB, PROT_READ | PROT_WRITE) ||
	    touch_signal(p + MIB))
		return fprintf(stderr, "mapped: mprotect back\n"), 1;
	if (munmap(p + 5 * MIB, MIB) || touch_signal(p + 5 * MIB) != SIGSEGV ||
	    touch_signal(p + 5 * MIB - 1) || touch_signal(p + 6 * MIB))
		return fprintf(stderr, "mapped: munmap of a part\n"), 1;
	q = mmap(NULL, 8 * MIB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (q == MAP_FAILED)
		die("mmap");
	q = mremap(p + 8 * MIB, 3 * MIB, 3 * MIB, MREMAP_MAYMOVE | MREMAP_FIXED,
		   q + MIB);
	if (q == MAP_FAILED)
		die("mremap");
	if (mremap(q, 3 * MIB, 4 * MIB, MREMAP_MAYMOVE) != MAP_FAILED)
		return fprintf(stderr, "mapped: mremap grew it\n"), 1;
	madvise(p, 4 * MIB, MADV_DONTNEED);
	madvise(p, 4 * MIB, MADV_FREE);
	madvise(p, 4 * MIB, MADV_HUGEPAGE);
	if (!fork()) {
		for (i = 0; i < 3 * MIB; i++)
			if (q[i] != (char)((i + 8 * MIB) >> 12))
				_exit(1);
		p[0] = 77;
		_exit(0);
	}
	if (wait(&status) < 0 || status || p[0] != 77)
		return fprintf(stderr, "mapped: fork\n"), 1;
	for (i = 1; i < 4 * MIB; i++)
		if (p[i] != (char)(i >> 12))
			return fprintf(stderr, "mapped: contents at %zu\n", i), 1;
	return 0;
}

/*
 * kpage ADDRESS: /proc/kpageflags says of it what it says of the PCI hole, which
 * surely has no page descriptors (KPF_NOPAGE, or 0 on newer kernels).
 */
static int cmd_kpage(char **a)
{
	off_t pfn = strtoull(a[0], NULL, 0) >> 12;
	int fd = open("/proc/kpageflags", O_RDONLY);
	uint64_t flags, hole;

	if (fd < 0 || pread(fd, &flags, 8, pfn * 8) != 8 ||
	    pread(fd, &hole, 8, (0xe0000000 >> 12) * 8) != 8)
		die("/proc/kpageflags");
	return flags != hole || (hole && hole != 1 << 20);
}

/* kcore ADDRESS: no segment of /proc/kcore holds it. */
static int cmd_kcore(char **a)
{
	uint64_t at = strtoull(a[0], NULL, 0);
	int fd = open("/proc/kcore", O_RDONLY), i;
	Elf64_Ehdr eh;
	Elf64_Phdr ph;

	if (fd < 0 || pread(fd, &eh, sizeof(eh), 0) != sizeof(eh))
		die("/proc/kcore");
	for (i = 0; i < eh.e_phnum; i++) {
		if (pread(fd, &ph, sizeof(ph), eh.e_phoff + i * sizeof(ph)) !=
		    sizeof(ph))
			die("/proc/kcore");
		if (ph.p_type == PT_LOAD && ph.p_paddr != -1UL &&
		    at >= ph.p_paddr && at - ph.p_paddr < ph.p_memsz)
			return fprintf(stderr, "mapped: segment %d\n", i), 1;
	}
	return i == 0;
}

/* pageless FILE: what needs pages is refused, and nothing leaks by it. */
static int cmd_pageless(char **a)
{
	char *p = map(open_file(a[0]), 4 * MIB, 0, 2 * MIB);
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = {
		.range = { (uintptr_t)p, 2 * MIB },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	struct iovec iov = { p, 4096 };
	int pipes[2], fd, bad = 0;

	p[0] = 1;
	if (pipe(pipes))
		die("pipe");
	if (vmsplice(pipes[1], &iov, 1, 0) >= 0)
		bad = fprintf(stderr, "mapped: vmsplice takes it\n");
	fd = open("/job/tests/mapped", O_RDONLY | O_DIRECT);
	if (fd >= 0 && pread(fd, p, 4096, 0) >= 0)
		bad = fprintf(stderr, "mapped: O_DIRECT takes it\n");
	fd = syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
	if (fd >= 0 && !ioctl(fd, UFFDIO_API, &api) &&
	    !ioctl(fd, UFFDIO_REGISTER, &reg))
		bad = fprintf(stderr, "mapped: userfaultfd takes it\n");
	return !!bad;
}

/* A GiB with a word of its own every MiB, mapped by one PUD entry. */
static char *map_pud(int fd)
{
	char *p = map(fd, GIB, 0, GIB);
	size_t i;

	for (i = 0; i < GIB; i += MIB)
		*(uint64_t *)(p + i) = mix(i);
	return p;
}

/* pud FILE: parts are taken out of what one PUD entry maps. 1 GiB, fallocated. */
static int cmd_pud(char **a)
{
	int fd = open_file(a[0]), status, i;
	char *p = map_pud(fd), *q;

	signal(SIGSEGV, on_signal);
	if (munmap(p + 4096, 4096) || touch_signal(p + 4096) != SIGSEGV ||
	    !is_whole(p, 0, GIB))
		return fprintf(stderr, "mapped: munmap\n"), 1;
	munmap(p, GIB);
	p = map_pud(fd);
	if (mprotect(p + 5 * MIB + 4096, 4096, PROT_NONE) ||
	    touch_signal(p + 5 * MIB + 4096) != SIGSEGV || !is_whole(p, 0, GIB))
		return fprintf(stderr, "mapped: mprotect\n"), 1;
	munmap(p, GIB);
	p = map_pud(fd);
	if (madvise(p + GIB / 2, GIB / 2, MADV_DONTFORK))
		die("MADV_DONTFORK");
	if (!fork())
		_exit(touch_signal(p + GIB / 2) != SIGSEGV ||
		      !is_whole(p, 0, GIB / 2));
	if (wait(&status) < 0 || status || !is_whole(p, 0, GIB))
		return fprintf(stderr, "mapped: fork\n"), 1;
	munmap(p, GIB);
	for (i = 0; i < 2; i++) {
		/* To another GiB, and to a place that no PUD entry can map. */
		p = map_pud(fd);
		q = mmap(NULL, 3 * GIB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		q = (char *)(((uintptr_t)q + GIB - 1) & ~(GIB - 1)) + i * 2 * MIB;
		if (mremap(p, GIB, GIB, MREMAP_MAYMOVE | MREMAP_FIXED, q) != q ||
		    touch_signal(p) != SIGSEGV || !is_whole(q, 0, GIB))
			return fprintf(stderr, "mapped: mremap %d\n", i), 1;
		munmap(q, GIB);
	}
	p = map_pud(fd);
	if (ftruncate(fd, GIB / 2) || !is_whole(p, 0, GIB / 2) ||
	    ftruncate(fd, GIB) || p[GIB - MIB])
		return fprintf(stderr, "mapped: truncate\n"), 1;
	return 0;
}

/* advise FILE: madvise() does what it does on tmpfs, or says EINVAL. */
static int cmd_advise(char **a)
{
	static const int refused[] = {
		MADV_DONTNEED, MADV_FREE, MADV_COLD, MADV_PAGEOUT,
		MADV_POPULATE_READ, MADV_POPULATE_WRITE,
	};
	int fd = open_file(a[0]), status;
	char *p = map(fd, 16 * MIB, 0, 2 * MIB);
	struct stat st;
	size_t i;

	signal(SIGSEGV, on_signal);
	memset(p, 'a', 16 * MIB);
	for (i = 0; i < sizeof(refused) / sizeof(*refused); i++)
		if (!madvise(p, 4 * MIB, refused[i]) || errno != EINVAL)
			return fprintf(stderr, "mapped: advice %d: %m\n", refused[i]), 1;
	if (madvise(p + 2 * MIB, 5 * MIB, MADV_REMOVE))
		die("MADV_REMOVE");
	if (fstat(fd, &st) || st.st_blocks != 6 * 4096)
		return fprintf(stderr, "mapped: it has %ld blocks\n", st.st_blocks), 1;
	if (p[2 * MIB - 1] != 'a' || p[2 * MIB] || p[7 * MIB - 1] || p[7 * MIB] != 'a')
		return fprintf(stderr, "mapped: MADV_REMOVE took something else\n"), 1;
	if (madvise(p + 8 * MIB, 2 * MIB, MADV_DONTFORK))
		die("MADV_DONTFORK");
	if (!fork())
		_exit(touch_signal(p + 8 * MIB) != SIGSEGV || p[10 * MIB] != 'a');
	if (wait(&status) < 0 || status || p[8 * MIB] != 'a')
		return fprintf(stderr, "mapped: MADV_DONTFORK\n"), 1;
	if (mmap(p + 12 * MIB + 4096, 8192, PROT_READ, MAP_PRIVATE |
		 MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
		die("MAP_FIXED");
	return p[12 * MIB + 4095] != 'a' || p[12 * MIB + 4096] ||
	       p[12 * MIB + 12288] != 'a';
}

/* Something that takes pages away from whoever maps them, or brings some. */
static int disturb(int fd)
{
	off_t at = rand() % (16 * MIB), len = 1 + rand() % (5 * MIB);

	switch (rand() % 4) {
	case 0:
		return ftruncate(fd, at);
	case 1:
		return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at,
				 len);
	case 2:
		return fallocate(fd, FALLOC_FL_ZERO_RANGE, at, len);
	default:
		return fallocate(fd, 0, at, len);
	}
}

/* race FILE SECONDS: two mappers against that; SIGBUS is all they may meet. */
static int cmd_race(char **a)
{
	int fd = open_file(a[0]), seconds = atoi(a[1]), i, status, bad = 0;
	pid_t child[2];

	for (i = 0; i < 2; i++) {
		child[i] = fork();
		if (child[i])
			continue;
		volatile char *p = map(fd, 16 * MIB, 0, 2 * MIB);
		unsigned int seed = i;

		signal(SIGBUS, on_signal);
		alarm(seconds + 10);
		for (;;)
			touch_signal(p + rand_r(&seed) % (16 * MIB));
	}
	for (time_t end = time(NULL) + seconds; time(NULL) < end;) {
		if (disturb(fd))
			bad = fprintf(stderr, "mapped: disturb: %m\n");
	}
	for (i = 0; i < 2; i++) {
		kill(child[i], SIGKILL);
		waitpid(child[i], &status, 0);
		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
			bad = 1;
	}
	return bad;
}

static const struct {
	const char *name;
	int nr_args;
	int (*run)(char **args);
} commands[] = {
	{ "fill", 2, cmd_fill },	{ "sum", 1, cmd_sum },
	{ "zero", 1, cmd_zero },	{ "poke", 3, cmd_poke },
	{ "peek", 3, cmd_peek },	{ "eof", 1, cmd_eof },
	{ "shrink", 2, cmd_shrink },	{ "faults", 3, cmd_faults },
	{ "touch", 1, cmd_touch },	{ "halve", 1, cmd_halve },
	{ "punched", 2, cmd_punched },	{ "softdirty", 1, cmd_softdirty },
	{ "orders", 1, cmd_orders },	{ "forked", 1, cmd_forked },
	{ "unaligned", 1, cmd_unaligned }, { "spy", 1, cmd_spy },		{ "devmem", 1, cmd_devmem },
	{ "hold", 1, cmd_hold },	{ "private-sum", 1, cmd_private_sum },
	{ "sums", 1, cmd_sums },
	{ "race", 2, cmd_race },		{ "parts", 1, cmd_parts },
	{ "kpage", 1, cmd_kpage },	{ "kcore", 1, cmd_kcore },
	{ "word", 1, cmd_word },	{ "anywhere", 2, cmd_anywhere }, { "other", 1, cmd_other },
	{ "moved", 1, cmd_moved },
	{ "advise", 1, cmd_advise },	{ "pud", 1, cmd_pud },		{ "cached", 1, cmd_cached },
	{ "equal", 4, cmd_equal },	{ "bad-buffer", 1, cmd_bad_buffer },
	{ "self-write", 1, cmd_self_write },
	{ "range", 4, cmd_range },	{ "sparse-sum", 1, cmd_sparse_sum },
	{ "pageless", 1, cmd_pageless },
};

int main(int argc, char **argv)
{
	size_t i;

	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (argc == commands[i].nr_args + 2 &&
		    !strcmp(argv[1], commands[i].name))
			return commands[i].run(argv + 2);
	fprintf(stderr, "mapped: no such command, or not that many arguments\n");
	return 2;
}
