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
 * All this happens in the wished windows first, and is begun anew in the allowed ones
 * when the wished ones are full. If the blocks of a file shall take turns, each is
 * found alone: behind the one of its last turn, or in the next free run from there on.
 *
 * Runs of two windows never become one extent: a window begins with its head, which is
 * in use.
 *
 * The owner of the allocator's lock takes it for each step, so that others can allocate
 * in between. They cannot take what has been reserved. But what is reserved is a number
 * of blocks of all windows: others can meanwhile take the blocks of the few windows
 * that a wish allows, and then it ends in -ENOSPC after all.
 *
 * Pure code: compiled into the module and into userspace tests.
 */
#include <linux/bits.h>
#include <linux/errno.h>
#include <linux/kernel.h>

#include "fill.h"

#define CAREFUL		16	/* runs that may cost a pass each */

/* Begin to look for runs in the windows of @set. */
static void begin_set(struct gmfs_fill *f, gmfs_windows_t set)
{
	f->set = set;
	f->careful = CAREFUL;
	f->cutoff = 0;
}

/**
 * gmfs_wish_windows - all windows that a wish lets blocks come from
 * @wish: the wish
 *
 * Return: the set.
 */
gmfs_windows_t gmfs_wish_windows(const struct gmfs_wish *wish)
{
	gmfs_windows_t all = wish->allowed;
	u32 i;

	for (i = 0; i < wish->nr_turns; i++)
		all |= wish->turns[i];
	return all;
}

/**
 * gmfs_fill_begin - reserve what the holes of a range need
 * @f: set up for gmfs_fill_step(), also if it fails
 * @b: the allocator
 * @x: the file's extents
 * @from: first block of the file
 * @to: block after the last
 * @wish: where the blocks shall come from; must stay
 *
 * Return: 0; -ENOSPC with nothing reserved, if too few blocks are free and not
 * promised, or too few are free in the windows that @wish names.
 */
int gmfs_fill_begin(struct gmfs_fill *f, struct gmfs_blocks *b,
		    const struct gmfs_extents *x, u32 from, u32 to,
		    const struct gmfs_wish *wish)
{
	u32 need = to - from - gmfs_extents_blocks(x, from, to);
	int err = -ENOSPC;

	if (need <= gmfs_blocks_free_in(b, gmfs_wish_windows(wish)))
		err = gmfs_blocks_reserve(b, need);
	*f = (struct gmfs_fill){
		.x = x, .wish = wish, .left = err ? 0 : need, .at = from, .to = to,
		.i = gmfs_extents_find(x, from),
	};
	begin_set(f, wish->turns[0]);
	/* Each set of a turn is looked at as often as one set for all is. */
	f->careful *= wish->nr_turns;
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
	f->cutoff = gmfs_blocks_cutoff(b, f->set,
				       min(f->left, gmfs_blocks_free_in(b, f->set)));
	f->sweep = (struct gmfs_sweep){ .set = f->set, .shortest = f->cutoff + 1 };
}

static u32 sweep(struct gmfs_fill *f, struct gmfs_blocks *b, u32 want, u32 goal,
		 u32 *start)
{
	u32 len;

	for (;;) {
		len = gmfs_blocks_sweep(b, &f->sweep, want, goal, start);
		if (len || !gmfs_blocks_free_in(b, f->set))
			return len;
		if (f->sweep.shortest > f->cutoff)
			f->sweep = (struct gmfs_sweep){ .set = f->set, .shortest = f->cutoff };
		else
			begin_sweep(f, b);	/* others took some of the runs */
	}
}

static u32 take_from_set(struct gmfs_fill *f, struct gmfs_blocks *b, u32 want, u32 goal,
			 u32 *start)
{
	u32 len;

	if (!f->careful && !f->cutoff)
		begin_sweep(f, b);
	if (f->careful || (want == f->left && want <= f->cutoff)) {
		len = gmfs_blocks_alloc(b, f->set, want, f->at, goal, start);
		if (len && f->careful && *start != goal)
			f->careful--;
		return len;
	}
	return sweep(f, b, want, goal, start);
}

static bool block_of(const struct gmfs_extents *x, u32 at, u32 *block)
{
	struct gmfs_extent part;

	if (!gmfs_extents_part(x, gmfs_extents_find(x, at), at, at + 1, &part))
		return false;
	*block = part.start;
	return true;
}

/* The block that would continue what the file has from the turn before. */
static u32 goal_in_turn(const struct gmfs_fill *f)
{
	u32 block, at = f->at - f->wish->nr_turns;

	if (f->at >= f->wish->nr_turns &&
	    (block_of(&f->got, at, &block) || block_of(f->x, at, &block)))
		return block + 1;
	return GMFS_NO_GOAL;
}

static bool take_goal(struct gmfs_blocks *b, gmfs_windows_t set, u32 goal)
{
	return goal < b->nr && set & BIT_ULL(gmfs_blocks_window(b, goal)) &&
	       !gmfs_blocks_take(b, goal, 1);
}

/* One block; @hole: blocks that are still to be found before the file has some. */
static u32 take_in_turn(struct gmfs_fill *f, struct gmfs_blocks *b, u32 hole, u32 *start)
{
	const struct gmfs_wish *wish = f->wish;
	gmfs_windows_t set = wish->turns[f->at % wish->nr_turns];
	u32 goal = goal_in_turn(f), share = DIV_ROUND_UP(hole, wish->nr_turns), len;
	struct gmfs_sweep s = { .shortest = 1, .pos = goal };

	if (!gmfs_blocks_free_in(b, set))
		set = wish->allowed;
	*start = goal;
	if (take_goal(b, set, goal))
		return 1;
	if (f->careful) {
		/* A run for all the blocks of this turn: the others find their goal in it. */
		f->careful--;
		len = gmfs_blocks_alloc(b, set, share, f->at, GMFS_NO_GOAL, start);
		if (len)
			gmfs_blocks_free(b, *start + 1, len - 1);
		return !!len;
	}
	s.set = set;
	len = gmfs_blocks_sweep(b, &s, 1, GMFS_NO_GOAL, start);
	if (len)
		return len;
	s = (struct gmfs_sweep){ .set = set, .shortest = 1 };
	return gmfs_blocks_sweep(b, &s, 1, GMFS_NO_GOAL, start);
}

static u32 take_run(struct gmfs_fill *f, struct gmfs_blocks *b, u32 want, u32 goal,
		    u32 *start)
{
	u32 len;

	if (f->wish->nr_turns > 1)
		return take_in_turn(f, b, want, start);
	len = take_from_set(f, b, want, goal, start);
	if (len || f->set == f->wish->allowed)
		return len;
	begin_set(f, f->wish->allowed);
	return take_from_set(f, b, want, goal, start);
}

/**
 * gmfs_fill_step - find some of the blocks
 * @f: as gmfs_fill_begin() set it up; @f->got with room for as many as are left, or for
 *	GMFS_FILL_BATCH
 * @b: the allocator
 *
 * Return: 1 if there is more to do, 0 if it is done; -ENOSPC if others took blocks of
 * the windows that the wish names, or blocks that they did not reserve.
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
