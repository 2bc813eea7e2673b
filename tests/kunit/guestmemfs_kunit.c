// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the pure files, as the kernel compiles and allocates for them.
 * tests/unit has the same files' tests in full.
 */
#include <compat.h>
#include <guestmemfs/abi.h>
#include <kunit/test.h>
#include <linux/bitmap.h>
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/prandom.h>
#include <linux/random.h>
#include <linux/sched/task.h>
#include <linux/sizes.h>
#include <linux/stat.h>
#include <linux/unaligned.h>

#include "../../fs/mem/blocklock.h"
#include "../../fs/mem/pure/blocks.h"
#include "../../fs/mem/pure/cmdline.h"
#include "../../fs/mem/pure/extents.h"
#include "../../kho/pure/image.h"
#include "../../kho/pure/seal.h"
#include "../../kho/pure/xattrs.h"

/* The pure files ask these of their users. */
void gmfs_seal_store(void *to, const void *from, size_t len)
{
	memcpy(to, from, len);
}

u32 gmfs_crc32c(u32 crc, const void *data, size_t len)
{
	return ~gmfs_crc32c_update(~crc, data, len);
}

static u32 seed;
module_param(seed, uint, 0444);
MODULE_PARM_DESC(seed, "Random seed to repeat a run with; 0: another one each time");

static u32 rnd(struct rnd_state *state, u32 below)
{
	return prandom_u32_state(state) % below;
}

static void begin_random(struct kunit *test, struct rnd_state *state)
{
	u32 s = seed ?: get_random_u32();

	kunit_info(test, "seed=%u", s);
	prandom_seed_state(state, s);
}

/* --- blocks ----------------------------------------------------------------- */

static void draw(struct kunit *test, struct gmfs_blocks *b, const char *map,
		 u32 first)
{
	u32 i;

	KUNIT_ASSERT_EQ(test, gmfs_blocks_init(b, strlen(map), 4, first), 0);
	for (i = 0; map[i]; i++)
		if (map[i] != '.')
			KUNIT_EXPECT_EQ(test, gmfs_blocks_take(b, i, 1), 0);
}

/* Windows drawn as text, in PUDs of 4 blocks: '.' is free. */
static const struct placement {
	const char *name, *map;
	u32 first, want, at, goal, start, len;
} placements[] = {
	{ "aligned window", "........", 0, 4, 0, GMFS_NO_GOAL, 0, 4 },
	{ "window begins 1 in its PUD", "........", 1, 4, 0, GMFS_NO_GOAL, 3, 4 },
	{ "tightest aligned run", "........#....", 0, 4, 0, GMFS_NO_GOAL, 0, 4 },
	{ "no aligned run", ".#.....#", 0, 4, 0, GMFS_NO_GOAL, 2, 4 },
	{ "small file, tightest run", "....#..#...", 0, 2, 0, GMFS_NO_GOAL, 5, 2 },
	{ "goal", "........", 0, 4, 4, 3, 3, 4 },
	{ "goal in use", "...#....", 0, 2, 4, 3, 0, 2 },
	{ "longest run", "..#...#..", 0, 6, 0, GMFS_NO_GOAL, 3, 3 },
	{ "whole PUDs first", "#.........#", 0, 12, 0, GMFS_NO_GOAL, 4, 4 },
	{ "full", "####", 0, 1, 0, GMFS_NO_GOAL, 77, 0 },
};

KUNIT_ARRAY_PARAM_DESC(placement, placements, name);

static void blocks_placement(struct kunit *test)
{
	const struct placement *p = test->param_value;
	struct gmfs_blocks b;
	u32 start = 77;

	draw(test, &b, p->map, p->first);
	KUNIT_EXPECT_EQ(test, p->len, gmfs_blocks_alloc(&b, GMFS_ALL_WINDOWS, p->want,
							p->at, p->goal, &start));
	KUNIT_EXPECT_EQ(test, start, p->start);
	KUNIT_EXPECT_EQ(test, b.nr_free, b.nr - bitmap_weight(b.used, b.nr));
	gmfs_blocks_destroy(&b);
}

static void blocks_windows(struct kunit *test)
{
	struct gmfs_blocks b;
	u32 start;

	draw(test, &b, "#...", 0);
	KUNIT_ASSERT_EQ(test, gmfs_blocks_add(&b, 9, 3), 0);
	KUNIT_EXPECT_EQ(test, gmfs_blocks_window(&b, 3), 0);
	KUNIT_EXPECT_EQ(test, gmfs_blocks_window(&b, 4), 1);
	KUNIT_EXPECT_EQ(test, gmfs_blocks_take(&b, 3, 2), -ERANGE);
	KUNIT_EXPECT_EQ(test, 8, gmfs_blocks_alloc(&b, GMFS_ALL_WINDOWS, 8, 0, GMFS_NO_GOAL,
						   &start));
	KUNIT_EXPECT_EQ(test, start, 5);
	KUNIT_EXPECT_EQ(test, gmfs_blocks_free_in(&b, 1), 3);
	KUNIT_EXPECT_EQ(test, gmfs_blocks_free_in(&b, 2), 1);
	KUNIT_EXPECT_EQ(test, 1, gmfs_blocks_alloc(&b, 2, 3, 0, 1, &start));
	KUNIT_EXPECT_EQ(test, start, 4);
	KUNIT_EXPECT_EQ(test, b.nr_free, 3);
	gmfs_blocks_destroy(&b);
}

static void blocks_every_second(struct kunit *test)
{
	u32 nr = 65536, i, start, got = 0;
	struct gmfs_blocks b;

	KUNIT_ASSERT_EQ(test, gmfs_blocks_init(&b, nr, 512, 3), 0);
	for (i = 0; i < nr; i += 2)
		if (gmfs_blocks_take(&b, i, 1))
			break;
	KUNIT_EXPECT_EQ(test, i, nr);
	KUNIT_EXPECT_EQ(test, gmfs_blocks_largest(&b), 1);
	for (i = 0; i < 100; i++)
		got += gmfs_blocks_alloc(&b, GMFS_ALL_WINDOWS, 512, i, GMFS_NO_GOAL, &start);
	KUNIT_EXPECT_EQ(test, got, 100);
	KUNIT_EXPECT_EQ(test, b.nr_free, nr / 2 - 100);
	KUNIT_EXPECT_EQ(test, gmfs_blocks_take(&b, nr - 1, 2), -ERANGE);
	KUNIT_EXPECT_EQ(test, gmfs_blocks_take(&b, nr - 2, 2), -EEXIST);
	gmfs_blocks_reset(&b);
	KUNIT_EXPECT_EQ(test, gmfs_blocks_largest(&b), nr);
	gmfs_blocks_destroy(&b);
}

enum { LOCKS = 200, WAITS_FOR = 65 };

static int lock_one(void *data)
{
	gmfs_block_lock(data, WAITS_FOR);
	return 0;
}

/* This task takes every lock; it would wait for itself if two blocks shared one. */
static void blocks_have_locks(struct kunit *test)
{
	static DECLARE_BITMAP(locks, LOCKS);
	struct task_struct *waiter;
	u32 i;

	bitmap_zero(locks, LOCKS);
	for (i = 0; i < LOCKS; i++)
		gmfs_block_lock(locks, i);
	KUNIT_EXPECT_TRUE(test, bitmap_full(locks, LOCKS));
	waiter = kthread_create(lock_one, locks, "gmfs-kunit");
	KUNIT_ASSERT_FALSE(test, IS_ERR(waiter));
	get_task_struct(waiter);
	wake_up_process(waiter);
	for (i = 0; i < LOCKS; i++)
		if (i != WAITS_FOR)
			gmfs_block_unlock(locks, i);
	while (!READ_ONCE(waiter->exit_state) &&
	       READ_ONCE(waiter->__state) != TASK_UNINTERRUPTIBLE)
		msleep(20);
	msleep(20);
	KUNIT_EXPECT_EQ(test, bitmap_weight(locks, LOCKS), 1);
	gmfs_block_unlock(locks, WAITS_FOR);
	/* It has the lock and keeps it. */
	KUNIT_EXPECT_EQ(test, kthread_stop(waiter), 0);
	put_task_struct(waiter);
	KUNIT_EXPECT_TRUE(test, test_bit(WAITS_FOR, locks));
}

static struct kunit_case blocks_cases[] = {
	KUNIT_CASE_PARAM(blocks_placement, placement_gen_params),
	KUNIT_CASE(blocks_windows),
	KUNIT_CASE(blocks_every_second),
	KUNIT_CASE(blocks_have_locks),
	{}
};

/* --- extents ---------------------------------------------------------------- */

enum { MODEL = 100, HOLE = -1 };

static bool same_as_model(const struct gmfs_extents *x, const int *model)
{
	u32 at, i, blocks = 0;

	for (at = 0; at < MODEL; at++) {
		i = gmfs_extents_find(x, at);
		if (i < x->nr && x->e[i].at <= at) {
			if (model[at] != x->e[i].start + at - x->e[i].at)
				return false;
			blocks++;
		} else if (model[at] != HOLE) {
			return false;
		}
	}
	return gmfs_extents_blocks(x, 0, MODEL) == blocks && x->blocks == blocks &&
	       x->nr <= x->max;
}

static void extents_random(struct kunit *test)
{
	struct gmfs_extents x = { };
	struct gmfs_extent part;
	struct rnd_state state;
	u32 step, from, to, i, e, start;
	int model[MODEL];

	begin_random(test, &state);
	memset32(model, HOLE, MODEL);
	for (step = 0; step < 5000; step++) {
		from = rnd(&state, MODEL);
		to = from + 1 + rnd(&state, min(20, MODEL - from));
		KUNIT_ASSERT_EQ(test, gmfs_extents_reserve(&x, 1), 0);
		if (rnd(&state, 3)) {
			start = rnd(&state, 2) ? 1000 + from : rnd(&state, 500);
			for (i = from; i < to && model[i] == HOLE; i++)
				model[i] = start + i - from;
			if (i > from)
				gmfs_extents_insert(&x, (struct gmfs_extent){
						    from, start, i - from });
		} else {
			for (e = gmfs_extents_find(&x, from);
			     gmfs_extents_part(&x, e, from, to, &part); e++)
				for (i = part.at; i < part.at + part.nr; i++) {
					KUNIT_EXPECT_EQ(test, model[i], part.start + i - part.at);
					model[i] = HOLE;
				}
			gmfs_extents_remove(&x, from, to);
		}
		KUNIT_ASSERT_TRUE(test, same_as_model(&x, model));
	}
	gmfs_extents_destroy(&x);
}

static struct kunit_case extents_cases[] = {
	KUNIT_CASE(extents_random),
	{}
};

/* --- the command line ------------------------------------------------------- */

static const struct line {
	const char *name, *cmdline;
	unsigned int nr;
	u64 base, size;
} lines[] = {
	{ "size and memmap", "ro guestmemfs=1G memmap=1G$4G", 1, SZ_4G, SZ_1G },
	{ "address", "guestmemfs=0x40000000@4G", 1, SZ_4G, SZ_1G },
	{ "list of memmaps", "guestmemfs=1G memmap=1G@1G,1G$4G", 1, SZ_4G, SZ_1G },
	{ "unaligned", "guestmemfs=2M memmap=4M$4095M", 1, SZ_4G, SZ_2M },
	{ "unaligned, too small", "guestmemfs=2M memmap=2M$4095M", 1 },
	{ "no memmap", "guestmemfs=1G", 1 },
	{ "junk", "guestmemfs=1Gx memmap=1G$4G", 1 },
	{ "two", "guestmemfs=a:1G guestmemfs=b:1G memmap=2G$4G", 2, SZ_4G, SZ_1G },
	{ "two windows", "guestmemfs=1G@4G,1G@8G", 1, SZ_4G, SZ_1G },
	{ "a name that is none", "guestmemfs=\xe4:1G", 1 },
	{ "not there", "xguestmemfs=1G memmap=1G$4G" },
};

KUNIT_ARRAY_PARAM_DESC(line, lines, name);

static void cmdline_table(struct kunit *test)
{
	const struct line *l = test->param_value;
	struct gmfs_pool_arg *pools;

	pools = kunit_kcalloc(test, GMFS_MAX_POOLS + 1, sizeof(*pools), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, pools);
	KUNIT_EXPECT_EQ(test, l->nr, gmfs_find_pools(l->cmdline, l->cmdline, SZ_2M, pools));
	KUNIT_EXPECT_EQ(test, pools[0].windows[0].size, l->size);
	if (l->size)
		KUNIT_EXPECT_EQ(test, pools[0].windows[0].base, l->base);
	KUNIT_EXPECT_EQ(test, !pools[0].why, l->size || !l->nr);
}

static struct kunit_case cmdline_cases[] = {
	KUNIT_CASE_PARAM(cmdline_table, line_gen_params),
	{}
};

/* --- extended attributes ------------------------------------------------------ */

enum { NAMES = 8, NONE = -1 };

/* Attribute n of the model is called "user.a", "user.b" ...; its value is n's. */
static void xattr_name(char name[8], u32 n)
{
	snprintf(name, 8, "user.%c", 'a' + n);
}

static u32 xattrs_size(const int *lens)
{
	u32 n, size = 0;

	for (n = 0; n < NAMES; n++)
		if (lens[n] != NONE)
			size += sizeof("user.a") + 4 + lens[n];
	return size;
}

static bool xattrs_same(const struct gmfs_xattrs *xs, const int *lens)
{
	u32 n, nr = 0, pos = 0;
	struct gmfs_xattr x;
	char name[8];
	bool there, wanted;

	for (n = 0; n < NAMES; n++) {
		xattr_name(name, n);
		there = gmfs_xattrs_find(xs, name, &x);
		wanted = lens[n] != NONE;
		if (there != wanted)
			return false;
		if (!there)
			continue;
		if (x.len != lens[n] || (x.len && memchr_inv(x.value, n, x.len)))
			return false;
		nr++;
	}
	while (gmfs_xattrs_next(xs->data, xs->size, &pos, &x) > 0)
		nr--;
	return !nr && pos == xs->size && xs->size == xattrs_size(lens) &&
	       !xs->data == !xs->size;
}

static void xattrs_random(struct kunit *test)
{
	u8 *value = kunit_kzalloc(test, GMFS_MAX_XATTRS, GFP_KERNEL);
	u32 step, n, full = 0;
	struct gmfs_xattrs xs = { };
	int lens[NAMES], old, err;
	struct rnd_state state;
	char name[8];

	KUNIT_ASSERT_NOT_NULL(test, value);
	begin_random(test, &state);
	memset32(lens, NONE, NAMES);
	for (step = 0; step < 5000; step++) {
		n = rnd(&state, NAMES);
		old = lens[n];
		lens[n] = rnd(&state, 4) ? rnd(&state, 1200) : NONE;
		err = xattrs_size(lens) > GMFS_MAX_XATTRS ? -ENOSPC : 0;
		xattr_name(name, n);
		memset(value, n, GMFS_MAX_XATTRS);
		KUNIT_ASSERT_EQ(test, err, gmfs_xattrs_set(&xs, &(struct gmfs_xattr){
			name, lens[n] == NONE ? NULL : value, max(lens[n], 0) }));
		if (err)
			lens[n] = old;
		full += !!err;
		KUNIT_ASSERT_TRUE(test, xattrs_same(&xs, lens));
	}
	KUNIT_EXPECT_GT(test, full, 0);
	gmfs_xattrs_destroy(&xs);
	KUNIT_EXPECT_NULL(test, xs.data);
}

/* --- an image of a few inodes ------------------------------------------------- */

static const struct gmfs_range window = { SZ_4G, 16 * SZ_2M };
static const struct gmfs_layout layout = { &window, 1, SZ_2M, 1 };

static void put(struct gmfs_fdt_writer *w, const char *name, const void *data,
		size_t len)
{
	size_t prop = gmfs_fdt_open_prop(w, name);

	gmfs_fdt_append(w, data, len);
	gmfs_fdt_close_prop(w, prop);
}

static void put_cells(struct gmfs_fdt_writer *w, const char *name,
		      const u32 *cells, u32 nr)
{
	size_t prop = gmfs_fdt_open_prop(w, name);

	while (nr--)
		gmfs_fdt_append_u32(w, *cells++);
	gmfs_fdt_close_prop(w, prop);
}

#define XATTRS	"user.ab\0\0\0\0\2xyuser.empty\0\0\0\0\0"

/*
 * The root has "file" and "d"; "d", which is 2, has "hard", the same file 3. That
 * has blocks beyond its end.
 */
static const struct gmfs_image_inode inodes[] = {
	{ .ino = 1, .mode = S_IFDIR | 0700 },
	{ .ino = 2, .mode = S_IFDIR | 0755, .uid = 1, .gid = 2 },
	{ .ino = 3, .mode = S_IFREG | 0644, .size = SZ_16M,
	  .times = { { -1, 999999999 }, { 2, 3 }, { 4, 5 }, { 6, 7 } },
	  .flags = GMFS_FLAG_APPEND, .xattrs = XATTRS, .xattrs_size = sizeof(XATTRS) - 1 },
	{ .ino = 4, .mode = S_IFLNK | 0777 },
	{ .ino = 5, .mode = S_IFCHR | 0600, .major = 1, .minor = 3 },
};

static size_t write_image(void *buf, size_t max)
{
	struct gmfs_fdt_writer w;
	u32 i;

	gmfs_image_begin(&w, buf, max, &layout, 6);
	put(&w, GMFS_PROP_WRITTEN, "\1\2", 2);
	for (i = 0; i < ARRAY_SIZE(inodes); i++) {
		gmfs_image_begin_inode(&w, &inodes[i]);
		if (inodes[i].ino == 1) {
			put(&w, GMFS_PROP_NAMES, "file\0d\0l\0c", 11);
			put_cells(&w, GMFS_PROP_INODES, (u32[]){ 0, 3, 0, 2, 0, 4, 0, 5 }, 8);
		} else if (inodes[i].ino == 2) {
			put(&w, GMFS_PROP_NAMES, "hard", 5);
			put_cells(&w, GMFS_PROP_INODES, (u32[]){ 0, 3 }, 2);
		} else if (inodes[i].ino == 3) {
			put_cells(&w, GMFS_PROP_EXTENTS, (u32[]){ 0, 3, 2, 4, 8, 1, 9, 10, 2 }, 9);
		} else if (inodes[i].ino == 4) {
			put(&w, GMFS_PROP_TARGET, "file", 5);
		}
		gmfs_fdt_end_node(&w);
	}
	return gmfs_image_end(&w);
}

static u8 *make_image(struct kunit *test, size_t *size)
{
	u8 *image;

	*size = write_image(NULL, 0);
	image = kunit_kmalloc(test, *size, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, image);
	KUNIT_ASSERT_EQ(test, write_image(image, *size), *size);
	return image;
}

/* --- trees ------------------------------------------------------------------ */

/* How many tokens there are before the end, or -EINVAL. */
static int count_tokens(const void *fdt, size_t size)
{
	struct gmfs_fdt_reader r;
	struct gmfs_fdt_token t;
	int err, nr = 0;
	u32 pos = 0;

	err = gmfs_fdt_open(&r, fdt, size);
	while (!err) {
		err = gmfs_fdt_next(&r, &pos, &t);
		if (!err && t.kind == GMFS_FDT_END)
			return nr;
		nr++;
	}
	return err;
}

static void fdt_truncated(struct kunit *test)
{
	size_t size, n;
	u8 *image = make_image(test, &size), *cut;
	u32 structs = get_unaligned_be32(image + 36);

	/* Six nodes; six properties of the root, and of its inodes. */
	KUNIT_EXPECT_EQ(test, count_tokens(image, size), 6 * 2 + 6 + 5 + 5 + 7 + 4 + 4);
	for (n = 0; n < size; n++) {
		cut = kunit_kmalloc(test, n, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, cut);
		memcpy(cut, image, n);
		KUNIT_EXPECT_EQ(test, count_tokens(cut, n), -EINVAL);
		kunit_kfree(test, cut);
	}
	for (n = 0; n < structs; n++) {
		put_unaligned_be32(n, image + 36);
		KUNIT_EXPECT_EQ(test, count_tokens(image, size), -EINVAL);
	}
}

static struct kunit_case fdt_cases[] = {
	KUNIT_CASE(fdt_truncated),
	{}
};

/* --- images ----------------------------------------------------------------- */

static void image_round_trip(struct kunit *test)
{
	struct gmfs_image_inode i;
	struct gmfs_image *img = kunit_kzalloc(test, sizeof(*img), GFP_KERNEL);
	size_t size;
	u8 *image = make_image(test, &size);
	u32 pos, n;

	KUNIT_ASSERT_NOT_NULL(test, img);
	KUNIT_ASSERT_EQ_MSG(test, 0, gmfs_image_check(img, image, size, &layout),
			    "%s", img->why);
	KUNIT_EXPECT_EQ(test, img->nr_inodes, ARRAY_SIZE(inodes));
	KUNIT_EXPECT_MEMEQ(test, img->written, "\1\2", 2);
	pos = gmfs_image_first(img);
	for (n = 0; n < ARRAY_SIZE(inodes); n++) {
		KUNIT_ASSERT_EQ(test, gmfs_image_next(img, &pos, &i), 1);
		KUNIT_EXPECT_EQ(test, i.nr_entries, i.ino == 1 ? 4 : i.ino == 2);
		KUNIT_EXPECT_EQ(test, i.nr_extents, i.ino == 3 ? 3 : 0);
		/* All up to and with the size. */
		KUNIT_EXPECT_MEMEQ(test, &i, &inodes[n],
				   offsetof(struct gmfs_image_inode, extents));
		KUNIT_EXPECT_EQ(test, i.flags, inodes[n].flags);
		KUNIT_ASSERT_EQ(test, i.xattrs_size, inodes[n].xattrs_size);
		if (i.xattrs_size)
			KUNIT_EXPECT_MEMEQ(test, i.xattrs, XATTRS, i.xattrs_size);
	}
	KUNIT_EXPECT_EQ(test, gmfs_image_next(img, &pos, &i), 0);
}

/* One cell of a property becomes another value. */
static const struct corruption {
	const char *name;
	u64 ino;	/* 0: the root node */
	const char *prop;
	u32 cell, value;
	int err;
} corruptions[] = {
	{ "nothing", 0, GMFS_PROP_INCOMPATIBLE, 1, 0, 0 },
	{ "version", 0, GMFS_PROP_COMPATIBLE, 0, 0, -EPROTONOSUPPORT },
	{ "feature", 0, GMFS_PROP_INCOMPATIBLE, 1, 2, -EPROTONOSUPPORT },
	{ "bad pages, but none", 0, GMFS_PROP_INCOMPATIBLE, 1, 1, -EINVAL },
	{ "window elsewhere", 0, GMFS_PROP_WINDOWS, 0, 2, -ENXIO },
	{ "window of a head alone", 0, GMFS_PROP_WINDOWS, 3, SZ_2M, -EINVAL },
	{ "window that begins in a block", 0, GMFS_PROP_WINDOWS, 1, SZ_4K, -EINVAL },
	{ "block size", 0, GMFS_PROP_BLOCK_SIZE, 1, SZ_4K, -ENXIO },
	{ "next inode", 0, GMFS_PROP_NEXT_INODE, 1, 5, -EINVAL },
	{ "uid", 2, GMFS_PROP_OWNER, 0, -1, -EINVAL },
	{ "nsec", 3, GMFS_PROP_TIMES, 5, NSEC_PER_SEC, -EINVAL },
	{ "extent behind the file's end", 3, GMFS_PROP_EXTENTS, 3, 8, 0 },
	{ "extent at the last block of any file", 3, GMFS_PROP_EXTENTS, 6,
	  GMFS_MAX_BLOCKS - 2, 0 },
	{ "extent across the last block of any file", 3, GMFS_PROP_EXTENTS, 6,
	  GMFS_MAX_BLOCKS - 1, -EINVAL },
	{ "extents overlap in the file", 3, GMFS_PROP_EXTENTS, 3, 1, -EINVAL },
	{ "extents overlap in the window", 3, GMFS_PROP_EXTENTS, 4, 4, -EEXIST },
	{ "extent in the head", 3, GMFS_PROP_EXTENTS, 1, 0, -ERANGE },
	{ "extent leaves the window", 3, GMFS_PROP_EXTENTS, 4, 16, -ERANGE },
	{ "other flags", 3, GMFS_PROP_FLAGS, 0, GMFS_FLAGS_KNOWN, 0 },
	{ "unknown flag", 3, GMFS_PROP_FLAGS, 0, 4, -EINVAL },
	{ "xattr without name", 3, GMFS_PROP_XATTRS, 0, 0, -EINVAL },
	{ "xattr too long", 3, GMFS_PROP_XATTRS, 2, sizeof(XATTRS), -EINVAL },
	{ "target ends early", 4, GMFS_PROP_TARGET, 0, 0, -EINVAL },
	{ "name with /", 1, GMFS_PROP_NAMES, 0, 0x66692f65, -EINVAL },
	{ "unknown inode", 2, GMFS_PROP_INODES, 1, 6, -EINVAL },
	{ "inode without name", 1, GMFS_PROP_INODES, 7, 4, -EINVAL },
	{ "directory in itself", 2, GMFS_PROP_INODES, 1, 2, -EINVAL },
};

KUNIT_ARRAY_PARAM_DESC(corruption, corruptions, name);

/* Where a property's value is. The tree has two levels. */
static u8 *find_prop(const void *image, size_t size, u64 ino, const char *prop)
{
	struct gmfs_fdt_reader r;
	struct gmfs_fdt_token t;
	u64 nodes = 0;
	u32 pos = 0;

	if (gmfs_fdt_open(&r, image, size))
		return NULL;
	while (!gmfs_fdt_next(&r, &pos, &t) && t.kind != GMFS_FDT_END) {
		nodes += t.kind == GMFS_FDT_BEGIN_NODE;
		if (t.kind == GMFS_FDT_PROP && nodes == ino + 1 &&
		    !strcmp(t.name, prop))
			return (u8 *)t.data;
	}
	return NULL;
}

static void image_corrupted(struct kunit *test)
{
	struct gmfs_image *img = kunit_kzalloc(test, sizeof(*img), GFP_KERNEL);
	const struct corruption *c = test->param_value;
	size_t size;
	u8 *image = make_image(test, &size), *data;

	KUNIT_ASSERT_NOT_NULL(test, img);
	data = find_prop(image, size, c->ino, c->prop);
	KUNIT_ASSERT_NOT_NULL(test, data);
	put_unaligned_be32(c->value, data + 4 * c->cell);
	KUNIT_EXPECT_EQ(test, c->err, gmfs_image_check(img, image, size, &layout));
	KUNIT_EXPECT_EQ(test, !img->why[0], !c->err);
}

/* --- heads ------------------------------------------------------------------ */

enum { HEAD = SZ_16K, HEAD_IMAGE = SZ_8K - 1 };

/* Two windows of one block of head; the image goes on in the second one. */
static void seal_spans(struct kunit *test)
{
	static const struct gmfs_range windows[] = {
		{ SZ_4G, 64 * HEAD }, { 2ULL * SZ_4G, 64 * HEAD },
	};
	static const struct gmfs_layout two = { windows, 2, HEAD, 3 };
	const struct gmfs_stamp now = { .tsc = 1 };
	void *maps[2] = {
		kunit_kzalloc(test, HEAD, GFP_KERNEL), kunit_kzalloc(test, HEAD, GFP_KERNEL),
	};
	struct gmfs_found *found = kunit_kzalloc(test, sizeof(*found), GFP_KERNEL);
	u8 *image = kunit_kzalloc(test, HEAD_IMAGE, GFP_KERNEL);
	u8 *copy = kunit_kzalloc(test, HEAD_IMAGE, GFP_KERNEL);
	struct gmfs_head head = { &two, maps, 0 };
	struct rnd_state state;
	u64 generation, n;

	KUNIT_ASSERT_TRUE(test, maps[0] && maps[1] && found && image && copy);
	KUNIT_EXPECT_EQ(test, gmfs_head_find(&head, found), -ENOENT);
	begin_random(test, &state);
	for (n = 1; n <= 3; n++) {
		prandom_bytes_state(&state, image, HEAD_IMAGE);
		gmfs_head_open(&head, &now);
		KUNIT_EXPECT_EQ(test, gmfs_head_find(&head, found), -EUCLEAN);
		KUNIT_EXPECT_EQ(test, 0, gmfs_head_seal(&head, image, HEAD_IMAGE, &now,
							&generation));
		KUNIT_EXPECT_EQ(test, generation, n);
		KUNIT_ASSERT_EQ(test, gmfs_head_find(&head, found), 0);
		KUNIT_EXPECT_EQ(test, found->known, 3);
		KUNIT_ASSERT_EQ(test, found->size, HEAD_IMAGE);
		gmfs_head_copy(&head, found, copy);
		KUNIT_EXPECT_MEMEQ(test, copy, image, HEAD_IMAGE);
	}
	gmfs_head_wipe(&head);
	KUNIT_EXPECT_EQ(test, gmfs_head_find(&head, found), -ENOENT);
}

static struct kunit_case image_cases[] = {
	KUNIT_CASE(xattrs_random),
	KUNIT_CASE(image_round_trip),
	KUNIT_CASE_PARAM(image_corrupted, corruption_gen_params),
	KUNIT_CASE(seal_spans),
	{}
};

static struct kunit_suite suites[] = {
	{ .name = "guestmemfs_blocks", .test_cases = blocks_cases },
	{ .name = "guestmemfs_extents", .test_cases = extents_cases },
	{ .name = "guestmemfs_cmdline", .test_cases = cmdline_cases },
	{ .name = "guestmemfs_fdt", .test_cases = fdt_cases },
	{ .name = "guestmemfs_image", .test_cases = image_cases },
};

kunit_test_suites(&suites[0], &suites[1], &suites[2], &suites[3], &suites[4]);

MODULE_DESCRIPTION("Tests of guestmemfs");
MODULE_LICENSE("GPL");
