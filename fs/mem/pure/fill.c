// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which free blocks a file's holes get.
 *
 * The first few runs are chosen with care: gmfs_blocks_alloc() looks at all free runs
 * for each. Memory that is less fragmented than that needs no more of them. The others
 * come from sweeps, which take runs as they go: first those that are longer than the
 * cutoff, then those that are as long. These are the runs that taking the longest one
 * again and again would have found, for a few passes in all. The last hole's last piece
 * is chosen with care again.
 *
 * The owner of the allocator's lock takes it for each step, so that others can allocate
 * in between. They cannot take what has been reserved.
 *
 * Pure code: compiled into the module and into userspace tests.
 */
#include <linux/errno.h>
#include <linux/kernel.h>

#include "fill.h"

#define CAREFUL		16	/* runs that may cost a pass each */

/**
 * gmfs_fill_begin - reserve what the holes of a range need
 * @f: set up for gmfs_fill_step(), also if it fails
 * @b: the allocator
 * @x: the file's extents
 * @from: first block of the file
 * @to: block after the last
 *
 * Return: 0, or -ENOSPC with nothing reserved.
 */
int gmfs_fill_begin(struct gmfs_fill *f, struct gmfs_blocks *b,
		    const struct gmfs_extents *x, u32 from, u32 to)
{
	u32 need = to - from - gmfs_extents_blocks(x, from, to);
	int err = gmfs_blocks_reserve(b, need);

	*f = (struct gmfs_fill){
		.x = x, .left = err ? 0 : need, .at = from, .to = to,
		.i = gmfs_extents_find(x, from), .careful = CAREFUL,
	};
	return err;
}

/* The next hole's length; and the block that would continue what is before it. */
static u32 next_hole(struct gmfs_fill *f, u32 *goal)
{
	const struct gmfs_extents *x = f->x, *got = &f->got;
	const struct gmfs_extent *e;

	for (; f->i < x->nr && x->e[f->i].at <= f->at; f->i++)
		f->at = x->e[f->i].at + x->e[f->i].nr;
	*goal = GMFS_NO_GOAL;
	e = got->nr ? &got->e[got->nr - 1] : NULL;
	if (!e || e->at + e->nr != f->at)
		e = f->i ? &x->e[f->i - 1] : NULL;
	if (e && e->at + e->nr == f->at)
		*goal = e->start + e->nr;
	return (f->i < x->nr ? min(f->to, x->e[f->i].at) : f->to) - f->at;
}

static void begin_sweep(struct gmfs_fill *f, const struct gmfs_blocks *b)
{
	f->cutoff = gmfs_blocks_cutoff(b, f->left);
	f->sweep = (struct gmfs_sweep){ .shortest = f->cutoff + 1 };
}

static u32 sweep(struct gmfs_fill *f, struct gmfs_blocks *b, u32 want, u32 goal,
		 u32 *start)
{
	u32 len;

	for (;;) {
		len = gmfs_blocks_sweep(b, &f->sweep, want, goal, start);
		if (len || !b->nr_free)
			return len;
		if (f->sweep.shortest > f->cutoff)
			f->sweep = (struct gmfs_sweep){ .shortest = f->cutoff };
		else
			begin_sweep(f, b);	/* others took some of the runs */
	}
}

static u32 take_run(struct gmfs_fill *f, struct gmfs_blocks *b, u32 want, u32 goal,
		    u32 *start)
{
	u32 len;

	if (!f->careful && !f->cutoff)
		begin_sweep(f, b);
	if (f->careful || (want == f->left && want <= f->cutoff)) {
		len = gmfs_blocks_alloc(b, want, f->at, goal, start);
		if (len && f->careful && *start != goal)
			f->careful--;
		return len;
	}
	return sweep(f, b, want, goal, start);
}

/**
 * gmfs_fill_step - find some of the blocks
 * @f: as gmfs_fill_begin() set it up; @f->got with room for as many as are left, or for
 *	GMFS_FILL_BATCH
 * @b: the allocator
 *
 * Return: 1 if there is more to do, 0 if it is done; -ENOSPC if others took blocks
 * without reserving them.
 */
int gmfs_fill_step(struct gmfs_fill *f, struct gmfs_blocks *b)
{
	u32 n, want, goal, start, len;

	for (n = 0; f->left && n < GMFS_FILL_BATCH; n++) {
		want = next_hole(f, &goal);
		len = take_run(f, b, want, goal, &start);
		if (!len)
			return -ENOSPC;
		gmfs_extents_insert(&f->got, (struct gmfs_extent){ f->at, start, len });
		gmfs_blocks_unreserve(b, len);
		f->at += len;
		f->left -= len;
	}
	return !!f->left;
}

/**
 * gmfs_fill_undo - give everything back
 * @f: as gmfs_fill_begin() or gmfs_fill_step() left it; gmfs_extents_destroy() of
 *	@f->got remains
 * @b: the allocator
 */
void gmfs_fill_undo(struct gmfs_fill *f, struct gmfs_blocks *b)
{
	u32 i;

	for (i = 0; i < f->got.nr; i++)
		gmfs_blocks_free(b, f->got.e[i].start, f->got.e[i].nr);
	gmfs_blocks_unreserve(b, f->left);
	f->left = 0;
}
