/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the programs that map files share: map one, count faults, catch signals, and the
 * words that "mapped fill" writes.
 */
#ifndef TESTS_MAPPING_H
#define TESTS_MAPPING_H

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define MIB	(1UL << 20)
#define GIB	(1UL << 30)
#define RW	(PROT_READ | PROT_WRITE)

static inline void die(const char *what)
{
	fprintf(stderr, "%s: %s: %m\n", program_invocation_short_name, what);
	exit(1);
}

static inline int open_or_die(const char *path, int flags)
{
	int fd = open(path, flags, 0600);

	if (fd < 0)
		die(path);
	return fd;
}

static inline size_t size_of(int fd)
{
	struct stat st;

	if (fstat(fd, &st))
		die("fstat");
	return st.st_size;
}

/* @len bytes of address space that begin at a multiple of @align. */
static inline char *reserve(size_t len, size_t align)
{
	char *p = mmap(NULL, len + align, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		die("reserve");
	return (char *)(((uintptr_t)p + align - 1) & ~(align - 1));
}

/* A shared mapping of @len bytes of @fd, at @at. */
static inline char *map_at(char *at, int fd, size_t len, off_t offset)
{
	char *p = mmap(at, len, RW, MAP_SHARED | (at ? MAP_FIXED : 0), fd, offset);

	if (p == MAP_FAILED)
		die("mmap");
	return p;
}

/* The same at a multiple of @align, or where mmap() puts it if that is 0. */
static inline char *map(int fd, size_t len, off_t offset, size_t align)
{
	return map_at(align ? reserve(len, align) : NULL, fd, len, offset);
}

/* A shared mapping of a new file of @len bytes. */
static inline char *map_new(const char *path, size_t len, int *fd)
{
	unlink(path);
	*fd = open_or_die(path, O_RDWR | O_CREAT | O_EXCL);
	if (ftruncate(*fd, len))
		die("ftruncate");
	return map(*fd, len, 0, 0);
}

/* The word at index @x of a file that is filled with seed 0; a seed is added to the index. */
static inline uint64_t mix(uint64_t x)
{
	x ^= x >> 30;
	x *= 0xbf58476d1ce4e5b9;
	x ^= x >> 27;
	x *= 0x94d049bb133111eb;
	return x ^ x >> 31;
}

/* Page faults of this process so far. */
static inline long nr_faults(void)
{
	/* Written here first: what its page of the stack costs is not for the next to pay. */
	struct rusage r = {};

	getrusage(RUSAGE_SELF, &r);
	return r.ru_minflt + r.ru_majflt;
}

static sigjmp_buf touch_failed;

static inline void on_touch_signal(int sig)
{
	siglongjmp(touch_failed, sig);
}

static inline void catch_touches(void)
{
	signal(SIGBUS, on_touch_signal);
	signal(SIGSEGV, on_touch_signal);
}

/* Read and write a byte: 0, or the signal that came, after catch_touches(). */
static inline int touch(volatile char *p)
{
	int sig = sigsetjmp(touch_failed, 1);

	if (!sig)
		*p = *p;
	return sig;
}

#endif
