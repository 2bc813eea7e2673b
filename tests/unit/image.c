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

static void expect_tree(const void *image, size_t size)
{
	const struct tree_node *n;
	struct gmfs_image_inode i;
	struct gmfs_image img;
	u32 pos, k;

	expect_eq(gmfs_image_check(&img, image, size, &tree_region), 0);
	expect_eq(img.nr_inodes, tree_nr);
	expect_eq(img.next_ino, 0xabcdef0124);
	expect(!memcmp(&img.region, &tree_region, sizeof(tree_region)), "region");
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
	size_t size;
	void *image = tree_image(&size);

	expect_tree(image, size);
	free(image);
}

/*
 * golden-v1.hex is a slot with its seal and image, written once. Whoever has to
 * change it to make this pass breaks the contract with kernels that run today.
 */
static void golden(const void *arg)
{
	struct gmfs_head head = { calloc(1, 2 << 20), tree_region };
	struct gmfs_found found;

	read_hex("golden-v1.hex", head.map, 2 << 20);
	expect_eq(gmfs_head_find(&head, &found), 0);
	expect_eq(found.generation, 7);
	expect_eq(found.stamp.tsc, 123456789);
	expect_tree(found.image, found.size);
	free(head.map);
}

/* The tree has directories, a symlink, attributes, hard links, holes and written bits. */
static void golden_written(const void *arg)
{
	struct gmfs_head golden = { calloc(1, 2 << 20), tree_region };
	struct gmfs_head head = { calloc(1, 2 << 20), tree_region };
	const struct gmfs_stamp now = { .tsc = 123456789, .boot_id = "boot of a golden" };
	struct gmfs_found found;
	u64 generation = 0;
	size_t size;
	void *image = tree_image(&size);

	read_hex("golden-v1.hex", golden.map, 2 << 20);
	expect_eq(gmfs_head_find(&golden, &found), 0);
	expect_eq(size, found.size);
	expect(!memcmp(image, found.image, size), "the image");
	while (generation < 7)
		expect_eq(gmfs_head_seal(&head, image, size, &now, &generation), 0);
	expect(!memcmp(head.map, golden.map, sizeof(struct gmfs_seal)), "the seal");
	expect(!memcmp(head.map + GMFS_SLOT_IMAGE, golden.map + GMFS_SLOT_IMAGE, size),
	       "the image beside the seal");
	free(golden.map);
	free(head.map);
	free(image);
}

static void short_buffers(const void *arg)
{
	size_t size = tree_write(NULL, 0), max;
	void *buf;

	for (max = 0; max < size; max++) {
		buf = malloc(max);
		expect_eq(tree_write(buf, max), size);
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

static const struct row {
	const char *name;
	int err;
	const char *why;
	struct edit edits[4];
} rows[] = {
#define REFUSED(name, err, why, ...)	{ name, err, why, { { __VA_ARGS__ } } }
#define BAD(name, ...)		REFUSED(name, -EINVAL, "malformed", __VA_ARGS__)
#define FINE(name, ...)		REFUSED(name, 0, "", __VA_ARGS__)
#define ROOT(name, err, why, ...) REFUSED(name, err, why, SET, "/", __VA_ARGS__)
#define EXTENT(name, err, why, ...) \
	REFUSED(name, err, why, SET, "3", "extents", CELLS(__VA_ARGS__))
#define INODES(name, why, ino, ...) \
	REFUSED(name, -EINVAL, why, SET, ino, "inodes", CELLS(__VA_ARGS__))
	/* The root. */
	FINE("unchanged", NONE),
	REFUSED("root node with a name", -EINVAL, "root node has a name", NAME, "/", "root"),
	ROOT("other version", -EPROTONOSUPPORT, "version", "compatible", TEXT("guestmemfs-v2\0")),
	ROOT("longer version", -EPROTONOSUPPORT, "version", "compatible", TEXT("guestmemfs-v10\0")),
	ROOT("shorter version", -EPROTONOSUPPORT, "version", "compatible", TEXT("guestmemfs-v\0")),
	REFUSED("no version", -EPROTONOSUPPORT, "no version", DEL, "/", "compatible"),
	ROOT("incompatible feature", -EPROTONOSUPPORT, "features",
	     "incompatible-features", CELLS(0, 1)),
	ROOT("last incompatible feature", -EPROTONOSUPPORT, "features",
	     "incompatible-features", CELLS(1u << 31, 0)),
	REFUSED("features missing", -EINVAL, "root is missing", DEL, "/", "incompatible-features"),
	ROOT("features too short", -EINVAL, "root is missing", "incompatible-features", CELLS(0)),
	REFUSED("region missing", -EINVAL, "root is missing", DEL, "/", "region"),
	ROOT("region too short", -EINVAL, "root is missing", "region", CELLS(1, 0, 0)),
	ROOT("other base", -ENXIO, "another region", "region", CELLS(2, 0, 0, 64 << 20)),
	ROOT("other size", -ENXIO, "another region", "region", CELLS(1, 0, 0, 62 << 20)),
	ROOT("other block size", -ENXIO, "another region", "block-size", CELLS(0, 4 << 20)),
	ROOT("block size 0", -ENXIO, "another region", "block-size", CELLS(0, 0)),
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
	REFUSED("size beyond the region", -ERANGE, "larger", SET, "a", "size", CELLS(0, (64 << 20) + 1)),
	FINE("size of the region", SET, "a", "size", CELLS(0, 64 << 20)),
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
	FINE("extent up to the last block a file can have", SET, "3", "extents", CELLS(30, 4, 2)),
	EXTENT("extent across the last block a file can have", -EINVAL, "out of order", 31, 4, 2),
	EXTENT("extent behind the last block a file can have", -EINVAL, "out of order", 32, 4, 1),
	EXTENT("extents out of order behind the file's end", -EINVAL, "extent 1 of inode 3 is out",
	       20, 4, 2, 21, 6, 1),
	EXTENT("extents behind the file's end overlap in the region", -EEXIST, "overlaps",
	       20, 4, 2, 22, 5, 1),
	EXTENT("extent overlaps one behind another file's end", -EEXIST, "overlaps", 0, 28, 1),
	EXTENT("extent in the region's head", -ERANGE, "extent 0 of inode 3 is in the region's head", 0, 0, 2),
	FINE("extent up to the region's end", SET, "3", "extents", CELLS(0, 30, 2)),
	EXTENT("extent across the region's end", -ERANGE, "leaves the region", 0, 31, 2),
	EXTENT("extent behind the region", -ERANGE, "leaves the region", 0, 32, 1),
	EXTENT("extent far behind the region", -ERANGE, "leaves the region", 0, -1, 1),
	EXTENT("extent of far too many blocks", -EINVAL, "out of order", 0, 4, -1),
	EXTENT("extents overlap in the region", -EEXIST, "extent 1 of inode 3 overlaps",
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
	static fdt32_t cells[64];
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
static int check(struct gmfs_image *img, const void *image, size_t size)
{
	int err = gmfs_image_check(img, image, size, &tree_region);

	expect(!err == !img->why[0], "said '%s'", img->why);
	expect(err || tree_is_good(img), "what was accepted is malformed");
	return err;
}

/* The small image after @e, as libfdt packs it. */
static void *edit(const struct edit *e)
{
	size_t size, room;
	void *base = tree_image(&size), *fdt;

	room = 2 * size + 8192;
	fdt = malloc(room);
	expect_eq(fdt_open_into(base, fdt, room), 0);
	for (; e->op; e++)
		apply(fdt, e);
	expect_eq(fdt_pack(fdt), 0);
	free(base);
	return realloc(fdt, fdt_totalsize(fdt));
}

static void edited(const void *arg)
{
	const struct row *row = arg;
	struct gmfs_image img;
	void *image = edit(row->edits), *last;
	size_t size;

	expect_eq(check(&img, image, fdt_totalsize(image)), row->err);
	expect(strstr(img.why, row->why), "said '%s'", img.why);
	last = structs_last(image, fdt_size_dt_struct(image), &size);
	expect_eq(check(&img, last, size), row->err);
	free(last);
	free(image);
}

static void truncated(const void *arg)
{
	struct gmfs_image img;
	size_t size, cut_size;
	void *image = tree_image(&size), *cut;
	u32 n;

	for (n = 0; n < size; n++) {
		cut = exact_copy(image, n);
		expect(check(&img, cut, n), "%u bytes", n);
		if (n >= sizeof(struct fdt_header)) {
			fdt_set_totalsize(cut, n);
			expect(check(&img, cut, n), "%u bytes by its header", n);
		}
		free(cut);
	}
	for (n = 0; n < fdt_size_dt_struct(image); n++) {
		cut = structs_last(image, n, &cut_size);
		expect(check(&img, cut, cut_size), "%u bytes of structure", n);
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
	u8 *image = edit(unknown), *cell;
	size_t size = fdt_totalsize(image);
	u32 pos = 0, here;

	expect_eq(check(&img, image, size), 0);
	expect_eq(gmfs_fdt_open(&r, image, size), 0);
	for (;; put_unaligned_be32(t.kind, cell)) {
		here = pos;
		expect_eq(gmfs_fdt_next(&r, &pos, &t), 0);
		cell = image + fdt_off_dt_struct(image) + here;
		if (t.kind == GMFS_FDT_END)
			break;
		put_unaligned_be32(GMFS_FDT_END, cell);
		expect(check(&img, image, size), "end at %u", here);
		if (t.kind != GMFS_FDT_END_NODE)
			continue;
		put_unaligned_be32(GMFS_FDT_NOP, cell);
		expect(check(&img, image, size), "no end at %u", here);
	}
	put_unaligned_be32(GMFS_FDT_END_NODE, cell);
	expect(check(&img, image, size), "no end of the whole");
	free(image);
}

static void nothing_in_it(const void *arg)
{
	struct gmfs_fdt_writer w;
	struct gmfs_image img;
	char image[1024];
	size_t prop, size;

	gmfs_image_begin(&w, image, sizeof(image), &tree_region, 2);
	prop = gmfs_fdt_open_prop(&w, GMFS_PROP_WRITTEN);
	gmfs_fdt_append(&w, tree_written, sizeof(tree_written));
	gmfs_fdt_close_prop(&w, prop);
	size = gmfs_image_end(&w);
	expect_eq(gmfs_image_check(&img, image, size, &tree_region), -EINVAL);
	expect(strstr(img.why, "no root"), "said '%s'", img.why);
}

static void no_memory(const void *arg)
{
	struct gmfs_image img;
	size_t size;
	void *image = tree_image(&size);
	int i;

	for (i = 0; i < 3; i++) {
		unit_allocations = i;
		expect_eq(check(&img, image, size), -ENOMEM);
	}
	unit_allocations = 3;
	expect_eq(check(&img, image, size), 0);
	free(image);
}

void image_tests(void)
{
	unit_run("image", "round trip", round_trip, NULL);
	unit_run("image", "golden image of version 1", golden, NULL);
	unit_run("image", "golden image of version 1: written to the same bytes",
		 golden_written, NULL);
	unit_run("image", "buffers too short", short_buffers, NULL);
	run_table("image", edited, rows);
	unit_run("image", "truncated everywhere", truncated, NULL);
	unit_run("image", "ends too early or missing", unbalanced, NULL);
	unit_run("image", "nothing in it", nothing_in_it, NULL);
	unit_run("image", "no memory", no_memory, NULL);
}
