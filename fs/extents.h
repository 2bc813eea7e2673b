/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _GMFS_EXTENTS_H
#define _GMFS_EXTENTS_H

#include <linux/types.h>

#include "../kho/image.h"

/**
 * struct gmfs_extents - where a file's blocks are
 * @e: sorted by @at, without overlap; neighbours that could be one are one
 * @nr: extents in use
 * @max: extents that fit into @e
 *
 * A file's blocks that no extent covers are holes. No lock: the owner
 * serialises.
 */
struct gmfs_extents {
	struct gmfs_extent *e;
	u32 nr;
	u32 max;
};

void gmfs_extents_destroy(struct gmfs_extents *x);
int gmfs_extents_reserve(struct gmfs_extents *x, u32 more);
u32 gmfs_extents_find(const struct gmfs_extents *x, u32 at);
void gmfs_extents_insert(struct gmfs_extents *x, struct gmfs_extent n);
bool gmfs_extents_cut(struct gmfs_extents *x, u32 from, u32 to,
		      struct gmfs_extent *cut);
u32 gmfs_extents_blocks(const struct gmfs_extents *x, u32 from, u32 to);

#endif /* _GMFS_EXTENTS_H */
