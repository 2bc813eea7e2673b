/* SPDX-License-Identifier: GPL-2.0-only */
/* The memory that files are made of. It knows no inode and no mount option. */
#ifndef _GMFS_MEM_H
#define _GMFS_MEM_H

#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/workqueue.h>

#include "pure/badpages.h"
#include "pure/blocks.h"
#include "pure/cmdline.h"
#include "pure/extents.h"
#include "pure/fill.h"

#define GMFS_BLOCK_SHIFT	PMD_SHIFT
#define GMFS_BLOCK_SIZE		PMD_SIZE
#define GMFS_BLOCK_PAGES	(PMD_SIZE / PAGE_SIZE)
#define GMFS_HOLE		U32_MAX		/* no block of the pool */

/**
 * struct gmfs_window - a piece of a pool's memory
 * @base: physical address, PMD-aligned
 * @size: bytes, a multiple of GMFS_BLOCK_SIZE
 * @start: number of its first block in the pool
 * @node: the NUMA node that it is on
 * @resource: keeps other drivers out, and /dev/mem under CONFIG_STRICT_DEVMEM
 * @pgmap: its page descriptors, or NULL: see fs/mem/pages.c
 *
 * All but @pgmap are constant while it is claimed.
 */
struct gmfs_window {
	phys_addr_t base;
	u64 size;
	u32 start;
	int node;
	struct resource *resource;
	struct dev_pagemap *pgmap;
};

/**
 * struct gmfs_pool - the memory that files are made of, as one space of blocks
 * @windows: in the order of their blocks' numbers, constant while claimed
 * @nr_windows: how many; 0 if the pool could not be claimed
 * @lock: protects @blocks and what is withheld, from mounting on
 * @blocks: which blocks are in use
 * @written: one bit a block that holds a file's data and not an earlier
 *	owner's; set under the block's lock in @zeroing, cleared while no task can set
 *	it: when a block gets free, and by FALLOC_FL_ZERO_RANGE; read without a lock
 * @zeroing: one bit a block, a lock: one task zeroes the block, the others wait
 * @scrub: blocks are zeroed when they get free; read without a lock
 * @mapped: one bit a block that a shared mapping had while it had no pages; see
 *	fs/mem/withheld.c; set with the file's invalidate_lock held for reading
 * @withheld: one bit a block that is in no file, and in use until a device cannot reach it
 * @nr_withheld: how many; read without a lock
 * @has_pages: each window has a @pgmap; written when nothing is mounted
 * @uses_pages: what is mounted got @has_pages; written by mounts and the last unmount
 * @unpin: removes pages that were pinned at the last unmount
 * @bad: its bad pages, or NULL; read under RCU; see fs/mem/bad.c
 */
struct gmfs_pool {
	struct gmfs_window *windows;
	u32 nr_windows;
	struct mutex lock;
	struct gmfs_blocks blocks;
	unsigned long *written;
	unsigned long *zeroing;
	bool scrub;
	unsigned long *mapped;
	unsigned long *withheld;
	u32 nr_withheld;
	bool has_pages;
	bool uses_pages;
	struct delayed_work unpin;
	struct gmfs_bad_list __rcu *bad;
};

/* In pool.c */
ssize_t gmfs_read_file(const char *path, char *buf, size_t size);
int gmfs_pool_claim(struct gmfs_pool *p, const struct gmfs_range *ranges, u32 nr);
void gmfs_pool_release(struct gmfs_pool *p);

/* In space.c */
void gmfs_pool_reset(struct gmfs_pool *p);
int gmfs_pool_alloc(struct gmfs_pool *p, struct gmfs_extents *x, u32 from, u32 to,
		    const struct gmfs_wish *wish);
int gmfs_pool_fill(struct gmfs_pool *p, struct gmfs_fill *f);
void gmfs_pool_unfill(struct gmfs_pool *p, struct gmfs_fill *f);
phys_addr_t gmfs_pool_phys(const struct gmfs_pool *p, u32 block);
u32 gmfs_pool_block(const struct gmfs_pool *p, phys_addr_t phys);
bool gmfs_pool_is_head(const struct gmfs_pool *p, u32 block);
u32 gmfs_pool_nr_usable(const struct gmfs_pool *p);
int gmfs_pool_node(const struct gmfs_pool *p, u32 block);
void gmfs_pool_free(struct gmfs_pool *p, struct gmfs_extents *x, u32 from, u32 to);
int gmfs_pool_mark_unwritten(struct gmfs_pool *p, const struct gmfs_extents *x, u32 from,
			     u32 to);
bool gmfs_pool_is_written(struct gmfs_pool *p, u32 block, u32 nr);
int gmfs_pool_init_block(struct gmfs_pool *p, u32 block);
void *gmfs_pool_map(struct gmfs_pool *p, u32 block, u32 from, u32 len);
void gmfs_pool_unmap(struct gmfs_pool *p, void *map);
int gmfs_pool_zero(struct gmfs_pool *p, u32 block, u32 from, u32 to);

/* In pages.c */
void gmfs_pool_pages_init(struct gmfs_pool *p);
void gmfs_pool_pages_exit(struct gmfs_pool *p);
int gmfs_pool_get_pages(struct gmfs_pool *p, bool want, u32 *nr_pinned);
void gmfs_pool_put_pages(struct gmfs_pool *p);
struct folio *gmfs_pool_folio(const struct gmfs_pool *p, u32 block);
bool gmfs_pool_is_pinned(const struct gmfs_pool *p, u32 block);
void gmfs_pool_detach_folios(struct gmfs_pool *p, const struct gmfs_extents *x, u32 from,
			     u32 to);

/* In bad.c */
u64 gmfs_pool_until_bad(const struct gmfs_pool *p, phys_addr_t at, u64 len);
bool gmfs_pool_is_bad(const struct gmfs_pool *p, u32 block);
const struct gmfs_bad_page *gmfs_pool_bad(const struct gmfs_pool *p, u32 *nr);
int gmfs_pool_record_bad(struct gmfs_pool *p, const struct gmfs_bad_page *page);
int gmfs_pool_replace(struct gmfs_pool *p, struct gmfs_extents *x, u32 at,
		      struct gmfs_extents *other);
void gmfs_pool_forget_bad(struct gmfs_pool *p);

/* In fs/failure.c */
extern const struct dev_pagemap_ops gmfs_pagemap_ops;

/* In withheld.c */
void gmfs_pool_mark_mapped(struct gmfs_pool *p, u32 block, u32 nr);
bool gmfs_devices_have_users(void);
bool gmfs_pool_is_reached(const struct gmfs_pool *p, u32 block, bool devices);
void gmfs_pool_withhold_free(struct gmfs_pool *p);
void gmfs_pool_withhold_bad(struct gmfs_pool *p, u32 block);
void gmfs_pool_give_back(struct gmfs_pool *p, const struct gmfs_extent *run, bool devices);
u32 gmfs_pool_reclaim(struct gmfs_pool *p, bool devices);
bool gmfs_pool_is_idle_zero(struct gmfs_pool *p, u32 block);

/* In move.c */
bool gmfs_pool_is_misplaced(const struct gmfs_pool *p, const struct gmfs_extents *x, u32 from,
			    u32 to, const struct gmfs_wish *wish);
int gmfs_pool_move(struct gmfs_pool *p, struct gmfs_extents *x, u32 from, u32 to,
		   const struct gmfs_wish *wish);

#endif /* _GMFS_MEM_H */
