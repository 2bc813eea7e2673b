// SPDX-License-Identifier: GPL-2.0-only
/*
 * twin FILE TWIN OPERATIONS SEED - do the same random operations to two files
 * on two filesystems and compare what they return and what comes of it. The
 * last operations are shown if anything differs.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_SIZE	(9L << 20)
#define MAX_LEN		(64L << 10)
#define NR_SHOWN	20

static int fd[2];
static char *map[2];
static char data[MAX_LEN], got[2][MAX_LEN];
static char shown[NR_SHOWN][100];
static unsigned long seed;
static long op_nr;

static unsigned long rnd(unsigned long n)
{
	seed = seed * 6364136223846793005UL + 1442695040888963407UL;
	return (seed >> 33) % n;
}

static void fail(const char *what, long a, long b)
{
	long i;

	for (i = op_nr > NR_SHOWN ? op_nr - NR_SHOWN : 0; i <= op_nr; i++)
		fprintf(stderr, "%ld: %s\n", i, shown[i % NR_SHOWN]);
	fprintf(stderr, "twin: %s: %ld and %ld\n", what, a, b);
	exit(1);
}

static off_t size_of(int i)
{
	struct stat st;

	if (fstat(fd[i], &st))
		fail("fstat", i, errno);
	return st.st_size;
}

/* Most offsets are near something: a page, a block, the end. */
static off_t offset(void)
{
	off_t near[] = { 0, rnd(MAX_SIZE), rnd(MAX_SIZE) & ~4095L,
			 rnd(MAX_SIZE) & ~((2L << 20) - 1), size_of(0) };
	off_t at = near[rnd(5)] + (rnd(2) ? rnd(5) - 2 : 0);

	return at < 0 ? 0 : at < MAX_SIZE ? at : MAX_SIZE - 1;
}

static long length(off_t at)
{
	long len = 1 + (rnd(4) ? rnd(5000) : rnd(MAX_LEN));

	return len < MAX_SIZE - at ? len : MAX_SIZE - at;
}

static long result(long ret)
{
	return ret < 0 ? -errno : ret;
}

static long do_pwrite(int i, off_t at, long len)
{
	return result(pwrite(fd[i], data, len, at));
}

static long do_pread(int i, off_t at, long len)
{
	return result(pread(fd[i], got[i], len, at));
}

/*
 * In the file also after EOF, up to the end of its page: that must never be seen.
 * tmpfs shows it when a write extends the file, so not there.
 */
static long do_mwrite(int i, off_t at, long len)
{
	off_t end = size_of(i);

	if (i == 0)
		end = (end + 4095) & ~4095L;
	if (at < end)
		memcpy(map[i] + at, data, len < end - at ? len : end - at);
	return 0;
}

static long do_mread(int i, off_t at, long len)
{
	off_t end = size_of(i);

	if (at >= end)
		return 0;
	len = len < end - at ? len : end - at;
	memcpy(got[i], map[i] + at, len);
	return len;
}

static long do_truncate(int i, off_t at, long len)
{
	return result(ftruncate(fd[i], at));
}

static long do_punch(int i, off_t at, long len)
{
	return result(fallocate(fd[i], FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				at, len * 37));
}

/* tmpfs has no FALLOC_FL_ZERO_RANGE: there it is a hole and a size. */
static long do_zero(int i, off_t at, long len)
{
	if (i == 0)
		return result(fallocate(fd[i], FALLOC_FL_ZERO_RANGE, at, len));
	if (at + len > size_of(i) && ftruncate(fd[i], at + len))
		return result(-1);
	return result(fallocate(fd[i], FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				at, len));
}

static long do_allocate(int i, off_t at, long len)
{
	return result(fallocate(fd[i], 0, at, len));
}

static long do_keep_size(int i, off_t at, long len)
{
	return result(fallocate(fd[i], FALLOC_FL_KEEP_SIZE, at, len));
}

static long do_copy(int i, off_t at, long len)
{
	off_t from = (at + MAX_SIZE / 2) % MAX_SIZE;

	return result(copy_file_range(fd[i], &from, fd[i], &at, len, 0));
}

static const struct {
	const char *name;
	long (*run)(int i, off_t at, long len);
	int weight;
} operations[] = {
	{ "pwrite", do_pwrite, 20 },	{ "pread", do_pread, 20 },
	{ "mwrite", do_mwrite, 20 },	{ "mread", do_mread, 20 },
	{ "truncate", do_truncate, 6 },	{ "punch", do_punch, 4 },
	{ "zero", do_zero, 4 },		{ "allocate", do_allocate, 3 },
	{ "keep-size", do_keep_size, 1 }, { "copy", do_copy, 4 },
};

static void compare_all(void)
{
	off_t size = size_of(0), at;

	if (size != size_of(1))
		fail("sizes", size, size_of(1));
	for (at = 0; at < size; at += 4096) {
		long n = size - at < 4096 ? size - at : 4096;

		if (!memcmp(map[0] + at, map[1] + at, n))
			continue;
		while (map[0][at] == map[1][at])
			at++;
		fprintf(stderr, "at %#lx\n", at);
		fail("contents", map[0][at], map[1][at]);
	}
}

static void step(void)
{
	long ret[2], len, pick = rnd(102);
	size_t op = 0, same = 0;
	off_t at;
	int i;

	while (pick >= operations[op].weight)
		pick -= operations[op++].weight;
	at = offset();
	len = length(at);
	snprintf(shown[op_nr % NR_SHOWN], sizeof(*shown), "%s at %#lx len %#lx",
		 operations[op].name, at, len);
	memset(data, 1 + rnd(255), len);
	for (i = 0; i < 2; i++)
		ret[i] = operations[op].run(i, at, len);
	if (ret[0] != ret[1])
		fail("results", ret[0], ret[1]);
	if (memcmp(got[0], got[1], MAX_LEN)) {
		while (got[0][same] == got[1][same])
			same++;
		fail("what was read", got[0][same], got[1][same]);
	}
	if (size_of(0) != size_of(1))
		fail("sizes", size_of(0), size_of(1));
}

int main(int argc, char **argv)
{
	long n;
	int i;

	if (argc != 5)
		return fprintf(stderr, "usage: twin FILE TWIN OPERATIONS SEED\n"), 2;
	n = atol(argv[3]);
	seed = strtoul(argv[4], NULL, 0);
	for (i = 0; i < 2; i++) {
		fd[i] = open(argv[1 + i], O_RDWR | O_CREAT | O_TRUNC, 0600);
		map[i] = mmap(NULL, MAX_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
			      fd[i], 0);
		if (fd[i] < 0 || map[i] == MAP_FAILED)
			fail(argv[1 + i], fd[i], errno);
	}
	for (op_nr = 0; op_nr < n; op_nr++) {
		step();
		if (op_nr < 200 || op_nr % 2000 == 0)
			compare_all();
	}
	compare_all();
	printf("%ld operations, the last size %ld\n", n, size_of(0));
	return 0;
}
