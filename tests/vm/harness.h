/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * For tests that are all in C, on the kernel's selftest harness. The shell function harness
 * of lib.sh runs such a program, with the path that it can make a file at in FILE.
 */
#ifndef TESTS_HARNESS_H
#define TESTS_HARNESS_H

#include "mapping.h"
#include "kselftest_harness.h"

/* Seconds; a debug kernel under emulation is slow. */
#define TEST_SECONDS	600

/* holds("subject: expectation", CONDITION): the test ends there if it does not. */
#define holds(text, condition) \
	do { \
		ASSERT_TRUE(condition) \
			TH_LOG("%s", text); \
	} while (0)

/* Whether the pool is mounted with pages, and the largest entry of its folios: pmd or pud. */
static inline int has_pages(void)
{
	return !!getenv("PAGES");
}

static inline int has_pud_entries(void)
{
	return !has_pages() || !strcmp(getenv("PAGES"), "pud");
}

static inline const char *file_path(void)
{
	const char *path = getenv("FILE");

	if (!path)
		die("FILE is not set");
	return path;
}

/* The file, anew and with a size. */
static inline int new_file(size_t size)
{
	int fd;

	unlink(file_path());
	fd = open_or_die(file_path(), O_RDWR | O_CREAT | O_EXCL);
	if (ftruncate(fd, size))
		die("ftruncate");
	return fd;
}

static inline void remove_file(int fd)
{
	close(fd);
	unlink(file_path());
}

#endif
