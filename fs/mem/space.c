// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: blocks
 *
 * A free block is *unwritten*: it holds data of an earlier owner, which no task can
 * read. The file that gets the block zeroes it at the first access, or earlier by
 * fallocate(); from then on the block is *written*. Freeing it, or FALLOC_FL_ZERO_RANGE,
 * makes it unwritten again. If the region is scrubbed, both zero it at once.
 *
 * The kernel maps a block for as long as it zeroes or copies it, no longer, unless the pool
 * has pages: then all are in its direct map.
 */
#define pr_fmt(fmt) "guestmemfs: " fmt

#include <guestmemfs/abi.h>
#include <linux/bitmap.h>
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/string.h>

#include "blocklock.h"
#include "mem.h"
#define CREATE_TRACE_POINTS
#include "trace.h"

static const struct gmfs_window *gmfs_window_of(const struct gmfs_pool *p, u32 block)
{
	return &p->windows[gmfs_blocks_window(&p->blocks, block)];
}

/**
 * gmfs_pool_phys - where a block is
 * @p: the pool
 * @block: the block
 *
 * Context: any.
 * Return: its physical address.
 */
phys_addr_t gmfs_pool_phys(const struct gmfs_pool *p, u32 block)
{
	const struct gmfs_window *w = gmfs_window_of(p, block);

	return w->base + ((u64)(block - w->start) << GMFS_BLOCK_SHIFT);
}

/* The block that a physical address is in; GMFS_HOLE if it is in no window. */
u32 gmfs_pool_block(const struct gmfs_pool *p, phys_addr_t phys)
{
	const struct gmfs_window *w;

	for (w = p->windows; w < p->windows + p->nr_windows; w++)
		if (phys - w->base < w->size)
			return w->start + ((phys - w->base) >> GMFS_BLOCK_SHIFT);
	return GMFS_HOLE;
}

/* The NUMA node of a block's window. */
int gmfs_pool_node(const struct gmfs_pool *p, u32 block)
{
	return gmfs_window_of(p, block)->node;
}

static u32 gmfs_head_blocks(const struct gmfs_pool *p, u32 window)
{
	return GMFS_HEAD_BLOCKS(p->blocks.windows[window].nr);
}

/* Whether a block belongs to its window's head. */
bool gmfs_pool_is_head(const struct gmfs_pool *p, u32 block)
{
	u32 window = gmfs_blocks_window(&p->blocks, block);

	return block - p->windows[window].start < gmfs_head_blocks(p, window);
}

/**
 * gmfs_pool_nr_usable - count the blocks that files can have
 * @p: the pool
 *
 * Return: all blocks but the heads.
 */
u32 gmfs_pool_nr_usable(const struct gmfs_pool *p)
{
	u32 i, nr = p->blocks.nr;

	for (i = 0; i < p->nr_windows; i++)
		nr -= gmfs_head_blocks(p, i);
	return nr;
}

/**
 * gmfs_pool_map - map a part of a block into the kernel
 * @p: the region
 * @block: the block
 * @from: first byte
 * @len: number of bytes, not beyond the block
 *
 * Context: may sleep. gmfs_pool_unmap() must follow soon.
 * Return: where it is, or NULL.
 */
void *gmfs_pool_map(struct gmfs_pool *p, u32 block, u32 from, u32 len)
{
	phys_addr_t at = gmfs_pool_phys(p, block) + from;

	return p->has_pages ? phys_to_virt(at) : memremap(at, len, MEMREMAP_WB);
}

/* Undoes gmfs_pool_map(). */
void gmfs_pool_unmap(struct gmfs_pool *p, void *map)
{
	if (!p->has_pages)
		memunmap(map);
}

/**
 * gmfs_pool_zero - zero a part of a block, but no bad page of it
 * @p: the region
 * @block: the block
 * @from: first byte
 * @to: byte after the last
 *
 * The kernel may have taken a bad page out of its direct map, and no task can read the page.
 *
 * Context: may sleep.
 * Return: 0, or -ENOMEM if it could not be mapped.
 */
int gmfs_pool_zero(struct gmfs_pool *p, u32 block, u32 from, u32 to)
{
	void *map;
	u32 len;

	for (; from < to; from = ALIGN(from + len + 1, PAGE_SIZE)) {
		len = gmfs_pool_until_bad(p, gmfs_pool_phys(p, block) + from, to - from);
		if (!len)
			continue;
		map = gmfs_pool_map(p, block, from, len);
		if (!map)
			return -ENOMEM;
		memset(map, 0, len);
		gmfs_pool_unmap(p, map);
	}
	return 0;
}

/**
 * gmfs_pool_reset - no file has a block, and none is written
 * @p: the region
 *
 * The heads are in use always. So no run of free blocks, and no extent, lies in two windows.
 * gmfs_pool_withhold_free() remains to be called.
 *
 * Context: no other task uses the region.
 */
void gmfs_pool_reset(struct gmfs_pool *p)
{
	u32 i;

	gmfs_blocks_reset(&p->blocks);
	for (i = 0; i < p->nr_windows; i++)
		gmfs_blocks_take(&p->blocks, p->windows[i].start, gmfs_head_blocks(p, i));
	bitmap_zero(p->written, p->blocks.nr);
	bitmap_zero(p->withheld, p->blocks.nr);
	WRITE_ONCE(p->nr_withheld, 0);
}

/**
 * gmfs_pool_fill - find blocks for what gmfs_fill_begin() has set up
 * @p: the pool
 * @f: the holes
 *
 * The pool's lock is dropped after each batch of runs; the blocks that are still to
 * be found are reserved meanwhile.
 *
 * Context: may sleep. gmfs_extents_destroy() of @f->got remains.
 * Return: 0; -ENOSPC, -ENOMEM, or -EINTR if a signal kills, and gmfs_pool_unfill() follows.
 */
int gmfs_pool_fill(struct gmfs_pool *p, struct gmfs_fill *f)
{
	int err;

	do {
		/* Not under the lock: eviction takes it, and reclaim may evict. */
		err = gmfs_extents_reserve(&f->got, min(f->left, GMFS_FILL_BATCH));
		if (err)
			break;
		mutex_lock(&p->lock);
		err = gmfs_fill_step(f, &p->blocks);
		mutex_unlock(&p->lock);
		if (err > 0 && fatal_signal_pending(current))
			err = -EINTR;
		cond_resched();
	} while (err > 0);
	return err;
}

/* Gives back what gmfs_pool_fill() has found, and what is still reserved. */
void gmfs_pool_unfill(struct gmfs_pool *p, struct gmfs_fill *f)
{
	mutex_lock(&p->lock);
	gmfs_fill_undo(f, &p->blocks);
	mutex_unlock(&p->lock);
}

/**
 * gmfs_pool_alloc - give a file the blocks of a range that it does not have
 * @p: the pool
 * @x: the file's extents
 * @from: first block of the file
 * @to: block after the last
 * @wish: where they shall come from
 *
 * Context: the file's invalidate_lock is held for writing; may sleep.
 * Return: 0; -ENOSPC, -ENOMEM, or -EINTR if a signal kills; with nothing changed.
 */
int gmfs_pool_alloc(struct gmfs_pool *p, struct gmfs_extents *x, u32 from, u32 to,
		    const struct gmfs_wish *wish)
{
	struct gmfs_fill f;
	int err;

	mutex_lock(&p->lock);
	err = gmfs_fill_begin(&f, &p->blocks, x, from, to, wish);
	mutex_unlock(&p->lock);
	if (err == -ENOSPC && gmfs_pool_reclaim(p, gmfs_devices_have_users())) {
		mutex_lock(&p->lock);
		err = gmfs_fill_begin(&f, &p->blocks, x, from, to, wish);
		mutex_unlock(&p->lock);
	}
	if (err || !f.left)
		return err;
	err = gmfs_pool_fill(p, &f);
	if (!err)
		err = gmfs_extents_reserve(x, f.got.nr);
	if (!err) {
		gmfs_extents_merge(x, &f.got);
		gmfs_extents_trim(x);
	} else {
		gmfs_pool_unfill(p, &f);
	}
	gmfs_extents_destroy(&f.got);
	return err;
}

static int gmfs_zero_written(struct gmfs_pool *p, u32 start, u32 nr)
{
	u32 i;
	int err;

	for (i = start; i < start + nr; i++) {
		if (gmfs_pool_is_written(p, i, 1)) {
			err = gmfs_pool_zero(p, i, 0, GMFS_BLOCK_SIZE);
			if (err)
				return err;
		}
		cond_resched();
	}
	return 0;
}

/**
 * gmfs_pool_free - take blocks away from a file
 * @p: the region
 * @x: the file's extents, with room for one more
 * @from: first block of the file
 * @to: block after the last
 *
 * The caller has unmapped them. The next owner will find them zeroed. What a device still
 * reaches has no next owner until then: see fs/mem/withheld.c.
 *
 * Context: the file's invalidate_lock is held for writing, or it is being
 * evicted; may sleep.
 */
void gmfs_pool_free(struct gmfs_pool *p, struct gmfs_extents *x, u32 from, u32 to)
{
	bool devices = gmfs_devices_have_users();
	struct gmfs_extent part;
	u32 i;

	gmfs_pool_detach_folios(p, x, from, to);
	for (i = gmfs_extents_find(x, from); gmfs_extents_part(x, i, from, to, &part); i++) {
		if (READ_ONCE(p->scrub) && gmfs_zero_written(p, part.start, part.nr))
			pr_warn_ratelimited("no memory to scrub blocks: some keep their contents until they are used again\n");
		mutex_lock(&p->lock);
		gmfs_pool_give_back(p, &part, devices);
		mutex_unlock(&p->lock);
		cond_resched();
	}
	gmfs_extents_remove(x, from, to);
	gmfs_extents_trim(x);
}

/**
 * gmfs_pool_mark_unwritten - let blocks of a file read as zeroes
 * @p: the region
 * @x: the file's extents
 * @from: first block of the file
 * @to: block after the last
 *
 * The caller has unmapped them. They stay with the file and become unwritten, or
 * are zeroed if @p->scrub. So are those that a device reaches: what it writes later is to stay.
 *
 * Context: inside gmfs_change_begin(), with the file's invalidate_lock held for
 * writing; may sleep.
 * Return: 0, or -ENOMEM and some are as they were.
 */
int gmfs_pool_mark_unwritten(struct gmfs_pool *p, const struct gmfs_extents *x, u32 from,
			     u32 to)
{
	bool devices = gmfs_devices_have_users();
	struct gmfs_extent part;
	u32 i, n;
	int err;

	for (i = gmfs_extents_find(x, from); gmfs_extents_part(x, i, from, to, &part); i++) {
		cond_resched();
		if (READ_ONCE(p->scrub)) {
			err = gmfs_zero_written(p, part.start, part.nr);
			if (err)
				return err;
			continue;
		}
		for (n = part.start; n < part.start + part.nr; n++) {
			if (gmfs_pool_is_reached(p, n, devices)) {
				err = gmfs_zero_written(p, n, 1);
				if (err)
					return err;
				continue;
			}
			clear_bit(n, p->written);
		}
	}
	return 0;
}

/**
 * gmfs_pool_is_written - whether blocks hold nothing but their file's data
 * @p: the region
 * @block: first block
 * @nr: number of blocks
 *
 * Context: any.
 * Return: true if they all do.
 */
bool gmfs_pool_is_written(struct gmfs_pool *p, u32 block, u32 nr)
{
	bool written;

	written = find_next_zero_bit(p->written, block + nr, block) >= block + nr;
	/* Pairs with the barrier in gmfs_pool_init_block(). */
	smp_rmb();
	return written;
}

/**
 * gmfs_pool_init_block - zero a file's block unless it is written
 * @p: the region
 * @block: the block
 *
 * Context: inside gmfs_change_begin(), with the file's invalidate_lock held, so
 * that the block remains the file's; may sleep.
 * Return: 0 if the block is written now, or -ENOMEM.
 */
int gmfs_pool_init_block(struct gmfs_pool *p, u32 block)
{
	int err = 0;

	if (gmfs_pool_is_written(p, block, 1))
		return 0;
	gmfs_block_lock(p->zeroing, block);
	if (!test_bit(block, p->written)) {
		err = gmfs_pool_zero(p, block, 0, GMFS_BLOCK_SIZE);
		trace_gmfs_zero(block, err);
		if (!err) {
			/* Zeroes first, then the bit: gmfs_pool_is_written() */
			smp_mb__before_atomic();
			set_bit(block, p->written);
		}
	}
	gmfs_block_unlock(p->zeroing, block);
	return err;
}
