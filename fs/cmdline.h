/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _GMFS_CMDLINE_H
#define _GMFS_CMDLINE_H

#include <linux/types.h>

int gmfs_parse_region(const char *text, u64 *base, u64 *size);
int gmfs_find_region(const char *cmdline, u64 align, u64 *base, u64 *size,
		     const char **why);

#endif /* _GMFS_CMDLINE_H */
