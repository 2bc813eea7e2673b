/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _GMFS_TOOL_H
#define _GMFS_TOOL_H

#include <getopt.h>
#include <guestmemfs/abi.h>
#include <linux/kernel.h>
#include <linux/types.h>

#include "cmdline.h"

#define BLOCK_SIZE	(2ULL << 20)
#define SECTION_SIZE	(128ULL << 20)
#define SYSFS		"/sys/fs/guestmemfs"

/* In guestmemfs.c */

__noreturn __printf(1, 2) void die(const char *fmt, ...);
__printf(1, 2) void warn(const char *fmt, ...);
__noreturn __printf(2, 3) void usage_error(char **argv, const char *fmt, ...);
__noreturn void bad_option(char **argv);
void *must(void *p);

/* A path of the system's; tests put a directory before it. */
__printf(1, 2) const char *sys_path(const char *fmt, ...);
void *read_file(const char *path, size_t *size);	/* NULL and errno */
char *read_line(const char *path);			/* the same */
char *sysfs(const char *pool, const char *attr);
char **loaded_pools(void);				/* names; ends with NULL */
void need_module(void);
const char *human(u64 bytes);
const char *exact(u64 bytes);				/* for memparse() */
u64 parse_size(const char *what, const char *text);

/**
 * struct windows - the windows of a loaded pool, as sysfs tells
 * @nr: how many
 * @w: each: its memory, its node, its blocks without the head, how many are free, and
 *	whether it is the main one, whose head has the image
 */
struct windows {
	u32 nr;
	struct {
		struct gmfs_range range;
		int node;
		u32 blocks, free;
		bool main;
	} w[GMFS_MAX_WINDOWS];
};

/* In check.c */

void read_windows(const char *pool, struct windows *w);
int check(const char *cmdline, bool leave);

/* In plan.c */

int cmd_plan(int argc, char **argv);

/* In dump.c */

int cmd_dump(int argc, char **argv);

#endif
