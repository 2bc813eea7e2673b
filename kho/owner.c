// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: the tree and its image
 *
 * A tree is either mounted, and then it is dentries and inodes, or it is an image.
 * Mounting builds the tree from the image, the last unmount writes the image, and so does
 * publishing for the next kernel, whose module begins with what it finds. Umount and kexec
 * thus share one way to write a tree and one way to build it.
 *
 * 1. Unmounting and publishing seal the image in the region's head. The first change
 *    afterwards marks the seal stale, so a kernel that crashes leaves a head that says so.
 * 2. While only @image of struct gmfs_handover holds the tree, the module cannot be unloaded.
 * 3. An image that is not accepted is kept untouched, in quarantine. Mounting it fails and
 *    says why, a kexec passes it on, and "-o discard" drops it.
 *
 * All of it is protected by @change, held for writing.
 */
#define pr_fmt(fmt) "guestmemfs: " fmt

#include <linux/module.h>
#include <linux/slab.h>
#include <linux/stat.h>
#include <linux/timekeeping.h>

#include "kho.h"

static void gmfs_put_written(struct gmfs_handover *h, struct gmfs_fdt_writer *w)
{
	size_t prop = gmfs_fdt_open_prop(w, GMFS_PROP_WRITTEN);
	u32 nr = h->pool->blocks.nr, i;
	u8 byte;

	for (i = 0; i < nr; i += 8) {
		byte = h->pool->written[BIT_WORD(i)] >> (i % BITS_PER_LONG);
		gmfs_fdt_append(w, &byte, 1);
	}
	gmfs_fdt_close_prop(w, prop);
}

/* A tree of a root directory alone. */
static void gmfs_put_empty_root(struct gmfs_fdt_writer *w)
{
	struct gmfs_image_inode root = {
		.ino = GMFS_ROOT_INO,
		.mode = S_IFDIR | 0700,
	};
	struct timespec64 now;
	int i;

	ktime_get_real_ts64(&now);
	for (i = 0; i < GMFS_NR_TIMES; i++)
		root.times[i] = (struct gmfs_image_time){ now.tv_sec, now.tv_nsec };
	gmfs_image_begin_inode(w, &root);
	gmfs_fdt_end_node(w);
}

/* The mounted tree, or the empty one, of a pool as @layout says. Returns the bytes it takes. */
static size_t gmfs_write_image(struct gmfs_handover *h, const struct gmfs_layout *layout,
			       void *buf, size_t max)
{
	struct gmfs_fdt_writer w;

	gmfs_image_begin(&w, buf, max, layout, atomic64_read(&h->last_ino) + 1);
	gmfs_put_written(h, &w);
	if (h->mounted)
		h->ops->write_inodes(h, &w);
	else
		gmfs_put_empty_root(&w);
	return gmfs_image_end(&w);
}

/**
 * gmfs_make_image - write the tree down
 * @h: the tree, mounted or empty
 * @size: set to the bytes of the image
 * @gfp: how to allocate it
 *
 * Context: @h->change is held for writing; may sleep.
 * Return: the image, for kvfree(), or NULL without memory.
 */
void *gmfs_make_image(struct gmfs_handover *h, size_t *size, gfp_t gfp)
{
	struct gmfs_layout layout = h->layout;
	void *image;
	u64 over;

	layout.bad = gmfs_pool_bad(h->pool, &layout.nr_bad);
	*size = gmfs_write_image(h, &layout, NULL, 0);
	/*
	 * Inodes take less than they are charged, mostly; if not, bad pages may find no room.
	 * Files come first.
	 */
	if (*size > gmfs_image_max(&layout) && layout.nr_bad) {
		over = DIV_ROUND_UP_ULL(*size - gmfs_image_max(&layout), GMFS_IMAGE_BAD_PAGE);
		layout.nr_bad -= min_t(u64, over, layout.nr_bad);
		gmfs_log(h, pr_err, "the image is full, and has no room for %u bad pages: remove files\n",
			 (u32)over);
		*size = gmfs_write_image(h, &layout, NULL, 0);
	}
	image = kvmalloc(*size, gfp);
	if (image && WARN_ON_ONCE(gmfs_write_image(h, &layout, image, *size) != *size)) {
		kvfree(image);
		return NULL;
	}
	return image;
}

/**
 * gmfs_quarantine - keep an image from being mounted until the operator discards it
 * @h: the tree
 * @why: what is wrong with the image
 *
 * Context: @h->change is held for writing.
 */
void gmfs_quarantine(struct gmfs_handover *h, const char *why)
{
	lockdep_assert_held_write(&h->change);
	kfree(h->quarantine);
	h->quarantine = kasprintf(GFP_KERNEL | __GFP_NOFAIL,
				  "the last kernel's image is quarantined: %s; nothing is lost until mounted with -o discard",
				  why);
	gmfs_log(h, pr_err, "%s\n", h->quarantine);
}

/**
 * gmfs_pin - keep the module from being unloaded, or no longer
 * @h: the tree
 * @on: nothing else has the tree
 *
 * Context: @h->change is held for writing.
 */
void gmfs_pin(struct gmfs_handover *h, bool on)
{
	if (on && !h->pinned)
		__module_get(THIS_MODULE);
	if (!on && h->pinned)
		module_put(THIS_MODULE);
	h->pinned = on;
}

/**
 * gmfs_set_image - replace the image in memory
 * @h: the tree
 * @image: for kvfree(), or NULL
 * @size: bytes at @image
 * @inodes: inodes in @image
 *
 * Context: @h->change is held for writing.
 */
void gmfs_set_image(struct gmfs_handover *h, void *image, size_t size, u32 inodes)
{
	lockdep_assert_held_write(&h->change);
	kvfree(h->image);
	h->image = image;
	h->image_size = size;
	h->image_inodes = inodes;
}

/**
 * gmfs_drop_image - free the image of a mounted tree that is not published
 * @h: the tree
 *
 * Context: @h->change is held for writing.
 */
void gmfs_drop_image(struct gmfs_handover *h)
{
	if (h->mounted)
		gmfs_set_image(h, NULL, 0, 0);
}

/**
 * gmfs_set_empty_image - begin with a root directory alone
 * @h: the tree
 *
 * Context: @h->change is held for writing, nothing is mounted; may sleep.
 * Return: 0, or -ENOMEM.
 */
int gmfs_set_empty_image(struct gmfs_handover *h)
{
	size_t size;
	void *image;

	gmfs_pool_reset(h->pool);
	atomic64_set(&h->last_ino, GMFS_ROOT_INO);
	image = gmfs_make_image(h, &size, GFP_KERNEL);
	if (!image)
		return -ENOMEM;
	kfree(h->quarantine);
	h->quarantine = NULL;
	h->quarantine_record = (struct gmfs_copy){ 0 };
	gmfs_set_image(h, image, size, 1);
	gmfs_pin(h, false);
	return 0;
}

/**
 * gmfs_seal_image - seal an image in the head, unless the head has it
 * @h: the tree
 * @image: the image
 * @size: bytes at @image
 *
 * Context: @h->change is held for writing; may sleep.
 * Return: 0; -ENOMEM, or -EFBIG if the image does not fit, and the module stays.
 */
int gmfs_seal_image(struct gmfs_handover *h, const void *image, size_t size)
{
	int err = 0;

	lockdep_assert_held_write(&h->change);
	if (h->wiped)
		return 0;
	if (!h->sealed)
		err = gmfs_slots_publish(&h->slots, image, size);
	else if (gmfs_slots_date(&h->slots))
		gmfs_log(h, pr_warn, "out of memory: the sealed image keeps its earlier date\n");
	h->sealed = !err;
	gmfs_pin(h, err);
	return err;
}
