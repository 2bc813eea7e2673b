/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _GMFS_CMDLINE_H
#define _GMFS_CMDLINE_H

#include <guestmemfs/abi.h>
#include <linux/types.h>

/**
 * struct gmfs_arg - an argument of a kernel command line, as the kernel reads it
 * @name: what is before "="; it ends with @name_len, not with a NUL
 * @value: what is after it, without quotes, of @value_len; NULL without "="
 * @name_len: bytes
 * @value_len: bytes
 */
struct gmfs_arg {
	const char *name, *value;
	size_t name_len, value_len;
};

/**
 * struct gmfs_range - physical memory
 * @base: physical address, bytes
 * @size: bytes
 */
struct gmfs_range {
	u64 base, size;
};

#define GMFS_MAX_POOLS		64
#define GMFS_MAX_POOL_NAME	64	/* bytes */
#define GMFS_DEFAULT_POOL	"guestmemfs"

/**
 * struct gmfs_pool_arg - a pool that a command line asks for
 * @value: the argument's value, of @value_len; it ends with that, not with a NUL
 * @value_len: bytes
 * @name: the pool's name, of @name_len; GMFS_DEFAULT_POOL if the value has none
 * @name_len: bytes
 * @windows: physical addresses and sizes in bytes, in the order of the value; one of size 0
 *	has no place, and then there is a @why
 * @nr_windows: how many
 * @why: what is wrong with it and what to do, or NULL
 */
struct gmfs_pool_arg {
	const char *value, *name;
	size_t value_len, name_len;
	struct gmfs_range windows[GMFS_MAX_WINDOWS];
	unsigned int nr_windows;
	const char *why;
};

bool gmfs_next_arg(const char **pos, struct gmfs_arg *arg);
bool gmfs_arg_is(const struct gmfs_arg *arg, const char *name);
bool gmfs_pool_is(const struct gmfs_pool_arg *pool, const char *name);
unsigned int gmfs_find_pools(const char *args, const char *memmaps, u64 align,
			     struct gmfs_pool_arg pools[GMFS_MAX_POOLS + 1]);

#endif /* _GMFS_CMDLINE_H */
