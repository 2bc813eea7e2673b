// SPDX-License-Identifier: GPL-2.0-only
/*
 * mapped COMMAND ARGUMENT... - one thing that is done to a file by mapping it. The
 * mapping is shared unless the command says otherwise. Exits with 0 if what it was asked
 * for came true.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <time.h>

#include "mapping.h"

static uint64_t number(const char *text)
{
	return strtoull(text, NULL, 0);
}

static int wrong(size_t at, uint64_t value)
{
	fprintf(stderr, "mapped: at %zu is %#" PRIx64 "\n", at, value);
	return 1;
}

/* All of a file. */
static char *map_file(const char *path, size_t *len)
{
	int fd = open_or_die(path, O_RDWR);

	*len = size_of(fd);
	return map(fd, *len, 0, 2 * MIB);
}

/* fill FILE SEED: a pattern that differs in every word. */
static int cmd_fill(char **a)
{
	size_t len, i;
	uint64_t *p = (uint64_t *)map_file(a[0], &len), seed = number(a[1]);

	for (i = 0; i < len / 8; i++)
		p[i] = mix(seed + i);
	return 0;
}

/* word SEED: the first one of a file that was filled with SEED. */
static int cmd_word(char **a)
{
	printf("%016" PRIx64 "\n", mix(number(a[0])));
	return 0;
}

/* range FILE FROM LENGTH SEED|zero: it is as fill left it, or zeroes. */
static int cmd_range(char **a)
{
	size_t len, from = number(a[1]) / 8, to = (number(a[1]) + number(a[2])) / 8, i;
	uint64_t *p = (uint64_t *)map_file(a[0], &len), seed = number(a[3]);
	bool zero = !strcmp(a[3], "zero");

	for (i = from; i < to; i++)
		if (p[i] != (zero ? 0 : mix(seed + i)))
			return wrong(i * 8, p[i]);
	return 0;
}

/* zero FILE: all of it reads as zeroes. */
static int cmd_zero(char **a)
{
	size_t len, i;
	char *p = map_file(a[0], &len);

	for (i = 0; i < len; i++) {
		/* A word at a time where there is a whole one. */
		while (i % 8 == 0 && i + 8 <= len && !*(uint64_t *)(p + i))
			i += 8;
		if (i < len && p[i])
			return wrong(i, p[i]);
	}
	return 0;
}

/* equal FILE A B LENGTH: two parts of a file are. */
static int cmd_equal(char **a)
{
	size_t len;
	char *p = map_file(a[0], &len);

	return !!memcmp(p + number(a[1]), p + number(a[2]), number(a[3]));
}

/* The page at @offset of FILE and the next one; returns the address of @offset. */
static char *map_there(const char *path, const char *offset)
{
	off_t at = number(offset), page = at & ~4095L;

	return map(open_or_die(path, O_RDWR), 8192, page, 4096) + (at - page);
}

/* poke FILE OFFSET TEXT: write it there. */
static int cmd_poke(char **a)
{
	memcpy(map_there(a[0], a[1]), a[2], strlen(a[2]));
	return 0;
}

/* peek FILE OFFSET TEXT: it is there. */
static int cmd_peek(char **a)
{
	const char *p = map_there(a[0], a[1]);
	int len = strlen(a[2]);

	if (!memcmp(p, a[2], len))
		return 0;
	fprintf(stderr, "mapped: there is '%.*s'\n", len, p);
	return 1;
}

static uint64_t add_word(uint64_t sum, uint64_t word)
{
	return (sum ^ word) * 0x9e3779b97f4a7c15 + (sum >> 29);
}

static void sum_file(const char *path, bool shared)
{
	int fd = open_or_die(path, shared ? O_RDWR : O_RDONLY);
	size_t len = size_of(fd), i;
	unsigned char *p = NULL;
	uint64_t sum = len;

	if (len)
		p = shared ? (void *)map(fd, len, 0, 2 * MIB) :
			     mmap(NULL, len, RW, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		die("mmap");
	for (i = 0; i + 8 <= len; i += 8)
		sum = add_word(sum, *(uint64_t *)(p + i));
	for (; i < len; i++)
		sum = add_word(sum, p[i]);
	printf("%016" PRIx64 "\n", sum);
	if (len)
		munmap(p, len);
	close(fd);
}

/* sum FILE: a checksum of all of it. */
static int cmd_sum(char **a)
{
	sum_file(a[0], true);
	return 0;
}

/* private-sum FILE: the same, by a private mapping of a file opened to read. */
static int cmd_private_sum(char **a)
{
	sum_file(a[0], false);
	return 0;
}

/* sums shared|private: of the files that standard input names, each ended by NUL. */
static int cmd_sums(char **a)
{
	bool shared = !strcmp(a[0], "shared");
	char *path = NULL;
	size_t size = 0;

	while (getdelim(&path, &size, 0, stdin) > 0) {
		printf("%s ", path);
		sum_file(path, shared);
	}
	return 0;
}

/* sparse-sum FILE: of its data alone, so that no hole is filled, and where that is. */
static int cmd_sparse_sum(char **a)
{
	int fd = open_or_die(a[0], O_RDWR);
	char *p = map(fd, size_of(fd), 0, 2 * MIB);
	off_t from, to = 0;
	uint64_t sum = 0;

	while ((from = lseek(fd, to, SEEK_DATA)) >= 0) {
		to = lseek(fd, from, SEEK_HOLE);
		printf("%lld-%lld ", (long long)from, (long long)to);
		for (; from < to; from += 8)
			sum = add_word(sum, *(uint64_t *)(p + from));
	}
	printf("%016" PRIx64 "\n", sum);
	return 0;
}

/* cached FILE: how many bytes of it are in the page cache. */
static int cmd_cached(char **a)
{
	int fd = open_or_die(a[0], O_RDONLY);
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

static void write_pages(volatile char *p, size_t len)
{
	size_t i;

	for (i = 0; i < len; i += 4096)
		p[i] = 1;
}

/* KiB of this process's page tables. */
static long tables_kib(void)
{
	FILE *f = fopen("/proc/self/status", "r");
	char line[256];
	long kib = -1;

	while (f && fgets(line, sizeof(line), f))
		sscanf(line, "VmPTE: %ld", &kib);
	if (f)
		fclose(f);
	return kib;
}

/*
 * faults FILE ALIGN: map it at a multiple of ALIGN, or where mmap() puts it if that is 0,
 * and write to each page. Prints how many faults that takes, and KiB of page tables.
 */
static int cmd_faults(char **a)
{
	int fd = open_or_die(a[0], O_RDWR);
	size_t len = size_of(fd);
	char *p = map(fd, len, 0, number(a[1]));
	long tables = tables_kib(), before = nr_faults(), took;

	write_pages(p, len);
	took = nr_faults() - before;
	printf("%ld %ld\n", took, tables_kib() - tables);
	return 0;
}

/* touch FILE: map it and write to each page; prints the nanoseconds that takes. */
static int cmd_touch(char **a)
{
	int fd = open_or_die(a[0], O_RDWR);
	size_t len = size_of(fd);
	struct timespec t0, t1;

	clock_gettime(CLOCK_MONOTONIC, &t0);
	write_pages(map(fd, len, 0, 2 * MIB), len);
	clock_gettime(CLOCK_MONOTONIC, &t1);
	printf("%lld\n", (t1.tv_sec - t0.tv_sec) * 1000000000LL + t1.tv_nsec - t0.tv_nsec);
	return 0;
}

/* hold FILE: write to every page, say so, and do it for ever. */
static int cmd_hold(char **a)
{
	size_t len, i;
	char *p = map_file(a[0], &len);
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

static const struct {
	const char *name;
	int nr_args;
	int (*run)(char **args);
} commands[] = {
	{ "fill", 2, cmd_fill },	{ "word", 1, cmd_word },
	{ "range", 4, cmd_range },	{ "zero", 1, cmd_zero },
	{ "equal", 4, cmd_equal },
	{ "poke", 3, cmd_poke },	{ "peek", 3, cmd_peek },
	{ "sum", 1, cmd_sum },		{ "private-sum", 1, cmd_private_sum },
	{ "sums", 1, cmd_sums },	{ "sparse-sum", 1, cmd_sparse_sum },
	{ "cached", 1, cmd_cached },	{ "faults", 2, cmd_faults },
	{ "touch", 1, cmd_touch },	{ "hold", 1, cmd_hold },
};

int main(int argc, char **argv)
{
	size_t i;

	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (argc == commands[i].nr_args + 2 && !strcmp(argv[1], commands[i].name))
			return commands[i].run(argv + 2);
	fprintf(stderr, "mapped: no such command, or not that many arguments\n");
	return 2;
}
