/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _GMFS_EXTENTS_H
#define _GMFS_EXTENTS_H

#include <linux/types.h>

/**
 * struct gmfs_extent - a run of a file's blocks that is one run of the pool
 * @at: first block in the file
 * @start: first block in the pool
 * @nr: number of blocks
 */
struct gmfs_extent {
	u32 at;
	u32 start;
	u32 nr;
};

/**
 * struct gmfs_extents - where a file's blocks are
 * @e: sorted by @at, without overlap; neighbours that could be one are one
 * @nr: extents in use
 * @max: extents that fit into @e
 * @blocks: sum of their lengths
 *
 * A file's blocks that no extent covers are holes. No lock: the owner
 * serialises.
 */
struct gmfs_extents {
	struct gmfs_extent *e;
	u32 nr;
	u32 max;
	u32 blocks;
};

void gmfs_extents_destroy(struct gmfs_extents *x);
int gmfs_extents_reserve(struct gmfs_extents *x, u32 more);
u32 gmfs_extents_find(const struct gmfs_extents *x, u32 at);
void gmfs_extents_insert(struct gmfs_extents *x, struct gmfs_extent n);
void gmfs_extents_merge(struct gmfs_extents *x, const struct gmfs_extents *more);
void gmfs_extents_replace(struct gmfs_extents *x, const struct gmfs_extents *with);
bool gmfs_extents_part(const struct gmfs_extents *x, u32 i, u32 from, u32 to,
		       struct gmfs_extent *part);
void gmfs_extents_remove(struct gmfs_extents *x, u32 from, u32 to);
void gmfs_extents_trim(struct gmfs_extents *x);
u32 gmfs_extents_blocks(const struct gmfs_extents *x, u32 from, u32 to);

#endif /* _GMFS_EXTENTS_H */
