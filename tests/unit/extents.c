// SPDX-License-Identifier: GPL-2.0-only
#include <linux/errno.h>
#include <linux/slab.h>

#include "extents.h"
#include "unit.h"

#define E(...)	(struct gmfs_extent){ __VA_ARGS__ }

/* Exactly the room that callers are told to reserve, so that more is noticed. */
static void room(struct gmfs_extents *x, u32 more)
{
	x->max = 0;
	if (x->nr + more)
		expect_eq(gmfs_extents_reserve(x, more), 0);
	expect_eq(x->max, x->nr + more);
}

static void insert(struct gmfs_extents *x, struct gmfs_extent e)
{
	room(x, 1);
	gmfs_extents_insert(x, e);
}

static void expect_extents(const struct gmfs_extents *x,
			   const struct gmfs_extent *want, u32 nr)
{
	u32 i;

	expect_eq(x->nr, nr);
	for (i = 0; i < nr; i++)
		expect(!memcmp(&x->e[i], &want[i], sizeof(*want)),
		       "extent %u is %u,%u,%u", i, x->e[i].at, x->e[i].start,
		       x->e[i].nr);
}

static const struct filled {
	const char *name;
	struct gmfs_extent add;
	u32 nr;
	struct gmfs_extent want[3];
} inserts[] = {
	{ "insert before", { 0, 90, 2 }, 3, { { 0, 90, 2 }, { 10, 100, 5 }, { 20, 110, 5 } } },
	{ "insert after", { 30, 90, 2 }, 3, { { 10, 100, 5 }, { 20, 110, 5 }, { 30, 90, 2 } } },
	{ "insert between", { 16, 90, 2 }, 3, { { 10, 100, 5 }, { 16, 90, 2 }, { 20, 110, 5 } } },
	{ "insert joins the one before", { 15, 105, 2 }, 2, { { 10, 100, 7 }, { 20, 110, 5 } } },
	{ "insert joins the one after", { 18, 108, 2 }, 2, { { 10, 100, 5 }, { 18, 108, 7 } } },
	{ "insert joins both", { 15, 105, 5 }, 1, { { 10, 100, 15 } } },
	{ "insert joins the first", { 8, 98, 2 }, 2, { { 8, 98, 7 }, { 20, 110, 5 } } },
	{ "insert joins the last", { 25, 115, 2 }, 2, { { 10, 100, 5 }, { 20, 110, 7 } } },
	{ "neighbour in the file alone", { 15, 90, 5 }, 3,
	  { { 10, 100, 5 }, { 15, 90, 5 }, { 20, 110, 5 } } },
	{ "neighbour in the pool alone", { 16, 105, 2 }, 3,
	  { { 10, 100, 5 }, { 16, 105, 2 }, { 20, 110, 5 } } },
};

static void insert_one(const void *arg)
{
	const struct filled *f = arg;
	struct gmfs_extents x = { 0 };

	insert(&x, E(20, 110, 5));
	insert(&x, E(10, 100, 5));
	insert(&x, f->add);
	expect_extents(&x, f->want, f->nr);
	gmfs_extents_destroy(&x);
	expect(!x.e && !x.nr && !x.max, "not destroyed");
}

static const struct cut {
	const char *name;
	u32 from, to, blocks;
	u32 nr;
	struct gmfs_extent want[3];
} cuts[] = {
	{ "cut a hole", 15, 20, 0, 2, { { 10, 100, 5 }, { 20, 200, 5 } } },
	{ "cut before all", 0, 10, 0, 2, { { 10, 100, 5 }, { 20, 200, 5 } } },
	{ "cut behind all", 25, U32_MAX, 0, 2, { { 10, 100, 5 }, { 20, 200, 5 } } },
	{ "cut the middle: split", 11, 13, 2, 3,
	  { { 10, 100, 1 }, { 13, 103, 2 }, { 20, 200, 5 } } },
	{ "cut the middle of the last", 22, 23, 1, 3,
	  { { 10, 100, 5 }, { 20, 200, 2 }, { 23, 203, 2 } } },
	{ "cut a head", 5, 12, 2, 2, { { 12, 102, 3 }, { 20, 200, 5 } } },
	{ "cut a tail", 13, 18, 2, 2, { { 10, 100, 3 }, { 20, 200, 5 } } },
	{ "cut one whole", 10, 15, 5, 1, { { 20, 200, 5 } } },
	{ "cut across both", 12, 22, 5, 2, { { 10, 100, 2 }, { 22, 202, 3 } } },
	{ "cut from the end", 21, U32_MAX, 4, 2, { { 10, 100, 5 }, { 20, 200, 1 } } },
	{ "cut all", 0, U32_MAX, 10, 0, { { 0 } } },
};

static u32 cut_all(struct gmfs_extents *x, u32 from, u32 to)
{
	u32 blocks = 0, next = from, i;
	struct gmfs_extent c;

	room(x, 1);
	for (i = gmfs_extents_find(x, from); gmfs_extents_part(x, i, from, to, &c); i++) {
		expect(c.nr && c.at >= next && c.at + c.nr <= to,
		       "%u+%u is not the first of %u to %u", c.at, c.nr, next, to);
		next = c.at + c.nr;
		blocks += c.nr;
	}
	gmfs_extents_remove(x, from, to);
	expect(x->nr <= x->max, "%u of %u", x->nr, x->max);
	expect_eq(gmfs_extents_blocks(x, from, to), 0);
	return blocks;
}

static void cut(const void *arg)
{
	struct gmfs_extents x = { 0 };
	const struct cut *c = arg;

	insert(&x, E(10, 100, 5));
	insert(&x, E(20, 200, 5));
	expect_eq(gmfs_extents_blocks(&x, c->from, c->to), c->blocks);
	expect_eq(cut_all(&x, c->from, c->to), c->blocks);
	expect_extents(&x, c->want, c->nr);
	gmfs_extents_destroy(&x);
}

static void reserve(const void *arg)
{
	struct gmfs_extents x = { 0 };
	struct gmfs_extent *e;
	u32 i, moved = 0;

	unit_allocations = 0;
	expect_eq(gmfs_extents_reserve(&x, 1), -ENOMEM);
	expect(!x.e && !x.max, "changed on failure");
	unit_allocations = -1;
	for (i = 0; i < 10000; i++) {
		e = x.e;
		expect_eq(gmfs_extents_reserve(&x, 2), 0);
		expect(x.max >= x.nr + 2, "%u of %u", x.nr, x.max);
		moved += x.e != e;
		gmfs_extents_insert(&x, E(2 * i, 3 * i, 1));
	}
	expect(moved < 50, "grown %u times", moved);
	e = x.e;
	unit_allocations = 0;
	expect_eq(gmfs_extents_reserve(&x, x.max), -ENOMEM);
	expect(x.e == e && x.nr == 10000, "changed on failure");
	gmfs_extents_destroy(&x);
}

enum { BLOCKS = 120, HOLE = -1 };

static void same_as_model(const struct gmfs_extents *x, const int *model)
{
	u32 at, i, e, nr = 0, from, to;

	for (i = 0; i < x->nr; i++) {
		expect(x->e[i].nr, "empty extent %u", i);
		if (!i)
			continue;
		e = x->e[i - 1].at + x->e[i - 1].nr;
		expect(e < x->e[i].at || (e == x->e[i].at &&
		       x->e[i - 1].start + x->e[i - 1].nr != x->e[i].start),
		       "extents %u and %u", i - 1, i);
	}
	for (at = 0; at < BLOCKS; at++) {
		i = gmfs_extents_find(x, at);
		expect(i == x->nr || at < x->e[i].at + x->e[i].nr, "at %u", at);
		expect(!i || at >= x->e[i - 1].at + x->e[i - 1].nr, "at %u", at);
		if (model[at] == HOLE)
			expect(i == x->nr || x->e[i].at > at, "hole %u", at);
		else
			expect(i < x->nr && x->e[i].at <= at &&
			       x->e[i].start + at - x->e[i].at == model[at],
			       "block %u", at);
	}
	expect_eq(gmfs_extents_blocks(x, 0, BLOCKS), x->blocks);
	from = rnd(BLOCKS);
	to = from + rnd(BLOCKS - from + 1);
	for (at = from; at < to; at++)
		nr += model[at] != HOLE;
	expect_eq(gmfs_extents_blocks(x, from, to), nr);
}

static void random_model(const void *arg)
{
	u32 step, from, to, i, start, nr, most = 0;
	struct gmfs_extents x = { 0 };
	int model[BLOCKS];

	memset(model, HOLE, sizeof(model));
	for (step = 0; step < 20000; step++) {
		from = rnd(BLOCKS);
		to = from + 1 + rnd(min(BLOCKS - from, 1 + rnd(40)));
		if (rnd(3)) {
			for (i = from; i < to && model[i] == HOLE; i++)
				;
			if (i == from)
				continue;
			/* Half of them such that they join their neighbours. */
			start = rnd(2) ? 1000 + from : rnd(500);
			insert(&x, E(from, start, i - from));
			for (; i-- > from;)
				model[i] = start + i - from;
		} else {
			for (i = from, nr = 0; i < to; i++) {
				nr += model[i] != HOLE;
				model[i] = HOLE;
			}
			expect_eq(cut_all(&x, from, to), nr);
		}
		most = max(most, x.nr);
		same_as_model(&x, model);
	}
	expect(most > 20, "at most %u extents", most);
	gmfs_extents_destroy(&x);
}

/* Extents of one block each, from @first on, every second block of the file. */
static void every_second(struct gmfs_extents *x, u32 first, u32 nr)
{
	u32 i;

	for (i = 0; i < nr; i++) {
		expect_eq(gmfs_extents_reserve(x, 1), 0);
		gmfs_extents_insert(x, E(first + 2 * i, 2 * first + 4 * i, 1));
	}
	expect_eq(x->nr, nr);
}

/* Bytes moved are counted: no more than a few for each that is there. */
static void many(const void *arg)
{
	const u32 nr = 262144, bytes = nr * sizeof(struct gmfs_extent);
	struct gmfs_extents x = { 0 }, more = { 0 };
	double start = now_ms();
	u32 i;

	every_second(&x, 0, nr);
	every_second(&more, 1, nr);
	expect_eq(gmfs_extents_reserve(&x, more.nr), 0);
	unit_spent = 0;
	unit_budget = 8UL * bytes;
	gmfs_extents_merge(&x, &more);
	expect_eq(x.nr, 2 * nr);
	expect_eq(x.blocks, 2 * nr);
	for (i = 0; i < 2 * nr; i++)
		expect_eq(x.e[i].at, i);
	/* Out of the middle, then all. */
	expect_eq(cut_all(&x, 10, 10 + nr), nr);
	expect_eq(x.nr, nr);
	expect_eq(cut_all(&x, 0, U32_MAX), nr);
	expect_eq(x.nr, 0);
	unit_info("%u extents merged with %u and cut to nothing: %lu bytes moved, %.0f ms",
		  nr, nr, unit_spent, now_ms() - start);
	gmfs_extents_destroy(&more);
	gmfs_extents_destroy(&x);
}

static void merge_joins(const void *arg)
{
	struct gmfs_extents x = { 0 }, more = { 0 };

	insert(&x, E(10, 100, 5));
	insert(&x, E(20, 110, 5));
	insert(&more, E(5, 95, 5));
	insert(&more, E(15, 105, 5));
	insert(&more, E(25, 200, 5));
	room(&x, more.nr);
	gmfs_extents_merge(&x, &more);
	expect_extents(&x, (const struct gmfs_extent[]){ { 5, 95, 20 }, { 25, 200, 5 } }, 2);
	expect_eq(x.blocks, 25);
	gmfs_extents_destroy(&x);
	gmfs_extents_merge(&x, &x);
	expect_eq(x.nr, 0);
	room(&x, more.nr);
	gmfs_extents_merge(&x, &more);
	expect_extents(&x, more.e, 3);
	gmfs_extents_destroy(&more);
	gmfs_extents_destroy(&x);
}

static void merge_random(const void *arg)
{
	struct gmfs_extents x, more, want;
	u32 round, at, len, start;

	for (round = 0; round < 2000; round++) {
		x = more = want = (struct gmfs_extents){ 0 };
		for (at = rnd(3); at < BLOCKS; at += len + rnd(3)) {
			len = 1 + rnd(5);
			start = rnd(2) ? 1000 + at : rnd(500);
			insert(rnd(2) ? &x : &more, E(at, start, len));
			insert(&want, E(at, start, len));
		}
		room(&x, more.nr);
		gmfs_extents_merge(&x, &more);
		expect_extents(&x, want.e, want.nr);
		expect_eq(x.blocks, want.blocks);
		gmfs_extents_destroy(&x);
		gmfs_extents_destroy(&more);
		gmfs_extents_destroy(&want);
	}
}

/* A file of 10 blocks at 100, a hole, 10 blocks at 200 and at once 10 at 300. */
static const struct replaced {
	const char *name;
	struct gmfs_extent with[4], want[8];	/* up to one of no blocks */
} replaces[] = {
	{ "replace nothing", { { 0 } }, { { 0, 100, 10 }, { 20, 200, 10 }, { 30, 300, 10 } } },
	{ "replace one whole", { { 0, 500, 10 } },
	  { { 0, 500, 10 }, { 20, 200, 10 }, { 30, 300, 10 } } },
	{ "replace a head", { { 0, 500, 3 } },
	  { { 0, 500, 3 }, { 3, 103, 7 }, { 20, 200, 10 }, { 30, 300, 10 } } },
	{ "replace a tail", { { 36, 500, 4 } },
	  { { 0, 100, 10 }, { 20, 200, 10 }, { 30, 300, 6 }, { 36, 500, 4 } } },
	{ "replace the middle", { { 4, 500, 2 } },
	  { { 0, 100, 4 }, { 4, 500, 2 }, { 6, 106, 4 }, { 20, 200, 10 }, { 30, 300, 10 } } },
	{ "replace across two", { { 25, 500, 10 } },
	  { { 0, 100, 10 }, { 20, 200, 5 }, { 25, 500, 10 }, { 35, 305, 5 } } },
	{ "replace two whole by one", { { 20, 500, 20 } }, { { 0, 100, 10 }, { 20, 500, 20 } } },
	{ "replace one twice", { { 2, 500, 2 }, { 6, 600, 2 } },
	  { { 0, 100, 2 }, { 2, 500, 2 }, { 4, 104, 2 }, { 6, 600, 2 }, { 8, 108, 2 },
	    { 20, 200, 10 }, { 30, 300, 10 } } },
	{ "replace all", { { 0, 500, 10 }, { 20, 600, 20 } }, { { 0, 500, 10 }, { 20, 600, 20 } } },
	{ "replace joins the one before", { { 30, 210, 4 } },
	  { { 0, 100, 10 }, { 20, 200, 14 }, { 34, 304, 6 } } },
	{ "replace joins the one after", { { 26, 296, 4 } },
	  { { 0, 100, 10 }, { 20, 200, 6 }, { 26, 296, 14 } } },
	{ "replace joins both", { { 20, 290, 4 }, { 24, 294, 6 } },
	  { { 0, 100, 10 }, { 20, 290, 20 } } },
	{ "replace with the same", { { 5, 105, 2 } },
	  { { 0, 100, 10 }, { 20, 200, 10 }, { 30, 300, 10 } } },
};

/* As many as there are up to one of no blocks. */
static void extents_of(struct gmfs_extents *x, const struct gmfs_extent *e)
{
	for (; e->nr; e++)
		insert(x, *e);
}

static void replace(const void *arg)
{
	struct gmfs_extents x = { 0 }, with = { 0 }, want = { 0 };
	const struct replaced *r = arg;
	u32 i;

	insert(&x, E(0, 100, 10));
	insert(&x, E(20, 200, 10));
	insert(&x, E(30, 300, 10));
	for (i = 0; r->with[i].nr; i++)
		;
	expect_eq(gmfs_extents_reserve(&with, i + 1), 0);
	/* Not joined, as a caller may have them. */
	for (with.nr = 0; r->with[with.nr].nr; with.nr++) {
		with.e[with.nr] = r->with[with.nr];
		with.blocks += with.e[with.nr].nr;
	}
	extents_of(&want, r->want);
	room(&x, 2 * with.nr);
	unit_allocations = 0;
	gmfs_extents_replace(&x, &with);
	unit_allocations = -1;
	expect_extents(&x, r->want, want.nr);
	expect_eq(x.blocks, 30);
	gmfs_extents_destroy(&want);
	gmfs_extents_destroy(&with);
	gmfs_extents_destroy(&x);
}

static void replace_random(const void *arg)
{
	u32 round, at, len, start, i, most = 0;
	struct gmfs_extents x, with;
	int model[BLOCKS];

	for (round = 0; round < 5000; round++) {
		x = with = (struct gmfs_extents){ 0 };
		memset(model, HOLE, sizeof(model));
		for (at = rnd(3); at < BLOCKS; at += len + rnd(2)) {
			len = min(1 + rnd(rnd(2) ? 3 : 20), BLOCKS - at);
			start = rnd(2) ? 1000 + at : rnd(500);
			insert(&x, E(at, start, len));
			for (i = 0; i < len; i++)
				model[at + i] = start + i;
		}
		for (at = rnd(5); at < BLOCKS; at += len + 1 + rnd(rnd(2) ? 3 : 30)) {
			len = 1 + rnd(rnd(2) ? 3 : 20);
			start = rnd(2) ? 1000 + at : 2000 + rnd(500);
			for (i = 0; i < len && at + i < BLOCKS && model[at + i] != HOLE; i++)
				model[at + i] = start + i;
			if (i)
				insert(&with, E(at, start, i));
		}
		at = x.blocks;
		room(&x, 2 * with.nr);
		gmfs_extents_replace(&x, &with);
		expect(x.nr <= x.max, "%u of %u", x.nr, x.max);
		expect_eq(x.blocks, at);
		same_as_model(&x, model);
		most = max(most, x.nr);
		gmfs_extents_destroy(&with);
		gmfs_extents_destroy(&x);
	}
	expect(most > 30, "at most %u extents", most);
}

/* Every second block of a file of one extent: the room is used up. */
static void replace_many(const void *arg)
{
	const u32 nr = 100000;
	struct gmfs_extents x = { 0 }, with = { 0 };

	insert(&x, E(0, 1000000, 2 * nr + 1));
	every_second(&with, 1, nr);
	room(&x, 2 * nr);
	unit_spent = 0;
	unit_budget = 4UL * nr * sizeof(struct gmfs_extent);
	gmfs_extents_replace(&x, &with);
	expect_eq(x.nr, 2 * nr + 1);
	/* And back, when there are many of both. */
	gmfs_extents_destroy(&with);
	insert(&with, E(0, 1000000, 2 * nr + 1));
	room(&x, 2);
	gmfs_extents_replace(&x, &with);
	expect_eq(x.nr, 1);
	expect_eq(x.blocks, 2 * nr + 1);
	gmfs_extents_destroy(&with);
	gmfs_extents_destroy(&x);
}

static void trim(const void *arg)
{
	struct gmfs_extents x = { 0 };
	struct gmfs_extent *e;

	every_second(&x, 0, 1000);
	e = x.e;
	gmfs_extents_remove(&x, 600, U32_MAX);
	gmfs_extents_trim(&x);
	expect(x.e == e, "trimmed with much in use");
	gmfs_extents_remove(&x, 20, U32_MAX);
	unit_allocations = 0;
	gmfs_extents_trim(&x);
	expect(x.e == e && x.nr == 10, "changed without memory");
	unit_allocations = -1;
	gmfs_extents_trim(&x);
	expect_eq(x.max, 10);
	expect_eq(x.e[9].at, 18);
	gmfs_extents_remove(&x, 0, U32_MAX);
	unit_allocations = 0;
	gmfs_extents_trim(&x);
	expect(!x.e && !x.max, "not given back");
}

void extents_tests(void)
{
	run_table("extents", insert_one, inserts);
	run_table("extents", cut, cuts);
	unit_run("extents", "reserve", reserve, NULL);
	unit_run("extents", "random against a model", random_model, NULL);
	unit_run("extents", "merge joins neighbours", merge_joins, NULL);
	unit_run("extents", "random merges", merge_random, NULL);
	run_table("extents", replace, replaces);
	unit_run("extents", "random replacements", replace_random, NULL);
	unit_run("extents", "100000 replacements", replace_many, NULL);
	unit_run("extents", "room is given back", trim, NULL);
	unit_run("extents", "262144 extents merged with as many and cut to nothing", many, NULL);
}
