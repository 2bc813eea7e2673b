// SPDX-License-Identifier: GPL-2.0-only
/*
 * A file's extents: a sorted array.
 *
 * Guest memory is allocated whole and contiguous, so nearly every file has one
 * extent and twelve bytes beat any tree. Insertion never fails: callers
 * reserve room first, while they can still back out. Many extents come and go in
 * one pass over the array.
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
 * Not charged to a memory cgroup: callers hold the gate, and reclaim for one
 * cgroup's limit would hold up a freeze and then all others. The pool's size bounds
 * all extents: see gmfs_extents_trim().
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
	e = kvmalloc_array(max, sizeof(*e), GFP_KERNEL);
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

	x->blocks += n.nr;
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

static void append(struct gmfs_extents *x, struct gmfs_extent n)
{
	if (x->nr && joins(&x->e[x->nr - 1], &n))
		x->e[x->nr - 1].nr += n.nr;
	else
		x->e[x->nr++] = n;
}

/**
 * gmfs_extents_merge - fill many holes
 * @x: the extents, with room reserved for as many as @more has
 * @more: what to insert; it must overlap nothing
 *
 * One pass from the end, and one that joins neighbours.
 */
void gmfs_extents_merge(struct gmfs_extents *x, const struct gmfs_extents *more)
{
	u32 a = x->nr, b = more->nr, to = a + b, nr = to, i;

	if (b == 1) {
		gmfs_extents_insert(x, more->e[0]);
		return;
	}
	while (b) {
		if (a && x->e[a - 1].at > more->e[b - 1].at)
			x->e[--to] = x->e[--a];
		else
			x->e[--to] = more->e[--b];
	}
	x->nr = 0;
	for (i = 0; i < nr; i++)
		append(x, x->e[i]);
	x->blocks += more->blocks;
}

/* Blocks of @e from file block @at on. */
static void cut_head(struct gmfs_extent *e, u32 at)
{
	e->nr -= at - e->at;
	e->start += at - e->at;
	e->at = at;
}

/**
 * gmfs_extents_replace - say where many blocks of the file are now
 * @x: the extents, with room reserved for twice as many as @with has
 * @with: the new places; each block is one that @x has
 *
 * One pass: the extents are moved behind the room, and back one by one. Each of @with
 * adds itself and what it leaves in front of it, so what is written stays behind what
 * is read.
 */
void gmfs_extents_replace(struct gmfs_extents *x, const struct gmfs_extents *with)
{
	u32 from = 2 * with->nr, end = from + x->nr, k = 0;
	const struct gmfs_extent *w;
	struct gmfs_extent e;

	if (!with->nr)
		return;
	memmove(&x->e[from], x->e, x->nr * sizeof(e));
	for (x->nr = 0; from < end; from++) {
		e = x->e[from];
		while (e.nr && k < with->nr && with->e[k].at < e.at + e.nr) {
			w = &with->e[k];
			if (w->at > e.at)
				append(x, (struct gmfs_extent){ e.at, e.start, w->at - e.at });
			if (w->at >= e.at)
				append(x, *w);
			/* It may go on in the next extent. */
			if (w->at + w->nr <= e.at + e.nr)
				k++;
			cut_head(&e, min(w->at + w->nr, e.at + e.nr));
		}
		if (e.nr)
			append(x, e);
	}
}

/**
 * gmfs_extents_part - what one extent has in a range of the file
 * @x: the extents
 * @i: which one; gmfs_extents_find() of @from to begin with
 * @from: first block of the range
 * @to: block after the range
 * @part: what it has there, set if there is any
 *
 * Return: whether there is any; if not, neither has any extent behind it.
 */
bool gmfs_extents_part(const struct gmfs_extents *x, u32 i, u32 from, u32 to,
		       struct gmfs_extent *part)
{
	const struct gmfs_extent *e = &x->e[i];

	if (i >= x->nr || e->at >= to)
		return false;
	part->at = max(from, e->at);
	part->start = e->start + (part->at - e->at);
	part->nr = min(to, e->at + e->nr) - part->at;
	return true;
}

/**
 * gmfs_extents_remove - make a range of the file a hole
 * @x: the extents, with room for one more reserved
 * @from: first block of the range
 * @to: block after the range
 */
void gmfs_extents_remove(struct gmfs_extents *x, u32 from, u32 to)
{
	u32 first = gmfs_extents_find(x, from), end = gmfs_extents_find(x, to), nr = 0;
	struct gmfs_extent keep[2], part;

	if (from >= to || !gmfs_extents_part(x, first, from, to, &part))
		return;
	x->blocks -= gmfs_extents_blocks(x, from, to);
	if (x->e[first].at < from) {
		keep[nr] = x->e[first];
		keep[nr++].nr = from - x->e[first].at;
	}
	if (end < x->nr && x->e[end].at < to)
		gmfs_extents_part(x, end++, to, U32_MAX, &keep[nr++]);
	memmove(&x->e[first + nr], &x->e[end], (x->nr - end) * sizeof(*x->e));
	memcpy(&x->e[first], keep, nr * sizeof(*keep));
	x->nr -= end - first;
	x->nr += nr;
}

/**
 * gmfs_extents_trim - give back room that many extents needed
 * @x: the extents
 *
 * At least a quarter of the room is in use afterwards, unless it is small or there is no
 * memory to copy them to. So the arrays of all files are bounded by the pool's size.
 *
 * Context: may sleep, but does not allocate if there are no extents.
 */
void gmfs_extents_trim(struct gmfs_extents *x)
{
	struct gmfs_extent *e = NULL;

	if (x->nr && (x->max <= 16 || x->max / 4 < x->nr))
		return;
	if (x->nr) {
		e = kvmalloc_array(x->nr, sizeof(*e), GFP_KERNEL | __GFP_NOWARN);
		if (!e)
			return;
		memcpy(e, x->e, x->nr * sizeof(*e));
	}
	kvfree(x->e);
	x->e = e;
	x->max = x->nr;
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
