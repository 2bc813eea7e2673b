// SPDX-License-Identifier: GPL-2.0-only
/* Images by the hundred thousand, and large ones. */
#include <guestmemfs/abi.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/stat.h>
#include <linux/unaligned.h>
#include <libfdt.h>
#include <stdio.h>

#include "seal.h"
#include "tree.h"
#include "unit.h"

static const u32 cells[] = { 0, 1, 2, 3, 4, 8, 9, 31, 32, 255, 0x7fffffff,
			     0x80000000, -4, -1 };

static u32 mutate(u8 *p, u32 size)
{
	u32 at = rnd(8) ? rnd(size) : rnd(min(size, 56U)), to, len;

	switch (rnd(8)) {
	case 0:
	case 1:
		p[at] ^= 1 << rnd(8);
		break;
	case 2:
		p[at] = rnd(256);
		break;
	case 3:
		p[at] += rnd(2) ? 1 : -1;
		break;
	case 4:
	case 5:
		if (size >= 4)
			put_unaligned_be32(cells[rnd(ARRAY_SIZE(cells))],
					   p + min(at & ~3, size - 4));
		break;
	case 6:		/* whole cells, so that tokens may end up as tokens */
		to = rnd(size) & ~3;
		at &= ~3;
		len = min(1 + rnd(200), size - max(at, to));
		memmove(p + to, p + at, len);
		break;
	case 7:
		if (rnd(4) || size < 2)
			break;
		size = 1 + rnd(size - 1);
		if (size >= 8 && rnd(4))
			fdt_set_totalsize(p, size);
		break;
	}
	return size;
}

/* A real image, of the region of the lab's VMs. */
static void *corpus_image(const char *path, size_t *size)
{
	u8 buf[8192], *image;

	*size = read_hex(path, buf, sizeof(buf));
	image = malloc(*size);
	return memcpy(image, buf, *size);
}

static void mutations(const void *arg)
{
	static const struct gmfs_image_region vm = { 4992ULL << 20, 1152ULL << 20, 2 << 20 };
	const struct gmfs_image_region *regions[] = { &tree_region, &tree_region, &vm, &vm };
	const char *fuzz = getenv("FUZZ");
	u32 nr = fuzz && *fuzz ? atoi(fuzz) : 100000, n, k, accepted = 0;
	struct gmfs_image img;
	size_t sizes[4], size;
	u8 *images[4], *p;

	images[0] = tree_image(&sizes[0]);
	images[1] = structs_last(images[0], fdt_size_dt_struct(images[0]), &sizes[1]);
	images[2] = corpus_image("corpus/files.hex", &sizes[2]);
	images[3] = corpus_image("corpus/guests.hex", &sizes[3]);
	for (k = 0; k < ARRAY_SIZE(images); k++)
		expect_eq(gmfs_image_check(&img, images[k], sizes[k], regions[k]), 0);
	for (n = 0; n < nr; n++) {
		size = sizes[n % 4];
		p = exact_copy(images[n % 4], size);
		for (k = 1 + rnd(rnd(2) ? 2 : 10); k; k--)
			size = mutate(p, size);
		/* Shrunk where it ends, so that reading on is noticed. */
		p = realloc(p, size);
		if (!gmfs_image_check(&img, p, size, regions[n % 4])) {
			accepted++;
			expect(tree_is_good(&img), "image %u", n);
		} else {
			expect(img.why[0], "image %u refused without reason", n);
		}
		free(p);
	}
	unit_info("%u mutated images, %u of them accepted", nr, accepted);
	expect(accepted < nr, "nothing was refused");
	for (k = 0; k < ARRAY_SIZE(images); k++)
		free(images[k]);
}

/**
 * struct large - a large image
 * @blocks: of the region; @files times @extents times 2 of them at least
 * @files: in the root directory
 * @extents: of each file, one block each, every second block of the region
 */
struct large {
	const char *name;
	u32 blocks, files, extents;
	int err;
};

static struct gmfs_image_region large_region(const struct large *l)
{
	return (struct gmfs_image_region){ 4ULL << 30, (u64)l->blocks << 21, 2 << 20 };
}

static void put_root(struct gmfs_fdt_writer *w, const struct large *l)
{
	struct gmfs_image_inode root = { .ino = 1, .mode = S_IFDIR | 0700 };
	char name[16];
	size_t prop;
	u32 i;

	gmfs_image_begin_inode(w, &root);
	prop = gmfs_fdt_open_prop(w, GMFS_PROP_NAMES);
	for (i = 0; i < l->files; i++)
		gmfs_fdt_append(w, name, sprintf(name, "file%u", i) + 1);
	gmfs_fdt_close_prop(w, prop);
	prop = gmfs_fdt_open_prop(w, GMFS_PROP_INODES);
	for (i = 0; i < l->files; i++)
		gmfs_fdt_append_u64(w, 2 + i);
	gmfs_fdt_close_prop(w, prop);
	gmfs_fdt_end_node(w);
}

static size_t large_write(const struct large *l, void *buf, size_t max)
{
	struct gmfs_image_inode file = { .mode = S_IFREG | 0600 };
	struct gmfs_image_region region = large_region(l);
	struct gmfs_fdt_writer w;
	u32 i, k, block = GMFS_HEAD_BLOCKS(l->blocks);
	size_t prop;

	gmfs_image_begin(&w, buf, max, &region, l->files + 2);
	prop = gmfs_fdt_open_prop(&w, GMFS_PROP_WRITTEN);
	for (i = 0; i < l->blocks / 8; i++)
		gmfs_fdt_append(&w, "\xaa", 1);
	gmfs_fdt_close_prop(&w, prop);
	put_root(&w, l);
	for (i = 0; i < l->files; i++) {
		file.ino = 2 + i;
		file.size = (u64)l->extents << 21;
		gmfs_image_begin_inode(&w, &file);
		prop = gmfs_fdt_open_prop(&w, GMFS_PROP_EXTENTS);
		for (k = 0; k < l->extents && block < l->blocks; k++, block += 2) {
			gmfs_fdt_append_u32(&w, k);
			gmfs_fdt_append_u32(&w, block);
			gmfs_fdt_append_u32(&w, 1);
		}
		gmfs_fdt_close_prop(&w, prop);
		gmfs_fdt_end_node(&w);
	}
	return gmfs_image_end(&w);
}

static void large(const void *arg)
{
	const struct large *l = arg;
	struct gmfs_image_region region = large_region(l);
	double start = now_ms(), built, checked;
	size_t size = large_write(l, NULL, 0);
	struct gmfs_image img;
	void *image = malloc(size);

	expect_eq(large_write(l, image, size), size);
	built = now_ms();
	expect_eq(gmfs_image_check(&img, image, size, &region), l->err);
	checked = now_ms();
	if (l->err)
		expect(strstr(img.why, "more than 65536"), "said '%s'", img.why);
	else
		expect_eq(img.nr_inodes, l->files + 1);
	expect(size <= gmfs_slot_size(&region) - GMFS_SLOT_IMAGE, "%zu bytes", size);
	if (l->extents > 1)
		unit_info("worst case: %zu bytes, built in %.0f ms, checked in %.0f ms",
			  size, built - start, checked - built);
	free(image);
}

static const struct large larges[] = {
	{ "1 TiB, every second block, 16384 files", 524288, 16384, 16, 0 },
	{ "65536 inodes", 262144, GMFS_MAX_INODES - 1, 1, 0 },
	{ "65537 inodes", 262144, GMFS_MAX_INODES, 1, -EINVAL },
};

/* --- images made to be slow -------------------------------------------------- */

enum { MANY_PROPS, ONE_LONG_NAME, MANY_NODES, DEEP_NODES, LONG_NODE_NAME, NOPS,
       ONE_ENTRY, MANY_ENTRIES };

/**
 * struct slow - an image of 64 MiB that has much of one thing in its root directory
 * @kind: of what
 * @err: what checking it says
 */
struct slow {
	const char *name;
	int kind;
	int err;
};

enum { SLOW_BYTES = 64 << 20 };

/* The cells of one property of no length. */
static u32 put_raw_prop(struct gmfs_fdt_writer *w, u32 name)
{
	gmfs_fdt_append_u32(w, GMFS_FDT_PROP);
	gmfs_fdt_append_u32(w, 0);
	gmfs_fdt_append_u32(w, name);
	return 12;
}

static void put_entries(struct gmfs_fdt_writer *w, u32 nr, u32 name_bytes)
{
	size_t prop = gmfs_fdt_open_prop(w, GMFS_PROP_NAMES);
	u32 i, k;

	for (i = 0; i < nr; i++) {
		for (k = 0; k < name_bytes; k++)
			gmfs_fdt_append(w, "n", 1);
		gmfs_fdt_append(w, "", 1);
	}
	gmfs_fdt_close_prop(w, prop);
	prop = gmfs_fdt_open_prop(w, GMFS_PROP_INODES);
	for (i = 0; i < nr; i++)
		gmfs_fdt_append_u64(w, 2);
	gmfs_fdt_close_prop(w, prop);
}

/* @name: a property name's offset in the strings */
static void put_much(struct gmfs_fdt_writer *w, int kind, u32 name)
{
	u32 left = SLOW_BYTES, i;

	if (kind == ONE_LONG_NAME)
		left /= 2;	/* the rest is the name */
	switch (kind) {
	case MANY_PROPS:
	case ONE_LONG_NAME:
		for (; left >= 12; left -= 12)
			put_raw_prop(w, name);
		return;
	case MANY_NODES:
		for (; left >= 12; left -= 12) {
			gmfs_fdt_begin_node(w, "");
			gmfs_fdt_end_node(w);
		}
		return;
	case DEEP_NODES:
		for (i = 0; i < left / 12; i++)
			gmfs_fdt_begin_node(w, "");
		for (i = 0; i < left / 12; i++)
			gmfs_fdt_end_node(w);
		return;
	case LONG_NODE_NAME:
		gmfs_fdt_append_u32(w, GMFS_FDT_BEGIN_NODE);
		for (; left > 4; left -= 4)
			gmfs_fdt_append(w, "long", 4);
		gmfs_fdt_append_u32(w, 0);
		gmfs_fdt_end_node(w);
		return;
	case NOPS:
		for (; left; left -= 4)
			gmfs_fdt_append_u32(w, GMFS_FDT_NOP);
		return;
	case ONE_ENTRY:
		put_entries(w, 1, left);
		return;
	case MANY_ENTRIES:
		put_entries(w, left / 10, 1);
		return;
	}
}

static size_t slow_write(const struct slow *s, u32 name, void *buf, size_t max)
{
	struct gmfs_image_inode dir = { .ino = 1, .mode = S_IFDIR | 0700 };
	struct gmfs_image_inode file = { .ino = 2, .mode = S_IFREG | 0600 };
	struct gmfs_fdt_writer w;
	size_t prop;

	gmfs_image_begin(&w, buf, max, &tree_region, 3);
	prop = gmfs_fdt_open_prop(&w, GMFS_PROP_WRITTEN);
	gmfs_fdt_append(&w, tree_written, sizeof(tree_written));
	gmfs_fdt_close_prop(&w, prop);
	gmfs_image_begin_inode(&w, &dir);
	put_much(&w, s->kind, name);
	if (s->kind != ONE_ENTRY && s->kind != MANY_ENTRIES)
		put_entries(&w, 1, 1);
	gmfs_fdt_end_node(&w);
	gmfs_image_begin_inode(&w, &file);
	/* Last in the strings; longer ones are made of it. */
	prop = gmfs_fdt_open_prop(&w, "a-name-of-31-characters-exactly");
	gmfs_fdt_close_prop(&w, prop);
	gmfs_fdt_end_node(&w);
	return gmfs_image_end(&w);
}

static void slow(const void *arg)
{
	const struct slow *s = arg;
	size_t size = slow_write(s, 0, NULL, 0), more = 0;
	double start;
	struct gmfs_image img;
	u8 *image;
	u32 nr;

	if (s->kind == ONE_LONG_NAME)
		more = SLOW_BYTES / 2;
	image = malloc(size + more);
	slow_write(s, 0, image, size);
	nr = fdt_size_dt_strings(image);
	slow_write(s, nr - 32, image, size);
	if (more) {
		memset(image + size - 1, 'x', more);
		image[size + more - 1] = 0;
		fdt_set_size_dt_strings(image, nr + more);
		fdt_set_totalsize(image, size + more);
	}
	start = now_ms();
	unit_spent = 0;
	unit_budget = 15UL * (size + more);
	expect_eq(gmfs_image_check(&img, image, size + more, &tree_region), s->err);
	unit_info("%s: %zu bytes checked in %lu steps, %.0f ms", s->name, size + more,
		  unit_spent, now_ms() - start);
	/* It let others have the CPU. */
	if (!s->err)
		expect(unit_spent > size / 20, "%lu steps", unit_spent);
	free(image);
}

static const struct slow slows[] = {
	{ "properties with the longest name", MANY_PROPS, 0 },
	{ "properties that share a name of 32 MiB", ONE_LONG_NAME, -EINVAL },
	{ "unknown nodes", MANY_NODES, 0 },
	{ "unknown nodes, one in the other", DEEP_NODES, 0 },
	{ "a node with a name of 64 MiB", LONG_NODE_NAME, -EINVAL },
	{ "NOPs", NOPS, 0 },
	{ "a file with a name of 64 MiB", ONE_ENTRY, -EINVAL },
	{ "names of one file", MANY_ENTRIES, 0 },
};

/* --- no image is larger than its slot --------------------------------------- */

enum { LONG_NAMES, LONG_TARGETS, MANY_ATTRIBUTES, MANY_LINKS, SHORT_NAMES, SHORT_LINKS };

/**
 * struct full - a region whose files take all the room that they are given
 * @blocks: of the region; each is an extent
 * @kind: what takes the room
 */
struct full {
	const char *name;
	u32 blocks;
	int kind;
};

/* What one inode is charged, as the filesystem does it. */
static u32 price(int kind)
{
	switch (kind) {
	case LONG_TARGETS:
		return GMFS_IMAGE_INODE + GMFS_IMAGE_NAME(255) + GMFS_MAX_TARGET - 2;
	case MANY_ATTRIBUTES:
		return GMFS_IMAGE_INODE + GMFS_IMAGE_NAME(255) + GMFS_MAX_XATTRS - 3;
	case MANY_LINKS:
		return GMFS_IMAGE_NAME(255);
	case SHORT_NAMES:
		return GMFS_IMAGE_INODE + GMFS_IMAGE_NAME(1);
	case SHORT_LINKS:
		return GMFS_IMAGE_NAME(1);
	default:
		return GMFS_IMAGE_INODE + GMFS_IMAGE_NAME(255);
	}
}

static size_t full_write(const struct full *f, u32 nr, void *buf, size_t max)
{
	static const char xattrs[GMFS_MAX_XATTRS];
	static const struct gmfs_extent none;
	struct gmfs_image_region region = { 4ULL << 30, (u64)f->blocks << 21, 2 << 20 };
	struct gmfs_image_inode dir = { .ino = 1, .mode = S_IFDIR | 0700, .flags = 0x10 };
	struct gmfs_image_inode file = { .mode = S_IFREG | 0600, .flags = 0x10 };
	bool links = f->kind == MANY_LINKS || f->kind == SHORT_LINKS;
	bool one_byte = f->kind == SHORT_NAMES || f->kind == SHORT_LINKS;
	u32 block = GMFS_HEAD_BLOCKS(f->blocks), i, inodes = links ? 1 : nr;
	struct gmfs_fdt_writer w;
	size_t prop;

	if (f->kind == LONG_TARGETS)
		file.mode = S_IFLNK | 0777;
	if (f->kind == MANY_ATTRIBUTES) {
		file.xattrs = xattrs;
		file.xattrs_size = sizeof(xattrs) - 3;	/* the most padding */
	}
	gmfs_image_begin(&w, buf, max, &region, 1ULL << 62);
	prop = gmfs_fdt_open_prop(&w, GMFS_PROP_WRITTEN);
	for (i = 0; i < DIV_ROUND_UP(f->blocks, 8); i++)
		gmfs_fdt_append(&w, "\xff", 1);
	gmfs_fdt_close_prop(&w, prop);
	gmfs_image_begin_inode(&w, &dir);
	prop = gmfs_fdt_open_prop(&w, GMFS_PROP_NAMES);
	for (i = 0; i < nr; i++)
		gmfs_fdt_append(&w, one_byte ? "x" : X255, one_byte ? 2 : 256);
	gmfs_fdt_close_prop(&w, prop);
	prop = gmfs_fdt_open_prop(&w, GMFS_PROP_INODES);
	for (i = 0; i < nr; i++)
		gmfs_fdt_append_u64(&w, 1ULL << 61);
	gmfs_fdt_close_prop(&w, prop);
	gmfs_fdt_end_node(&w);
	for (i = 0; i < inodes; i++) {
		file.ino = (1ULL << 61) + i;
		gmfs_image_begin_inode(&w, &file);
		prop = gmfs_fdt_open_prop(&w, S_ISLNK(file.mode) ? GMFS_PROP_TARGET :
							       GMFS_PROP_EXTENTS);
		if (S_ISLNK(file.mode))
			gmfs_fdt_append(&w, X4095 + 3, GMFS_MAX_TARGET - 2);
		/* The last file has what blocks are left, each by itself. */
		else
			for (; block < f->blocks; block++) {
				gmfs_fdt_append(&w, &none, 12);
				if (i < inodes - 1) {
					block++;
					break;
				}
			}
		gmfs_fdt_close_prop(&w, prop);
		gmfs_fdt_end_node(&w);
	}
	return gmfs_image_end(&w);
}

static void full(const void *arg)
{
	const struct full *f = arg;
	struct gmfs_image_region region = { 4ULL << 30, (u64)f->blocks << 21, 2 << 20 };
	size_t slot = min_t(size_t, gmfs_slot_size(&region) - GMFS_SLOT_IMAGE, GMFS_MAX_IMAGE);
	u64 room = gmfs_image_room(&region) - GMFS_IMAGE_INODE;	/* the root */
	u32 nr = min_t(u64, GMFS_MAX_INODES - 1, room / price(f->kind));
	size_t size;

	expect(room < slot && nr, "room for %llu bytes", (unsigned long long)room);
	if (f->kind == MANY_LINKS || f->kind == SHORT_LINKS)
		nr = (room - GMFS_IMAGE_INODE) / price(f->kind);
	size = full_write(f, nr, NULL, 0);
	expect(size <= slot, "%zu bytes for a slot of %zu", size, slot);
	if (f->blocks == 524288)
		unit_info("1 TiB full of %s: %u, %zu of %zu bytes", f->name, nr, size, slot);
}

#define FULL(name, kind) \
	{ name ", 2 blocks", 2, kind }, \
	{ name ", 512 blocks", 512, kind }, \
	{ name ", 8191 blocks", 8191, kind }, \
	{ name ", 8192 blocks", 8192, kind }, \
	{ name ", 65543 blocks", 65543, kind }, \
	{ name ", 1 TiB", 524288, kind }, \
	{ name ", 64 TiB", GMFS_MAX_BLOCKS, kind }

static const struct full fulls[] = {
	FULL("long names", LONG_NAMES),
	FULL("long targets", LONG_TARGETS),
	FULL("many attributes", MANY_ATTRIBUTES),
	FULL("many links", MANY_LINKS),
	FULL("short names", SHORT_NAMES),
	FULL("many short links", SHORT_LINKS),
};

void fuzz_tests(void)
{
	unit_run("fuzz", "mutated images", mutations, NULL);
	run_table("large", large, larges);
	run_table("slow", slow, slows);
	run_table("full", full, fulls);
}
