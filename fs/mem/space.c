// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: blocks
 *
 * A free block is *unwritten*: it holds data of an earlier owner, which no task can
 * read. The file that gets the block zeroes it at the first access, or earlier by
 * fallocate(); from then on the block is *written*. Freeing it, or FALLOC_FL_ZERO_RANGE,
 * makes it unwritten again. If the region is scrubbed, both zero it at once.
 *
 * The kernel maps a block for as long as it zeroes or copies it, no longer.
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
#include "pure/fill.h"
#define CREATE_TRACE_POINTS
#include "trace.h"

/**
 * gmfs_region_map - map a part of a block into the kernel
 * @r: the region
 * @block: the block
 * @from: first byte
 * @len: number of bytes, not beyond the block
 *
 * Context: may sleep. memunmap() must follow soon.
 * Return: where it is, or NULL.
 */
void *gmfs_region_map(struct gmfs_region *r, u32 block, u32 from, u32 len)
{
	return memremap(r->base + ((u64)block << GMFS_BLOCK_SHIFT) + from, len,
			MEMREMAP_WB);
}

/**
 * gmfs_region_zero - zero a part of a block
 * @r: the region
 * @block: the block
 * @from: first byte
 * @to: byte after the last
 *
 * Context: may sleep.
 * Return: 0, or -ENOMEM if it could not be mapped.
 */
int gmfs_region_zero(struct gmfs_region *r, u32 block, u32 from, u32 to)
{
	void *map = gmfs_region_map(r, block, from, to - from);

	if (!map)
		return -ENOMEM;
	memset(map, 0, to - from);
	memunmap(map);
	return 0;
}

/**
 * gmfs_region_reset - no file has a block, and none is written
 * @r: the region
 *
 * The head is in use always.
 *
 * Context: no other task uses the region.
 */
void gmfs_region_reset(struct gmfs_region *r)
{
	gmfs_blocks_reset(&r->blocks);
	gmfs_blocks_take(&r->blocks, 0, GMFS_HEAD_BLOCKS(r->blocks.nr));
	bitmap_zero(r->written, r->blocks.nr);
}

static void gmfs_give_back(struct gmfs_region *r, const struct gmfs_extent *run)
{
	u32 i;

	lockdep_assert_held(&r->lock);
	/* Atomic: gmfs_region_init_block() sets neighbours meanwhile. */
	for (i = 0; i < run->nr; i++)
		clear_bit(run->start + i, r->written);
	gmfs_blocks_free(&r->blocks, run->start, run->nr);
}

/**
 * gmfs_region_alloc - give a file the blocks of a range that it does not have
 * @r: the region
 * @x: the file's extents
 * @from: first block of the file
 * @to: block after the last
 *
 * The region's lock is dropped after each batch of runs; the blocks that are still to
 * be found are reserved meanwhile.
 *
 * Context: the file's invalidate_lock is held for writing; may sleep.
 * Return: 0; -ENOSPC, -ENOMEM, or -EINTR if a signal kills; with nothing changed.
 */
int gmfs_region_alloc(struct gmfs_region *r, struct gmfs_extents *x, u32 from,
		      u32 to)
{
	struct gmfs_fill f;
	int err;

	mutex_lock(&r->lock);
	err = gmfs_fill_begin(&f, &r->blocks, x, from, to);
	mutex_unlock(&r->lock);
	if (err || !f.left)
		return err;
	do {
		/* Not under the lock: eviction takes it, and reclaim may evict. */
		err = gmfs_extents_reserve(&f.got, min(f.left, GMFS_FILL_BATCH));
		if (err)
			break;
		mutex_lock(&r->lock);
		err = gmfs_fill_step(&f, &r->blocks);
		mutex_unlock(&r->lock);
		if (err > 0 && fatal_signal_pending(current))
			err = -EINTR;
		cond_resched();
	} while (err > 0);
	if (!err)
		err = gmfs_extents_reserve(x, f.got.nr);
	if (!err) {
		gmfs_extents_merge(x, &f.got);
		gmfs_extents_trim(x);
	} else {
		mutex_lock(&r->lock);
		gmfs_fill_undo(&f, &r->blocks);
		mutex_unlock(&r->lock);
	}
	gmfs_extents_destroy(&f.got);
	return err;
}

static int gmfs_zero_written(struct gmfs_region *r, u32 start, u32 nr)
{
	u32 i;
	int err;

	for (i = start; i < start + nr; i++) {
		if (gmfs_region_is_written(r, i, 1)) {
			err = gmfs_region_zero(r, i, 0, GMFS_BLOCK_SIZE);
			if (err)
				return err;
		}
		cond_resched();
	}
	return 0;
}

/**
 * gmfs_region_free - take blocks away from a file
 * @r: the region
 * @x: the file's extents, with room for one more
 * @from: first block of the file
 * @to: block after the last
 *
 * The caller has unmapped them. The next owner will find them zeroed.
 *
 * Context: the file's invalidate_lock is held for writing, or it is being
 * evicted; may sleep.
 */
void gmfs_region_free(struct gmfs_region *r, struct gmfs_extents *x, u32 from,
		      u32 to)
{
	struct gmfs_extent part;
	u32 i;

	for (i = gmfs_extents_find(x, from); gmfs_extents_part(x, i, from, to, &part); i++) {
		if (READ_ONCE(r->scrub) && gmfs_zero_written(r, part.start, part.nr))
			pr_warn_ratelimited("no memory to scrub blocks: some keep their contents until they are used again\n");
		mutex_lock(&r->lock);
		gmfs_give_back(r, &part);
		mutex_unlock(&r->lock);
		cond_resched();
	}
	gmfs_extents_remove(x, from, to);
	gmfs_extents_trim(x);
}

/**
 * gmfs_region_mark_unwritten - let blocks of a file read as zeroes
 * @r: the region
 * @x: the file's extents
 * @from: first block of the file
 * @to: block after the last
 *
 * The caller has unmapped them. They stay with the file and become unwritten, or
 * are zeroed if @r->scrub.
 *
 * Context: inside gmfs_change_begin(), with the file's invalidate_lock held for
 * writing; may sleep.
 * Return: 0, or -ENOMEM and some are as they were.
 */
int gmfs_region_mark_unwritten(struct gmfs_region *r, const struct gmfs_extents *x,
			       u32 from, u32 to)
{
	struct gmfs_extent part;
	u32 i, n;
	int err;

	for (i = gmfs_extents_find(x, from); gmfs_extents_part(x, i, from, to, &part); i++) {
		cond_resched();
		if (READ_ONCE(r->scrub)) {
			err = gmfs_zero_written(r, part.start, part.nr);
			if (err)
				return err;
			continue;
		}
		for (n = part.start; n < part.start + part.nr; n++)
			clear_bit(n, r->written);
	}
	return 0;
}

/**
 * gmfs_region_is_written - whether blocks hold nothing but their file's data
 * @r: the region
 * @block: first block
 * @nr: number of blocks
 *
 * Context: any.
 * Return: true if they all do.
 */
bool gmfs_region_is_written(struct gmfs_region *r, u32 block, u32 nr)
{
	bool written;

	written = find_next_zero_bit(r->written, block + nr, block) >= block + nr;
	/* Pairs with the barrier in gmfs_region_init_block(). */
	smp_rmb();
	return written;
}

/**
 * gmfs_region_init_block - zero a file's block unless it is written
 * @r: the region
 * @block: the block
 *
 * Context: inside gmfs_change_begin(), with the file's invalidate_lock held, so
 * that the block remains the file's; may sleep.
 * Return: 0 if the block is written now, or -ENOMEM.
 */
int gmfs_region_init_block(struct gmfs_region *r, u32 block)
{
	int err = 0;

	if (gmfs_region_is_written(r, block, 1))
		return 0;
	gmfs_block_lock(r->zeroing, block);
	if (!test_bit(block, r->written)) {
		err = gmfs_region_zero(r, block, 0, GMFS_BLOCK_SIZE);
		trace_gmfs_zero(block, err);
		if (!err) {
			/* Zeroes first, then the bit: gmfs_region_is_written() */
			smp_mb__before_atomic();
			set_bit(block, r->written);
		}
	}
	gmfs_block_unlock(r->zeroing, block);
	return err;
}
