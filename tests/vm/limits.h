/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * PROGRAM OPERATION FILE - one thing that a guestmemfs file may not do as one on tmpfs
 * does. FILE is made anew and has 4 MiB; its first two pages are written.
 *
 * Prints one word: "ok", the errno, the signal that ended a process, or what the
 * operation says. "skip: REASON" where the kernel or the machine lacks the facility.
 * Exits with 0 unless the test itself is broken.
 */
#ifndef TESTS_LIMITS_H
#define TESTS_LIMITS_H

#include "mapping.h"

#define LEN	(4 * MIB)

/* The mapping of FILE, which every operation is about, and FILE. */
static char *p;
static int file;

struct op {
	const char *name;
	const char *(*run)(void);
};

static inline const char *skip(const char *why)
{
	static char text[100];

	snprintf(text, sizeof(text), "skip: %s", why);
	return text;
}

/* How a system call ended: -1 is an errno, all else is success. */
static inline const char *answer(long result)
{
	return result < 0 ? strerrorname_np(errno) : "ok";
}

/* A main(): @ops ends with one without a name. */
static inline int run_one(const struct op *ops, int argc, char **argv)
{
	if (argc != 3)
		return 1;
	for (; ops->name && strcmp(ops->name, argv[1]); ops++)
		;
	if (!ops->name) {
		fprintf(stderr, "%s: no operation %s\n", argv[0], argv[1]);
		return 1;
	}
	p = map_new(argv[2], LEN, &file);
	p[0] = 1;
	p[4096] = 1;
	puts(ops->run());
	return 0;
}

#endif
