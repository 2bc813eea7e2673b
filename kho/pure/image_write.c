// SPDX-License-Identifier: GPL-2.0-only
/*
 * Writing an image: a filesystem's metadata as a flattened device tree.
 *
 * include/guestmemfs/abi.h has the layout. Writing is a sequence of calls that
 * the filesystem makes while it walks its inodes, once to measure and once to
 * write.
 *
 * Pure code: compiled into the module, into KUnit and into userspace tests.
 */
#include <guestmemfs/abi.h>
#include <linux/kernel.h>
#include <linux/stat.h>
#include <linux/string.h>

#include "image.h"

static void put_u64(struct gmfs_fdt_writer *w, const char *name, u64 value)
{
	size_t prop = gmfs_fdt_open_prop(w, name);

	gmfs_fdt_append_u64(w, value);
	gmfs_fdt_close_prop(w, prop);
}

static void put_pair(struct gmfs_fdt_writer *w, const char *name, u32 a, u32 b)
{
	put_u64(w, name, (u64)a << 32 | b);
}

/* The tree's frame, the root's properties except the bitmap and bad pages, all the names. */
#define FIXED_BYTES	1024

/**
 * gmfs_layout_blocks - count the blocks of a pool
 * @layout: its windows
 *
 * Return: how many, heads included.
 */
u32 gmfs_layout_blocks(const struct gmfs_layout *layout)
{
	u32 i, nr = 0;

	for (i = 0; i < layout->nr_windows; i++)
		nr += layout->windows[i].size / layout->block_size;
	return nr;
}

/**
 * gmfs_image_max - how large an image can be
 * @layout: the windows, whose heads' slots have it
 *
 * Return: bytes.
 */
u64 gmfs_image_max(const struct gmfs_layout *layout)
{
	u64 max = 0;
	u32 i, n;

	for (i = 0; i < layout->nr_windows; i++) {
		n = layout->windows[i].size / layout->block_size;
		max += GMFS_HEAD_BLOCKS(n) * layout->block_size / GMFS_NR_SLOTS -
		       GMFS_SLOT_IMAGE;
	}
	return min_t(u64, max, GMFS_MAX_IMAGE);
}

/**
 * gmfs_image_room - how much room for inodes and names every image has
 * @layout: the windows
 *
 * The heads' slots are as large as the windows ask for, so an image must not
 * grow with what is in it beyond that. Extents are not counted: each is of a
 * block at least, and there is room for one for every block.
 *
 * Return: bytes; what inodes, names, targets and attributes take together.
 */
u64 gmfs_image_room(const struct gmfs_layout *layout)
{
	u64 nr = gmfs_layout_blocks(layout);

	return gmfs_image_max(layout) - FIXED_BYTES -
	       layout->nr_windows * 2 * sizeof(u64) - DIV_ROUND_UP(nr, 8) -
	       nr * GMFS_IMAGE_EXTENT;
}

static void put_bad_pages(struct gmfs_fdt_writer *w, const struct gmfs_bad_page *bad, u32 nr)
{
	size_t prop;
	u32 i;

	put_u64(w, GMFS_PROP_INCOMPATIBLE, nr ? GMFS_FEATURE_BAD_PAGES : 0);
	if (!nr)
		return;
	prop = gmfs_fdt_open_prop(w, GMFS_PROP_BAD_PAGES);
	for (i = 0; i < nr; i++) {
		gmfs_fdt_append_u64(w, bad[i].at);
		gmfs_fdt_append_u64(w, bad[i].when);
	}
	gmfs_fdt_close_prop(w, prop);
}

/**
 * gmfs_image_begin - begin an image
 * @w: the writer
 * @buf: where to, or NULL to only measure
 * @max: bytes at @buf
 * @layout: the windows it is bound to, and bad pages
 * @next_ino: above every inode number in use
 *
 * The caller adds the property GMFS_PROP_WRITTEN, then inodes in ascending
 * order: gmfs_image_begin_inode(), the properties of its type,
 * gmfs_fdt_end_node(); and gmfs_image_end().
 */
void gmfs_image_begin(struct gmfs_fdt_writer *w, void *buf, size_t max,
		      const struct gmfs_layout *layout, u64 next_ino)
{
	size_t prop;
	u32 i;

	gmfs_fdt_start(w, buf, max);
	gmfs_fdt_begin_node(w, "");
	prop = gmfs_fdt_open_prop(w, GMFS_PROP_COMPATIBLE);
	gmfs_fdt_append(w, GMFS_COMPATIBLE, sizeof(GMFS_COMPATIBLE));
	gmfs_fdt_close_prop(w, prop);
	put_bad_pages(w, layout->bad, layout->nr_bad);
	prop = gmfs_fdt_open_prop(w, GMFS_PROP_WINDOWS);
	for (i = 0; i < layout->nr_windows; i++) {
		gmfs_fdt_append_u64(w, layout->windows[i].base);
		gmfs_fdt_append_u64(w, layout->windows[i].size);
	}
	gmfs_fdt_close_prop(w, prop);
	put_u64(w, GMFS_PROP_BLOCK_SIZE, layout->block_size);
	put_u64(w, GMFS_PROP_NEXT_INODE, next_ino);
}

/**
 * gmfs_image_begin_inode - begin an inode's node
 * @w: the writer
 * @inode: what all types have in common; and a file's size, a device's number
 */
void gmfs_image_begin_inode(struct gmfs_fdt_writer *w,
			    const struct gmfs_image_inode *inode)
{
	char name[sizeof(GMFS_NODE_INODE) + 16];
	size_t prop;
	int i;

	scnprintf(name, sizeof(name), GMFS_NODE_INODE "%llx",
		  (unsigned long long)inode->ino);
	gmfs_fdt_begin_node(w, name);
	prop = gmfs_fdt_open_prop(w, GMFS_PROP_MODE);
	gmfs_fdt_append_u32(w, inode->mode);
	gmfs_fdt_close_prop(w, prop);
	put_pair(w, GMFS_PROP_OWNER, inode->uid, inode->gid);
	prop = gmfs_fdt_open_prop(w, GMFS_PROP_TIMES);
	for (i = 0; i < GMFS_NR_TIMES; i++) {
		gmfs_fdt_append_u64(w, inode->times[i].sec);
		gmfs_fdt_append_u32(w, inode->times[i].nsec);
	}
	gmfs_fdt_close_prop(w, prop);
	if (S_ISREG(inode->mode))
		put_u64(w, GMFS_PROP_SIZE, inode->size);
	if (S_ISCHR(inode->mode) || S_ISBLK(inode->mode))
		put_pair(w, GMFS_PROP_DEVICE, inode->major, inode->minor);
	if (inode->flags) {
		prop = gmfs_fdt_open_prop(w, GMFS_PROP_FLAGS);
		gmfs_fdt_append_u32(w, inode->flags);
		gmfs_fdt_close_prop(w, prop);
	}
	if (inode->xattrs_size) {
		prop = gmfs_fdt_open_prop(w, GMFS_PROP_XATTRS);
		gmfs_fdt_append(w, inode->xattrs, inode->xattrs_size);
		gmfs_fdt_close_prop(w, prop);
	}
}

/**
 * gmfs_image_end - end an image
 * @w: the writer
 *
 * Return: its size in bytes, as gmfs_fdt_finish().
 */
size_t gmfs_image_end(struct gmfs_fdt_writer *w)
{
	gmfs_fdt_end_node(w);
	return gmfs_fdt_finish(w);
}

/* One token of another image; what is about bad pages is left out. */
static void gmfs_copy_token(struct gmfs_fdt_writer *w, const struct gmfs_fdt_token *t)
{
	size_t prop;

	switch (t->kind) {
	case GMFS_FDT_BEGIN_NODE:
		gmfs_fdt_begin_node(w, t->name);
		break;
	case GMFS_FDT_END_NODE:
		gmfs_fdt_end_node(w);
		break;
	case GMFS_FDT_PROP:
		if (!strcmp(t->name, GMFS_PROP_INCOMPATIBLE) ||
		    !strcmp(t->name, GMFS_PROP_BAD_PAGES))
			break;
		prop = gmfs_fdt_open_prop(w, t->name);
		gmfs_fdt_append(w, t->data, t->len);
		gmfs_fdt_close_prop(w, prop);
		break;
	default:
		break;
	}
}

/**
 * gmfs_image_renew - write an image anew, with other bad pages
 * @image: an image that gmfs_image_check() has accepted
 * @size: bytes at @image
 * @buf: where to, or NULL to only measure
 * @max: bytes at @buf
 * @bad: the bad pages, by ascending addresses
 * @nr_bad: how many
 *
 * Return: its size in bytes, as gmfs_fdt_finish(); 0 if @image is malformed.
 */
size_t gmfs_image_renew(const void *image, size_t size, void *buf, size_t max,
			const struct gmfs_bad_page *bad, u32 nr_bad)
{
	struct gmfs_fdt_reader r;
	struct gmfs_fdt_writer w;
	struct gmfs_fdt_token t;
	bool began = false;
	u32 pos = 0;

	if (gmfs_fdt_open(&r, image, size))
		return 0;
	gmfs_fdt_start(&w, buf, max);
	do {
		if (gmfs_fdt_next(&r, &pos, &t))
			return 0;
		gmfs_copy_token(&w, &t);
		/* In the root, before its nodes. */
		if (!began)
			put_bad_pages(&w, bad, nr_bad);
		began = true;
	} while (t.kind != GMFS_FDT_END);
	size = gmfs_fdt_finish(&w);
	/* It has more names than the writer can keep. */
	return buf && !w.max ? 0 : size;
}
