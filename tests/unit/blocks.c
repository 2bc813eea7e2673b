// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bitmap.h>
#include <linux/errno.h>
#include <linux/slab.h>

#include "blocks.h"
#include "unit.h"

/* Free blocks by a count of its own, checked after every step. */
static void check_count(const struct gmfs_blocks *b)
{
	u32 i, nr = 0;

	for (i = 0; i < b->nr; i++)
		nr += !test_bit(i, b->used);
	expect_eq(b->nr_free, nr);
}

/* A region drawn as text: '.' is free, anything else in use. */
static void draw(struct gmfs_blocks *b, const char *map, u32 group, u32 first)
{
	u32 i;

	expect_eq(gmfs_blocks_init(b, strlen(map), group, first), 0);
	for (i = 0; map[i]; i++)
		if (map[i] != '.')
			expect_eq(gmfs_blocks_take(b, i, 1), 0);
	check_count(b);
}

static const struct placement {
	const char *name, *map;
	u32 first, want, at, goal;	/* the PUD has 4 blocks */
	u32 start, len;
} placements[] = {
	{ "file of a group, region aligned", "............", 0, 4, 0, -1, 0, 4 },
	{ "file of a group, region begins 1 in", "............", 1, 4, 0, -1, 3, 4 },
	{ "file of a group, region begins 3 in", "............", 3, 4, 0, -1, 1, 4 },
	{ "region begins whole groups later", "............", 9, 4, 0, -1, 3, 4 },
	{ "in the middle of a file", "............", 1, 4, 2, -1, 1, 4 },
	{ "far in a file", "............", 1, 4, 4003, -1, 2, 4 },
	{ "around what is in use", "#...........", 0, 4, 0, -1, 4, 4 },
	{ "two groups", "..#..........", 0, 8, 0, -1, 4, 8 },
	{ "tightest aligned run", "........#...#....#", 0, 4, 0, -1, 0, 4 },
	{ "tightest aligned run is later", "............#..#....#", 0, 4, 0, -1, 16, 4 },
	{ "not aligned if nothing is", ".#.....#", 0, 4, 0, -1, 2, 4 },
	{ "aligned but too short there", ".#......#", 0, 5, 0, -1, 2, 5 },
	{ "small file: tightest run", "....#..#...", 0, 2, 0, -1, 5, 2 },
	{ "small file: first of equals", "#..#..#", 0, 2, 0, -1, 1, 2 },
	{ "small file: end of the region", "....#..", 0, 2, 0, -1, 5, 2 },
	{ "small file: alignment is no matter", "#..........", 0, 3, 0, -1, 1, 3 },
	{ "goal", "............", 0, 4, 4, 5, 5, 4 },
	{ "goal, shorter than wanted", "#...#.......", 0, 4, 4, 2, 2, 2 },
	{ "goal, last block", "............", 0, 4, 4, 11, 11, 1 },
	{ "goal in use", "......#.....", 0, 2, 4, 6, 7, 2 },
	{ "goal behind the region", "............", 0, 4, 0, 12, 0, 4 },
	{ "longest if none is long enough", "..#...#..", 0, 6, 0, -1, 3, 3 },
	{ "longest at the end", "..#..#...", 0, 6, 0, -1, 6, 3 },
	{ "all of it", "............", 1, 12, 0, -1, 0, 12 },
	{ "more than all of it", "............", 1, 99, 0, -1, 0, 12 },
	{ "full", "####", 0, 1, 0, -1, 77, 0 },
	{ "full, with a goal", "####", 0, 1, 0, 1, 77, 0 },
	{ "one block of one", ".", 0, 1, 0, -1, 0, 1 },
};

static void placement(const void *arg)
{
	const struct placement *p = arg;
	struct gmfs_blocks b;
	u32 start = 77, before, len;

	draw(&b, p->map, 4, p->first);
	before = b.nr_free;
	len = gmfs_blocks_alloc(&b, p->want, p->at, p->goal, &start);
	expect_eq(len, p->len);
	expect_eq(start, p->start);
	expect_eq(b.nr_free, before - len);
	check_count(&b);
	gmfs_blocks_destroy(&b);
}

static const struct take {
	const char *name;
	u32 start, nr;
	int err;
} takes[] = {
	{ "take what is free", 0, 2, 0 },
	{ "take up to the end", 6, 2, 0 },
	{ "take nothing", 0, 0, -ERANGE },
	{ "take from behind the end", 8, 1, -ERANGE },
	{ "take beyond the end", 7, 2, -ERANGE },
	{ "take so much that the sum wraps", 4, -2, -ERANGE },
	{ "take what is in use", 2, 1, -EEXIST },
	{ "take what begins in use", 3, 2, -EEXIST },
	{ "take what ends in use", 1, 2, -EEXIST },
	{ "take around what is in use", 0, 8, -EEXIST },
};

static void take(const void *arg)
{
	const struct take *t = arg;
	unsigned long used;
	struct gmfs_blocks b;

	draw(&b, "..##....", 4, 0);
	used = b.used[0];
	expect_eq(gmfs_blocks_take(&b, t->start, t->nr), t->err);
	if (t->err)
		expect(b.used[0] == used, "it was changed");
	expect_eq(b.nr_free, t->err ? 6 : 6 - t->nr);
	check_count(&b);
	gmfs_blocks_destroy(&b);
}

static void every_second(const void *arg)
{
	const u32 nr = 4099;
	u32 i, start, got = 0;
	struct gmfs_blocks b;

	expect_eq(gmfs_blocks_init(&b, nr, 512, 100), 0);
	for (i = 0; i < nr; i += 2)
		expect_eq(gmfs_blocks_take(&b, i, 1), 0);
	expect_eq(gmfs_blocks_largest(&b), 1);
	while (gmfs_blocks_alloc(&b, 512, got, GMFS_NO_GOAL, &start)) {
		expect_eq(start, 2 * got + 1);
		got++;
	}
	expect_eq(got, nr / 2);
	expect_eq(b.nr_free, 0);
	expect_eq(gmfs_blocks_largest(&b), 0);
	gmfs_blocks_free(&b, 64, 65);
	expect_eq(gmfs_blocks_largest(&b), 65);
	check_count(&b);
	gmfs_blocks_reset(&b);
	expect_eq(b.nr_free, nr);
	expect_eq(gmfs_blocks_largest(&b), nr);
	gmfs_blocks_destroy(&b);
}

static void no_memory(const void *arg)
{
	struct gmfs_blocks b = { 0 };

	unit_allocations = 0;
	expect_eq(gmfs_blocks_init(&b, 100, 4, 0), -ENOMEM);
}

enum { MODEL = 300, GROUP = 16 };

/* The shortest free run of at least @want, or with room for it aligned. */
static u32 shortest(const bool *model, u32 want, u32 first, int at)
{
	u32 i, j, k, best = U32_MAX;

	for (i = 0; i < MODEL; i = j + 1) {
		for (j = i; j < MODEL && !model[j]; j++)
			;
		for (k = i; k + want <= j; k++)
			if (at < 0 || (first + k) % GROUP == at % GROUP)
				best = min(best, j - i);
	}
	return best;
}

/* The run that [start, start + len) was cut from. */
static u32 run_around(const bool *model, u32 start)
{
	u32 from = start, to = start;

	while (from && !model[from - 1])
		from--;
	while (to < MODEL && !model[to])
		to++;
	return to - from;
}

static void model_alloc(struct gmfs_blocks *b, bool *model, u32 *longest)
{
	u32 want = 1 + rnd(rnd(2) ? 6 : 60), at = rnd(1000), goal = GMFS_NO_GOAL;
	u32 start = 0, len, i, any, aligned;

	if (!rnd(3))
		goal = rnd(MODEL + 10);
	any = shortest(model, want, b->first, -1);
	aligned = shortest(model, want, b->first, at);
	*longest = gmfs_blocks_largest(b);
	len = gmfs_blocks_alloc(b, want, at, goal, &start);
	expect(len <= want && start + len <= MODEL, "%u+%u", start, len);
	for (i = start; i < start + len; i++)
		expect(!model[i], "block %u is in use", i);
	if (goal < MODEL && !model[goal]) {
		expect_eq(start, goal);
		expect(len == want || start + len == MODEL || model[start + len],
		       "it stopped early");
	} else if (want >= GROUP && aligned != U32_MAX) {
		expect_eq(len, want);
		expect_eq((b->first + start) % GROUP, at % GROUP);
		expect_eq(run_around(model, start), aligned);
	} else if (any != U32_MAX) {
		expect_eq(len, want);
		expect_eq(run_around(model, start), any);
	} else {
		expect_eq(len, *longest);
	}
	for (i = start; i < start + len; i++)
		model[i] = true;
}

static void random_model(const void *arg)
{
	bool model[MODEL] = { 0 };
	u32 step, i, nr, longest, full = 0, short_runs = 0;
	struct gmfs_blocks b;

	expect_eq(gmfs_blocks_init(&b, MODEL, GROUP, rnd(100)), 0);
	for (step = 0; step < 20000; step++) {
		if (rnd(100) < 45) {
			model_alloc(&b, model, &longest);
			full += !b.nr_free;
			short_runs += longest < 4;
		} else {
			i = rnd(MODEL);
			for (nr = 0; i + nr < MODEL && model[i + nr] && nr < 20;)
				model[i + nr++] = false;
			if (nr)
				gmfs_blocks_free(&b, i, nr);
		}
		check_count(&b);
		for (i = 0; i < MODEL; i++)
			expect_eq(!!test_bit(i, b.used), model[i]);
	}
	expect(short_runs, "the region never was fragmented");
	gmfs_blocks_destroy(&b);
}

void blocks_tests(void)
{
	run_table("blocks", placement, placements);
	run_table("blocks", take, takes);
	unit_run("blocks", "every second block free", every_second, NULL);
	unit_run("blocks", "no memory", no_memory, NULL);
	unit_run("blocks", "random against a model", random_model, NULL);
}
