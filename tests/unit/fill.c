// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bitmap.h>
#include <linux/errno.h>
#include <linux/slab.h>

#include "fill.h"
#include "unit.h"

/* As gmfs_region_alloc() does it, but that it may stop after @steps. */
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

static void fill(struct gmfs_blocks *b, struct gmfs_extents *x, u32 from, u32 to)
{
	struct gmfs_fill f;

	expect_eq(gmfs_fill_begin(&f, b, x, from, to), 0);
	expect_eq(fill_some(&f, b, -1), 0);
	expect_eq(f.left, 0);
	finish(&f, x);
	expect_eq(gmfs_extents_blocks(x, from, to), to - from);
}

/* A region whose free runs have @len blocks, with as much in use between them. */
static void comb(struct gmfs_blocks *b, u32 nr, u32 len)
{
	u32 i;

	expect_eq(gmfs_blocks_init(b, nr, 512, 0), 0);
	for (i = 0; i + len <= nr; i += 2 * len)
		expect_eq(gmfs_blocks_take(b, i, len), 0);
}

/* Steps that it takes to give one file all of a region of every second block. */
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

/* A file of holes, in a region that has no run as short as a hole. */
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

static void copy(struct gmfs_blocks *to, const struct gmfs_blocks *from)
{
	expect_eq(gmfs_blocks_init(to, NR, GROUP, 0), 0);
	memcpy(to->used, from->used, BITS_TO_LONGS(NR) * sizeof(long));
	to->nr_free = from->nr_free;
}

/* Free runs of random lengths, short ones mostly. */
static void random_region(struct gmfs_blocks *b)
{
	u32 i, len, most = rnd(2) ? 4 : 40;

	expect_eq(gmfs_blocks_init(b, NR, GROUP, 0), 0);
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
		len = gmfs_blocks_alloc(b, want - at, at, goal, &start);
	return pieces;
}

static void as_few_pieces(const void *arg)
{
	struct gmfs_blocks b, one;
	struct gmfs_extents x;
	u32 round, want, pieces, most = 0;

	for (round = 0; round < 500; round++) {
		x = (struct gmfs_extents){ 0 };
		random_region(&b);
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

/* Every block of the region is one file's at most, and what was there stays. */
static void random_fills(const void *arg)
{
	struct gmfs_extents x, old;
	u32 round, k, i, from, to, need, used;
	struct gmfs_blocks b, before;
	unsigned long *seen;

	for (round = 0; round < 300; round++) {
		x = (struct gmfs_extents){ 0 };
		random_region(&b);
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
	expect_eq(gmfs_fill_begin(&fx, &b, &x, 0, half), 0);
	expect_eq(gmfs_fill_begin(&fy, &b, &y, 0, half), 0);
	expect_eq(gmfs_fill_begin(&fz, &b, &x, 0, 1), -ENOSPC);
	expect_eq(fz.left, 0);
	expect_eq(fill_some(&fx, &b, 1), 1);
	expect_eq(gmfs_fill_begin(&fz, &b, &x, 0, 1), -ENOSPC);
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
	expect_eq(gmfs_fill_begin(&f, &b, &x, 0, 20000), 0);
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

void fill_tests(void)
{
	unit_run("fill", "work grows with the region, not with its square", linear, NULL);
	unit_run("fill", "many holes of one file", many_holes, NULL);
	unit_run("fill", "no more pieces than one by one", as_few_pieces, NULL);
	unit_run("fill", "random against a model", random_fills, NULL);
	unit_run("fill", "two at once get what they were promised", two_at_once, NULL);
	unit_run("fill", "undone", undone, NULL);
}
