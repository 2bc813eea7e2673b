// SPDX-License-Identifier: GPL-2.0-only
#include <guestmemfs/abi.h>
#include <linux/kernel.h>
#include <linux/stat.h>
#include <linux/unaligned.h>
#include <libfdt.h>
#include <stdio.h>

#include "tree.h"
#include "unit.h"
#include "xattrs.h"

const struct gmfs_image_region tree_region = { 4ULL << 30, 64 << 20, 2 << 20 };
const u8 tree_written[4] = { 0x13, 0x0c, 0x00, 0x80 };

#define TIMES	{ { 1, 2 }, { -3, 999999999 }, { 1LL << 40, 0 }, { 7, 8 } }

#define PACKED(text)	.xattrs = text, .xattrs_size = sizeof(text) - 1

/*
 * Directory 9 is the parent of 2; 3 has three names; 3, 10 and the last have
 * blocks beyond their ends.
 */
const struct tree_node tree_nodes[] = {
	{ .i = { .ino = 1, .mode = S_IFDIR | 0700, .times = TIMES },
	  .names = { "file", "d", "s", "c", "p", "b", "sock" },
	  .inodes = { 3, 9, 4, 5, 6, 7, 8 } },
	{ .i = { .ino = 2, .mode = S_IFDIR | 01777, .uid = 1, .gid = -2, .times = TIMES },
	  .names = { "hard", "empty" }, .inodes = { 3, 10 } },
	{ .i = { .ino = 3, .mode = S_IFREG | 0640, .uid = -2, .gid = 5,
		 .size = 20 << 20, .times = TIMES, .flags = GMFS_FLAG_IMMUTABLE,
		 PACKED("user.ab\0\0\0\0\3abc" "user.empty\0\0\0\0\0") },
	  .e = { { 0, 4, 2 }, { 2, 10, 3 }, { 8, 31, 1 }, { 10, 13, 2 } } },
	{ .i = { .ino = 4, .mode = S_IFLNK | 0777, .target = "../target", .times = TIMES,
		 PACKED("trusted.t\0\0\0\0\1x") } },
	{ .i = { .ino = 5, .mode = S_IFCHR | 0600, .major = 1, .minor = 3, .times = TIMES } },
	{ .i = { .ino = 6, .mode = S_IFIFO | 0600, .times = TIMES } },
	{ .i = { .ino = 7, .mode = S_IFBLK | 0660, .major = 8, .minor = 1 << 19, .times = TIMES } },
	{ .i = { .ino = 8, .mode = S_IFSOCK | 07755, .times = TIMES } },
	{ .i = { .ino = 9, .mode = S_IFDIR | 0755, .times = TIMES, .flags = GMFS_FLAG_APPEND },
	  .names = { "below", "hard2", "far" }, .inodes = { 2, 3, 0xabcdef0123 } },
	{ .i = { .ino = 10, .mode = S_IFREG | 0644, .times = TIMES,
		 .flags = GMFS_FLAG_IMMUTABLE | GMFS_FLAG_APPEND,
		 PACKED("security.label\0\0\0\0\4text") },
	  .e = { { 0, 16, 2 }, { 31, 28, 1 } } },
	{ .i = { .ino = 0xabcdef0123, .mode = S_IFREG | 0644, .size = (22 << 20) - 1,
		 .times = TIMES },
	  .e = { { 7, 20, 5 } } },
};

const u32 tree_nr = ARRAY_SIZE(tree_nodes);

static void put_list(struct gmfs_fdt_writer *w, const struct tree_node *n)
{
	size_t prop;
	int i;

	prop = gmfs_fdt_open_prop(w, GMFS_PROP_NAMES);
	for (i = 0; n->names[i]; i++)
		gmfs_fdt_append(w, n->names[i], strlen(n->names[i]) + 1);
	gmfs_fdt_close_prop(w, prop);
	prop = gmfs_fdt_open_prop(w, GMFS_PROP_INODES);
	for (i = 0; n->names[i]; i++)
		gmfs_fdt_append_u64(w, n->inodes[i]);
	gmfs_fdt_close_prop(w, prop);
}

static void put_extents(struct gmfs_fdt_writer *w, const struct gmfs_extent *e)
{
	size_t prop = gmfs_fdt_open_prop(w, GMFS_PROP_EXTENTS);

	for (; e->nr; e++) {
		gmfs_fdt_append_u32(w, e->at);
		gmfs_fdt_append_u32(w, e->start);
		gmfs_fdt_append_u32(w, e->nr);
	}
	gmfs_fdt_close_prop(w, prop);
}

size_t tree_write(void *buf, size_t max)
{
	const struct tree_node *n;
	struct gmfs_fdt_writer w;
	size_t prop;

	gmfs_image_begin(&w, buf, max, &tree_region, 0xabcdef0124);
	prop = gmfs_fdt_open_prop(&w, GMFS_PROP_WRITTEN);
	gmfs_fdt_append(&w, tree_written, sizeof(tree_written));
	gmfs_fdt_close_prop(&w, prop);
	for (n = tree_nodes; n < tree_nodes + tree_nr; n++) {
		gmfs_image_begin_inode(&w, &n->i);
		if (S_ISDIR(n->i.mode))
			put_list(&w, n);
		if (S_ISREG(n->i.mode))
			put_extents(&w, n->e);
		if (S_ISLNK(n->i.mode)) {
			prop = gmfs_fdt_open_prop(&w, GMFS_PROP_TARGET);
			gmfs_fdt_append(&w, n->i.target, strlen(n->i.target) + 1);
			gmfs_fdt_close_prop(&w, prop);
		}
		gmfs_fdt_end_node(&w);
	}
	return gmfs_image_end(&w);
}

void *tree_image(size_t *size)
{
	void *image;

	*size = tree_write(NULL, 0);
	image = malloc(*size);
	expect_eq(tree_write(image, *size), *size);
	return image;
}

size_t read_hex(const char *path, void *buf, size_t max)
{
	FILE *f = fopen(path, "r");
	unsigned int at, byte;
	char line[256], *p;
	size_t end = 0;
	int len;

	expect(f, "no %s", path);
	while (fgets(line, sizeof(line), f)) {
		expect(sscanf(line, "%x:%n", &at, &len) == 1, "%s", line);
		for (p = line + len; sscanf(p, "%2x%n", &byte, &len) == 1; p += len) {
			expect(at < max, "%s is too large", path);
			((u8 *)buf)[at++] = byte;
		}
		end = at;
	}
	fclose(f);
	return end;
}

#define MOST_BLOCKS	1024

static bool good_extents(const struct gmfs_image *img,
			 const struct gmfs_image_inode *i, u8 *used)
{
	u32 nr_blocks = img->region.size / img->region.block_size;
	u32 at, start, nr, k, n, next = 0;

	for (k = 0; k < i->nr_extents; k++, next = at + nr) {
		at = get_unaligned_be32(i->extents + 12 * k);
		start = get_unaligned_be32(i->extents + 12 * k + 4);
		nr = get_unaligned_be32(i->extents + 12 * k + 8);
		if (!nr || at < next || (u64)at + nr > nr_blocks ||
		    !start || (u64)start + nr > nr_blocks)
			return false;
		for (n = start; n < start + nr; n++)
			if (used[n]++)
				return false;
	}
	return i->size <= img->region.size;
}

static bool good_xattrs(const struct gmfs_image_inode *i)
{
	const char *p = i->xattrs, *end = p + i->xattrs_size;
	struct gmfs_xattr x;
	u32 pos = 0;
	size_t len;

	while (p < end) {
		if (gmfs_xattrs_next(i->xattrs, i->xattrs_size, &pos, &x) != 1)
			return false;
		len = strnlen(p, end - p);
		if (x.name != p || !len || len > GMFS_MAX_NAME || end - p < len + 5 ||
		    x.value != p + len + 5 || x.len > end - p - len - 5)
			return false;
		p += len + 5 + x.len;
	}
	return i->xattrs_size <= GMFS_MAX_XATTRS &&
	       !gmfs_xattrs_next(i->xattrs, i->xattrs_size, &pos, &x);
}

bool tree_is_good(const struct gmfs_image *img)
{
	u32 pos = gmfs_image_first(img), nr = 0;
	struct gmfs_image_inode i;
	u8 used[MOST_BLOCKS] = { 0 };
	int err;

	for (; (err = gmfs_image_next(img, &pos, &i)) > 0; nr++)
		if (i.flags & ~GMFS_FLAGS_KNOWN || !good_extents(img, &i, used) || !good_xattrs(&i))
			return false;
	return !err && nr == img->nr_inodes;
}

void *structs_last(const void *fdt, u32 nr_structs, size_t *size)
{
	u32 head = fdt_off_dt_struct(fdt), nr = fdt_size_dt_strings(fdt);
	u32 structs = ALIGN(head + nr, 4);
	u8 *p = malloc(structs + nr_structs);

	memcpy(p, fdt, head);
	memset(p + head, 0xff, structs - head);
	memcpy(p + head, fdt + fdt_off_dt_strings(fdt), nr);
	memcpy(p + structs, fdt + fdt_off_dt_struct(fdt), nr_structs);
	*size = structs + nr_structs;
	fdt_set_totalsize(p, *size);
	fdt_set_off_dt_strings(p, head);
	fdt_set_off_dt_struct(p, structs);
	fdt_set_size_dt_struct(p, nr_structs);
	return p;
}
