// SPDX-License-Identifier: GPL-2.0-only
/*
 * Moving the unwritten blocks of a file to where a NUMA policy wants them, all at once.
 * Nothing is copied.
 */
#include <linux/bitmap.h>
#include <linux/sched.h>

#include "mem.h"

/**
 * struct move - blocks that go where a policy wants them
 * @gone: those, where they are now
 * @keep: all others of the range; a hole counts as one that has them
 * @room: for each turn, how many more can go
 * @left: how many more can go in all
 */
struct move {
	struct gmfs_extents gone, keep;
	u32 room[GMFS_MAX_WINDOWS];
	u32 left;
};

static int gmfs_add(struct gmfs_extents *x, u32 at, u32 start, u32 nr)
{
	int err = nr ? gmfs_extents_reserve(x, 1) : 0;

	if (!err && nr)
		gmfs_extents_insert(x, (struct gmfs_extent){ at, start, nr });
	return err;
}

static bool gmfs_is_misplaced(const struct gmfs_pool *p, const struct gmfs_wish *wish, u32 at,
			      u32 block)
{
	return !test_bit(block, p->written) &&
	       !(wish->turns[at % wish->nr_turns] >> gmfs_blocks_window(&p->blocks, block) & 1);
}

/**
 * gmfs_pool_is_misplaced - whether gmfs_pool_move() would have anything to move
 * @p: the pool
 * @x: the file's extents
 * @from: first block of the file
 * @to: block after the last
 * @wish: where they are wished
 *
 * Context: the file's invalidate_lock is held; may sleep.
 * Return: true if a block that is not written is elsewhere.
 */
bool gmfs_pool_is_misplaced(const struct gmfs_pool *p, const struct gmfs_extents *x, u32 from,
			    u32 to, const struct gmfs_wish *wish)
{
	struct gmfs_extent part;
	u32 i, n;

	for (i = gmfs_extents_find(x, from); gmfs_extents_part(x, i, from, to, &part); i++)
		for (n = 0; n < part.nr; n++) {
			if (gmfs_is_misplaced(p, wish, part.at + n, part.start + n))
				return true;
			cond_resched();
		}
	return false;
}

/* A policy that binds moves all or fails; one that prefers moves what fits. */
static void gmfs_find_room(struct gmfs_pool *p, struct move *m, const struct gmfs_wish *wish)
{
	bool binds = wish->nr_turns == 1 && wish->allowed == wish->turns[0];
	u32 i;

	mutex_lock(&p->lock);
	m->left = binds ? U32_MAX : p->blocks.nr_free - p->blocks.nr_reserved;
	for (i = 0; i < wish->nr_turns; i++)
		m->room[i] = binds ? U32_MAX : gmfs_blocks_free_in(&p->blocks, wish->turns[i]);
	mutex_unlock(&p->lock);
}

static bool gmfs_goes(const struct gmfs_pool *p, struct move *m, const struct gmfs_wish *wish,
		      u32 at, u32 block)
{
	u32 *room = &m->room[at % wish->nr_turns];

	if (!*room || !m->left || !gmfs_is_misplaced(p, wish, at, block))
		return false;
	--*room;
	m->left--;
	return true;
}

/* What one extent has of each kind, run by run. */
static int gmfs_sort_extent(const struct gmfs_pool *p, struct move *m,
			    const struct gmfs_extent *e, const struct gmfs_wish *wish)
{
	struct gmfs_extents *to = &m->keep, *next;
	u32 i, first = 0;
	int err = 0;

	for (i = 0; i < e->nr && !err; i++) {
		next = gmfs_goes(p, m, wish, e->at + i, e->start + i) ? &m->gone : &m->keep;
		if (next != to) {
			err = gmfs_add(to, e->at + first, e->start + first, i - first);
			first = i;
			to = next;
		}
		cond_resched();
	}
	return err ?: gmfs_add(to, e->at + first, e->start + first, e->nr - first);
}

/* A hole ends where no block follows, so that it is no goal for what comes next. */
static int gmfs_keep_hole(struct move *m, u32 from, u32 to)
{
	return gmfs_add(&m->keep, from, GMFS_NO_GOAL - (to - from), to - from);
}

static int gmfs_sort(const struct gmfs_pool *p, struct move *m, const struct gmfs_extents *x,
		     u32 from, u32 to, const struct gmfs_wish *wish)
{
	struct gmfs_extent part;
	u32 i, at = from;
	int err = 0;

	for (i = gmfs_extents_find(x, from);
	     !err && gmfs_extents_part(x, i, from, to, &part); i++) {
		err = gmfs_keep_hole(m, at, part.at);
		if (!err)
			err = gmfs_sort_extent(p, m, &part, wish);
		at = part.at + part.nr;
	}
	return err ?: gmfs_keep_hole(m, at, to);
}

static int gmfs_move(struct gmfs_pool *p, struct gmfs_extents *x, struct move *m, u32 from,
		     u32 to, const struct gmfs_wish *wish)
{
	bool devices = gmfs_devices_have_users();
	struct gmfs_fill f;
	u32 i;
	int err;

	mutex_lock(&p->lock);
	err = gmfs_fill_begin(&f, &p->blocks, &m->keep, from, to, wish);
	mutex_unlock(&p->lock);
	if (err)
		return err;
	err = gmfs_pool_fill(p, &f);
	if (!err)
		err = gmfs_extents_reserve(x, 2 * f.got.nr);
	if (!err) {
		/* Before FALLOC_FL_ZERO_RANGE they may have been mapped. */
		gmfs_pool_detach_folios(p, &m->gone, from, to);
		gmfs_extents_replace(x, &f.got);
		gmfs_extents_trim(x);
		mutex_lock(&p->lock);
		for (i = 0; i < m->gone.nr; i++)
			gmfs_pool_give_back(p, &m->gone.e[i], devices);
		mutex_unlock(&p->lock);
	} else {
		gmfs_pool_unfill(p, &f);
	}
	gmfs_extents_destroy(&f.got);
	return err;
}

/**
 * gmfs_pool_move - let the unwritten blocks of a range be where they are wished
 * @p: the pool
 * @x: the file's extents
 * @from: first block of the file
 * @to: block after the last
 * @wish: where
 *
 * Those that are there already stay, and so do all that are written. Nothing need be
 * unmapped: an unwritten block is mapped nowhere. If @wish allows no other windows, all
 * move or none; else as many as there is room for, the first of the file first.
 *
 * Context: inside gmfs_change_begin(), with the file's invalidate_lock held for writing;
 * may sleep.
 * Return: 0; -ENOSPC if there is no room in the only windows that @wish allows, or others
 * took it meanwhile; -ENOMEM; -EINTR if a signal kills; with nothing changed.
 */
int gmfs_pool_move(struct gmfs_pool *p, struct gmfs_extents *x, u32 from, u32 to,
		   const struct gmfs_wish *wish)
{
	struct move m = { 0 };
	int err;

	gmfs_find_room(p, &m, wish);
	err = gmfs_sort(p, &m, x, from, to, wish);
	if (!err && m.gone.nr)
		err = gmfs_move(p, x, &m, from, to, wish);
	gmfs_extents_destroy(&m.keep);
	gmfs_extents_destroy(&m.gone);
	return err;
}
