/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _GMFS_BLOCKS_H
#define _GMFS_BLOCKS_H

#include <linux/types.h>

/**
 * struct gmfs_blocks - which blocks of a region are in use
 * @used:     one bit a block
 * @nr:       number of blocks, constant
 * @nr_free:  clear bits of @used
 * @nr_reserved: how many of them are promised; see gmfs_blocks_reserve()
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
	u32 nr_reserved;
	u32 group;
	u32 first;
};

/**
 * struct gmfs_sweep - a pass over the free runs that takes some as it goes
 * @shortest: shorter runs are left
 * @pos: what is before has been looked at, 0 to begin with
 * @end: of the run that @pos is in, 0 to begin with
 */
struct gmfs_sweep {
	u32 shortest;
	u32 pos;
	u32 end;
};

int gmfs_blocks_init(struct gmfs_blocks *b, u32 nr, u32 group, u32 first);
void gmfs_blocks_destroy(struct gmfs_blocks *b);
void gmfs_blocks_reset(struct gmfs_blocks *b);
u32 gmfs_blocks_alloc(struct gmfs_blocks *b, u32 want, u32 at, u32 goal,
		      u32 *start);
u32 gmfs_blocks_cutoff(const struct gmfs_blocks *b, u32 want);
u32 gmfs_blocks_sweep(struct gmfs_blocks *b, struct gmfs_sweep *s, u32 want, u32 goal,
		      u32 *start);
int gmfs_blocks_reserve(struct gmfs_blocks *b, u32 nr);
void gmfs_blocks_unreserve(struct gmfs_blocks *b, u32 nr);
void gmfs_blocks_free(struct gmfs_blocks *b, u32 start, u32 nr);
int gmfs_blocks_take(struct gmfs_blocks *b, u32 start, u32 nr);
u32 gmfs_blocks_largest(const struct gmfs_blocks *b);

#define GMFS_NO_GOAL	U32_MAX

#endif /* _GMFS_BLOCKS_H */
