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

/* Where in the pool the window is that the image lists as @range. */
static u32 find_window(const struct gmfs_layout *layout, struct gmfs_range range)
{
	const struct gmfs_range *w = layout->windows;
	u32 i, start = 0;

	for (i = 0; i < layout->nr_windows; i++) {
		if (w[i].base == range.base && w[i].size == range.size)
			return layout->known >> i & 1 ? start : GMFS_ABSENT;
		start += w[i].size / layout->block_size;
	}
	return GMFS_ABSENT;
}

static u32 head_blocks(const struct gmfs_image *img, u32 nr)
{
	return img->version == 1 ? GMFS_HEAD_BLOCKS_V1(nr) : GMFS_HEAD_BLOCKS(nr);
}

/* Whether a window makes sense beside those before it. */
static bool is_window(const struct gmfs_image *img, u32 n)
{
	struct gmfs_range r = gmfs_image_range(img, n), other;
	u32 i;

	if (r.base % img->block_size || r.size % img->block_size || r.base + r.size < r.base ||
	    r.size / img->block_size > GMFS_MAX_BLOCKS - img->nr_blocks ||
	    r.size / img->block_size <= head_blocks(img, r.size / img->block_size))
		return false;
	for (i = 0; i < n; i++) {
		other = gmfs_image_range(img, i);
		if (r.base < other.base + other.size && other.base < r.base + r.size)
			return false;
	}
	return true;
}

/* The windows as the image lists them, and where they are in the pool. */
static int gmfs_check_windows(struct gmfs_image *img, const struct gmfs_layout *layout)
{
	struct gmfs_image_window *w;
	struct gmfs_range range;
	bool any = false;
	u32 i;

	for (i = 0; i < img->nr_windows; i++) {
		if (!is_window(img, i))
			return refuse(img, -EINVAL, "window %u of its list is malformed", i);
		range = gmfs_image_range(img, i);
		w = &img->windows[i];
		w->start = img->nr_blocks;
		w->nr = range.size / img->block_size;
		w->to = layout ? find_window(layout, range) : w->start;
		any |= w->to != GMFS_ABSENT;
		img->nr_blocks += w->nr;
	}
	range = gmfs_image_range(img, 0);
	if (!any || (layout && img->block_size != layout->block_size))
		return refuse(img, -ENXIO,
			      "it is of another pool: 0x%llx bytes at 0x%llx in blocks of 0x%llx",
			      (unsigned long long)range.size, (unsigned long long)range.base,
			      (unsigned long long)img->block_size);
	return 0;
}

/* Returns whether the version is one that is known. */
static bool gmfs_check_version(struct gmfs_image *img, const struct gmfs_fdt_token *t)
{
	static const char v1[] = GMFS_COMPATIBLE_V1, v2[] = GMFS_COMPATIBLE;

	if (t->len == sizeof(v1) && !memcmp(t->data, v1, sizeof(v1)))
		img->version = 1;
	else if (t->len == sizeof(v2) && !memcmp(t->data, v2, sizeof(v2)))
		img->version = 2;
	else
		img->version = 0;
	return img->version;
}

enum {
	SEEN_INCOMPATIBLE	= 1,
	SEEN_BLOCK_SIZE		= 2,
	SEEN_NEXT_INODE		= 4,
	SEEN_WRITTEN		= 8,
	SEEN_ALL		= 15,
};

/**
 * struct root - properties of the root, which may come in any order
 * @seen: those of all versions
 * @nr_written: bytes of written-blocks
 * @bad_len: bytes of bad-pages
 * @features: bits that a reader must know
 * @windows: the property of version 2, of @windows_len bytes; or NULL
 * @windows_len: bytes
 * @region: the property of version 1, or NULL
 */
struct root {
	u32 seen, nr_written, bad_len;
	u64 features;
	const u8 *windows;
	u32 windows_len;
	const u8 *region;
};

#define RANGE_BYTES	(2 * sizeof(u64))

static int gmfs_check_root_prop(struct gmfs_image *img, const struct gmfs_fdt_token *t,
				struct root *root)
{
	if (!strcmp(t->name, GMFS_PROP_COMPATIBLE)) {
		if (!gmfs_check_version(img, t))
			return refuse(img, -EPROTONOSUPPORT,
				      "its version is neither " GMFS_COMPATIBLE " nor "
				      GMFS_COMPATIBLE_V1);
	} else if (!strcmp(t->name, GMFS_PROP_INCOMPATIBLE) && t->len == 8) {
		root->features = get_unaligned_be64(t->data);
		if (root->features & ~(u64)GMFS_FEATURES_KNOWN)
			return refuse(img, -EPROTONOSUPPORT,
				      "it uses features this module does not know (0x%llx)",
				      (unsigned long long)root->features);
		root->seen |= SEEN_INCOMPATIBLE;
	} else if (!strcmp(t->name, GMFS_PROP_BAD_PAGES)) {
		img->bad = t->data;
		root->bad_len = t->len;
	} else if (!strcmp(t->name, GMFS_PROP_WINDOWS)) {
		root->windows = t->data;
		root->windows_len = t->len;
	} else if (!strcmp(t->name, GMFS_PROP_REGION) && t->len == RANGE_BYTES) {
		root->region = t->data;
	} else if (!strcmp(t->name, GMFS_PROP_BLOCK_SIZE) && t->len == 8) {
		img->block_size = get_unaligned_be64(t->data);
		root->seen |= SEEN_BLOCK_SIZE;
	} else if (!strcmp(t->name, GMFS_PROP_NEXT_INODE) && t->len == 8) {
		img->next_ino = get_unaligned_be64(t->data);
		root->seen |= SEEN_NEXT_INODE;
	} else if (!strcmp(t->name, GMFS_PROP_WRITTEN)) {
		img->written = t->data;
		root->nr_written = t->len;
		root->seen |= SEEN_WRITTEN;
	}
	return 0;
}

/* The list of windows, or the region, which is the only one. */
static bool gmfs_take_ranges(struct gmfs_image *img, const struct root *root)
{
	if (img->version == 1) {
		img->ranges = root->region;
		img->nr_windows = 1;
		return root->region;
	}
	img->ranges = root->windows;
	img->nr_windows = root->windows_len / RANGE_BYTES;
	return root->windows && img->nr_windows && img->nr_windows <= GMFS_MAX_WINDOWS &&
	       !(root->windows_len % RANGE_BYTES);
}

/* The list, unless it makes no sense: then there is none. */
static bool gmfs_take_bad_pages(struct gmfs_image *img, const struct root *root)
{
	u32 i, nr = root->bad_len / sizeof(struct gmfs_bad_page);
	u64 next = 0, at;

	if (!nr != !(root->features & GMFS_FEATURE_BAD_PAGES) || nr > GMFS_MAX_BAD_PAGES ||
	    root->bad_len % sizeof(struct gmfs_bad_page))
		return false;
	for (i = 0; i < nr; i++) {
		at = gmfs_image_bad_page(img, i).at;
		if (at < next || at % GMFS_BAD_PAGE_SIZE || at > GMFS_MAX_BAD_PAGE)
			return false;
		next = at + GMFS_BAD_PAGE_SIZE;
	}
	img->nr_bad = nr;
	return true;
}

static int gmfs_check_root(struct gmfs_image *img, const void *buf, size_t size,
			   const struct gmfs_layout *layout)
{
	struct root root = { 0 };
	struct gmfs_fdt_token t;
	u32 pos = 0;
	int err;

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
		err = gmfs_check_root_prop(img, &t, &root);
		if (err)
			return err;
	}
	if (!img->version)
		return refuse(img, -EPROTONOSUPPORT, "it has no version");
	if (!gmfs_take_bad_pages(img, &root))
		return refuse(img, -EINVAL, "its list of bad pages is malformed");
	if (root.seen != SEEN_ALL || !img->block_size || !gmfs_take_ranges(img, &root)) {
		img->nr_windows = 0;
		return refuse(img, -EINVAL, "a property of the root is missing or malformed");
	}
	err = gmfs_check_windows(img, layout);
	if (err)
		return err;
	if (root.nr_written != DIV_ROUND_UP(img->nr_blocks, 8))
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

/* The window that an extent lies in, wholly and not in its head; or NULL. */
static const struct gmfs_image_window *window_of(const struct gmfs_image *img,
						 const struct gmfs_extent *e)
{
	const struct gmfs_image_window *w;
	u32 at;

	if (e->start >= img->nr_blocks)
		return NULL;
	for (w = img->windows; e->start - w->start >= w->nr; w++)
		;
	at = e->start - w->start;
	return e->nr <= w->nr - at && at >= head_blocks(img, w->nr) ? w : NULL;
}

static int gmfs_check_extents(struct gmfs_image *img,
			      const struct gmfs_image_inode *inode,
			      unsigned long *used)
{
	const struct gmfs_image_window *w;
	struct gmfs_range range;
	struct gmfs_extent e;
	u64 next = 0;
	u32 i;

	if (inode->size > GMFS_MAX_BLOCKS * img->block_size)
		return refuse(img, -ERANGE, "inode %llu is larger than any pool",
			      (unsigned long long)inode->ino);

	for (i = 0; i < inode->nr_extents; i++) {
		cond_resched();
		e = gmfs_image_extent(inode, i);
		if (!e.nr || e.at < next || (u64)e.at + e.nr > GMFS_MAX_BLOCKS)
			return refuse(img, -EINVAL, "extent %u of inode %llu is out of order",
				      i, (unsigned long long)inode->ino);
		w = window_of(img, &e);
		if (!w)
			return refuse(img, -ERANGE,
				      "extent %u of inode %llu is not of one window, behind its head",
				      i, (unsigned long long)inode->ino);
		if (w->to == GMFS_ABSENT) {
			range = gmfs_image_range(img, w - img->windows);
			return refuse(img, -ENXIO,
				      "inode %llu has blocks in window 0x%llx@0x%llx, which is absent",
				      (unsigned long long)inode->ino,
				      (unsigned long long)range.size,
				      (unsigned long long)range.base);
		}
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
		img->need += GMFS_IMAGE_NAME(len);
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
		img->need += GMFS_IMAGE_INODE + inode.xattrs_size;
		if (inode.target)
			img->need += strlen(inode.target) + 1;
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
 * @layout: the pool it must be of; NULL if it may be of any
 *
 * Context: may sleep.
 * Return: 0; -EPROTONOSUPPORT for another version; -ENXIO for another pool, or if a file has
 * blocks in a window that is absent; -EFBIG if the heads of the windows that are there have
 * no room for such an image; -EINVAL, -ERANGE, -EEXIST for contents that are malformed, out
 * of bounds, or used twice; -ENOMEM.
 */
int gmfs_image_check(struct gmfs_image *img, const void *buf, size_t size,
		     const struct gmfs_layout *layout)
{
	unsigned long *used;
	struct entry **queue;
	struct entry *e;
	int err;

	*img = (struct gmfs_image){ 0 };
	err = gmfs_check_root(img, buf, size, layout);
	if (!err)
		err = gmfs_image_count(img);
	if (err)
		return err;

	used = kvcalloc(BITS_TO_LONGS(img->nr_blocks), sizeof(long), GFP_KERNEL);
	e = kvcalloc(img->nr_inodes + 1, sizeof(*e), GFP_KERNEL);
	queue = kvcalloc(img->nr_inodes + 1, sizeof(*queue), GFP_KERNEL);
	if (!used || !e || !queue)
		err = refuse(img, -ENOMEM, "no memory to check it");
	if (!err)
		err = gmfs_check_inodes(img, e, used);
	if (!err)
		err = gmfs_check_tree(img, e, queue);
	if (!err && layout && img->need > gmfs_image_room(layout))
		err = refuse(img, -EFBIG,
			     "its names need %llu bytes, and the windows' heads have %llu: add a window",
			     (unsigned long long)img->need,
			     (unsigned long long)gmfs_image_room(layout));
	kvfree(queue);
	kvfree(e);
	kvfree(used);
	return err;
}
