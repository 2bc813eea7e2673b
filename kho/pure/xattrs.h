/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _GMFS_XATTRS_H
#define _GMFS_XATTRS_H

#include <linux/types.h>

/**
 * struct gmfs_xattrs - an inode's extended attributes, packed as in its image
 * @data: one after the other: the name, which ends in NUL, the length of the
 *	value as a big-endian u32, and the value
 * @size: bytes at @data
 *
 * No lock: the owner serialises.
 */
struct gmfs_xattrs {
	void *data;
	u32 size;
};

/**
 * struct gmfs_xattr - one of them
 * @name: ends in NUL
 * @value: its value
 * @len: bytes at @value
 */
struct gmfs_xattr {
	const char *name;
	const void *value;
	u32 len;
};

int gmfs_xattrs_next(const void *data, u32 size, u32 *pos, struct gmfs_xattr *x);
bool gmfs_xattrs_find(const struct gmfs_xattrs *xs, const char *name,
		      struct gmfs_xattr *x);
int gmfs_xattrs_set(struct gmfs_xattrs *xs, const struct gmfs_xattr *x);
void gmfs_xattrs_destroy(struct gmfs_xattrs *xs);

#endif /* _GMFS_XATTRS_H */
