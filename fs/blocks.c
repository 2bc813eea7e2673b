// SPDX-License-Identifier: GPL-2.0-only
/*
 * The block allocator.
 *
 * One bit a block, and one pass over the free runs for each allocation: 1 TiB
 * is 64 KiB of bits, and files are mostly allocated whole, so the pass costs less
 * than an index would. Placement matters more:
 * a file whose block n lies on a PUD boundary exactly when n does in the file
 * can be mapped with PUD entries. Small files take the smallest run that holds
 * them, so that the large runs stay whole for large files.
 *
 * Pure code: compiled into the module, into KUnit and into userspace tests.
 */
#include <linux/bitmap.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/slab.h>

#include "blocks.h"

/**
 * gmfs_blocks_init - all blocks free
 * @b: the allocator
 * @nr: number of blocks
 * @group: blocks in a PUD
 * @first: see &struct gmfs_blocks
 *
 * Context: may sleep.
 * Return: 0, or -ENOMEM.
 */
int gmfs_blocks_init(struct gmfs_blocks *b, u32 nr, u32 group, u32 first)
{
	b->used = kvcalloc(BITS_TO_LONGS(nr), sizeof(long), GFP_KERNEL);
	if (!b->used)
		return -ENOMEM;
	b->nr = nr;
	b->nr_free = nr;
	b->group = group;
	b->first = first % group;
	return 0;
}

void gmfs_blocks_destroy(struct gmfs_blocks *b)
{
	kvfree(b->used);
	b->used = NULL;
}

/**
 * gmfs_blocks_reset - forget every allocation
 * @b: the allocator
 */
void gmfs_blocks_reset(struct gmfs_blocks *b)
{
	bitmap_zero(b->used, b->nr);
	b->nr_free = b->nr;
}

/* Where in [start, end) file block @at would be aligned as it is in the file. */
static u32 first_aligned(const struct gmfs_blocks *b, u32 start, u32 at)
{
	u32 here = (b->first + start % b->group) % b->group;

	return start + (at % b->group + b->group - here) % b->group;
}

struct run {
	u32 start;
	u32 len;	/* free blocks from start on */
	u32 score;	/* smaller is better: length of the run it is cut from */
};

/* The tightest aligned run, the tightest run, and the longest run. */
static void scan(const struct gmfs_blocks *b, u32 want, u32 at,
		 struct run *aligned, struct run *tight, struct run *longest)
{
	u32 start, end, place;

	for (start = find_next_zero_bit(b->used, b->nr, 0); start < b->nr;
	     start = find_next_zero_bit(b->used, b->nr, end)) {
		end = find_next_bit(b->used, b->nr, start);
		if (end - start > longest->len)
			*longest = (struct run){ start, end - start, 0 };
		if (end - start < want)
			continue;
		if (end - start < tight->score)
			*tight = (struct run){ start, want, end - start };
		/* None is tighter; and only a PUD's worth is worth aligning. */
		if (end - start == want && want < b->group)
			break;
		place = first_aligned(b, start, at);
		if (place < end && end - place >= want &&
		    end - start < aligned->score)
			*aligned = (struct run){ place, want, end - start };
	}
}

/**
 * gmfs_blocks_alloc - take one run of free blocks
 * @b: the allocator
 * @want: how many blocks the caller would like, at least 1
 * @at: the block of the file that the first one will be
 * @goal: block that would continue the file's last extent, or GMFS_NO_GOAL
 * @start: where the run begins, set on success
 *
 * Callers loop until they have all: a run is shorter than @want only when no
 * free run is long enough.
 *
 * Return: the length of the run, 0 if no block is free.
 */
u32 gmfs_blocks_alloc(struct gmfs_blocks *b, u32 want, u32 at, u32 goal,
		      u32 *start)
{
	struct run aligned = { .score = U32_MAX }, tight = { .score = U32_MAX };
	struct run longest = { 0 }, best;

	if (goal < b->nr && !test_bit(goal, b->used)) {
		best.start = goal;
		best.len = find_next_bit(b->used, b->nr, goal) - goal;
	} else {
		scan(b, want, at, &aligned, &tight, &longest);
		if (want >= b->group && aligned.len)
			best = aligned;
		else if (tight.len)
			best = tight;
		else
			best = longest;
	}
	best.len = min(best.len, want);
	if (!best.len)
		return 0;
	bitmap_set(b->used, best.start, best.len);
	b->nr_free -= best.len;
	*start = best.start;
	return best.len;
}

void gmfs_blocks_free(struct gmfs_blocks *b, u32 start, u32 nr)
{
	bitmap_clear(b->used, start, nr);
	b->nr_free += nr;
}

/**
 * gmfs_blocks_take - mark a given run as in use
 * @b: the allocator
 * @start: first block
 * @nr: number of blocks
 *
 * Return: 0; -ERANGE if the run leaves the region; -EEXIST if a block of it is
 * in use already. Nothing is changed on failure.
 */
int gmfs_blocks_take(struct gmfs_blocks *b, u32 start, u32 nr)
{
	if (!nr || start >= b->nr || nr > b->nr - start)
		return -ERANGE;
	if (find_next_bit(b->used, start + nr, start) < start + nr)
		return -EEXIST;
	bitmap_set(b->used, start, nr);
	b->nr_free -= nr;
	return 0;
}

/**
 * gmfs_blocks_largest - find the longest free run
 * @b: the allocator
 *
 * Return: its length in blocks.
 */
u32 gmfs_blocks_largest(const struct gmfs_blocks *b)
{
	struct run aligned = { 0 }, tight = { 0 }, longest = { 0 };

	scan(b, U32_MAX, 0, &aligned, &tight, &longest);
	return longest.len;
}
