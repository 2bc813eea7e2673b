// SPDX-License-Identifier: GPL-2.0-only
/*
 * A file's extents: a sorted array.
 *
 * Guest memory is allocated whole and contiguous, so nearly every file has one
 * extent and twelve bytes beat any tree. Insertion never fails: callers
 * reserve room first, while they can still back out.
 *
 * Pure code: compiled into the module, into KUnit and into userspace tests.
 */
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "extents.h"

void gmfs_extents_destroy(struct gmfs_extents *x)
{
	kvfree(x->e);
	*x = (struct gmfs_extents){ 0 };
}

/**
 * gmfs_extents_reserve - make room
 * @x: the extents
 * @more: how many insertions or cuts must not fail for lack of room
 *
 * Context: may sleep.
 * Return: 0, or -ENOMEM with nothing changed.
 */
int gmfs_extents_reserve(struct gmfs_extents *x, u32 more)
{
	struct gmfs_extent *e;
	u32 max = x->nr + more;

	if (max <= x->max)
		return 0;
	/* Grow by half when growing again, so that n insertions cost O(n). */
	if (x->max)
		max = max(max, x->max + x->max / 2);
	e = kvmalloc_array(max, sizeof(*e), GFP_KERNEL_ACCOUNT);
	if (!e)
		return -ENOMEM;
	if (x->nr)
		memcpy(e, x->e, x->nr * sizeof(*e));
	kvfree(x->e);
	x->e = e;
	x->max = max;
	return 0;
}

/**
 * gmfs_extents_find - the extent that holds a block of the file, or the next
 * @x: the extents
 * @at: block of the file
 *
 * Return: index of the first extent that ends after @at; @x->nr if none does.
 * It holds @at unless it begins after it, and then @at is in a hole.
 */
u32 gmfs_extents_find(const struct gmfs_extents *x, u32 at)
{
	u32 lo = 0, hi = x->nr, mid;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (at - x->e[mid].at < x->e[mid].nr || at < x->e[mid].at)
			hi = mid;
		else
			lo = mid + 1;
	}
	return lo;
}

static bool joins(const struct gmfs_extent *a, const struct gmfs_extent *b)
{
	return a->at + a->nr == b->at && a->start + a->nr == b->start;
}

static void remove_at(struct gmfs_extents *x, u32 i)
{
	x->nr--;
	memmove(&x->e[i], &x->e[i + 1], (x->nr - i) * sizeof(*x->e));
}

/**
 * gmfs_extents_insert - fill a hole, or a part of one
 * @x: the extents, with room reserved
 * @n: what to insert; it must overlap nothing
 */
void gmfs_extents_insert(struct gmfs_extents *x, struct gmfs_extent n)
{
	u32 i = gmfs_extents_find(x, n.at);

	if (i && joins(&x->e[i - 1], &n)) {
		i--;
		x->e[i].nr += n.nr;
	} else {
		memmove(&x->e[i + 1], &x->e[i], (x->nr - i) * sizeof(n));
		x->e[i] = n;
		x->nr++;
	}
	if (i + 1 < x->nr && joins(&x->e[i], &x->e[i + 1])) {
		x->e[i].nr += x->e[i + 1].nr;
		remove_at(x, i + 1);
	}
}

/**
 * gmfs_extents_cut - take the last run of blocks out of a range of the file
 * @x: the extents, with room for one more reserved
 * @from: first block of the range
 * @to: block after the range
 * @cut: what was taken out, set if anything was
 *
 * Callers loop until it returns false. The last run goes first because taking
 * it from a sorted array moves the least.
 *
 * Return: whether there was one; if not, the range is a hole.
 */
bool gmfs_extents_cut(struct gmfs_extents *x, u32 from, u32 to,
		      struct gmfs_extent *cut)
{
	u32 i = gmfs_extents_find(x, to), end;
	struct gmfs_extent head, tail;

	if (i == x->nr || x->e[i].at >= to) {
		if (!i)
			return false;
		i--;
	}
	head = x->e[i];
	end = head.at + head.nr;
	if (end <= from || from >= to)
		return false;
	from = max(from, head.at);
	to = min(to, end);
	*cut = (struct gmfs_extent){ from, head.start + (from - head.at),
				     to - from };
	tail = (struct gmfs_extent){ to, head.start + (to - head.at), end - to };
	head.nr = from - head.at;
	remove_at(x, i);
	if (tail.nr)
		gmfs_extents_insert(x, tail);
	if (head.nr)
		gmfs_extents_insert(x, head);
	return true;
}

/**
 * gmfs_extents_blocks - count the blocks of a range of the file
 * @x: the extents
 * @from: first block of the range
 * @to: block after the range
 *
 * Return: how many are there, and no hole.
 */
u32 gmfs_extents_blocks(const struct gmfs_extents *x, u32 from, u32 to)
{
	u32 i, n = 0;

	for (i = gmfs_extents_find(x, from); i < x->nr && x->e[i].at < to; i++)
		n += min(to, x->e[i].at + x->e[i].nr) - max(from, x->e[i].at);
	return n;
}
