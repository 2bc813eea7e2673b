// SPDX-License-Identifier: GPL-2.0-only
#include <guestmemfs/abi.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/slab.h>
#include <linux/stat.h>
#include <linux/unaligned.h>
#include <libfdt.h>
#include <stdio.h>

#include "seal.h"
#include "tree.h"
#include "unit.h"

/* --- what was written comes back ------------------------------------------ */

static void same_list(const struct gmfs_image_inode *i, const struct tree_node *n)
{
	const char *name = i->names;
	u32 k;

	for (k = 0; k < i->nr_entries; k++, name += strlen(name) + 1) {
		expect(n->names[k] && !strcmp(name, n->names[k]), "%s", name);
		expect_eq(get_unaligned_be64(i->inodes + 8 * k), n->inodes[k]);
	}
	expect(!n->names[k], "%s is missing", n->names[k]);
}

static void same_extents(const struct gmfs_image_inode *i, const struct tree_node *n)
{
	u32 k;

	for (k = 0; k < i->nr_extents; k++) {
		expect_eq(get_unaligned_be32(i->extents + 12 * k), n->e[k].at);
		expect_eq(get_unaligned_be32(i->extents + 12 * k + 4), n->e[k].start);
		expect_eq(get_unaligned_be32(i->extents + 12 * k + 8), n->e[k].nr);
	}
	expect_eq(n->e[k].nr, 0);
}

static void expect_tree(u32 version, const void *image, size_t size)
{
	const struct gmfs_layout *layout = tree_layout_of(version);
	const struct tree_node *n;
	struct gmfs_image_inode i;
	struct gmfs_image img;
	struct gmfs_range range;
	u32 pos, k;

	expect_eq(gmfs_image_check(&img, image, size, layout), 0);
	expect_eq(img.version, version);
	expect_eq(img.nr_inodes, tree_nr);
	expect_eq(img.next_ino, 0xabcdef0124);
	expect_eq(img.block_size, layout->block_size);
	expect_eq(img.nr_blocks, gmfs_layout_blocks(layout));
	expect_eq(img.nr_windows, layout->nr_windows);
	for (k = 0; k < img.nr_windows; k++) {
		range = gmfs_image_range(&img, k);
		expect(!memcmp(&range, &layout->windows[k], sizeof(range)), "window %u", k);
	}
	expect(!memcmp(img.written, tree_written, sizeof(tree_written)), "written");
	pos = gmfs_image_first(&img);
	for (n = tree_nodes; n < tree_nodes + tree_nr; n++) {
		expect_eq(gmfs_image_next(&img, &pos, &i), 1);
		expect_eq(i.ino, n->i.ino);
		expect_eq(i.mode, n->i.mode);
		expect_eq(i.uid, n->i.uid);
		expect_eq(i.gid, n->i.gid);
		expect_eq(i.size, n->i.size);
		expect_eq(i.major, n->i.major);
		expect_eq(i.minor, n->i.minor);
		expect_eq(i.flags, n->i.flags);
		expect_eq(i.xattrs_size, n->i.xattrs_size);
		expect(!i.xattrs_size ||
		       !memcmp(i.xattrs, n->i.xattrs, i.xattrs_size), "xattrs");
		for (k = 0; k < GMFS_NR_TIMES; k++) {
			expect_eq(i.times[k].sec, n->i.times[k].sec);
			expect_eq(i.times[k].nsec, n->i.times[k].nsec);
		}
		expect(!i.target == !n->i.target, "target");
		expect(!i.target || !strcmp(i.target, n->i.target), "%s", i.target);
		same_list(&i, n);
		same_extents(&i, n);
	}
	expect_eq(gmfs_image_next(&img, &pos, &i), 0);
}

static void round_trip(const void *arg)
{
	u32 version;
	size_t size;
	void *image;

	for (version = 1; version <= 2; version++) {
		image = tree_image_of(version, &size);
		expect_tree(version, image, size);
		free(image);
	}
}

enum { GOLDEN_WINDOW = 2 << 20, GOLDEN_BYTES = 2 * GOLDEN_WINDOW };

/* What a golden file has, or nothing: the windows' heads one after the other. */
static struct gmfs_head golden_heads(u32 version, const char *path, void *maps[2])
{
	u8 *memory = calloc(1, GOLDEN_BYTES);

	if (path)
		read_hex(path, memory, GOLDEN_BYTES);
	maps[0] = memory;
	maps[1] = memory + GOLDEN_WINDOW;
	return (struct gmfs_head){ tree_layout_of(version), maps, 0 };
}

static const struct gmfs_stamp golden_stamp = {
	.tsc = 123456789, .boot_id = "boot of a golden", .tsc_khz = 2000000, .wall = 1ULL << 60,
};

/*
 * golden-v1.hex is a slot with its seal and image, written once, and golden-v2.hex is a slot
 * of each of two windows. Whoever has to change one to make this pass breaks the contract
 * with kernels that run today.
 */
static void golden_read(u32 version, const char *path)
{
	void *maps[2], *image;
	struct gmfs_head head = golden_heads(version, path, maps);
	struct gmfs_found found;

	expect_eq(gmfs_head_find(&head, &found), 0);
	expect_eq(found.version, version);
	expect_eq(found.known, tree_layout_of(version)->known);
	expect_eq(found.generation, 7);
	expect_eq(found.stamp.tsc, 123456789);
	image = malloc(found.size);
	gmfs_head_copy(&head, &found, image);
	expect_tree(version, image, found.size);
	free(image);
	free(maps[0]);
}

static void golden_v1(const void *arg)
{
	golden_read(1, "golden-v1.hex");
}

static void golden_v2(const void *arg)
{
	golden_read(2, "golden-v2.hex");
}

/* The tree has directories, a symlink, attributes, hard links, holes and written bits. */
static void golden_v2_written(const void *arg)
{
	void *golden[2], *maps[2];
	struct gmfs_head head = golden_heads(2, "golden-v2.hex", golden);
	u64 generation = 0;
	size_t size;
	void *image = tree_image(&size);

	head = golden_heads(2, NULL, maps);
	while (generation < 7)
		expect_eq(gmfs_head_seal(&head, image, size, &golden_stamp, &generation), 0);
	/* Seals with lists and date records, the image, and the mark; not slot 1. */
	expect(!memcmp(maps[0], golden[0], GMFS_SLOT_IMAGE), "the seal");
	expect(!memcmp(maps[0] + GMFS_SLOT_IMAGE, golden[0] + GMFS_SLOT_IMAGE, size), "the image");
	expect(!memcmp(maps[1], golden[1], GMFS_SLOT_IMAGE), "the mark");
	free(golden[0]);
	free(maps[0]);
	free(image);
}

static void expect_bad(const struct gmfs_image *img)
{
	struct gmfs_bad_page page;
	u32 i;

	expect_eq(img->nr_bad, tree_nr_bad);
	for (i = 0; i < tree_nr_bad; i++) {
		page = gmfs_image_bad_page(img, i);
		expect(!memcmp(&page, &tree_bad[i], sizeof(page)), "page %u", i);
	}
}

/* An image with bad pages, written once. The tree is the same. */
static void golden_bad(const void *arg)
{
	struct gmfs_image img;
	size_t size, written;
	void *golden = calloc(1, GOLDEN_WINDOW);
	void *image = tree_image_with_bad(&written);

	size = read_hex("golden-bad-pages.hex", golden, GOLDEN_WINDOW);
	expect_tree(2, golden, size);
	expect_eq(gmfs_image_check(&img, golden, size, &tree_layout), 0);
	expect_bad(&img);
	expect_eq(size, written);
	expect(!memcmp(golden, image, size), "what is written");
	free(golden);
	free(image);
}

/* An image without a single inode, which is refused. Sets @img. */
static void check_empty(struct gmfs_image *img, const struct gmfs_layout *layout, u8 *buf,
			size_t max)
{
	struct gmfs_fdt_writer w;
	size_t prop, size;

	gmfs_image_begin(&w, buf, max, layout, 2);
	prop = gmfs_fdt_open_prop(&w, GMFS_PROP_WRITTEN);
	gmfs_fdt_append(&w, tree_written, sizeof(tree_written));
	gmfs_fdt_close_prop(&w, prop);
	size = gmfs_image_end(&w);
	expect_eq(gmfs_image_check(img, buf, size, &tree_layout), -EINVAL);
	expect(strstr(img->why, "no root"), "said '%s'", img->why);
}

/* From the beginning, and then without. */
static void bad_written(const void *arg)
{
	struct gmfs_layout layout = tree_layout;
	u8 image[1024], other[4096];
	struct gmfs_image img;
	size_t size, cut;
	void *tree;

	layout.bad = tree_bad;
	layout.nr_bad = tree_nr_bad;
	check_empty(&img, &layout, image, sizeof(image));
	/* It is refused, and its pages are as bad as before. */
	expect_bad(&img);
	tree = tree_image_with_bad(&size);
	size = gmfs_image_renew(tree, size, other, sizeof(other), NULL, 0);
	expect_tree(2, other, size);
	expect_eq(gmfs_image_check(&img, other, size, &tree_layout), 0);
	expect_eq(img.nr_bad, 0);
	for (cut = 0; cut < size; cut++)
		expect(!gmfs_image_renew(other, cut, NULL, 0, tree_bad, 1), "%zu bytes", cut);
	free(tree);
}

/* What the tests write as version 1 is what version 1 wrote. */
static void golden_v1_written(const void *arg)
{
	void *golden[2], *maps[2];
	struct gmfs_head head = golden_heads(1, "golden-v1.hex", golden);
	size_t size;
	void *image = tree_image_of(1, &size);

	head = golden_heads(1, NULL, maps);
	seal_v1(&head, 0, image, size, 7, &golden_stamp, GMFS_SEALED);
	expect(!memcmp(maps[0], golden[0], sizeof(struct gmfs_seal_v1)), "the seal");
	expect(!memcmp(maps[0] + GMFS_SLOT_IMAGE, golden[0] + GMFS_SLOT_IMAGE, size), "the image");
	free(golden[0]);
	free(maps[0]);
	free(image);
}

static void short_buffers(const void *arg)
{
	size_t size = tree_write(2, NULL, 0), max;
	void *buf;

	for (max = 0; max < size; max++) {
		buf = malloc(max);
		expect_eq(tree_write(2, buf, max), size);
		free(buf);
	}
}

/* --- what must be refused, and what must not -------------------------------- */

enum op { NONE, SET, DEL, ADD, NAME, DEL_NODE };

/**
 * struct edit - a change made by libfdt
 * @op: set or delete property @prop; add node @prop; rename to @prop; delete
 * @node: path of the node concerned, or the number of its inode
 * @data: what to set it to
 * @len: bytes at @data
 * @cells: @data is an array of u32
 */
struct edit {
	enum op op;
	const char *node, *prop;
	const void *data;
	u32 len;
	bool cells;
};

#define CELLS(...)	(const u32[]){ __VA_ARGS__ }, sizeof((u32[]){ __VA_ARGS__ }), true
#define TEXT(text)	text, sizeof(text) - 1, false
#define T(ns)		0, 1, ns

/**
 * struct row - an image that was edited, and what is said of it
 * @version: that it is of, or 0 for either
 */
static const struct row {
	const char *name;
	int err;
	const char *why;
	struct edit edits[6];
	u32 version;
} rows[] = {
#define V2(name, err, why, ...)	{ name, err, why, { { __VA_ARGS__ } }, 2 }
#define V1(name, err, why, ...)	{ name, err, why, { { __VA_ARGS__ } }, 1 }
#define WINDOWS(name, err, why, ...) \
	V2(name, err, why, SET, "/", "windows", CELLS(__VA_ARGS__))
#define REGION(name, err, why, ...) \
	V1(name, err, why, SET, "/", "region", CELLS(__VA_ARGS__))
#define MIB	<< 20
#define REFUSED(name, err, why, ...)	{ name, err, why, { { __VA_ARGS__ } } }
#define BAD(name, ...)		REFUSED(name, -EINVAL, "malformed", __VA_ARGS__)
#define FINE(name, ...)		REFUSED(name, 0, "", __VA_ARGS__)
#define ROOT(name, err, why, ...) REFUSED(name, err, why, SET, "/", __VA_ARGS__)
#define BAD_PAGES(name, err, why, feature, ...) \
	{ name, err, why, { { SET, "/", "incompatible-features", CELLS(0, feature) }, \
			    { SET, "/", "bad-pages", __VA_ARGS__ } } }
#define EXTENT(name, err, why, ...) \
	REFUSED(name, err, why, SET, "3", "extents", CELLS(__VA_ARGS__))
#define INODES(name, why, ino, ...) \
	REFUSED(name, -EINVAL, why, SET, ino, "inodes", CELLS(__VA_ARGS__))
	/* The root. */
	FINE("unchanged", NONE),
	REFUSED("root node with a name", -EINVAL, "root node has a name", NAME, "/", "root"),
	ROOT("other version", -EPROTONOSUPPORT, "version", "compatible", TEXT("guestmemfs-v3\0")),
	V2("of version 1, with windows", -EINVAL, "root is missing",
	   SET, "/", "compatible", TEXT("guestmemfs-v1\0")),
	V1("of version 2, with a region", -EINVAL, "root is missing",
	   SET, "/", "compatible", TEXT("guestmemfs-v2\0")),
	ROOT("longer version", -EPROTONOSUPPORT, "version", "compatible", TEXT("guestmemfs-v10\0")),
	ROOT("shorter version", -EPROTONOSUPPORT, "version", "compatible", TEXT("guestmemfs-v\0")),
	REFUSED("no version", -EPROTONOSUPPORT, "no version", DEL, "/", "compatible"),
	ROOT("incompatible feature", -EPROTONOSUPPORT, "features",
	     "incompatible-features", CELLS(0, 2)),
	ROOT("incompatible feature beside one that is known", -EPROTONOSUPPORT, "features",
	     "incompatible-features", CELLS(0, 3)),
	ROOT("last incompatible feature", -EPROTONOSUPPORT, "features",
	     "incompatible-features", CELLS(1u << 31, 0)),
	REFUSED("features missing", -EINVAL, "root is missing", DEL, "/", "incompatible-features"),
	ROOT("features too short", -EINVAL, "root is missing", "incompatible-features", CELLS(0)),
	BAD_PAGES("a bad page", 0, "", 1, CELLS(1, 0x5000, 0, 7)),
	BAD_PAGES("bad pages, side by side and in no window", 0, "", 1,
		  CELLS(0, 0, 0, 0, 1, 0x5000, 0, 7, 1, 0x6000, 9, 7, 0xfffff, 0xfffff000, -1, -1)),
	BAD_PAGES("bad pages without the feature", -EINVAL, "bad pages", 0,
		  CELLS(1, 0x5000, 0, 7)),
	BAD_PAGES("the feature, and no bad page", -EINVAL, "bad pages", 1, TEXT("")),
	ROOT("the feature alone", -EINVAL, "bad pages", "incompatible-features", CELLS(0, 1)),
	BAD_PAGES("bad pages, one twice", -EINVAL, "bad pages", 1,
		  CELLS(1, 0x5000, 0, 7, 1, 0x5000, 0, 8)),
	BAD_PAGES("bad pages out of order", -EINVAL, "bad pages", 1,
		  CELLS(1, 0x6000, 0, 7, 1, 0x5000, 0, 7)),
	BAD_PAGES("a bad page that is not aligned", -EINVAL, "bad pages", 1,
		  CELLS(1, 0x5800, 0, 7)),
	BAD_PAGES("a bad page beyond any memory", -EINVAL, "bad pages", 1,
		  CELLS(0x100000, 0, 0, 7)),
	BAD_PAGES("bad pages not whole", -EINVAL, "bad pages", 1, CELLS(1, 0x5000, 0, 7, 1)),
	BAD_PAGES("a bad page cut off", -EINVAL, "bad pages", 1, CELLS(1, 0x5000)),
	V1("region missing", -EINVAL, "root is missing", DEL, "/", "region"),
	REGION("region too short", -EINVAL, "root is missing", 1, 0, 0),
	REGION("region too long", -EINVAL, "root is missing", 1, 0, 0, 64 MIB, 2, 0, 0, 64 MIB),
	REGION("other base", -ENXIO, "another pool: 0x4000000 bytes at 0x200000000",
	       2, 0, 0, 64 MIB),
	REGION("other size", -ENXIO, "another pool", 1, 0, 0, 62 MIB),
	REGION("region of size 0", -EINVAL, "window 0 of its list", 1, 0, 0, 0),
	REGION("region that wraps", -EINVAL, "window 0 of its list", -1, -2 MIB, 0, 64 MIB),
	/* libfdt puts a new property before the others. */
	{ "windows before the version", 0, "",
	  { { DEL, "/", "windows" },
	    { SET, "/", "windows", CELLS(1, 0, 0, 36 MIB, 2, 0, 0, 28 MIB) } }, 2 },
	{ "region before the version", 0, "",
	  { { DEL, "/", "region" }, { SET, "/", "region", CELLS(1, 0, 0, 64 MIB) } }, 1 },
	{ "version before the others", 0, "",
	  { { DEL, "/", "compatible" },
	    { SET, "/", "compatible", TEXT("guestmemfs-v2\0") } }, 2 },
	V2("a region beside the windows", 0, "", SET, "/", "region", CELLS(9, 0, 0, 64 MIB)),
	V1("windows beside the region", 0, "", SET, "/", "windows", CELLS(9, 0, 0, 64 MIB)),
	V2("windows missing", -EINVAL, "root is missing", DEL, "/", "windows"),
	V2("windows empty", -EINVAL, "root is missing", SET, "/", "windows", TEXT("")),
	WINDOWS("windows not whole", -EINVAL, "root is missing",
		1, 0, 0, 36 MIB, 2, 0, 0, 28 MIB, 3, 0),
	WINDOWS("windows, one cell too many", -EINVAL, "root is missing",
		1, 0, 0, 36 MIB, 2, 0, 0, 28 MIB, 3),
	WINDOWS("window of size 0", -EINVAL, "window 1 of its list", 1, 0, 0, 36 MIB, 2, 0, 0, 0),
	WINDOWS("window twice", -EINVAL, "window 1 of its list",
		1, 0, 0, 36 MIB, 1, 0, 0, 36 MIB),
	WINDOWS("windows that overlap", -EINVAL, "window 1 of its list",
		1, 0, 0, 36 MIB, 1, 34 MIB, 0, 28 MIB),
	WINDOWS("windows that overlap, the later one before it", -EINVAL, "window 1 of its list",
		2, 0, 0, 28 MIB, 1, -2 MIB, 0, 36 MIB),
	WINDOWS("window in another", -EINVAL, "window 1 of its list",
		1, 0, 0, 60 MIB, 1, 2 MIB, 0, 4 MIB),
	WINDOWS("window that begins in a block", -EINVAL, "window 1 of its list",
		1, 0, 0, 36 MIB, 2, 1 MIB, 0, 28 MIB),
	WINDOWS("window that ends in a block", -EINVAL, "window 0 of its list",
		1, 0, 0, 37 MIB, 2, 0, 0, 28 MIB),
	WINDOWS("window that wraps", -EINVAL, "window 1 of its list",
		1, 0, 0, 36 MIB, -1, -2 MIB, 0, 28 MIB),
	WINDOWS("window of a head alone", -EINVAL, "window 1 of its list",
		1, 0, 0, 36 MIB, 2, 0, 0, 2 MIB),
	{ "one block behind the head, in an unused window", 0, "",
	  { { SET, "/", "windows", CELLS(1, 0, 0, 36 MIB, 2, 0, 0, 28 MIB, 3, 0, 0, 4 MIB) },
	    { SET, "/", "written-blocks", TEXT("\x13\x0c\0\x80\0") } }, 2 },
	WINDOWS("more blocks than any pool has", -EINVAL, "window 1 of its list",
		0x10, 0, 0x4000, 0, 0x8000, 0, 0, 4 MIB),
	WINDOWS("window larger than any pool", -EINVAL, "window 0 of its list",
		0x10, 0, 0x4000, 2 MIB, 1, 0, 0, 36 MIB),
	{ "as many blocks as the largest pool", -EINVAL, "written-blocks",
	  { { SET, "/", "windows",
	      CELLS(1, 0, 0, 36 MIB, 0x10, 0, 0x4000 - 1, -36 MIB) } }, 2 },
	WINDOWS("none of the windows", -ENXIO, "another pool: 0x2400000 bytes at 0x300000000",
		3, 0, 0, 36 MIB, 4, 0, 0, 28 MIB),
	WINDOWS("windows of other sizes", -ENXIO, "another pool",
		1, 0, 0, 34 MIB, 2, 0, 0, 30 MIB),
	WINDOWS("absent window that is used", -ENXIO,
		"inode 3 has blocks in window 0x1c00000@0x300000000, which is absent",
		1, 0, 0, 36 MIB, 3, 0, 0, 28 MIB),
	WINDOWS("first window absent and used", -ENXIO,
		"inode 3 has blocks in window 0x2400000@0x300000000, which is absent",
		3, 0, 0, 36 MIB, 2, 0, 0, 28 MIB),
	{ "absent window between them that is not used", 0, "",
	  { { SET, "/", "windows", CELLS(1, 0, 0, 36 MIB, 3, 0, 0, 4 MIB, 2, 0, 0, 28 MIB) },
	    { SET, "/", "written-blocks", TEXT("\x13\x0c\0\x80\0") },
	    { SET, "a", "extents", CELLS(0, 16, 2, 31, 28, 1) },
	    { SET, "abcdef0123", "extents", CELLS(7, 23, 5) } }, 2 },
	{ "an extent in the head of a window that moved", -ERANGE, "of one window, behind its head",
	  { { SET, "/", "windows", CELLS(1, 0, 0, 36 MIB, 3, 0, 0, 4 MIB, 2, 0, 0, 28 MIB) },
	    { SET, "/", "written-blocks", TEXT("\x13\x0c\0\x80\0") } }, 2 },
	{ "one window, the second is new", 0, "",
	  { { SET, "/", "windows", CELLS(1, 0, 0, 36 MIB) },
	    { SET, "/", "written-blocks", TEXT("\x13\x0c\0") },
	    { SET, "3", "extents", CELLS(0, 4, 2) },
	    { SET, "a", "extents", CELLS(0, 16, 2) }, { DEL, "abcdef0123", "extents" } }, 2 },
	ROOT("other block size", -ENXIO, "another pool", "block-size", CELLS(0, 1 MIB)),
	ROOT("block size that divides no window", -EINVAL, "window 0 of its list",
	     "block-size", CELLS(0, 24 MIB)),
	ROOT("block size 0", -EINVAL, "root is missing", "block-size", CELLS(0, 0)),
	REFUSED("block size missing", -EINVAL, "root is missing", DEL, "/", "block-size"),
	ROOT("block size too short", -EINVAL, "root is missing", "block-size", CELLS(0)),
	REFUSED("next-inode missing", -EINVAL, "root is missing", DEL, "/", "next-inode"),
	ROOT("next-inode too short", -EINVAL, "root is missing", "next-inode", CELLS(99)),
	ROOT("next-inode in use", -EINVAL, "number 737894400291 is",
	     "next-inode", CELLS(0xab, 0xcdef0123)),
	ROOT("next-inode too large", -EINVAL, "no room", "next-inode", CELLS(1u << 31, 0)),
	ROOT("next-inode 2^63 - 1", -EINVAL, "no room", "next-inode", CELLS(~0u >> 1, -1)),
	ROOT("next-inode one too large", -EINVAL, "no room", "next-inode", CELLS(~0u >> 1, 1)),
	FINE("largest next-inode", SET, "/", "next-inode", CELLS(~0u >> 1, 0)),
	ROOT("next-inode 0", -EINVAL, "number 1 is out", "next-inode", CELLS(0, 0)),
	REFUSED("written-blocks missing", -EINVAL, "root is missing", DEL, "/", "written-blocks"),
	ROOT("written-blocks too short", -EINVAL, "written-blocks", "written-blocks", TEXT("123")),
	ROOT("written-blocks too long", -EINVAL, "written-blocks", "written-blocks", TEXT("12345")),
	ROOT("written-blocks empty", -EINVAL, "written-blocks", "written-blocks", TEXT("")),
	FINE("unknown property of the root", SET, "/", "color", TEXT("red\0")),
	FINE("unknown node", ADD, "/", "extra"),
	{ "inode in an unknown node", 0, "",
	  { { ADD, "/", "extra" }, { ADD, "/extra", "inode@7" },
	    { ADD, "/extra/inode@7", "inode@0" } } },

	/* An inode's number. */
	REFUSED("inode numbers out of order", -EINVAL, "out of order", NAME, "5", "inode@9"),
	REFUSED("inode number twice", -EINVAL, "number 3 is out of order", NAME, "4", "inode@3"),
	BAD("inode number 0", NAME, "1", "inode@0"),
	BAD("inode number empty", NAME, "5", "inode@"),
	BAD("inode number, leading 0", NAME, "5", "inode@05"),
	BAD("inode number, capital", NAME, "a", "inode@A"),
	BAD("inode number, no digit", NAME, "a", "inode@g"),
	BAD("inode number, junk", NAME, "5", "inode@5 "),
	BAD("inode number of 17 digits", NAME, "5", "inode@10000000000000005"),
	REFUSED("largest inode number", -EINVAL, "out of order",
		NAME, "abcdef0123", "inode@ffffffffffffffff"),

	/* What every inode has. */
	BAD("mode missing", DEL, "6", "mode"),
	BAD("mode too short", SET, "6", "mode", TEXT("\0\0\x11")),
	BAD("mode too long", SET, "6", "mode", CELLS(S_IFIFO, 0)),
	BAD("mode without type", SET, "6", "mode", CELLS(0600)),
	BAD("mode of no known type", SET, "6", "mode", CELLS(S_IFMT)),
	BAD("mode with unknown bits", SET, "6", "mode", CELLS(0x10000 | S_IFIFO)),
	FINE("all permissions", SET, "6", "mode", CELLS(S_IFIFO | 07777)),
	BAD("owner missing", DEL, "6", "owner"),
	BAD("owner too short", SET, "6", "owner", CELLS(1)),
	BAD("uid -1", SET, "6", "owner", CELLS(-1, 0)),
	BAD("gid -1", SET, "6", "owner", CELLS(0, -1)),
	BAD("times missing", DEL, "6", "times"),
	BAD("times too short", SET, "6", "times", CELLS(T(0), T(0), T(0), 0, 1)),
	BAD("nsec of atime too large", SET, "6", "times", CELLS(T(1000000000), T(0), T(0), T(0))),
	BAD("nsec of mtime too large", SET, "6", "times", CELLS(T(0), T(-1), T(0), T(0))),
	BAD("nsec of ctime too large", SET, "6", "times", CELLS(T(0), T(0), T(1000000000), T(0))),
	BAD("nsec of btime too large", SET, "6", "times", CELLS(T(0), T(0), T(0), T(1000000000))),
	FINE("largest nsec", SET, "6", "times", CELLS(T(999999999), T(0), T(0), T(999999999))),
	FINE("unknown property of an inode", SET, "6", "color", TEXT("")),
	{ "node in an inode", 0, "",
	  { { ADD, "6", "inode@7" }, { SET, "/inode@6/inode@7", "mode", TEXT("") } } },

	/* What any inode may have. */
	FINE("no flags, said", SET, "6", "flags", CELLS(0)),
	FINE("all known flags", SET, "6", "flags", CELLS(0x30)),
	FINE("no flags property", DEL, "3", "flags"),
	BAD("unknown flag", SET, "3", "flags", CELLS(4)),
	BAD("unknown flag and a known one", SET, "3", "flags", CELLS(1u << 31 | 0x10)),
	BAD("flags too short", SET, "3", "flags", TEXT("\0\0\1")),
	BAD("flags too long", SET, "3", "flags", CELLS(0, 1)),
	BAD("flags empty", SET, "3", "flags", TEXT("")),
	FINE("no xattrs property", DEL, "3", "xattrs"),
	FINE("xattrs empty", SET, "3", "xattrs", TEXT("")),
	FINE("xattr of a FIFO", SET, "6", "xattrs", TEXT("user.f\0\0\0\0\1x")),
	FINE("most xattrs", SET, "3", "xattrs", TEXT("user.4096.b\0\0\0\xf\xf0" X4080)),
	BAD("a byte of xattrs too much", SET, "3", "xattrs",
	    TEXT("user.4097.by\0\0\0\xf\xf0" X4080)),
	BAD("an xattr too much", SET, "3", "xattrs",
	    TEXT("user.4096.b\0\0\0\xf\xf0" X4080 "u\0\0\0\0\0")),
	BAD("xattr without name", SET, "3", "xattrs", TEXT("\0\0\0\0\1x")),
	BAD("xattr longer than the property", SET, "3", "xattrs", TEXT("user.f\0\0\0\0\2x")),
	BAD("rest behind the xattrs", SET, "3", "xattrs", TEXT("user.f\0\0\0\0\1xy")),

	/* What depends on the type. */
	BAD("size missing", DEL, "a", "size"),
	BAD("size too short", SET, "a", "size", CELLS(0)),
	REFUSED("size negative", -ERANGE, "larger", SET, "a", "size", CELLS(1u << 31, 0)),
	REFUSED("size beyond the largest pool", -ERANGE, "larger",
		SET, "a", "size", CELLS(0x4000, 1)),
	FINE("size of the largest pool", SET, "a", "size", CELLS(0x4000, 0)),
	FINE("size beyond the pool", SET, "a", "size", CELLS(0, (64 MIB) + 1)),
	BAD("size of a directory", SET, "2", "size", CELLS(0, 0)),
	BAD("size of a directory, too short", SET, "2", "size", CELLS(0)),
	BAD("device number missing", DEL, "5", "device"),
	BAD("device number missing, block", DEL, "7", "device"),
	BAD("major too large", SET, "5", "device", CELLS(1 << 12, 0)),
	BAD("minor too large", SET, "7", "device", CELLS(0, 1 << 20)),
	FINE("largest device number", SET, "7", "device", CELLS((1 << 12) - 1, (1 << 20) - 1)),
	BAD("device number too short", SET, "5", "device", CELLS(1)),
	BAD("device number of a FIFO", SET, "6", "device", CELLS(1, 3)),
	BAD("device number of a FIFO, too short", SET, "6", "device", CELLS(1)),
	BAD("target missing", DEL, "4", "target"),
	BAD("target without NUL", SET, "4", "target", TEXT("abc")),
	BAD("target of no bytes", SET, "4", "target", TEXT("")),
	BAD("target empty", SET, "4", "target", TEXT("\0")),
	BAD("two targets", SET, "4", "target", TEXT("a\0b\0")),
	FINE("longest target", SET, "4", "target", TEXT(X4095 "\0")),
	BAD("target too long", SET, "4", "target", TEXT(X4095 "x\0")),
	BAD("target of a file", SET, "a", "target", TEXT("a\0")),

	/* Extents. */
	FINE("no extents property", DEL, "3", "extents"),
	BAD("extents not whole", SET, "3", "extents", CELLS(0, 4, 2, 2, 10)),
	BAD("extents of a directory", SET, "2", "extents", CELLS(0, 0, 1)),
	BAD("extents of a FIFO", SET, "6", "extents", CELLS(0, 0, 1)),
	EXTENT("extent of no blocks", -EINVAL, "extent 0 of inode 3 is out", 0, 4, 0),
	EXTENT("extents out of order", -EINVAL, "extent 1 of inode 3 is out", 5, 4, 1, 2, 6, 1),
	EXTENT("extents overlap in the file", -EINVAL, "extent 1 of inode 3 is out",
	       0, 4, 2, 1, 10, 1),
	EXTENT("extent too far in the file", -EINVAL, "out of order", -1, 4, 1),
	EXTENT("extents that wrap in the file", -EINVAL, "out of order", -3, 4, 5),
	FINE("extent up to the file's end", SET, "3", "extents", CELLS(9, 4, 1)),
	FINE("extent across the file's end", SET, "3", "extents", CELLS(9, 4, 2)),
	FINE("extents behind the file's end", SET, "3", "extents", CELLS(10, 4, 1, 20, 6, 2)),
	FINE("extent of an empty file", SET, "a", "extents", CELLS(0, 15, 2)),
	FINE("extent behind the pool's size", SET, "3", "extents", CELLS(31, 4, 2)),
	FINE("extent up to the last block a file can have", SET, "3", "extents",
	     CELLS(GMFS_MAX_BLOCKS - 2, 4, 2)),
	EXTENT("extent across the last block a file can have", -EINVAL, "out of order",
	       GMFS_MAX_BLOCKS - 1, 4, 2),
	EXTENT("extent behind the last block a file can have", -EINVAL, "out of order",
	       GMFS_MAX_BLOCKS, 4, 1),
	EXTENT("extents out of order behind the file's end", -EINVAL, "extent 1 of inode 3 is out",
	       20, 4, 2, 21, 6, 1),
	EXTENT("extents behind the file's end overlap in the pool", -EEXIST, "overlaps",
	       20, 4, 2, 22, 5, 1),
	EXTENT("extent overlaps one behind another file's end", -EEXIST, "overlaps", 0, 28, 1),
	EXTENT("extent in the head", -ERANGE,
	       "extent 0 of inode 3 is not of one window, behind its head", 0, 0, 2),
	FINE("extent up to the pool's end", SET, "3", "extents", CELLS(0, 30, 2)),
	EXTENT("extent across the pool's end", -ERANGE, "not of one window", 0, 31, 2),
	EXTENT("extent behind the pool", -ERANGE, "not of one window", 0, 32, 1),
	EXTENT("extent far behind the pool", -ERANGE, "not of one window", 0, -1, 1),
	V2("extent in the second window's head", -ERANGE, "not of one window",
	   SET, "3", "extents", CELLS(0, 18, 1)),
	V2("extent across two windows", -ERANGE, "not of one window",
	   SET, "3", "extents", CELLS(0, 15, 6)),
	V2("extent up to the second window's head", 0, "", SET, "a", "extents", CELLS(0, 15, 3)),
	V2("extent into the second window's head", -ERANGE, "not of one window",
	   SET, "a", "extents", CELLS(0, 16, 3)),
	V2("extent from the second window's head on", -ERANGE, "not of one window",
	   SET, "a", "extents", CELLS(0, 18, 2)),
	{ "extent of the second window but its head", 0, "",
	  { { SET, "3", "extents", CELLS(0, 19, 13) }, { DEL, "a", "extents" },
	    { DEL, "abcdef0123", "extents" } }, 2 },
	{ "extent of a whole pool but its head", 0, "",
	  { { SET, "3", "extents", CELLS(0, 1, 31) }, { DEL, "a", "extents" },
	    { DEL, "abcdef0123", "extents" } }, 1 },
	EXTENT("extent of far too many blocks", -EINVAL, "out of order", 0, 4, -1),
	EXTENT("extents overlap in the pool", -EEXIST, "extent 1 of inode 3 overlaps",
	       0, 4, 2, 5, 5, 1),
	EXTENT("extents of two files overlap", -EEXIST, "overlaps", 0, 23, 2),
	EXTENT("extent around another file's", -EEXIST, "overlaps", 0, 19, 6),
	FINE("extents that touch need not be one", SET, "3", "extents", CELLS(0, 4, 1, 1, 5, 1)),

	/* Directories. */
	BAD("names without NUL", SET, "2", "names", TEXT("hard\0empty")),
	BAD("names with a rest", SET, "2", "names", TEXT("a\0b\0rest")),
	BAD("more names than inodes", SET, "2", "names", TEXT("a\0b\0c\0")),
	BAD("fewer names than inodes", SET, "2", "names", TEXT("a\0")),
	BAD("inodes without names", DEL, "2", "names"),
	BAD("names without inodes", DEL, "2", "inodes"),
	BAD("inodes not whole", SET, "2", "inodes", CELLS(0, 3, 0, 10, 0)),
	{ "entries of a file", -EINVAL, "malformed",
	  { { SET, "a", "names", TEXT("a\0") }, { SET, "a", "inodes", CELLS(0, 3) } } },
	REFUSED("name .", -EINVAL, "malformed name", SET, "2", "names", TEXT(".\0b\0")),
	REFUSED("name ..", -EINVAL, "malformed name", SET, "2", "names", TEXT("a\0..\0")),
	FINE("name ...", SET, "2", "names", TEXT("a\0...\0")),
	REFUSED("name with /", -EINVAL, "malformed name", SET, "2", "names", TEXT("a\0b/\0")),
	REFUSED("name empty", -EINVAL, "malformed name", SET, "2", "names", TEXT("\0b\0")),
	FINE("longest name", SET, "2", "names", TEXT("a\0" X255 "\0")),
	REFUSED("name of 256 bytes", -EINVAL, "malformed name",
		SET, "2", "names", TEXT("a\0" X255 "x\0")),
	INODES("unknown inode", "not there", "2", 0, 3, 0, 11),
	INODES("unknown inode, high cell", "not there", "2", 1, 3, 0, 10),
	INODES("file without name", "inode 10 has no name", "2", 0, 3, 0, 3),
	INODES("directory without name", "inode 2 has no name", "9", 0, 3, 0, 3, 0xab, 0xcdef0123),
	INODES("directory with two names", "directory 9 has two names", "2", 0, 9, 0, 10),
	INODES("root directory with a name", "directory 1 has two names", "2", 0, 1, 0, 10),
	INODES("directory in itself", "directory 2 has two names", "2", 0, 2, 0, 10),
	{ "cycle apart from the root", -EINVAL, "inode 2 has no name",
	  { { SET, "1", "inodes", CELLS(0, 3, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 8) },
	    { SET, "2", "inodes", CELLS(0, 9, 0, 10) } } },
	REFUSED("no root directory", -EINVAL, "no root", DEL_NODE, "1"),
	{ "root is no directory", -EINVAL, "no root",
	  { { SET, "1", "mode", CELLS(S_IFIFO) }, { DEL, "1", "names" },
	    { DEL, "1", "inodes" } } },
	REFUSED("inode missing", -EINVAL, "not there", DEL_NODE, "6"),
};

static void apply(void *fdt, const struct edit *e)
{
	static fdt32_t cells[4 * (GMFS_MAX_WINDOWS + 1)];
	int node, i, err;
	char path[40];

	snprintf(path, sizeof(path), "%s%s", *e->node == '/' ? "" : "/inode@", e->node);
	node = fdt_path_offset(fdt, path);
	expect(node >= 0, "%s: %s", e->node, fdt_strerror(node));
	if (e->op == SET && e->cells) {
		for (i = 0; i < e->len / 4; i++)
			cells[i] = cpu_to_fdt32(((const u32 *)e->data)[i]);
		err = fdt_setprop(fdt, node, e->prop, cells, e->len);
	} else if (e->op == SET) {
		err = fdt_setprop(fdt, node, e->prop, e->data, e->len);
	} else if (e->op == DEL) {
		err = fdt_delprop(fdt, node, e->prop);
	} else if (e->op == NAME) {
		err = fdt_set_name(fdt, node, e->prop);
	} else if (e->op == DEL_NODE) {
		err = fdt_del_node(fdt, node);
	} else {
		err = min(fdt_add_subnode(fdt, node, e->prop), 0);
	}
	expect(!err, "%s %s: %s", e->node, e->prop, fdt_strerror(err));
}

/* Accepted means that what follows the check finds no fault either. */
static int check(struct gmfs_image *img, const void *image, size_t size,
		 const struct gmfs_layout *layout)
{
	int err = gmfs_image_check(img, image, size, layout);

	expect(!err == !img->why[0], "said '%s'", img->why);
	expect(err || tree_is_good(img), "what was accepted is malformed");
	return err;
}

/* The small image after @e, as libfdt packs it. */
static void *edit(u32 version, const struct edit *e)
{
	size_t size, room;
	void *base = tree_image_of(version, &size), *fdt;

	room = 2 * size + 8192;
	fdt = malloc(room);
	expect_eq(fdt_open_into(base, fdt, room), 0);
	for (; e->op; e++)
		apply(fdt, e);
	expect_eq(fdt_pack(fdt), 0);
	free(base);
	return realloc(fdt, fdt_totalsize(fdt));
}

static void edit_and_check(u32 version, const struct row *row)
{
	const struct gmfs_layout *layout = tree_layout_of(version);
	struct gmfs_image img;
	void *image = edit(version, row->edits), *last;
	size_t size;
	int err;

	expect_eq(check(&img, image, fdt_totalsize(image), layout), row->err);
	expect(strstr(img.why, row->why), "said '%s'", img.why);
	last = structs_last(image, fdt_size_dt_struct(image), &size);
	expect_eq(check(&img, last, size, layout), row->err);
	/* Of no pool in particular it may be of any, and nothing else is forgiven. */
	err = check(&img, image, fdt_totalsize(image), NULL);
	expect(err == row->err || row->err == -ENXIO, "without a layout: %d '%s'", err,
	       img.why);
	free(last);
	free(image);
}

static void edited(const void *arg)
{
	const struct row *row = arg;

	if (row->version != 2)
		edit_and_check(1, row);
	if (row->version != 1)
		edit_and_check(2, row);
}

static void truncated(const void *arg)
{
	struct gmfs_image img;
	size_t size, cut_size;
	void *image = tree_image(&size), *cut;
	u32 n;

	for (n = 0; n < size; n++) {
		cut = exact_copy(image, n);
		expect(check(&img, cut, n, &tree_layout), "%u bytes", n);
		if (n >= sizeof(struct fdt_header)) {
			fdt_set_totalsize(cut, n);
			expect(check(&img, cut, n, &tree_layout), "%u bytes by its header", n);
		}
		free(cut);
	}
	for (n = 0; n < fdt_size_dt_struct(image); n++) {
		cut = structs_last(image, n, &cut_size);
		expect(check(&img, cut, cut_size, &tree_layout), "%u bytes of structure", n);
		free(cut);
	}
	free(image);
}

/* An end too early, or one node's end missing, wherever it is. */
static void unbalanced(const void *arg)
{
	const struct edit unknown[] = {
		{ ADD, "/", "extra" }, { SET, "/extra", "mode", CELLS(1) },
		{ ADD, "3", "extra" }, { SET, "/inode@3/extra", "mode", CELLS(1) },
		{ NONE },
	};
	struct gmfs_fdt_reader r;
	struct gmfs_fdt_token t;
	struct gmfs_image img;
	u8 *image = edit(2, unknown), *cell;
	size_t size = fdt_totalsize(image);
	u32 pos = 0, here;

	expect_eq(check(&img, image, size, &tree_layout), 0);
	expect_eq(gmfs_fdt_open(&r, image, size), 0);
	for (;; put_unaligned_be32(t.kind, cell)) {
		here = pos;
		expect_eq(gmfs_fdt_next(&r, &pos, &t), 0);
		cell = image + fdt_off_dt_struct(image) + here;
		if (t.kind == GMFS_FDT_END)
			break;
		put_unaligned_be32(GMFS_FDT_END, cell);
		expect(check(&img, image, size, &tree_layout), "end at %u", here);
		if (t.kind != GMFS_FDT_END_NODE)
			continue;
		put_unaligned_be32(GMFS_FDT_NOP, cell);
		expect(check(&img, image, size, &tree_layout), "no end at %u", here);
	}
	put_unaligned_be32(GMFS_FDT_END_NODE, cell);
	expect(check(&img, image, size, &tree_layout), "no end of the whole");
	free(image);
}

static void nothing_in_it(const void *arg)
{
	struct gmfs_image img;
	u8 image[1024];

	check_empty(&img, &tree_layout, image, sizeof(image));
}

static void no_memory(const void *arg)
{
	struct gmfs_image img;
	size_t size;
	void *image = tree_image(&size);
	int i;

	for (i = 0; i < 3; i++) {
		unit_allocations = i;
		expect_eq(check(&img, image, size, &tree_layout), -ENOMEM);
	}
	unit_allocations = 3;
	expect_eq(check(&img, image, size, &tree_layout), 0);
	free(image);
}

/* --- windows of the image and of the pool ------------------------------------ */

static const struct gmfs_range places[] = {
	{ 4ULL << 30, 36 MIB }, { 8ULL << 30, 28 MIB }, { 12ULL << 30, 8 MIB },
};

/* The windows that @letters name: a and b are the tree's. */
static struct gmfs_layout lay_out(const char *letters, u64 known)
{
	static struct gmfs_range windows[GMFS_MAX_WINDOWS];
	u32 i;

	for (i = 0; letters[i]; i++)
		windows[i] = places[letters[i] - 'a'];
	return (struct gmfs_layout){ windows, i, 2 MIB, known };
}

/**
 * struct placed - the tree, or one without blocks in window b, in another pool
 * @only_a: nothing is in b
 * @in_a: where its block 4 is then
 * @in_b: where its block 20 is
 */
static const struct placed {
	const char *name, *letters;
	u64 known;
	bool only_a;
	int err;
	const char *why;
	u32 in_a, in_b;
} placed[] = {
	{ "as it was", "ab", 3, false, 0, "", 4, 20 },
	{ "in the other order", "ba", 3, false, 0, "", 18, 2 },
	{ "a window more behind them", "abc", 7, false, 0, "", 4, 20 },
	{ "a window more before them", "cab", 7, false, 0, "", 8, 24 },
	{ "a window more between them, the other order", "bca", 7, false, 0, "", 22, 2 },
	{ "a new window that is not known yet", "acb", 5, false, 0, "", 4, 24 },
	{ "one absent and used", "a", 1, false, -ENXIO, "0x1c00000@0x200000000, which is absent" },
	{ "the first absent and used", "b", 1, true, -ENXIO, "0x2400000@0x100000000, which is" },
	{ "one there and used, but not known", "ab", 1, false, -ENXIO, "which is absent" },
	{ "the first not known", "ab", 2, false, -ENXIO, "0x2400000@0x100000000, which is absent" },
	{ "one absent and not used", "a", 1, true, 0, "", 4, GMFS_ABSENT },
	{ "one not known and not used", "ba", 2, true, 0, "", 18, GMFS_ABSENT },
	{ "one absent and another added", "ca", 3, true, 0, "", 8, GMFS_ABSENT },
	{ "none known", "ab", 0, true, -ENXIO, "another pool" },
	{ "none there", "c", 1, true, -ENXIO, "another pool" },
};

static void place(const void *arg)
{
	const struct edit none[] = { { NONE } }, without_b[] = {
		{ SET, "3", "extents", CELLS(0, 4, 2) }, { SET, "a", "extents", CELLS(0, 16, 2) },
		{ DEL, "abcdef0123", "extents" }, { NONE },
	};
	const struct placed *p = arg;
	struct gmfs_layout layout = lay_out(p->letters, p->known);
	void *image = edit(2, p->only_a ? without_b : none);
	struct gmfs_image img;

	expect_eq(check(&img, image, fdt_totalsize(image), &layout), p->err);
	expect(strstr(img.why, p->why), "said '%s'", img.why);
	if (!p->err) {
		expect_eq(gmfs_image_block(&img, 4), p->in_a);
		expect_eq(gmfs_image_block(&img, 20), p->in_b);
		/* The last block of each, too. */
		expect_eq(gmfs_image_block(&img, 17), p->in_a + 13);
		expect_eq(gmfs_image_block(&img, 31),
			  p->in_b == GMFS_ABSENT ? GMFS_ABSENT : p->in_b + 11);
	}
	free(image);
}

/* @nr windows of two blocks each, far apart. */
static void *many_windows(u32 nr, size_t *size)
{
	static u32 cells[4 * (GMFS_MAX_WINDOWS + 1)];
	static u8 written[2 * (GMFS_MAX_WINDOWS + 1) / 8 + 1];
	const struct edit edits[] = {
		{ SET, "/", "windows", cells, nr * 16, true },
		{ SET, "/", "written-blocks", written, DIV_ROUND_UP(2 * nr, 8), false },
		{ SET, "3", "extents", CELLS(0, 1, 1, 1, 3, 1, 5, 127, 1) },
		{ DEL, "a", "extents" }, { DEL, "abcdef0123", "extents" }, { NONE },
	};
	void *image;
	u32 i;

	for (i = 0; i < nr; i++) {
		cells[4 * i] = i + 1;
		cells[4 * i + 3] = 4 MIB;
	}
	image = edit(2, edits);
	*size = fdt_totalsize(image);
	return image;
}

static void most_windows(const void *arg)
{
	struct gmfs_range windows[GMFS_MAX_WINDOWS];
	struct gmfs_layout layout = { windows, GMFS_MAX_WINDOWS, 2 MIB, ~0ULL };
	struct gmfs_image img;
	size_t size;
	void *image = many_windows(GMFS_MAX_WINDOWS, &size);
	u32 i;

	for (i = 0; i < GMFS_MAX_WINDOWS; i++)
		windows[GMFS_MAX_WINDOWS - 1 - i] =
			(struct gmfs_range){ (u64)(i + 1) << 32, 4 MIB };
	expect_eq(check(&img, image, size, &layout), 0);
	expect_eq(img.nr_windows, GMFS_MAX_WINDOWS);
	expect_eq(gmfs_image_block(&img, 1), 127);
	expect_eq(gmfs_image_block(&img, 3), 125);
	expect_eq(gmfs_image_block(&img, 127), 1);
	layout.known = ~1ULL;
	expect_eq(check(&img, image, size, &layout), -ENXIO);
	free(image);
	image = many_windows(GMFS_MAX_WINDOWS + 1, &size);
	expect_eq(check(&img, image, size, &layout), -EINVAL);
	expect(strstr(img.why, "root is missing"), "said '%s'", img.why);
	free(image);
}

/* A file of @nr names of 255 bytes in a tree like this, and one of @last bytes. */
static size_t write_names(u32 nr, u32 last, void *buf, size_t max)
{
	static const u8 written[4];
	struct gmfs_image_inode dir = { .ino = 1, .mode = S_IFDIR | 0700 };
	struct gmfs_image_inode file = { .ino = 2, .mode = S_IFREG | 0600 };
	struct gmfs_fdt_writer w;
	size_t prop;
	u32 i;

	gmfs_image_begin(&w, buf, max, &tree_layout, 3);
	prop = gmfs_fdt_open_prop(&w, GMFS_PROP_WRITTEN);
	gmfs_fdt_append(&w, written, sizeof(written));
	gmfs_fdt_close_prop(&w, prop);
	gmfs_image_begin_inode(&w, &dir);
	prop = gmfs_fdt_open_prop(&w, GMFS_PROP_NAMES);
	for (i = 0; i < nr; i++)
		gmfs_fdt_append(&w, X255, 256);
	gmfs_fdt_append(&w, X255 + 255 - last, last + 1);
	gmfs_fdt_close_prop(&w, prop);
	prop = gmfs_fdt_open_prop(&w, GMFS_PROP_INODES);
	for (i = 0; i < nr + 1; i++)
		gmfs_fdt_append_u64(&w, 2);
	gmfs_fdt_close_prop(&w, prop);
	gmfs_fdt_end_node(&w);
	gmfs_image_begin_inode(&w, &file);
	gmfs_fdt_end_node(&w);
	return gmfs_image_end(&w);
}

/* More names than the heads have room for, since there are fewer windows now. */
static void no_room(const void *arg)
{
	struct gmfs_layout all = tree_layout, one = lay_out("a", 1), *layout;
	u32 i, last, nr;
	struct gmfs_image img;
	size_t size;
	void *image;
	u64 left;

	for (i = 0; i < 4; i++) {
		layout = i < 2 ? &one : &all;
		left = gmfs_image_room(layout) - 2 * GMFS_IMAGE_INODE - GMFS_IMAGE_NAME(0);
		nr = left / GMFS_IMAGE_NAME(255) - 1;
		last = left - nr * GMFS_IMAGE_NAME(255);
		if (last > 254) {
			last -= GMFS_IMAGE_NAME(255);
			nr++;
		}
		expect(last && last < 255, "a name of %u bytes", last);
		last += i % 2;
		size = write_names(nr, last, NULL, 0);
		image = malloc(size);
		write_names(nr, last, image, size);
		expect_eq(check(&img, image, size, layout), i % 2 ? -EFBIG : 0);
		expect(!(i % 2) || strstr(img.why, "add a window"), "said '%s'", img.why);
		/* Elsewhere it may have room. */
		expect_eq(check(&img, image, size, NULL), 0);
		expect_eq(check(&img, image, size, &all), i == 3 ? -EFBIG : 0);
		free(image);
	}
}

void image_tests(void)
{
	unit_run("image", "round trip", round_trip, NULL);
	unit_run("image", "golden image of version 1", golden_v1, NULL);
	unit_run("image", "golden image of version 1: the tests write the same bytes",
		 golden_v1_written, NULL);
	unit_run("image", "golden image of version 2", golden_v2, NULL);
	unit_run("image", "golden image of version 2: written to the same bytes",
		 golden_v2_written, NULL);
	unit_run("image", "golden image with bad pages", golden_bad, NULL);
	unit_run("image", "bad pages, and none any more", bad_written, NULL);
	unit_run("image", "buffers too short", short_buffers, NULL);
	run_table("image", edited, rows);
	run_table("image in a pool", place, placed);
	unit_run("image", "64 windows, and one too many", most_windows, NULL);
	unit_run("image", "more names than there is room for", no_room, NULL);
	unit_run("image", "truncated everywhere", truncated, NULL);
	unit_run("image", "ends too early or missing", unbalanced, NULL);
	unit_run("image", "nothing in it", nothing_in_it, NULL);
	unit_run("image", "no memory", no_memory, NULL);
}
