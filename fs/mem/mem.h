/* SPDX-License-Identifier: GPL-2.0-only */
/* The memory that files are made of. It knows no inode and no mount option. */
#ifndef _GMFS_MEM_H
#define _GMFS_MEM_H

#include <linux/mm.h>
#include <linux/mutex.h>

#include "pure/blocks.h"
#include "pure/extents.h"

#define GMFS_BLOCK_SHIFT	PMD_SHIFT
#define GMFS_BLOCK_SIZE		PMD_SIZE
#define GMFS_BLOCK_PAGES	(PMD_SIZE / PAGE_SIZE)
#define GMFS_HOLE		U32_MAX		/* no block of the region */

/**
 * struct gmfs_region - the window of memory that files are made of
 * @base: physical address, PMD-aligned, constant while claimed
 * @size: bytes, a multiple of GMFS_BLOCK_SIZE, constant while claimed
 * @resource: keeps other drivers out, and /dev/mem under CONFIG_STRICT_DEVMEM
 * @lock: protects @blocks, from mounting on
 * @blocks: which blocks are in use
 * @written: one bit a block that holds a file's data and not an earlier
 *	owner's; set under the block's lock in @zeroing, cleared while no task can set
 *	it: when a block gets free, and by FALLOC_FL_ZERO_RANGE; read without a lock
 * @zeroing: one bit a block, a lock: one task zeroes the block, the others wait
 * @scrub: blocks are zeroed when they get free; read without a lock
 */
struct gmfs_region {
	phys_addr_t base;
	u64 size;
	struct resource *resource;
	struct mutex lock;
	struct gmfs_blocks blocks;
	unsigned long *written;
	unsigned long *zeroing;
	bool scrub;
};

/* In region.c */
ssize_t gmfs_read_file(const char *path, char *buf, size_t size);
int gmfs_region_claim(struct gmfs_region *r, u64 base, u64 size);
void gmfs_region_release(struct gmfs_region *r);

/* In space.c */
void gmfs_region_reset(struct gmfs_region *r);
int gmfs_region_alloc(struct gmfs_region *r, struct gmfs_extents *x, u32 from,
		      u32 to);
void gmfs_region_free(struct gmfs_region *r, struct gmfs_extents *x, u32 from,
		      u32 to);
int gmfs_region_mark_unwritten(struct gmfs_region *r, const struct gmfs_extents *x,
			       u32 from, u32 to);
bool gmfs_region_is_written(struct gmfs_region *r, u32 block, u32 nr);
int gmfs_region_init_block(struct gmfs_region *r, u32 block);
void *gmfs_region_map(struct gmfs_region *r, u32 block, u32 from, u32 len);
int gmfs_region_zero(struct gmfs_region *r, u32 block, u32 from, u32 to);

#endif /* _GMFS_MEM_H */
