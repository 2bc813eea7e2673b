// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bitmap.h>
#include <linux/errno.h>
#include <linux/slab.h>

#include "fill.h"
#include "unit.h"

static const struct gmfs_wish anywhere = {
	.turns = { GMFS_ALL_WINDOWS }, .nr_turns = 1, .allowed = GMFS_ALL_WINDOWS,
};

/* As gmfs_pool_alloc() does it, but that it may stop after @steps. */
static int fill_some(struct gmfs_fill *f, struct gmfs_blocks *b, u32 steps)
{
	int err = !!f->left;

	while (err > 0 && steps--) {
		expect_eq(gmfs_extents_reserve(&f->got, min(f->left, GMFS_FILL_BATCH)), 0);
		/* The allocator's lock is held: nothing is allocated. */
		unit_allocations = 0;
		err = gmfs_fill_step(f, b);
		expect_eq(unit_allocations, 0);
		unit_allocations = -1;
	}
	return err;
}

static void finish(struct gmfs_fill *f, struct gmfs_extents *x)
{
	expect_eq(gmfs_extents_reserve(x, f->got.nr), 0);
	gmfs_extents_merge(x, &f->got);
	gmfs_extents_destroy(&f->got);
}

static void fill_as(struct gmfs_blocks *b, struct gmfs_extents *x, u32 from, u32 to,
		    const struct gmfs_wish *wish)
{
	struct gmfs_fill f;

	expect_eq(gmfs_fill_begin(&f, b, x, from, to, wish), 0);
	expect_eq(fill_some(&f, b, -1), 0);
	expect_eq(f.left, 0);
	finish(&f, x);
	expect_eq(gmfs_extents_blocks(x, from, to), to - from);
}

static void fill(struct gmfs_blocks *b, struct gmfs_extents *x, u32 from, u32 to)
{
	fill_as(b, x, from, to, &anywhere);
}

/* A pool whose free runs have @len blocks, with as much in use between them. */
static void comb(struct gmfs_blocks *b, u32 nr, u32 len)
{
	u32 i;

	expect_eq(gmfs_blocks_init(b, nr, 512, 0), 0);
	for (i = 0; i + len <= nr; i += 2 * len)
		expect_eq(gmfs_blocks_take(b, i, len), 0);
}

/* Steps that it takes to give one file all of a pool of every second block. */
static unsigned long cost(u32 nr)
{
	struct gmfs_extents x = { 0 };
	unsigned long spent = unit_spent;
	double start = now_ms();
	struct gmfs_blocks b;

	comb(&b, nr, 1);
	fill(&b, &x, 0, b.nr_free);
	spent = unit_spent - spent;
	unit_info("all of %u blocks, every second one free: %lu steps, %.0f ms", nr, spent,
		  now_ms() - start);
	expect_eq(b.nr_free, 0);
	expect_eq(b.nr_reserved, 0);
	expect_eq(x.nr, nr / 2);
	gmfs_extents_destroy(&x);
	gmfs_blocks_destroy(&b);
	return spent;
}

static void linear(const void *arg)
{
	unsigned long small = cost(16384), large = cost(32768);

	expect(large <= 3 * small, "32 GiB in %lu steps, 64 GiB in %lu", small, large);
	/* 1 TiB; a step is a free run looked at, or a byte of an extent moved. */
	expect(cost(524288) < 30 * 262144, "too many");
}

/* A file of holes, in a pool that has no run as short as a hole. */
static void many_holes(const void *arg)
{
	const u32 nr = 131072;
	struct gmfs_extents x = { 0 };
	struct gmfs_blocks b;
	u32 i;

	comb(&b, 4 * nr, 3);
	for (i = 0; i < nr; i++) {
		expect_eq(gmfs_extents_reserve(&x, 1), 0);
		gmfs_extents_insert(&x, (struct gmfs_extent){ 2 * i, 6 * (i / 3) + i % 3, 1 });
	}
	unit_spent = 0;
	unit_budget = 100UL * nr;
	fill(&b, &x, 0, 2 * nr);
	unit_info("%u holes filled: %lu steps", nr, unit_spent);
	expect_eq(x.blocks, 2 * nr);
	gmfs_extents_destroy(&x);
	gmfs_blocks_destroy(&b);
}

enum { NR = 2000, GROUP = 16 };

/* The same blocks in use; of one window. */
static void copy(struct gmfs_blocks *to, const struct gmfs_blocks *from)
{
	expect_eq(gmfs_blocks_init(to, NR, from->group, 0), 0);
	memcpy(to->used, from->used, BITS_TO_LONGS(NR) * sizeof(long));
	to->nr_free = from->nr_free;
	to->windows[0].nr_free = from->nr_free;
}

/* Free runs of random lengths, short ones mostly. */
static void random_window(struct gmfs_blocks *b, u32 group)
{
	u32 i, len, most = rnd(2) ? 4 : 40;

	expect_eq(gmfs_blocks_init(b, NR, group, 0), 0);
	for (i = 0; i < NR; i += len + 1 + rnd(rnd(2) ? 3 : most)) {
		len = min(1 + rnd(3), NR - i);
		expect_eq(gmfs_blocks_take(b, i, len), 0);
	}
}

/* Pieces, if each is the best run that gmfs_blocks_alloc() finds in a pass. */
static u32 one_by_one(struct gmfs_blocks *b, u32 want)
{
	u32 pieces = 0, at = 0, goal = GMFS_NO_GOAL, start, len;

	for (; at < want; at += len, goal = start + len, pieces++)
		len = gmfs_blocks_alloc(b, GMFS_ALL_WINDOWS, want - at, at, goal, &start);
	return pieces;
}

static void as_few_pieces(const void *arg)
{
	struct gmfs_blocks b, one;
	struct gmfs_extents x;
	u32 round, want, pieces, most = 0;

	for (round = 0; round < 500; round++) {
		x = (struct gmfs_extents){ 0 };
		/* Whole PUDs would count for more than few pieces. */
		random_window(&b, NR);
		copy(&one, &b);
		want = 1 + rnd(b.nr_free);
		pieces = one_by_one(&one, want);
		fill(&b, &x, 0, want);
		expect(x.nr <= pieces, "%u blocks in %u pieces and not %u", want, x.nr, pieces);
		expect(gmfs_blocks_largest(&b) >= gmfs_blocks_largest(&one), "a longer run is gone");
		most = max(most, x.nr);
		gmfs_extents_destroy(&x);
		gmfs_blocks_destroy(&one);
		gmfs_blocks_destroy(&b);
	}
	expect(most > 100, "at most %u pieces", most);
}

/* Every block of the pool is one file's at most, and what was there stays. */
static void random_fills(const void *arg)
{
	struct gmfs_extents x, old;
	u32 round, k, i, from, to, need, used;
	struct gmfs_blocks b, before;
	unsigned long *seen;

	for (round = 0; round < 300; round++) {
		x = (struct gmfs_extents){ 0 };
		random_window(&b, GROUP);
		for (k = 0; k < 20; k++) {
			from = rnd(500);
			to = from + rnd(rnd(2) ? 3 : 300);
			need = to - from - gmfs_extents_blocks(&x, from, to);
			if (need > b.nr_free)
				break;
			copy(&before, &b);
			old = (struct gmfs_extents){ 0 };
			expect_eq(gmfs_extents_reserve(&old, x.nr + 1), 0);
			for (i = 0; i < x.nr; i++)
				gmfs_extents_insert(&old, x.e[i]);
			fill(&b, &x, from, to);
			expect_eq(b.nr_free, before.nr_free - need);
			expect_eq(x.blocks, old.blocks + need);
			seen = kvcalloc(BITS_TO_LONGS(NR), sizeof(long), 0);
			memcpy(seen, before.used, BITS_TO_LONGS(NR) * sizeof(long));
			for (i = 0; i < old.nr; i++)
				bitmap_clear(seen, old.e[i].start, old.e[i].nr);
			for (i = 0; i < x.nr; i++) {
				expect(find_next_bit(seen, x.e[i].start + x.e[i].nr, x.e[i].start) >=
				       x.e[i].start + x.e[i].nr, "extent %u was in use", i);
				bitmap_set(seen, x.e[i].start, x.e[i].nr);
			}
			expect(!memcmp(seen, b.used, BITS_TO_LONGS(NR) * sizeof(long)),
			       "something else was taken");
			for (i = from; i < to; i++) {
				used = gmfs_extents_find(&old, i);
				if (used < old.nr && old.e[used].at <= i) {
					k = gmfs_extents_find(&x, i);
					expect_eq(x.e[k].start + i - x.e[k].at,
						  old.e[used].start + i - old.e[used].at);
				}
			}
			kvfree(seen);
			gmfs_extents_destroy(&old);
			gmfs_blocks_destroy(&before);
			/* Make holes for the next round. */
			from = rnd(400);
			to = from + rnd(60);
			for (i = from; i < to; i += 2) {
				struct gmfs_extent part;

				used = gmfs_extents_find(&x, i);
				if (!gmfs_extents_part(&x, used, i, i + 1, &part))
					continue;
				gmfs_blocks_free(&b, part.start, part.nr);
				expect_eq(gmfs_extents_reserve(&x, 1), 0);
				gmfs_extents_remove(&x, i, i + 1);
			}
		}
		gmfs_extents_destroy(&x);
		gmfs_blocks_destroy(&b);
	}
}

/* Two files step by step in turn; what one was promised the other does not get. */
static void two_at_once(const void *arg)
{
	struct gmfs_extents x = { 0 }, y = { 0 };
	struct gmfs_fill fx, fy, fz;
	struct gmfs_blocks b;
	u32 half;

	comb(&b, 65536, 2);
	half = b.nr_free / 2;
	expect_eq(gmfs_fill_begin(&fx, &b, &x, 0, half, &anywhere), 0);
	expect_eq(gmfs_fill_begin(&fy, &b, &y, 0, half, &anywhere), 0);
	expect_eq(gmfs_fill_begin(&fz, &b, &x, 0, 1, &anywhere), -ENOSPC);
	expect_eq(fz.left, 0);
	expect_eq(fill_some(&fx, &b, 1), 1);
	expect_eq(gmfs_fill_begin(&fz, &b, &x, 0, 1, &anywhere), -ENOSPC);
	while (fx.left || fy.left) {
		expect(fill_some(&fx, &b, 1) >= 0, "no room");
		expect(fill_some(&fy, &b, 1) >= 0, "no room");
	}
	finish(&fx, &x);
	finish(&fy, &y);
	expect_eq(x.blocks, half);
	expect_eq(y.blocks, half);
	expect_eq(b.nr_free, 0);
	expect_eq(b.nr_reserved, 0);
	gmfs_extents_destroy(&x);
	gmfs_extents_destroy(&y);
	gmfs_blocks_destroy(&b);
}

static void undone(const void *arg)
{
	struct gmfs_extents x = { 0 };
	struct gmfs_blocks b, before;
	struct gmfs_fill f;

	comb(&b, 65536, 1);
	expect_eq(gmfs_blocks_init(&before, b.nr, 512, 0), 0);
	memcpy(before.used, b.used, b.nr / 8);
	expect_eq(gmfs_fill_begin(&f, &b, &x, 0, 20000, &anywhere), 0);
	expect_eq(fill_some(&f, &b, 3), 1);
	expect(f.got.nr > 2000 && f.left, "%u runs", f.got.nr);
	gmfs_fill_undo(&f, &b);
	gmfs_extents_destroy(&f.got);
	expect(!memcmp(before.used, b.used, b.nr / 8), "changed");
	expect_eq(b.nr_free, b.nr / 2);
	expect_eq(b.nr_reserved, 0);
	expect_eq(x.nr, 0);
	gmfs_blocks_destroy(&before);
	gmfs_blocks_destroy(&b);
}

enum { HEAD = 1, WINDOW = 12 };	/* blocks, in PUDs of 4 */

/* Windows of three PUDs, of which each has a head. */
static void pool(struct gmfs_blocks *b, u32 nr_windows)
{
	u32 w;

	expect_eq(gmfs_blocks_init(b, WINDOW, 4, 0), 0);
	for (w = 1; w < nr_windows; w++)
		expect_eq(gmfs_blocks_add(b, WINDOW, 4 * w), 0);
	for (w = 0; w < nr_windows; w++)
		expect_eq(gmfs_blocks_take(b, w * WINDOW, HEAD), 0);
}

static void expect_extents(const struct gmfs_extents *x, const struct gmfs_extent *want)
{
	u32 i;

	for (i = 0; i < x->nr; i++)
		expect(!memcmp(&x->e[i], &want[i], sizeof(*want)), "extent %u is %u,%u,%u", i,
		       x->e[i].at, x->e[i].start, x->e[i].nr);
	expect_eq(want[i].nr, 0);
}

/* Pools of windows of 12 blocks, the first of each in use; PUDs of 4 blocks. */
static const struct wished {
	const char *name;
	u32 nr_windows, take, nr_take;	/* blocks in use from @take on */
	u32 to;				/* blocks of the file */
	int err;
	struct gmfs_wish wish;
	struct gmfs_extent want[8];
} wishes[] = {
	{ "file larger than a window: whole PUDs in each", 2, 0, 0, 16, 0,
	  { { -1 }, 1, -1 }, { { 0, 4, 8 }, { 8, 16, 8 } } },
	{ "file of all windows: whole PUDs first", 2, 0, 0, 22, 0,
	  { { -1 }, 1, -1 }, { { 0, 4, 8 }, { 8, 16, 8 }, { 16, 1, 3 }, { 19, 13, 3 } } },
	{ "more than all windows have", 2, 0, 0, 23, -ENOSPC, { { -1 }, 1, -1 } },
	{ "preferred: there is room", 3, 0, 0, 6, 0,
	  { { 2 }, 1, -1 }, { { 0, 16, 6 } } },
	{ "preferred: then the allowed ones", 3, 0, 0, 14, 0,
	  { { 4 }, 1, -1 }, { { 0, 28, 8 }, { 8, 25, 3 }, { 11, 1, 3 } } },
	{ "preferred: full", 3, 13, 11, 4, 0,
	  { { 2 }, 1, 5 }, { { 0, 4, 4 } } },
	{ "preferred: then one that is allowed", 3, 13, 9, 4, 0,
	  { { 2 }, 1, 4 }, { { 0, 22, 2 }, { 2, 25, 2 } } },
	{ "preferred and allowed have too few", 3, 13, 9, 14, -ENOSPC, { { 2 }, 1, 4 } },
	{ "preferred and allowed have just enough", 3, 13, 9, 13, 0,
	  { { 2 }, 1, 4 }, { { 0, 22, 2 }, { 2, 25, 11 } } },
	{ "preferred: none of the windows that are there", 2, 0, 0, 2, 0,
	  { { 0 }, 1, -1 }, { { 0, 1, 2 } } },
	{ "bind: one window", 3, 0, 0, 11, 0,
	  { { 2 }, 1, 2 }, { { 0, 13, 11 } } },
	{ "bind: one window has too few", 3, 0, 0, 12, -ENOSPC, { { 2 }, 1, 2 } },
	{ "bind: two windows", 3, 0, 0, 16, 0,
	  { { 5 }, 1, 5 }, { { 0, 4, 8 }, { 8, 28, 8 } } },
	{ "bind: two windows have too few", 3, 0, 0, 23, -ENOSPC, { { 5 }, 1, 5 } },
	{ "bind: none", 2, 0, 0, 1, -ENOSPC, { { 0 }, 1, 0 } },
	{ "turns: two windows", 2, 0, 0, 5, 0, { { 1, 2 }, 2, -1 },
	  { { 0, 1, 1 }, { 1, 13, 1 }, { 2, 2, 1 }, { 3, 14, 1 }, { 4, 3, 1 } } },
	{ "turns: the other one first", 2, 0, 0, 3, 0, { { 2, 1 }, 2, -1 },
	  { { 0, 13, 1 }, { 1, 1, 1 }, { 2, 14, 1 } } },
	{ "turns: three windows, weighted", 3, 0, 0, 5, 0, { { 1, 1, 4 }, 3, -1 },
	  { { 0, 1, 2 }, { 2, 25, 1 }, { 3, 3, 2 } } },
	{ "turns: one is full", 3, 13, 11, 4, 0, { { 1, 2 }, 2, 4 },
	  { { 0, 1, 1 }, { 1, 25, 1 }, { 2, 2, 1 }, { 3, 26, 1 } } },
	{ "turns: one gets full", 2, 13, 10, 5, 0, { { 1, 2 }, 2, 3 },
	  { { 0, 1, 1 }, { 1, 23, 1 }, { 2, 2, 3 } } },
	{ "turns: too few in all", 3, 0, 0, 23, -ENOSPC, { { 1, 2 }, 2, 3 } },
};

static void wish(const void *arg)
{
	const struct wished *w = arg;
	struct gmfs_extents x = { 0 };
	struct gmfs_blocks b;
	struct gmfs_fill f;
	u32 before;

	pool(&b, w->nr_windows);
	if (w->nr_take)
		expect_eq(gmfs_blocks_take(&b, w->take, w->nr_take), 0);
	before = b.nr_free;
	if (w->err) {
		expect_eq(gmfs_fill_begin(&f, &b, &x, 0, w->to, &w->wish), w->err);
		expect_eq(f.left, 0);
		expect_eq(fill_some(&f, &b, -1), 0);
		gmfs_fill_undo(&f, &b);
		expect_eq(b.nr_free, before);
	} else {
		fill_as(&b, &x, 0, w->to, &w->wish);
		expect_extents(&x, w->want);
		expect_eq(b.nr_free, before - w->to);
	}
	expect_eq(b.nr_reserved, 0);
	gmfs_extents_destroy(&x);
	gmfs_blocks_destroy(&b);
}

/* The blocks that a fill is bound to are gone when its second step comes. */
static void bound_and_late(const void *arg)
{
	static const struct gmfs_wish bind = { .turns = { 1 }, .nr_turns = 1, .allowed = 1 };
	struct gmfs_extents x = { 0 }, y = { 0 };
	struct gmfs_blocks b;
	struct gmfs_fill f;
	u32 free;

	comb(&b, 8192, 1);
	expect_eq(gmfs_blocks_add(&b, 8192, 0), 0);
	free = b.nr_free;
	expect_eq(gmfs_fill_begin(&f, &b, &x, 0, 3000, &bind), 0);
	expect_eq(fill_some(&f, &b, 1), 1);
	fill_as(&b, &y, 0, 2000, &bind);
	expect_eq(fill_some(&f, &b, -1), -ENOSPC);
	expect_eq(b.nr_reserved, f.left);
	gmfs_fill_undo(&f, &b);
	gmfs_extents_destroy(&f.got);
	expect_eq(b.nr_free, free - 2000);
	expect_eq(gmfs_blocks_free_in(&b, 1), 4096 - 2000);
	expect_eq(b.nr_reserved, 0);
	gmfs_extents_destroy(&y);
	gmfs_blocks_destroy(&b);
}

/* Another window, with the free runs of comb(). */
static void add_comb(struct gmfs_blocks *b, u32 nr, u32 len)
{
	u32 i, start = b->nr;

	expect_eq(gmfs_blocks_add(b, nr, 0), 0);
	for (i = 0; i + len <= nr; i += 2 * len)
		expect_eq(gmfs_blocks_take(b, start + i, len), 0);
}

/* All of the preferred window, and then all of the others. */
static unsigned long preferred_cost(u32 nr)
{
	static const struct gmfs_wish second = {
		.turns = { 2 }, .nr_turns = 1, .allowed = GMFS_ALL_WINDOWS,
	};
	struct gmfs_extents x = { 0 };
	unsigned long spent;
	struct gmfs_blocks b;
	u32 i;

	comb(&b, nr, 1);
	add_comb(&b, nr, 1);
	add_comb(&b, nr, 1);
	spent = unit_spent;
	fill_as(&b, &x, 0, b.nr_free, &second);
	spent = unit_spent - spent;
	unit_info("one of 3 windows of %u blocks preferred: %lu steps", nr, spent);
	for (i = 0; i < x.nr; i++)
		expect_eq(gmfs_blocks_window(&b, x.e[i].start) == 1, i < nr / 2);
	gmfs_extents_destroy(&x);
	gmfs_blocks_destroy(&b);
	return spent;
}

static void preferred_linear(const void *arg)
{
	unsigned long small = preferred_cost(8192), large = preferred_cost(16384);

	expect(large <= 3 * small, "%lu steps, and %lu for twice as much", small, large);
	expect(large < 30 * 16384, "too many");
}

/* Blocks that were put one by one, in windows whose free runs have @len blocks. */
static unsigned long turns_cost(u32 nr, u32 len)
{
	static const struct gmfs_wish turns = {
		.turns = { 1, 2, 4, 8 }, .nr_turns = 4, .allowed = GMFS_ALL_WINDOWS,
	};
	struct gmfs_extents x = { 0 };
	unsigned long spent;
	struct gmfs_blocks b;
	u32 w, k, free, follow = 0;

	comb(&b, nr, len);
	for (w = 1; w < 4; w++)
		add_comb(&b, nr, len);
	free = b.nr_free;
	spent = unit_spent;
	fill_as(&b, &x, 0, free, &turns);
	spent = unit_spent - spent;
	unit_info("%u blocks in turns over 4 windows, in runs of %u: %lu steps", free, len, spent);
	expect_eq(b.nr_free, 0);
	expect_eq(x.nr, free);
	for (k = 0; k < free; k++) {
		expect_eq(gmfs_blocks_window(&b, x.e[k].start), k % 4);
		follow += k >= 4 && x.e[k].start == x.e[k - 4].start + 1;
	}
	expect(follow >= free / len * (len - 1), "%u of %u go on where the last turn was",
	       follow, free);
	gmfs_extents_destroy(&x);
	gmfs_blocks_destroy(&b);
	return spent;
}

static void turns_linear(const void *arg)
{
	unsigned long small = turns_cost(3 * 4096, 3), large = turns_cost(3 * 8192, 3);

	expect(large <= 3 * small, "%lu steps, and %lu for twice as much", small, large);
	turns_cost(8192, 1);
	turns_cost(8192, 4096);
}

/* What is allowed is looked at with as much care as what is preferred. */
static void careful_again(const void *arg)
{
	static const struct gmfs_wish first = {
		.turns = { 1 }, .nr_turns = 1, .allowed = GMFS_ALL_WINDOWS,
	};
	struct gmfs_extents x = { 0 };
	struct gmfs_blocks b;

	comb(&b, 8192, 1);
	expect_eq(gmfs_blocks_add(&b, 4096, 7), 0);
	expect_eq(gmfs_blocks_take(&b, 8192, HEAD), 0);
	fill_as(&b, &x, 0, 4096 + 1024, &first);
	expect_eq(x.nr, 4096 + 1);
	expect_eq(x.e[4096].at, 4096);
	expect_eq(x.e[4096].start, 8192 + 512 - 7);
	gmfs_extents_destroy(&x);
	gmfs_blocks_destroy(&b);
}

/* A run for all of a node's blocks, and the next fill goes on in it. */
static void turns_go_on(const void *arg)
{
	static const struct gmfs_wish turns = {
		.turns = { 1, 2 }, .nr_turns = 2, .allowed = GMFS_ALL_WINDOWS,
	};
	static const u32 ends[] = { 7, 8, 11, 40 };
	struct gmfs_extents x = { 0 };
	struct gmfs_blocks b;
	u32 i, from = 0;

	/* Both begin with short runs; the long one is from block 10 on. */
	expect_eq(gmfs_blocks_init(&b, 30, 512, 0), 0);
	expect_eq(gmfs_blocks_add(&b, 30, 0), 0);
	for (i = 0; i < 60; i += i % 30 == 9 ? 21 : 3)
		expect_eq(gmfs_blocks_take(&b, i, 1), 0);
	for (i = 0; i < ARRAY_SIZE(ends); from = ends[i++])
		fill_as(&b, &x, from, ends[i], &turns);
	for (i = 0; i < 40; i++)
		expect_eq(x.e[i].start, i % 2 * 30 + 10 + i / 2);
	gmfs_extents_destroy(&x);
	gmfs_blocks_destroy(&b);
}

enum { WINDOWS = 5 };

/* Windows of random sizes with some blocks in use. */
static void random_pool(struct gmfs_blocks *b, u32 nr_windows)
{
	u32 w, i, nr, first, len;

	for (w = 0; w < nr_windows; w++) {
		nr = 1 + rnd(NR / WINDOWS);
		first = rnd(100);
		expect_eq(w ? gmfs_blocks_add(b, nr, first) :
			      gmfs_blocks_init(b, nr, GROUP, first), 0);
		i = b->nr - nr;
		expect_eq(gmfs_blocks_take(b, i++, 1), 0);
		while (rnd(20) && (i += rnd(60)) < b->nr) {
			len = min(1 + rnd(5), b->nr - i);
			expect_eq(gmfs_blocks_take(b, i, len), 0);
			i += len;
		}
	}
}

static gmfs_windows_t set_of(const struct gmfs_wish *w, u32 at)
{
	return w->turns[at % w->nr_turns];
}

/*
 * Whether the file has the blocks that it shall have, after a fill of @from to @to:
 * wished ones as long as there are any, and allowed ones behind.
 */
static void check_wish(const struct gmfs_blocks *b, const struct gmfs_extents *got,
		       const struct gmfs_wish *w, const u32 *was_free)
{
	u32 left[WINDOWS], i, k, at, window, n;
	gmfs_windows_t set;

	memcpy(left, was_free, sizeof(left));
	for (i = 0; i < got->nr; i++) {
		for (k = 0; k < got->e[i].nr; k++) {
			at = got->e[i].at + k;
			window = gmfs_blocks_window(b, got->e[i].start + k);
			expect_eq(window, gmfs_blocks_window(b, got->e[i].start));
			set = set_of(w, at);
			for (n = 0; n < b->nr_windows; n++)
				if (set & 1ULL << n && left[n])
					break;
			if (n == b->nr_windows)
				set = w->allowed;
			expect(set & 1ULL << window, "block %u is in window %u", at, window);
			expect(left[window]--, "more than window %u had", window);
		}
	}
	for (n = 0; n < b->nr_windows; n++) {
		expect_eq(b->windows[n].nr_free, left[n]);
		expect_eq(gmfs_blocks_free_in(b, 1ULL << n), left[n]);
		for (i = k = 0; i < b->windows[n].nr; i++)
			k += !test_bit(b->windows[n].start + i, b->used);
		expect_eq(k, left[n]);
	}
}

static void random_wish(struct gmfs_wish *w, u32 nr_windows)
{
	u32 i;

	*w = (struct gmfs_wish){ .nr_turns = rnd(2) ? 1 : 1 + rnd(4) };
	for (i = 0; i < w->nr_turns; i++)
		w->turns[i] = rnd(1 << nr_windows);
	w->allowed = rnd(3) ? GMFS_ALL_WINDOWS : rnd(2) ? w->turns[0] : rnd(1 << nr_windows);
}

static void random_wishes(const void *arg)
{
	u32 round, k, i, n, from, to, need, any, full = 0, second = 0, late = 0;
	u32 was_free[WINDOWS];
	struct gmfs_extents x;
	struct gmfs_blocks b;
	struct gmfs_wish w;
	struct gmfs_fill f;
	int err;

	for (round = 0; round < 500; round++) {
		x = (struct gmfs_extents){ 0 };
		random_pool(&b, 1 + rnd(WINDOWS));
		for (k = 0; k < 10; k++) {
			random_wish(&w, b.nr_windows);
			from = rnd(500);
			to = from + rnd(rnd(2) ? 8 : 500);
			need = to - from - gmfs_extents_blocks(&x, from, to);
			for (n = 0, any = w.allowed; n < w.nr_turns; n++)
				any |= w.turns[n];
			any = gmfs_blocks_free_in(&b, any);
			for (n = 0; n < b.nr_windows; n++)
				was_free[n] = b.windows[n].nr_free;
			err = gmfs_fill_begin(&f, &b, &x, from, to, &w);
			expect_eq(err, need > any ? -ENOSPC : 0);
			full += !!err;
			expect_eq(b.nr_reserved, err ? 0 : need);
			err = fill_some(&f, &b, -1);
			check_wish(&b, &f.got, &w, was_free);
			second += need && b.nr_free && !gmfs_blocks_free_in(&b, w.turns[0]);
			if (err) {
				/* Some turn's windows are free, but it is not that one's turn. */
				expect(w.nr_turns > 1 && err == -ENOSPC, "%d", err);
				late++;
			}
			if (err || !rnd(4)) {
				gmfs_fill_undo(&f, &b);
				for (n = 0; n < b.nr_windows; n++)
					expect_eq(b.windows[n].nr_free, was_free[n]);
				gmfs_extents_destroy(&f.got);
			} else {
				finish(&f, &x);
			}
			expect_eq(b.nr_reserved, 0);
		}
		for (i = 0; i < x.nr; i++)
			gmfs_blocks_free(&b, x.e[i].start, x.e[i].nr);
		gmfs_extents_destroy(&x);
		gmfs_blocks_destroy(&b);
	}
	expect(full && second && late, "%u, %u and %u", full, second, late);
}

void fill_tests(void)
{
	unit_run("fill", "work grows with the pool, not with its square", linear, NULL);
	unit_run("fill", "many holes of one file", many_holes, NULL);
	unit_run("fill", "no more pieces than one by one", as_few_pieces, NULL);
	unit_run("fill", "random against a model", random_fills, NULL);
	unit_run("fill", "two at once get what they were promised", two_at_once, NULL);
	unit_run("fill", "undone", undone, NULL);
	run_table("fill", wish, wishes);
	unit_run("fill", "bound, and others were faster", bound_and_late, NULL);
	unit_run("fill", "preferred: work grows with the pool", preferred_linear, NULL);
	unit_run("fill", "turns: work grows with the pool", turns_linear, NULL);
	unit_run("fill", "preferred: then as careful again", careful_again, NULL);
	unit_run("fill", "turns: go on in the run of the turn before", turns_go_on, NULL);
	unit_run("fill", "random wishes and windows", random_wishes, NULL);
}
