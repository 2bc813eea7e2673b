// SPDX-License-Identifier: GPL-2.0-only
/*
 * Checking an image as a whole, before anything is built from it.
 *
 * gmfs_image_check() reads every byte that means something and refuses the whole image if
 * any is wrong. Only then does the filesystem build objects from gmfs_image_next(), which
 * cannot fail because of the image any more.
 *
 * Pure code: compiled into the module, into KUnit and into userspace tests.
 */
#include <guestmemfs/abi.h>
#include <linux/bitmap.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/stat.h>
#include <linux/string.h>
#include <linux/unaligned.h>

#include "image.h"

/**
 * struct entry - what the check remembers of an inode
 * @ino: its number
 * @pos: where it stands in the image
 * @links: names found so far
 * @is_dir: a directory
 * @reached: a directory that hangs on the root
 */
struct entry {
	u64 ino;
	u32 pos;
	u32 links;
	bool is_dir;
	bool reached;
};

/* Says why, once, where the check gives up. */
#define refuse(img, err, ...) \
	(scnprintf((img)->why, sizeof((img)->why), __VA_ARGS__), (err))

static int gmfs_check_root(struct gmfs_image *img, const void *buf, size_t size,
			   const struct gmfs_image_region *want)
{
	u32 pos = 0, seen = 0, nr_written = 0;
	struct gmfs_fdt_token t;

	if (gmfs_fdt_open(&img->fdt, buf, size) ||
	    gmfs_fdt_next(&img->fdt, &pos, &t) ||
	    t.kind != GMFS_FDT_BEGIN_NODE)
		return refuse(img, -EINVAL, "not a whole flattened device tree");
	if (*t.name)
		return refuse(img, -EINVAL, "its root node has a name");
	for (;;) {
		img->first = pos;
		if (gmfs_fdt_next(&img->fdt, &pos, &t))
			return refuse(img, -EINVAL, "truncated among the root's properties");
		if (t.kind != GMFS_FDT_PROP)
			break;
		if (!strcmp(t.name, GMFS_PROP_COMPATIBLE)) {
			if (t.len != sizeof(GMFS_COMPATIBLE) ||
			    memcmp(t.data, GMFS_COMPATIBLE, t.len))
				return refuse(img, -EPROTONOSUPPORT,
					      "its version is not " GMFS_COMPATIBLE);
			seen |= 1;
		} else if (!strcmp(t.name, GMFS_PROP_INCOMPATIBLE) && t.len == 8) {
			if (get_unaligned_be64(t.data))
				return refuse(img, -EPROTONOSUPPORT,
					      "it uses features this module does not know (0x%llx)",
					      (unsigned long long)get_unaligned_be64(t.data));
			seen |= 2;
		} else if (!strcmp(t.name, GMFS_PROP_REGION) && t.len == 16) {
			img->region.base = get_unaligned_be64(t.data);
			img->region.size = get_unaligned_be64(t.data + 8);
			seen |= 4;
		} else if (!strcmp(t.name, GMFS_PROP_BLOCK_SIZE) && t.len == 8) {
			img->region.block_size = get_unaligned_be64(t.data);
			seen |= 8;
		} else if (!strcmp(t.name, GMFS_PROP_NEXT_INODE) && t.len == 8) {
			img->next_ino = get_unaligned_be64(t.data);
			seen |= 16;
		} else if (!strcmp(t.name, GMFS_PROP_WRITTEN)) {
			img->written = t.data;
			nr_written = t.len;
			seen |= 32;
		}
	}
	if (!(seen & 1))
		return refuse(img, -EPROTONOSUPPORT, "it has no version");
	if (seen != 63)
		return refuse(img, -EINVAL, "a property of the root is missing or malformed");
	if (img->region.base != want->base || img->region.size != want->size ||
	    img->region.block_size != want->block_size)
		return refuse(img, -ENXIO,
			      "it is of another region: 0x%llx bytes at 0x%llx in blocks of 0x%llx",
			      (unsigned long long)img->region.size,
			      (unsigned long long)img->region.base,
			      (unsigned long long)img->region.block_size);
	if (nr_written != DIV_ROUND_UP(want->size / want->block_size, 8))
		return refuse(img, -EINVAL, "written-blocks is not one bit a block");
	if (img->next_ino > GMFS_MAX_NEXT_INO)
		return refuse(img, -EINVAL, "its next inode number leaves no room");
	return 0;
}

static int gmfs_image_count(struct gmfs_image *img)
{
	struct gmfs_image_inode inode;
	u32 pos = img->first;
	u64 last = 0;
	struct gmfs_fdt_token t;
	int err;

	while ((err = gmfs_image_next(img, &pos, &inode)) > 0) {
		if (inode.ino <= last || inode.ino >= img->next_ino)
			return refuse(img, -EINVAL, "inode number %llu is out of order",
				      (unsigned long long)inode.ino);
		last = inode.ino;
		if (++img->nr_inodes > GMFS_MAX_INODES)
			return refuse(img, -EINVAL, "it has more than %u inodes",
				      GMFS_MAX_INODES);
	}
	if (err || gmfs_fdt_next(&img->fdt, &pos, &t) || t.kind != GMFS_FDT_END)
		return refuse(img, -EINVAL, "what follows inode %llu is malformed",
			      (unsigned long long)last);
	return 0;
}

static int gmfs_check_extents(struct gmfs_image *img,
			      const struct gmfs_image_inode *inode,
			      unsigned long *used)
{
	u32 nr_blocks = img->region.size / img->region.block_size;
	u64 next = 0;
	struct gmfs_extent e;
	u32 i;

	if (inode->size > img->region.size)
		return refuse(img, -ERANGE, "inode %llu is larger than the region",
			      (unsigned long long)inode->ino);

	for (i = 0; i < inode->nr_extents; i++) {
		cond_resched();
		e = gmfs_image_extent(inode, i);
		if (!e.nr || e.at < next || (u64)e.at + e.nr > nr_blocks)
			return refuse(img, -EINVAL, "extent %u of inode %llu is out of order",
				      i, (unsigned long long)inode->ino);
		if (e.start >= nr_blocks || e.nr > nr_blocks - e.start)
			return refuse(img, -ERANGE, "extent %u of inode %llu leaves the region",
				      i, (unsigned long long)inode->ino);
		if (e.start < GMFS_HEAD_BLOCKS(nr_blocks))
			return refuse(img, -ERANGE, "extent %u of inode %llu is in the region's head",
				      i, (unsigned long long)inode->ino);
		if (find_next_bit(used, e.start + e.nr, e.start) < e.start + e.nr)
			return refuse(img, -EEXIST, "extent %u of inode %llu overlaps another",
				      i, (unsigned long long)inode->ino);
		bitmap_set(used, e.start, e.nr);
		next = (u64)e.at + e.nr;
	}
	return 0;
}

static struct entry *find_entry(struct entry *e, u32 nr, u64 ino)
{
	u32 lo = 0, hi = nr, mid;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (e[mid].ino == ino)
			return &e[mid];
		if (e[mid].ino < ino)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

static bool good_name(const char *name, size_t len)
{
	return len && len <= GMFS_MAX_NAME && !memchr(name, '/', len) &&
	       strcmp(name, ".") && strcmp(name, "..");
}

/*
 * Hang one directory's names on the tree. Directories found for the first time
 * go to @queue, so that every one is visited once and only if it can be reached.
 */
static int gmfs_check_directory(struct gmfs_image *img, struct entry *e,
				const struct gmfs_image_inode *dir,
				struct entry **queue, u32 *queued)
{
	const char *name = dir->names;
	struct entry *child;
	size_t len;
	u32 i;

	for (i = 0; i < dir->nr_entries; i++, name += len + 1) {
		cond_resched();
		len = strlen(name);
		if (!good_name(name, len))
			return refuse(img, -EINVAL, "directory %llu has a malformed name",
				      (unsigned long long)dir->ino);
		child = find_entry(e, img->nr_inodes, get_unaligned_be64(dir->inodes + 8 * i));
		if (!child)
			return refuse(img, -EINVAL, "directory %llu names an inode that is not there",
				      (unsigned long long)dir->ino);
		child->links++;
		if (!child->is_dir)
			continue;
		if (child->reached)
			return refuse(img, -EINVAL, "directory %llu has two names",
				      (unsigned long long)child->ino);
		child->reached = true;
		queue[(*queued)++] = child;
	}
	return 0;
}

static int gmfs_check_tree(struct gmfs_image *img, struct entry *e,
			   struct entry **queue)
{
	struct gmfs_image_inode dir;
	u32 queued = 0, done, i, pos;
	int err;

	if (!img->nr_inodes || e[0].ino != GMFS_ROOT_INO || !e[0].is_dir)
		return refuse(img, -EINVAL, "it has no root directory");
	e[0].reached = true;
	queue[queued++] = &e[0];
	for (done = 0; done < queued; done++) {
		pos = queue[done]->pos;
		gmfs_image_next(img, &pos, &dir);
		err = gmfs_check_directory(img, e, &dir, queue, &queued);
		if (err)
			return err;
	}
	/* A directory that has a name was reached: no other could name it. */
	for (i = 1; i < img->nr_inodes; i++)
		if (!e[i].links)
			return refuse(img, -EINVAL, "inode %llu has no name",
				      (unsigned long long)e[i].ino);
	return 0;
}

static int gmfs_check_inodes(struct gmfs_image *img, struct entry *e,
			     unsigned long *used)
{
	struct gmfs_image_inode inode;
	u32 pos = img->first, here = pos, i;
	int err;

	for (i = 0; i < img->nr_inodes; i++, here = pos) {
		gmfs_image_next(img, &pos, &inode);
		e[i] = (struct entry){ .ino = inode.ino, .pos = here,
				       .is_dir = S_ISDIR(inode.mode) };
		err = gmfs_check_extents(img, &inode, used);
		if (err)
			return err;
	}
	return 0;
}

/**
 * gmfs_image_check - check an image, every part of it
 * @img: set up for gmfs_image_next() on success; @img->why says why not
 * @buf: the image, aligned to 4 bytes; must stay
 * @size: bytes at @buf
 * @region: the region it must be of
 *
 * Context: may sleep.
 * Return: 0; -EPROTONOSUPPORT for another version; -ENXIO for another region;
 * -EINVAL, -ERANGE, -EEXIST for contents that are malformed, out of bounds, or
 * used twice; -ENOMEM.
 */
int gmfs_image_check(struct gmfs_image *img, const void *buf, size_t size,
		     const struct gmfs_image_region *region)
{
	unsigned long *used;
	struct entry **queue;
	struct entry *e;
	int err;

	*img = (struct gmfs_image){ 0 };
	err = gmfs_check_root(img, buf, size, region);
	if (!err)
		err = gmfs_image_count(img);
	if (err)
		return err;

	used = kvcalloc(BITS_TO_LONGS(region->size / region->block_size),
			sizeof(long), GFP_KERNEL);
	e = kvcalloc(img->nr_inodes + 1, sizeof(*e), GFP_KERNEL);
	queue = kvcalloc(img->nr_inodes + 1, sizeof(*queue), GFP_KERNEL);
	if (!used || !e || !queue)
		err = refuse(img, -ENOMEM, "no memory to check it");
	if (!err)
		err = gmfs_check_inodes(img, e, used);
	if (!err)
		err = gmfs_check_tree(img, e, queue);
	kvfree(queue);
	kvfree(e);
	kvfree(used);
	return err;
}
