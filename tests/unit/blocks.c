// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bitmap.h>
#include <linux/errno.h>
#include <linux/slab.h>

#include "blocks.h"
#include "unit.h"

/* Free blocks by a count of its own, checked after every step. */
static void check_count(const struct gmfs_blocks *b)
{
	u32 i = 0, w, nr, all = 0;

	for (w = 0; w < b->nr_windows; w++) {
		expect_eq(b->windows[w].start, i);
		nr = 0;
		for (; i < b->windows[w].start + b->windows[w].nr; i++)
			nr += !test_bit(i, b->used);
		expect_eq(b->windows[w].nr_free, nr);
		expect_eq(gmfs_blocks_free_in(b, 1ULL << w), nr);
		all += nr;
	}
	expect_eq(i, b->nr);
	expect_eq(b->nr_free, all);
	expect_eq(gmfs_blocks_free_in(b, GMFS_ALL_WINDOWS), all);
	expect_eq(gmfs_blocks_free_in(b, 0), 0);
}

/*
 * A pool drawn as text: '.' is free, anything else in use; '|' and a digit begin another
 * window, so far behind a PUD's begin.
 */
static void draw(struct gmfs_blocks *b, const char *map, u32 group, u32 first)
{
	bool more = false;
	const char *c;
	u32 nr, i;

	for (;; map += nr + 2) {
		nr = strcspn(map, "|");
		if (more)
			expect_eq(gmfs_blocks_add(b, nr, first), 0);
		else
			expect_eq(gmfs_blocks_init(b, nr, group, first), 0);
		more = true;
		for (c = map, i = b->nr - nr; i < b->nr; i++)
			if (*c++ != '.')
				expect_eq(gmfs_blocks_take(b, i, 1), 0);
		if (!map[nr])
			break;
		first = map[nr + 1] - '0';
	}
	check_count(b);
}

static const struct placement {
	const char *name, *map;
	u32 first, want, at, goal;	/* the PUD has 4 blocks */
	u32 start, len;
	gmfs_windows_t set;		/* 0 for all */
} placements[] = {
	{ "file of a group, window aligned", "............", 0, 4, 0, -1, 0, 4 },
	{ "file of a group, window begins 1 in", "............", 1, 4, 0, -1, 3, 4 },
	{ "file of a group, window begins 3 in", "............", 3, 4, 0, -1, 1, 4 },
	{ "window begins whole groups later", "............", 9, 4, 0, -1, 3, 4 },
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
	{ "small file: end of the window", "....#..", 0, 2, 0, -1, 5, 2 },
	{ "small file: alignment is no matter", "#..........", 0, 3, 0, -1, 1, 3 },
	{ "goal", "............", 0, 4, 4, 5, 5, 4 },
	{ "goal, shorter than wanted", "#...#.......", 0, 4, 4, 2, 2, 2 },
	{ "goal, last block", "............", 0, 4, 4, 11, 11, 1 },
	{ "goal in use", "......#.....", 0, 2, 4, 6, 7, 2 },
	{ "goal behind the window", "............", 0, 4, 0, 12, 0, 4 },
	{ "longest if none is long enough", "..#...#..", 0, 6, 0, -1, 3, 3 },
	{ "longest at the end", "..#..#...", 0, 6, 0, -1, 6, 3 },
	{ "all of it", "............", 1, 12, 0, -1, 0, 12 },
	{ "more than all of it: whole groups", "............", 1, 99, 0, -1, 3, 8 },
	{ "full", "####", 0, 1, 0, -1, 77, 0 },
	{ "full, with a goal", "####", 0, 1, 0, 1, 77, 0 },
	{ "one block of one", ".", 0, 1, 0, -1, 0, 1 },

	{ "no run holds all: whole groups first", ".....#........#.......", 1, 12, 0, -1, 7, 4 },
	{ "the most whole groups", "....#.........#.........", 0, 12, 0, -1, 16, 8 },
	{ "more groups than in the longest run", ".......#......#", 1, 8, 0, -1, 3, 4 },
	{ "first of as many groups", "....#......#", 0, 9, 0, -1, 0, 4 },
	{ "the rest of a group is left", "#.........#", 0, 12, 0, -1, 4, 4 },
	{ "from the middle of a group", "#..........#", 0, 12, 2, -1, 2, 6 },
	{ "no group is whole: longest", "..#......#..", 2, 8, 0, -1, 3, 6 },
	{ "the file's middle: its groups count", ".....#......#", 0, 8, 2, -1, 6, 6 },
	{ "a run holds all, not aligned", ".....#.....#", 3, 5, 0, -1, 0, 5 },

	{ "window: a run ends there", "......|0......", 0, 12, 0, -1, 0, 4 },
	{ "window: small file, not over the end", "####..|0...", 0, 3, 0, -1, 6, 3 },
	{ "window: longest does not go on", "#...|0....#", 0, 3, 0, -1, 1, 3 },
	{ "window: its own alignment", "#...|3.......", 0, 4, 0, -1, 5, 4 },
	{ "window: its own alignment, third", "#..|1..#|2......#", 0, 4, 0, -1, 8, 4 },
	{ "window: most whole groups", "......|2............", 0, 99, 0, -1, 8, 8 },
	{ "window: goal stops at its end", "......|0......", 0, 4, 4, 4, 4, 2 },
	{ "window: goal is its first block", "......|0......", 0, 4, 4, 6, 6, 4 },
	{ "window: equals, first window", "#...|0...", 0, 3, 0, -1, 1, 3 },
	{ "window: tightest is in another", "....|0...|0..", 0, 2, 0, -1, 7, 2 },
	{ "window: of one block", ".|0.|0.", 0, 3, 0, -1, 0, 1 },
	{ "set: second window", "....|0....", 0, 2, 0, -1, 4, 2, 2 },
	{ "set: first and third", "#...|0..|0...", 0, 2, 0, -1, 1, 2, 5 },
	{ "set: third, tightest is elsewhere", "#..|0..|0....", 0, 2, 0, -1, 5, 2, 4 },
	{ "set: aligned elsewhere", "....|1.....", 0, 4, 0, -1, 4, 4, 2 },
	{ "set: goal elsewhere is none", "....|0....", 0, 2, 2, 2, 4, 2, 2 },
	{ "set: goal in it", "....|0....", 0, 2, 2, 6, 6, 2, 2 },
	{ "set: longest in it", "......|0..#.", 0, 9, 0, -1, 6, 2, 2 },
	{ "set: full, others are not", "....|0####", 0, 1, 0, -1, 77, 0, 2 },
	{ "set: full, a goal elsewhere", "....|0####", 0, 1, 0, 1, 77, 0, 2 },
	{ "set: of windows that do not exist", "....|0....", 0, 1, 0, -1, 77, 0, 4 },
};

static void placement(const void *arg)
{
	const struct placement *p = arg;
	struct gmfs_blocks b;
	u32 start = 77, before, len;

	draw(&b, p->map, 4, p->first);
	before = b.nr_free;
	len = gmfs_blocks_alloc(&b, p->set ?: GMFS_ALL_WINDOWS, p->want, p->at, p->goal, &start);
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
	{ "take beyond the end", 11, 2, -ERANGE },
	{ "take so much that the sum wraps", 4, -2, -ERANGE },
	{ "take what is in use", 2, 1, -EEXIST },
	{ "take what begins in use", 3, 2, -EEXIST },
	{ "take what ends in use", 1, 2, -EEXIST },
	{ "take around what is in use", 0, 8, -EEXIST },
	{ "take the end of a window and the next one's begin", 7, 2, -ERANGE },
	{ "take all of the second window", 8, 4, 0 },
	{ "take a window and more", 8, 5, -ERANGE },
	{ "take behind the last window", 12, 1, -ERANGE },
};

static void take(const void *arg)
{
	const struct take *t = arg;
	unsigned long used;
	struct gmfs_blocks b;

	draw(&b, "..##....|1....", 4, 0);
	used = b.used[0];
	expect_eq(gmfs_blocks_take(&b, t->start, t->nr), t->err);
	if (t->err)
		expect(b.used[0] == used, "it was changed");
	expect_eq(b.nr_free, t->err ? 10 : 10 - t->nr);
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
	while (gmfs_blocks_alloc(&b, GMFS_ALL_WINDOWS, 512, got, GMFS_NO_GOAL, &start)) {
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
	struct gmfs_blocks b = { 0 }, before;
	u32 start;

	unit_allocations = 0;
	expect_eq(gmfs_blocks_init(&b, 100, 4, 0), -ENOMEM);
	unit_allocations = 1;
	expect_eq(gmfs_blocks_init(&b, 100, 4, 0), -ENOMEM);
	unit_allocations = 2;
	expect_eq(gmfs_blocks_init(&b, 100, 4, 0), 0);
	expect_eq(gmfs_blocks_take(&b, 99, 1), 0);
	before = b;
	unit_allocations = 0;
	expect_eq(gmfs_blocks_add(&b, 100, 4), -ENOMEM);
	unit_allocations = 1;
	expect_eq(gmfs_blocks_add(&b, 100, 4), -ENOMEM);
	expect(!memcmp(&b, &before, sizeof(b)), "changed");
	check_count(&b);
	unit_allocations = 2;
	expect_eq(gmfs_blocks_add(&b, 100, 4), 0);
	expect_eq(b.nr_free, 199);
	expect_eq(gmfs_blocks_alloc(&b, GMFS_ALL_WINDOWS, 100, 0, GMFS_NO_GOAL, &start), 100);
	expect_eq(start, 100);
	check_count(&b);
	gmfs_blocks_destroy(&b);
}

/* As many as a pool has at most, of 1 block, 2 blocks and so on. */
static void many_windows(const void *arg)
{
	struct gmfs_blocks b;
	u32 w, i, at = 0, start;

	expect_eq(gmfs_blocks_init(&b, 1, 512, 0), 0);
	for (w = 1; w < GMFS_MAX_WINDOWS; w++)
		expect_eq(gmfs_blocks_add(&b, w + 1, w), 0);
	for (w = 0; w < GMFS_MAX_WINDOWS; w++)
		for (i = 0; i <= w; i++)
			expect_eq(gmfs_blocks_window(&b, at++), w);
	expect_eq(at, b.nr);
	expect_eq(gmfs_blocks_largest(&b), GMFS_MAX_WINDOWS);
	expect_eq(gmfs_blocks_alloc(&b, 1ULL << 63, 999, 0, GMFS_NO_GOAL, &start), 64);
	expect_eq(start, b.nr - 64);
	check_count(&b);
	gmfs_blocks_reset(&b);
	check_count(&b);
	expect_eq(b.nr_free, b.nr);
	gmfs_blocks_destroy(&b);
}

/* Each set of windows has a cutoff and a sweep of its own. */
static void sweeps(const void *arg)
{
	struct gmfs_sweep s = { .set = 5, .shortest = 2 };
	struct gmfs_blocks b;
	u32 start;

	draw(&b, ".#..|0.....|0...#..#.", 4, 0);
	expect_eq(gmfs_blocks_cutoff(&b, GMFS_ALL_WINDOWS, 5), 5);
	expect_eq(gmfs_blocks_cutoff(&b, GMFS_ALL_WINDOWS, 6), 3);
	expect_eq(gmfs_blocks_cutoff(&b, 5, 3), 3);
	expect_eq(gmfs_blocks_cutoff(&b, 5, 4), 2);
	expect_eq(gmfs_blocks_cutoff(&b, 5, 8), 1);
	expect_eq(gmfs_blocks_sweep(&b, &s, 9, 4, &start), 2);
	expect_eq(start, 2);
	expect_eq(gmfs_blocks_sweep(&b, &s, 2, GMFS_NO_GOAL, &start), 2);
	expect_eq(start, 9);
	expect_eq(gmfs_blocks_sweep(&b, &s, 1, 13, &start), 1);
	expect_eq(start, 13);
	expect_eq(gmfs_blocks_sweep(&b, &s, 9, GMFS_NO_GOAL, &start), 1);
	expect_eq(start, 11);
	expect_eq(gmfs_blocks_sweep(&b, &s, 9, GMFS_NO_GOAL, &start), 0);
	expect_eq(gmfs_blocks_sweep(&b, &s, 9, GMFS_NO_GOAL, &start), 0);
	expect_eq(gmfs_blocks_free_in(&b, 2), 5);
	check_count(&b);
	gmfs_blocks_destroy(&b);
}

enum { MODEL = 300, GROUP = 16 };

/* What the allocator shall know, one entry a block. */
static struct model {
	bool used[MODEL];
	u8 window[MODEL];
	u32 phys[MODEL];		/* modulo GROUP is what counts */
	u32 nr_windows;
} model;

static bool usable(u32 i, gmfs_windows_t set)
{
	return i < MODEL && !model.used[i] && set & 1ULL << model.window[i];
}

/* Whether block @i goes on in the free run that block @i - 1 is in. */
static bool goes_on(u32 i, gmfs_windows_t set)
{
	return usable(i, set) && model.window[i] == model.window[i - 1];
}

/* What the free runs of a set have to offer. */
struct offer {
	u32 any;	/* length of the shortest run that holds all */
	u32 aligned;	/* ... at an aligned place */
	u32 groups;	/* most whole PUDs of the file that a run has */
	u32 longest;
};

static u32 groups_of(u32 from, u32 end, u32 at)
{
	u32 nr = 0;

	for (; from + GROUP <= end; from++, at++)
		nr += !(at % GROUP) && !(model.phys[from] % GROUP);
	return nr;
}

static struct offer offered(gmfs_windows_t set, u32 want, u32 at)
{
	struct offer o = { U32_MAX, U32_MAX, 0, 0 };
	u32 i, j, k;

	for (i = 0; i < MODEL; i = j) {
		j = i + 1;
		if (!usable(i, set))
			continue;
		while (goes_on(j, set))
			j++;
		o.longest = max(o.longest, j - i);
		if (j - i >= want)
			o.any = min(o.any, j - i);
		for (k = i; k < j; k++) {
			if (model.phys[k] % GROUP != at % GROUP)
				continue;
			if (k + want <= j)
				o.aligned = min(o.aligned, j - i);
			o.groups = max(o.groups, groups_of(k, j, at));
		}
	}
	return o;
}

/* The run that [start, start + len) was cut from. */
static u32 run_around(u32 start)
{
	u32 from = start, to = start + 1;

	while (from && goes_on(from, GMFS_ALL_WINDOWS) && usable(from - 1, GMFS_ALL_WINDOWS))
		from--;
	while (goes_on(to, GMFS_ALL_WINDOWS))
		to++;
	return to - from;
}

static gmfs_windows_t random_set(void)
{
	return rnd(2) ? GMFS_ALL_WINDOWS : rnd(1 << model.nr_windows);
}

static u32 model_alloc(struct gmfs_blocks *b)
{
	u32 want = 1 + rnd(rnd(2) ? 6 : 90), at = rnd(1000), goal = GMFS_NO_GOAL;
	gmfs_windows_t set = random_set();
	u32 start = 0, len, i;
	struct offer o;

	if (!rnd(3))
		goal = rnd(MODEL + 10);
	o = offered(set, want, at);
	len = gmfs_blocks_alloc(b, set, want, at, goal, &start);
	expect(len <= want && start + len <= MODEL, "%u+%u", start, len);
	for (i = start; i < start + len; i++)
		expect(i == start ? usable(i, set) : goes_on(i, set),
		       "block %u is in use or elsewhere", i);
	if (usable(goal, set)) {
		expect_eq(start, goal);
		expect(len == want || !goes_on(start + len, set), "it stopped early");
	} else if (want >= GROUP && o.aligned != U32_MAX) {
		expect_eq(len, want);
		expect_eq(model.phys[start] % GROUP, at % GROUP);
		expect_eq(run_around(start), o.aligned);
	} else if (o.any != U32_MAX) {
		expect_eq(len, want);
		expect_eq(run_around(start), o.any);
	} else if (want >= GROUP && o.groups) {
		expect_eq(model.phys[start] % GROUP, at % GROUP);
		expect_eq((at + len) % GROUP, 0);
		expect_eq(groups_of(start, start + len, at), o.groups);
	} else {
		expect_eq(len, o.longest);
	}
	for (i = start; i < start + len; i++)
		model.used[i] = true;
	return o.any == U32_MAX && !usable(goal, set) && want >= GROUP ? o.groups : 0;
}

static void model_free(struct gmfs_blocks *b)
{
	u32 i = rnd(MODEL), nr;

	for (nr = 0; i + nr < MODEL && model.used[i + nr] && nr < 20 &&
	     model.window[i + nr] == model.window[i];)
		model.used[i + nr++] = false;
	if (nr)
		gmfs_blocks_free(b, i, nr);
}

/* Windows of random lengths, the last one up to the model's end. */
static void random_windows(struct gmfs_blocks *b)
{
	u32 w, nr, first, i = 0;

	model = (struct model){ .nr_windows = 1 + rnd(5) };
	for (w = 0; w < model.nr_windows; w++) {
		nr = w + 1 == model.nr_windows ? MODEL - i : 1 + rnd(MODEL / 5);
		first = rnd(100);
		expect_eq(w ? gmfs_blocks_add(b, nr, first) :
			      gmfs_blocks_init(b, nr, GROUP, first), 0);
		for (; nr--; i++) {
			model.window[i] = w;
			model.phys[i] = first++;
		}
	}
	expect_eq(b->nr, MODEL);
}

static void random_model(const void *arg)
{
	u32 step, i, full = 0, fragmented = 0, groups = 0;
	struct gmfs_blocks b;

	for (step = 0; step < 20000; step++) {
		if (step % 1000 == 0)
			random_windows(&b);
		if (rnd(100) < 45) {
			groups += !!model_alloc(&b);
			full += !b.nr_free;
			fragmented += gmfs_blocks_largest(&b) < 4;
		} else {
			model_free(&b);
		}
		check_count(&b);
		for (i = 0; i < MODEL; i++) {
			expect_eq(!!test_bit(i, b.used), model.used[i]);
			expect_eq(gmfs_blocks_window(&b, i), model.window[i]);
		}
		expect_eq(gmfs_blocks_largest(&b), offered(GMFS_ALL_WINDOWS, 1, 0).longest);
		if (step % 1000 == 999)
			gmfs_blocks_destroy(&b);
	}
	expect(full && fragmented, "full %u times, fragmented %u times", full, fragmented);
	expect(groups > 20, "whole groups were chosen %u times", groups);
}

void blocks_tests(void)
{
	run_table("blocks", placement, placements);
	run_table("blocks", take, takes);
	unit_run("blocks", "every second block free", every_second, NULL);
	unit_run("blocks", "no memory", no_memory, NULL);
	unit_run("blocks", "64 windows", many_windows, NULL);
	unit_run("blocks", "a sweep of some windows", sweeps, NULL);
	unit_run("blocks", "random against a model", random_model, NULL);
}
