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

#define BLOCK	(2ULL << 20)

static const struct gmfs_range tree_windows[] = {
	{ 4ULL << 30, 18 * BLOCK }, { 8ULL << 30, 14 * BLOCK },
};
static const struct gmfs_range tree_window_v1 = { 4ULL << 30, 32 * BLOCK };

const struct gmfs_layout tree_layout = { tree_windows, 2, BLOCK, 3 };
const struct gmfs_layout tree_layout_v1 = { &tree_window_v1, 1, BLOCK, 1 };
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

static void put_u64(struct gmfs_fdt_writer *w, const char *name, u64 value)
{
	size_t prop = gmfs_fdt_open_prop(w, name);

	gmfs_fdt_append_u64(w, value);
	gmfs_fdt_close_prop(w, prop);
}

/* As version 1 had it. */
static void begin_v1(struct gmfs_fdt_writer *w, void *buf, size_t max,
		     const struct gmfs_layout *layout, u64 next_ino)
{
	size_t prop;

	gmfs_fdt_start(w, buf, max);
	gmfs_fdt_begin_node(w, "");
	prop = gmfs_fdt_open_prop(w, GMFS_PROP_COMPATIBLE);
	gmfs_fdt_append(w, GMFS_COMPATIBLE_V1, sizeof(GMFS_COMPATIBLE_V1));
	gmfs_fdt_close_prop(w, prop);
	put_u64(w, GMFS_PROP_INCOMPATIBLE, 0);
	prop = gmfs_fdt_open_prop(w, GMFS_PROP_REGION);
	gmfs_fdt_append_u64(w, layout->windows[0].base);
	gmfs_fdt_append_u64(w, layout->windows[0].size);
	gmfs_fdt_close_prop(w, prop);
	put_u64(w, GMFS_PROP_BLOCK_SIZE, layout->block_size);
	put_u64(w, GMFS_PROP_NEXT_INODE, next_ino);
}

const struct gmfs_layout *tree_layout_of(u32 version)
{
	return version == 1 ? &tree_layout_v1 : &tree_layout;
}

size_t tree_write(u32 version, void *buf, size_t max)
{
	const struct tree_node *n;
	struct gmfs_fdt_writer w;
	size_t prop;

	(version == 1 ? begin_v1 : gmfs_image_begin)(&w, buf, max, tree_layout_of(version),
						     0xabcdef0124);
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

void *tree_image_of(u32 version, size_t *size)
{
	void *image;

	*size = tree_write(version, NULL, 0);
	image = malloc(*size);
	expect_eq(tree_write(version, image, *size), *size);
	return image;
}

void *tree_image(size_t *size)
{
	return tree_image_of(2, size);
}

const struct gmfs_bad_page tree_bad[] = {
	{ (4ULL << 30) + 0x205000, 1800000000 }, { 8ULL << 30, 1800000001 },
	{ 16ULL << 30, 1800000002 },
};
const u32 tree_nr_bad = ARRAY_SIZE(tree_bad);

void *tree_image_with_bad(size_t *size)
{
	size_t old;
	void *image = tree_image(&old), *renewed;

	*size = gmfs_image_renew(image, old, NULL, 0, tree_bad, tree_nr_bad);
	renewed = malloc(*size);
	expect_eq(gmfs_image_renew(image, old, renewed, *size, tree_bad, tree_nr_bad), *size);
	free(image);
	return renewed;
}

void seal_v1(const struct gmfs_head *head, int nr, const void *image, size_t size,
	     u64 generation, const struct gmfs_stamp *now, u32 state)
{
	const struct gmfs_range *window = &head->layout->windows[head->main];
	u64 block_size = head->layout->block_size;
	size_t slot = GMFS_HEAD_BLOCKS_V1(window->size / block_size) * block_size / 2;
	void *at = head->maps[head->main] + nr * slot;
	struct gmfs_seal_v1 s = { 0 };

	put_unaligned_be64(GMFS_SEAL_MAGIC, &s.magic);
	put_unaligned_be32(1, &s.version);
	put_unaligned_be64(generation, &s.generation);
	put_unaligned_be64(window->base, &s.base);
	put_unaligned_be64(window->size, &s.size);
	put_unaligned_be64(block_size, &s.block_size);
	put_unaligned_be64(size, &s.image_size);
	put_unaligned_be64(now->tsc, &s.tsc);
	memcpy(s.boot_id, now->boot_id, sizeof(s.boot_id));
	put_unaligned_be32(gmfs_crc32c(0, image, size), &s.image_crc);
	put_unaligned_be32(gmfs_crc32c(0, &s, offsetof(struct gmfs_seal_v1, crc)), &s.crc);
	put_unaligned_be32(state, &s.state);
	expect(size <= slot - GMFS_SLOT_IMAGE, "%zu bytes for a slot of %zu", size, slot);
	memcpy(at, &s, sizeof(s));
	if (size)
		memcpy(at + GMFS_SLOT_IMAGE, image, size);
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

/* Whether a run is of one window, behind its head, and where the image's layout has it. */
static bool good_run(const struct gmfs_image *img, u32 start, u32 nr)
{
	u64 head, from = 0, blocks;
	u32 i, n;

	for (i = 0; i < img->nr_windows; i++, from += blocks) {
		blocks = gmfs_image_range(img, i).size / img->block_size;
		head = img->version == 1 ? 1 + blocks / 8192 : 1 + blocks / 16384;
		if (start < from + head || (u64)start + nr > from + blocks)
			continue;
		for (n = 0; n < nr; n++)
			if (gmfs_image_block(img, start + n) != gmfs_image_block(img, start) + n)
				return false;
		return gmfs_image_block(img, start) != GMFS_ABSENT;
	}
	return false;
}

static bool good_extents(const struct gmfs_image *img,
			 const struct gmfs_image_inode *i, u8 *used)
{
	u32 k, n;
	u64 next = 0;
	struct gmfs_extent e;

	for (k = 0; k < i->nr_extents; k++, next = (u64)e.at + e.nr) {
		e = gmfs_image_extent(i, k);
		if (e.at != get_unaligned_be32(i->extents + 12 * k) ||
		    e.start != get_unaligned_be32(i->extents + 12 * k + 4) ||
		    e.nr != get_unaligned_be32(i->extents + 12 * k + 8))
			return false;
		if (!e.nr || e.at < next || (u64)e.at + e.nr > GMFS_MAX_BLOCKS ||
		    !good_run(img, e.start, e.nr))
			return false;
		for (n = e.start; n < e.start + e.nr; n++)
			if (n >= MOST_BLOCKS || used[n]++)
				return false;
	}
	return i->size <= GMFS_MAX_BLOCKS * img->block_size;
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
	u64 next = 0, at;
	int err;
	u32 n;

	for (n = 0; n < img->nr_bad; n++, next = at + 1) {
		at = gmfs_image_bad_page(img, n).at;
		if (at < next || at % 4096 || n == 256)
			return false;
	}
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
