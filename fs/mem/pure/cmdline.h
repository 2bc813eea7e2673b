/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _GMFS_CMDLINE_H
#define _GMFS_CMDLINE_H

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

bool gmfs_next_arg(const char **pos, struct gmfs_arg *arg);
bool gmfs_arg_is(const struct gmfs_arg *arg, const char *name);
int gmfs_parse_region(const char *text, u64 *base, u64 *size);
int gmfs_find_region(const char *cmdline, u64 align, u64 *base, u64 *size,
		     const char **why);

#endif /* _GMFS_CMDLINE_H */
