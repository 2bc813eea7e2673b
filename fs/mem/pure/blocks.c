// SPDX-License-Identifier: GPL-2.0-only
/*
 * The block allocator.
 *
 * One bit a block, and one pass over the free runs for an allocation that finds a
 * run long enough: 1 TiB is 64 KiB of bits, and files are mostly allocated whole, so
 * the pass costs less than an index would. An allocation in many pieces takes a few
 * of them so, and the others in a sweep; see fill.c. Placement matters more:
 * a file whose block n lies on a PUD boundary exactly when n does in the file
 * can be mapped with PUD entries. Small files take the smallest run that holds
 * them, so that the large runs stay whole for large files.
 *
 * Pure code: compiled into the module, into KUnit and into userspace tests.
 */
#include <linux/bitmap.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/sched.h>
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
	b->nr_reserved = 0;
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
 * gmfs_blocks_reset - free all blocks
 * @b: the allocator
 */
void gmfs_blocks_reset(struct gmfs_blocks *b)
{
	bitmap_zero(b->used, b->nr);
	b->nr_free = b->nr;
	b->nr_reserved = 0;
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
		cond_resched();
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

static void mark(struct gmfs_blocks *b, u32 start, u32 nr)
{
	bitmap_set(b->used, start, nr);
	b->nr_free -= nr;
}

/* How many blocks from @start on are free, up to @want. */
static u32 free_at(const struct gmfs_blocks *b, u32 start, u32 want)
{
	if (start >= b->nr || test_bit(start, b->used))
		return 0;
	want = min(want, b->nr - start);
	return find_next_bit(b->used, start + want, start) - start;
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

	best.start = goal;
	best.len = free_at(b, goal, want);
	if (!best.len) {
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
	mark(b, best.start, best.len);
	*start = best.start;
	return best.len;
}

/* Whether the free runs of at least @shortest blocks have @want blocks in all. */
static bool suffices(const struct gmfs_blocks *b, u32 shortest, u32 want)
{
	u32 start, end, sum = 0;

	for (start = find_next_zero_bit(b->used, b->nr, 0); start < b->nr && sum < want;
	     start = find_next_zero_bit(b->used, b->nr, end)) {
		cond_resched();
		end = find_next_bit(b->used, b->nr, start);
		if (end - start >= shortest)
			sum += end - start;
	}
	return sum >= want;
}

/**
 * gmfs_blocks_cutoff - how short a run must be taken for many blocks in few runs
 * @b: the allocator
 * @want: number of blocks, no more than are free
 *
 * A pass over all free runs for each bit of the longest one's length.
 *
 * Return: the largest length such that the runs of at least that length suffice.
 */
u32 gmfs_blocks_cutoff(const struct gmfs_blocks *b, u32 want)
{
	u32 lo = 1, hi = gmfs_blocks_largest(b), mid;

	while (lo < hi) {
		mid = lo + (hi - lo + 1) / 2;
		if (suffices(b, mid, want))
			lo = mid;
		else
			hi = mid - 1;
	}
	return lo;
}

/**
 * gmfs_blocks_sweep - take the next run in order of addresses
 * @b: the allocator
 * @s: where, and how short a run may be; others may allocate and free meanwhile
 * @want: number of blocks, at least 1
 * @goal: as for gmfs_blocks_alloc()
 * @start: where the run begins, set on success
 *
 * A run longer than @want is cut, and the next call goes on in it. All calls
 * together cost one pass over the free runs.
 *
 * Return: the length of the run, 0 at the end of the region.
 */
u32 gmfs_blocks_sweep(struct gmfs_blocks *b, struct gmfs_sweep *s, u32 want, u32 goal,
		      u32 *start)
{
	u32 len = free_at(b, goal, want);

	*start = goal;
	while (!len) {
		cond_resched();
		if (s->pos < s->end)
			len = free_at(b, s->pos, min(want, s->end - s->pos));
		if (len) {
			*start = s->pos;
			s->pos += len;
			break;
		}
		s->pos = find_next_zero_bit(b->used, b->nr, max(s->pos, s->end));
		if (s->pos >= b->nr)
			return 0;
		s->end = find_next_bit(b->used, b->nr, s->pos);
		if (s->end - s->pos < s->shortest)
			s->pos = s->end;
	}
	mark(b, *start, len);
	return len;
}

/**
 * gmfs_blocks_reserve - promise free blocks to one who takes them later
 * @b: the allocator
 * @nr: how many
 *
 * Which blocks they are is open: gmfs_blocks_alloc() and gmfs_blocks_sweep() find
 * some as long as all who allocate reserve first. gmfs_blocks_unreserve() follows for
 * each block, taken or not.
 *
 * Return: 0, or -ENOSPC if fewer are free and not promised.
 */
int gmfs_blocks_reserve(struct gmfs_blocks *b, u32 nr)
{
	if (nr > b->nr_free - b->nr_reserved)
		return -ENOSPC;
	b->nr_reserved += nr;
	return 0;
}

void gmfs_blocks_unreserve(struct gmfs_blocks *b, u32 nr)
{
	b->nr_reserved -= nr;
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
	mark(b, start, nr);
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
