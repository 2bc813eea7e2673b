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
 * them, so that the large runs stay whole for large files. A file that no run holds
 * gets whole PUDs first, wherever they are: it has PUD entries in each of its windows.
 *
 * Blocks of all windows are numbered as one space and share one bitmap, but a run ends
 * where its window does: the next block is another piece of memory.
 *
 * Pure code: compiled into the module, into KUnit and into userspace tests.
 */
#include <linux/bitmap.h>
#include <linux/bits.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "blocks.h"

/**
 * gmfs_blocks_init - one window, all blocks free
 * @b: the allocator
 * @nr: number of blocks
 * @group: blocks in a PUD
 * @first: see &struct gmfs_blocks_window
 *
 * Context: may sleep.
 * Return: 0, or -ENOMEM.
 */
int gmfs_blocks_init(struct gmfs_blocks *b, u32 nr, u32 group, u32 first)
{
	*b = (struct gmfs_blocks){ .group = group };
	return gmfs_blocks_add(b, nr, first);
}

/**
 * gmfs_blocks_add - one more window, all its blocks free
 * @b: the allocator
 * @nr: number of blocks
 * @first: see &struct gmfs_blocks_window
 *
 * Its blocks are numbered on behind those of the other windows. The caller sees to it
 * that there are no more than GMFS_MAX_WINDOWS windows and GMFS_MAX_BLOCKS blocks.
 *
 * Context: may sleep; no other task uses the allocator.
 * Return: 0, or -ENOMEM with nothing changed.
 */
int gmfs_blocks_add(struct gmfs_blocks *b, u32 nr, u32 first)
{
	struct gmfs_blocks_window *windows;
	unsigned long *used;

	used = kvcalloc(BITS_TO_LONGS(b->nr + nr), sizeof(*used), GFP_KERNEL);
	windows = kvmalloc_array(b->nr_windows + 1, sizeof(*windows), GFP_KERNEL);
	if (!used || !windows) {
		kvfree(windows);
		kvfree(used);
		return -ENOMEM;
	}
	if (b->nr_windows) {
		memcpy(used, b->used, BITS_TO_LONGS(b->nr) * sizeof(*used));
		memcpy(windows, b->windows, b->nr_windows * sizeof(*windows));
	}
	windows[b->nr_windows] = (struct gmfs_blocks_window){
		.start = b->nr, .nr = nr, .nr_free = nr, .first = first % b->group,
	};
	kvfree(b->used);
	kvfree(b->windows);
	b->used = used;
	b->windows = windows;
	b->nr_windows++;
	b->nr += nr;
	b->nr_free += nr;
	return 0;
}

void gmfs_blocks_destroy(struct gmfs_blocks *b)
{
	kvfree(b->used);
	kvfree(b->windows);
	b->used = NULL;
	b->windows = NULL;
}

/**
 * gmfs_blocks_reset - free all blocks
 * @b: the allocator
 */
void gmfs_blocks_reset(struct gmfs_blocks *b)
{
	u32 i;

	bitmap_zero(b->used, b->nr);
	for (i = 0; i < b->nr_windows; i++)
		b->windows[i].nr_free = b->windows[i].nr;
	b->nr_free = b->nr;
	b->nr_reserved = 0;
}

/**
 * gmfs_blocks_window - find the window that has a block
 * @b: the allocator
 * @block: number of the block, less than @b->nr
 *
 * Return: index of the window.
 */
u32 gmfs_blocks_window(const struct gmfs_blocks *b, u32 block)
{
	u32 lo = 0, hi = b->nr_windows - 1, mid;

	while (lo < hi) {
		mid = lo + (hi - lo + 1) / 2;
		if (block < b->windows[mid].start)
			hi = mid - 1;
		else
			lo = mid;
	}
	return lo;
}

/**
 * gmfs_blocks_free_in - count the free blocks of some windows
 * @b: the allocator
 * @set: the windows; bits of windows that do not exist are ignored
 *
 * Return: number of blocks, promised ones included.
 */
u32 gmfs_blocks_free_in(const struct gmfs_blocks *b, gmfs_windows_t set)
{
	u32 i, nr = 0;

	for (i = 0; i < b->nr_windows; i++)
		if (set & BIT_ULL(i))
			nr += b->windows[i].nr_free;
	return nr;
}

static u32 end_of(const struct gmfs_blocks_window *w)
{
	return w->start + w->nr;
}

/* A free run that ends where its window does at the latest. */
struct free_run {
	u32 window, start, end;
};

/* The first run behind @r in the windows of @set. */
static bool next_run(const struct gmfs_blocks *b, gmfs_windows_t set, struct free_run *r)
{
	const struct gmfs_blocks_window *w;

	for (; r->window < b->nr_windows; r->window++) {
		w = &b->windows[r->window];
		if (!(set & BIT_ULL(r->window)) || !w->nr_free)
			continue;
		r->start = find_next_zero_bit(b->used, end_of(w), max(r->end, w->start));
		if (r->start >= end_of(w))
			continue;
		cond_resched();
		r->end = find_next_bit(b->used, end_of(w), r->start);
		return true;
	}
	return false;
}

/* Where in @r or behind it file block @at would be aligned as it is in the file. */
static u32 first_aligned(const struct gmfs_blocks *b, const struct free_run *r, u32 at)
{
	const struct gmfs_blocks_window *w = &b->windows[r->window];
	u32 here = (w->first + (r->start - w->start) % b->group) % b->group;

	return r->start + (at % b->group + b->group - here) % b->group;
}

struct run {
	u32 start;
	u32 len;	/* free blocks from start on */
	u32 score;
};

/**
 * struct choice - the best runs of a pass, by different measures
 * @aligned: the tightest run that holds all at an aligned place
 * @tight: the tightest run that holds all
 * @groups: the piece of the most whole PUDs of the file
 * @longest: the longest run
 *
 * The score of @aligned and @tight is the length of the run that they are cut from,
 * and a small one is better; that of @groups is the blocks of whole PUDs.
 */
struct choice {
	struct run aligned, tight, groups, longest;
};

/* File block @at on @place: does the run up to @end have more whole PUDs of the file? */
static void count_groups(const struct gmfs_blocks *b, u32 place, u32 end, u32 at,
			 struct run *groups)
{
	u32 lead = (b->group - at % b->group) % b->group, nr;

	if (place >= end || end - place < lead + b->group)
		return;
	nr = end - place - lead;
	nr -= nr % b->group;
	if (nr > groups->score)
		*groups = (struct run){ place, lead + nr, nr };
}

static struct choice scan(const struct gmfs_blocks *b, gmfs_windows_t set, u32 want, u32 at)
{
	struct choice c = { .aligned.score = U32_MAX, .tight.score = U32_MAX };
	struct free_run r = { 0 };
	u32 len, place;

	while (next_run(b, set, &r)) {
		len = r.end - r.start;
		if (len > c.longest.len)
			c.longest = (struct run){ r.start, len, 0 };
		/* Only a PUD's worth is worth aligning. */
		place = want < b->group ? r.end : first_aligned(b, &r, at);
		if (len < want) {
			count_groups(b, place, r.end, at, &c.groups);
			continue;
		}
		if (len < c.tight.score)
			c.tight = (struct run){ r.start, want, len };
		if (len == want && want < b->group)
			break;		/* none is tighter */
		if (place < r.end && r.end - place >= want && len < c.aligned.score)
			c.aligned = (struct run){ place, want, len };
	}
	return c;
}

static void mark(struct gmfs_blocks *b, u32 start, u32 nr)
{
	bitmap_set(b->used, start, nr);
	b->windows[gmfs_blocks_window(b, start)].nr_free -= nr;
	b->nr_free -= nr;
}

/* How many blocks from @start on are free in a window of @set, up to @want. */
static u32 free_at(const struct gmfs_blocks *b, gmfs_windows_t set, u32 start, u32 want)
{
	u32 window;

	if (start >= b->nr || test_bit(start, b->used))
		return 0;
	window = gmfs_blocks_window(b, start);
	if (!(set & BIT_ULL(window)))
		return 0;
	want = min(want, end_of(&b->windows[window]) - start);
	return find_next_bit(b->used, start + want, start) - start;
}

/**
 * gmfs_blocks_alloc - take one run of free blocks
 * @b: the allocator
 * @set: windows that it may be in
 * @want: how many blocks the caller would like, at least 1
 * @at: the block of the file that the first one will be
 * @goal: block that would continue the file's last extent, or GMFS_NO_GOAL; one outside
 *	@set is no goal
 * @start: where the run begins, set on success
 *
 * Callers loop until they have all: a run is shorter than @want only when no
 * free run is long enough. It is then the piece that has the most whole PUDs of the
 * file, or the longest run if none has one.
 *
 * Return: the length of the run, 0 if no block is free in @set.
 */
u32 gmfs_blocks_alloc(struct gmfs_blocks *b, gmfs_windows_t set, u32 want, u32 at,
		      u32 goal, u32 *start)
{
	struct run best = { .start = goal, .len = free_at(b, set, goal, want) };
	struct choice c;

	if (!best.len) {
		c = scan(b, set, want, at);
		if (c.aligned.len)
			best = c.aligned;
		else if (c.tight.len)
			best = c.tight;
		else if (c.groups.len)
			best = c.groups;
		else
			best = c.longest;
	}
	if (!best.len)
		return 0;
	mark(b, best.start, best.len);
	*start = best.start;
	return best.len;
}

static u32 longest_in(const struct gmfs_blocks *b, gmfs_windows_t set)
{
	struct free_run r = { 0 };
	u32 longest = 0;

	while (next_run(b, set, &r))
		longest = max(longest, r.end - r.start);
	return longest;
}

/* Whether the free runs of at least @shortest blocks have @want blocks in all. */
static bool suffices(const struct gmfs_blocks *b, gmfs_windows_t set, u32 shortest, u32 want)
{
	struct free_run r = { 0 };
	u32 sum = 0;

	while (sum < want && next_run(b, set, &r))
		if (r.end - r.start >= shortest)
			sum += r.end - r.start;
	return sum >= want;
}

/**
 * gmfs_blocks_cutoff - how short a run must be taken for many blocks in few runs
 * @b: the allocator
 * @set: windows that the runs may be in
 * @want: number of blocks, no more than are free in @set
 *
 * A pass over all free runs for each bit of the longest one's length.
 *
 * Return: the largest length such that the runs of at least that length suffice.
 */
u32 gmfs_blocks_cutoff(const struct gmfs_blocks *b, gmfs_windows_t set, u32 want)
{
	u32 lo = 1, hi = longest_in(b, set), mid;

	while (lo < hi) {
		mid = lo + (hi - lo + 1) / 2;
		if (suffices(b, set, mid, want))
			lo = mid;
		else
			hi = mid - 1;
	}
	return lo;
}

/* Let @s be at the next run that is long enough. */
static bool sweep_on(const struct gmfs_blocks *b, struct gmfs_sweep *s)
{
	struct free_run r = { .end = max(s->pos, s->end) };

	r.window = gmfs_blocks_window(b, min(r.end, b->nr - 1));
	while (next_run(b, s->set, &r)) {
		if (r.end - r.start < s->shortest)
			continue;
		s->pos = r.start;
		s->end = r.end;
		return true;
	}
	s->pos = b->nr;
	return false;
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
 * Return: the length of the run, 0 at the end of the last window.
 */
u32 gmfs_blocks_sweep(struct gmfs_blocks *b, struct gmfs_sweep *s, u32 want, u32 goal,
		      u32 *start)
{
	u32 len = free_at(b, s->set, goal, want);

	*start = goal;
	if (!len) {
		if (s->pos < s->end)
			len = free_at(b, s->set, s->pos, min(want, s->end - s->pos));
		if (!len) {
			if (!sweep_on(b, s))
				return 0;
			len = min(want, s->end - s->pos);
		}
		*start = s->pos;
		s->pos += len;
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

/**
 * gmfs_blocks_free - give a run back
 * @b: the allocator
 * @start: first block
 * @nr: number of blocks, all of them in use and in one window
 */
void gmfs_blocks_free(struct gmfs_blocks *b, u32 start, u32 nr)
{
	if (!nr)
		return;
	bitmap_clear(b->used, start, nr);
	b->windows[gmfs_blocks_window(b, start)].nr_free += nr;
	b->nr_free += nr;
}

/**
 * gmfs_blocks_take - mark a given run as in use
 * @b: the allocator
 * @start: first block
 * @nr: number of blocks
 *
 * Return: 0; -ERANGE if the run is in no window or in two; -EEXIST if a block of it
 * is in use already. Nothing is changed on failure.
 */
int gmfs_blocks_take(struct gmfs_blocks *b, u32 start, u32 nr)
{
	if (!nr || start >= b->nr ||
	    nr > end_of(&b->windows[gmfs_blocks_window(b, start)]) - start)
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
	return longest_in(b, GMFS_ALL_WINDOWS);
}
