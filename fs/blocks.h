/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _GMFS_BLOCKS_H
#define _GMFS_BLOCKS_H

#include <linux/types.h>

/**
 * struct gmfs_blocks - which blocks of a region are in use
 * @used:     one bit a block
 * @nr:       number of blocks, constant
 * @nr_free:  clear bits of @used
 * @group:    blocks in a PUD; placement aims at its multiples
 * @first:    number of the region's first block counted from physical address 0,
 *            modulo @group: alignment is that of memory, not of the region
 *
 * Pure bookkeeping without a lock: the owner serialises.
 */
struct gmfs_blocks {
	unsigned long *used;
	u32 nr;
	u32 nr_free;
	u32 group;
	u32 first;
};

int gmfs_blocks_init(struct gmfs_blocks *b, u32 nr, u32 group, u32 first);
void gmfs_blocks_destroy(struct gmfs_blocks *b);
void gmfs_blocks_reset(struct gmfs_blocks *b);
u32 gmfs_blocks_alloc(struct gmfs_blocks *b, u32 want, u32 at, u32 goal,
		      u32 *start);
void gmfs_blocks_free(struct gmfs_blocks *b, u32 start, u32 nr);
int gmfs_blocks_take(struct gmfs_blocks *b, u32 start, u32 nr);
u32 gmfs_blocks_largest(const struct gmfs_blocks *b);

#define GMFS_NO_GOAL	U32_MAX

#endif /* _GMFS_BLOCKS_H */
