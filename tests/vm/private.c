// SPDX-License-Identifier: GPL-2.0-only
/*
 * private TEST FILE - what private mappings do, and what they keep others from.
 * FILE has 8 MiB and nobody else maps it. PAGES is set if the pool is mounted with pages.
 * Exits with 0 if all is as it should be.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define MIB	(1UL << 20)
#define LEN	(8 * MIB)
#define RW	(PROT_READ | PROT_WRITE)

static const char *path;

static void must(int ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "private: not so: %s (%s)\n", what, strerror(errno));
	exit(1);
}

static char *map(int prot, int flags, int oflags)
{
	int fd = open(path, oflags);
	char *p;

	must(fd >= 0, path);
	p = mmap(NULL, LEN, prot, flags, fd, 0);
	close(fd);
	return p == MAP_FAILED ? NULL : p;
}

static char *map_private(void)
{
	return map(RW, MAP_PRIVATE, O_RDONLY);
}

static char *map_shared(void)
{
	return map(RW, MAP_SHARED, O_RDWR);
}

/* Every 4 KiB of the file begins with @seed. */
static void fill(uint64_t seed)
{
	char *p = map_shared();
	size_t i;

	must(!!p, "a shared mapping");
	for (i = 0; i < LEN; i += 4096)
		*(uint64_t *)(p + i) = seed + i;
	munmap(p, LEN);
}

static int holds(const char *p, uint64_t seed)
{
	size_t i;

	for (i = 0; i < LEN; i += 4096)
		if (*(volatile uint64_t *)(p + i) != seed + i)
			return 0;
	return 1;
}

static int refused(char *p)
{
	return !p && errno == ETXTBSY;
}

static void test_cow(void)
{
	char *a, *b;
	size_t i;

	fill(1);
	a = map_private();
	b = map_private();
	must(a && b && holds(a, 1) && holds(b, 1), "two private mappings show the file");
	for (i = 0; i < LEN; i += 8192)
		a[i + 8] = 'x';
	for (i = 0; i < LEN; i += 8192)
		must(a[i + 8] == 'x' && !b[i + 8],
		     "a write is seen by whoever wrote, alone");
	must(holds(a, 1) && holds(b, 1), "the rest is as it was");
	munmap(a, LEN);
	munmap(b, LEN);
	a = map_shared();
	must(a && holds(a, 1) && !a[8], "the file is as it was");
}

static void test_busy(void)
{
	char *p, *s;
	int status;

	fill(2);
	p = map_private();
	must(refused(map_shared()), "no shared mapping beside a private one");
	s = map(PROT_READ, MAP_SHARED, O_RDONLY);
	must(s && holds(s, 2) && !munmap(s, LEN), "a shared mapping beside it that can only read");
	must(!munmap(p + MIB, MIB), "munmap of a part");
	must(refused(map_shared()), "no shared mapping beside parts of a private one");
	if (!fork()) {
		munmap(p, LEN);
		_exit(refused(map_shared()) ? 0 : 1);
	}
	must(wait(&status) > 0 && !status, "no shared mapping when a child gave up its copy");
	munmap(p, LEN);
	s = map_shared();
	must(!!s, "a shared mapping when all private ones are gone");
	must(refused(map_private()), "no private mapping beside a shared one");
	must(mremap(s, LEN, 2 * MIB, 0) == s && refused(map_private()),
	     "no private mapping beside a part of a shared one");
	munmap(s, 2 * MIB);
	p = map_private();
	must(p && holds(p, 2), "a private mapping when the shared one is gone");
}

/* What is cached must not outlive what it was copied from. */
static void test_stale(void)
{
	char *p;

	fill(3);
	p = map_private();
	must(holds(p, 3), "first contents");
	munmap(p, LEN);
	fill(4);
	p = map_private();
	must(holds(p, 4), "contents written after they were cached");
	munmap(p, LEN);
}

/* Blocks do not change under a private mapping. */
static void test_change(void)
{
	int fd = open(path, O_RDWR), i;
	const int modes[] = { 0, FALLOC_FL_KEEP_SIZE, FALLOC_FL_ZERO_RANGE,
			      FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE };
	char *p;

	fill(5);
	p = map_private();
	must(!!p, "a private mapping");
	for (i = 0; i < 4; i++)
		must(fallocate(fd, modes[i], 0, 2 * LEN) && errno == ETXTBSY,
		     "fallocate is refused");
	must(ftruncate(fd, 0) && errno == ETXTBSY, "truncate down is refused");
	must(ftruncate(fd, 2 * LEN) && errno == ETXTBSY, "truncate up is refused");
	must(holds(p, 5), "the contents are as they were");
	munmap(p, LEN);
	must(!ftruncate(fd, 2 * LEN) && !ftruncate(fd, LEN),
	     "truncate succeeds without the mapping");
}

/* It has pages: what shared mappings cannot do works. */
static void test_pages(void)
{
	int fd = open("/job/tests/private", O_RDONLY | O_DIRECT), pipes[2];
	struct iovec local, remote;
	char buf[16], *p;

	fill(6);
	p = map_private();
	must(fd >= 0 && pread(fd, p, 4096, 0) == 4096 && !memcmp(p, "\177ELF", 4),
	     "O_DIRECT into it");
	local = (struct iovec){ buf, sizeof(buf) };
	remote = (struct iovec){ p, sizeof(buf) };
	must(process_vm_readv(getpid(), &local, 1, &remote, 1, 0) == sizeof(buf),
	     "process_vm_readv");
	must(!pipe(pipes) && vmsplice(pipes[1], &remote, 1, 0) > 0, "vmsplice");
	must(!mlock(p, LEN), "mlock");
	must(!madvise(p, LEN, MADV_DONTNEED) || errno == EINVAL, "MADV_DONTNEED");
}

static long smaps(const char *key)
{
	FILE *f = fopen("/proc/self/smaps", "r");
	char line[200];
	long sum = 0;

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, key, strlen(key)))
			sum += atol(line + strlen(key));
	return sum;
}

static void test_huge(void)
{
	char *at, *p;
	int fd = open(path, O_RDONLY);

	fill(7);
	at = mmap(NULL, LEN + 2 * MIB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	at = (char *)(((uintptr_t)at + 2 * MIB - 1) & ~(2 * MIB - 1));
	p = mmap(at, LEN, RW, MAP_PRIVATE | MAP_FIXED, fd, 0);
	must(p == at && !madvise(p, LEN, MADV_HUGEPAGE), "MADV_HUGEPAGE");
	must(holds(p, 7), "contents");
	/* smaps does not tell how a device's memory is mapped. */
	if (!getenv("PAGES"))
		must(smaps("FilePmdMapped:") == LEN / 1024, "2 MiB of page cache by a PMD");

}

/* What readahead found beside a hole, and was not to read, must not come to be mapped. */
static void test_collapse(void)
{
	int fd = open(path, O_RDWR);
	char *at, *p;
	size_t i;

	fill(10);
	must(!fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 2 * MIB), "punch");
	close(fd);
	fd = open(path, O_RDONLY);
	at = mmap(NULL, LEN + 2 * MIB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	at = (char *)(((uintptr_t)at + 2 * MIB - 1) & ~(2 * MIB - 1));
	p = mmap(at, LEN, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 0);
	must(p == at && !madvise(p, LEN, MADV_HUGEPAGE), "MADV_HUGEPAGE");
	must(!*(volatile char *)p, "the hole reads as zeroes");
	madvise(p + 2 * MIB, LEN - 2 * MIB, 25 /* MADV_COLLAPSE */);
	for (i = 2 * MIB; i < LEN; i += 4096)
		must(*(volatile uint64_t *)(p + i) == 10 + i, "what is beside it is the file's");
	madvise(p + 2 * MIB, LEN - 2 * MIB, 25);
	must(*(volatile uint64_t *)(p + 2 * MIB) == 10 + 2 * MIB, "and stays so");
}

static char *map_readers(void)
{
	return map(PROT_READ, MAP_SHARED, O_RDONLY);
}

static long blocks(void)
{
	struct stat st;

	must(!stat(path, &st), "stat");
	return st.st_blocks;
}

static long cached(char *p)
{
	unsigned char seen[LEN / 4096];
	long n = 0;
	size_t i;

	must(!mincore(p, LEN, seen), "mincore");
	for (i = 0; i < LEN / 4096; i++)
		n += seen[i] & 1;
	return n;
}

/* Shared mappings that can only read, of a file that is not open for writing. */
static void test_readers(void)
{
	char *p, *q, *r;
	int fd, status;
	long before;

	fill(8);
	fd = open(path, O_RDWR);
	must(!fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4 * MIB, 2 * MIB), "punch");
	close(fd);
	before = blocks();
	p = map_private();
	must(p && *(volatile uint64_t *)p == 8, "a private mapping");
	q = map_readers();
	must(!!q, "a shared one to read");
	/* With pages nothing is cached. */
	must(cached(q) || getenv("PAGES"), "it keeps what is cached");
	must(*(uint64_t *)q == 8 && *(uint64_t *)(q + 3 * MIB) == 8 + 3 * MIB &&
	     !*(uint64_t *)(q + 5 * MIB), "it shows the file, and zeroes where a hole is");
	must(blocks() == before, "a hole that was read stays one");
	must(mprotect(q, MIB, PROT_READ | PROT_WRITE) && errno == EACCES, "no mprotect() to write");
	munmap(p, LEN);
	p = map_private();
	must(!!p, "a private mapping beside it");
	munmap(p, LEN);
	must(refused(map_shared()), "no shared mapping to write beside one to read");
	must(!munmap(q + MIB, MIB), "munmap of a part");
	r = mremap(q + 2 * MIB, 2 * MIB, 2 * MIB, MREMAP_MAYMOVE | MREMAP_FIXED, q + 100 * LEN);
	must(r == q + 100 * LEN && *(uint64_t *)r == 8 + 2 * MIB, "mremap of a part");
	if (!fork())
		_exit(*(uint64_t *)r != 8 + 2 * MIB);
	must(wait(&status) > 0 && !status, "fork");
	must(refused(map_shared()), "no shared mapping to write beside parts of one to read");
	munmap(r, 2 * MIB);
	munmap(q, LEN);
	p = map_shared();
	must(!!p, "a shared mapping to write when all others are gone");
	munmap(p, LEN);
}

/* The same beside one that writes: a reader sees each write at once. */
static void test_watch(void)
{
	volatile char *w, *r;
	char *late;
	int fd;

	fill(9);
	fd = open(path, O_RDWR);
	r = map_readers();
	must(!!r, "a shared mapping to read, while the file is open for writing");
	w = mmap(NULL, LEN, RW, MAP_SHARED, fd, 0);
	must(w != MAP_FAILED, "a shared mapping to write beside it");
	w[MIB] = 'a';
	must(r[MIB] == 'a', "the reader sees what is written");
	w[MIB] = 'b';
	must(r[MIB] == 'b', "the reader sees a second write");
	must(refused(map_private()), "no private mapping beside them");
	munmap((char *)w, LEN);
	close(fd);
	late = map_readers();
	must(late && late[MIB] == 'b', "a reader that comes when the writer has gone");
	munmap(late, LEN);
	munmap((char *)r, LEN);
	late = map_private();
	must(late && late[MIB] == 'b', "a private mapping when all others are gone");
}

/* hole FILE: the third block is a hole: it reads as zeroes, by a shared mapping. */
static void test_hole(void)
{
	char *p = map_readers();
	size_t i;

	must(!!p, "a shared mapping to read");
	for (i = 4 * MIB; i < 6 * MIB; i += 8)
		must(!*(uint64_t *)(p + i), "zeroes");
}

/* watch-hole FILE: the same, mapped while the file was open for writing; then say so. */
static void test_watch_hole(void)
{
	int fd = open(path, O_RDWR);
	char *p = map_readers();

	must(p && fd >= 0 && *(volatile char *)p == 'x', "a shared mapping to read");
	close(fd);
	puts("held");
	fflush(stdout);
	must(getchar() == '\n', "go on");
	(void)*(volatile char *)(p + 4 * MIB);
}

/* hold FILE: keep a private mapping, all of it read, and say so. */
static void test_hold(void)
{
	char *p = map_private();
	size_t i;

	must(!!p, "a private mapping");
	for (i = 0; i < LEN; i += 4096)
		(void)*(volatile char *)(p + i);
	puts("held");
	fflush(stdout);
	pause();
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} tests[] = {
		{ "cow", test_cow },		{ "busy", test_busy },
		{ "stale", test_stale },	{ "change", test_change },
		{ "pages", test_pages },	{ "huge", test_huge },
		{ "hold", test_hold },		{ "readers", test_readers },
		{ "watch", test_watch },	{ "hole", test_hole },
		{ "watch-hole", test_watch_hole }, { "collapse", test_collapse },
	};
	size_t i;

	for (i = 0; argc == 3 && i < sizeof(tests) / sizeof(*tests); i++) {
		if (strcmp(argv[1], tests[i].name))
			continue;
		path = argv[2];
		tests[i].run();
		return 0;
	}
	return fprintf(stderr, "usage: private TEST FILE\n"), 2;
}
