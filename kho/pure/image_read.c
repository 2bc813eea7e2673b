// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reading an image, one inode at a time.
 *
 * Every field that means something is checked here as far as the inode alone can show
 * it; gmfs_image_check() checks the inodes against each other. After that
 * gmfs_image_next() cannot fail.
 *
 * Pure code: compiled into the module, into KUnit and into userspace tests.
 */
#include <guestmemfs/abi.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/stat.h>
#include <linux/string.h>
#include <linux/unaligned.h>

#include "image.h"
#include "xattrs.h"

#define NSEC_IN_SEC	1000000000U

static bool parse_ino(const char *name, u64 *ino)
{
	const char *p = name + strlen(GMFS_NODE_INODE);
	u64 n = 0;
	int digit;

	if (strncmp(name, GMFS_NODE_INODE, strlen(GMFS_NODE_INODE)) ||
	    !*p || *p == '0')
		return false;
	for (; *p; p++) {
		if (*p >= '0' && *p <= '9')
			digit = *p - '0';
		else if (*p >= 'a' && *p <= 'f')
			digit = *p - 'a' + 10;
		else
			return false;
		if (n >> 60)
			return false;
		n = n << 4 | digit;
	}
	*ino = n;
	return true;
}

/**
 * gmfs_image_bad_page - one of the bad pages of an image
 * @img: the image
 * @n: which one, below @img->nr_bad
 *
 * Return: the page.
 */
struct gmfs_bad_page gmfs_image_bad_page(const struct gmfs_image *img, u32 n)
{
	const u8 *cells = img->bad + n * 2 * sizeof(u64);

	return (struct gmfs_bad_page){
		.at = get_unaligned_be64(cells),
		.when = get_unaligned_be64(cells + sizeof(u64)),
	};
}

/* Skips to the end of a node just begun, nodes inside it included. */
static int gmfs_skip_node(const struct gmfs_fdt_reader *r, u32 *pos)
{
	struct gmfs_fdt_token t;
	u32 depth = 1;
	int err;

	while (depth) {
		err = gmfs_fdt_next(r, pos, &t);
		if (err)
			return err;
		if (t.kind == GMFS_FDT_END)
			return -EINVAL;
		if (t.kind == GMFS_FDT_BEGIN_NODE)
			depth++;
		if (t.kind == GMFS_FDT_END_NODE)
			depth--;
	}
	return 0;
}

enum {
	SEEN_MODE	= 1,
	SEEN_OWNER	= 2,
	SEEN_TIMES	= 4,
	SEEN_SIZE	= 8,
	SEEN_DEVICE	= 16,
	SEEN_ALL	= SEEN_MODE | SEEN_OWNER | SEEN_TIMES,
};

static int gmfs_read_times(struct gmfs_image_inode *inode, const u8 *data)
{
	int i;

	for (i = 0; i < GMFS_NR_TIMES; i++, data += 12) {
		inode->times[i].sec = get_unaligned_be64(data);
		inode->times[i].nsec = get_unaligned_be32(data + 8);
		if (inode->times[i].nsec >= NSEC_IN_SEC)
			return -EINVAL;
	}
	return 0;
}

/* Every string of the list ends in NUL; how many there are. */
static int gmfs_count_names(const u8 *data, u32 len, u32 *nr)
{
	u32 i;

	*nr = 0;
	for (i = 0; i < len; i++)
		*nr += !data[i];
	return len && data[len - 1] ? -EINVAL : 0;
}

static int gmfs_read_xattrs(struct gmfs_image_inode *inode, const u8 *data, u32 len)
{
	struct gmfs_xattr x;
	u32 pos = 0;
	int more;

	if (len > GMFS_MAX_XATTRS)
		return -EINVAL;
	do {
		more = gmfs_xattrs_next(data, len, &pos, &x);
	} while (more > 0);
	inode->xattrs = data;
	inode->xattrs_size = len;
	return more;
}

static int gmfs_read_prop(struct gmfs_image_inode *inode, u32 *seen, u32 *nr_names,
			  const struct gmfs_fdt_token *t)
{
	const u8 *data = t->data;

	if (!strcmp(t->name, GMFS_PROP_MODE) && t->len == 4) {
		inode->mode = get_unaligned_be32(data);
		*seen |= SEEN_MODE;
	} else if (!strcmp(t->name, GMFS_PROP_OWNER) && t->len == 8) {
		inode->uid = get_unaligned_be32(data);
		inode->gid = get_unaligned_be32(data + 4);
		*seen |= SEEN_OWNER;
	} else if (!strcmp(t->name, GMFS_PROP_TIMES) &&
		   t->len == 12 * GMFS_NR_TIMES) {
		*seen |= SEEN_TIMES;
		return gmfs_read_times(inode, data);
	} else if (!strcmp(t->name, GMFS_PROP_SIZE) && t->len == 8) {
		inode->size = get_unaligned_be64(data);
		*seen |= SEEN_SIZE;
	} else if (!strcmp(t->name, GMFS_PROP_DEVICE) && t->len == 8) {
		inode->major = get_unaligned_be32(data);
		inode->minor = get_unaligned_be32(data + 4);
		*seen |= SEEN_DEVICE;
	} else if (!strcmp(t->name, GMFS_PROP_EXTENTS)) {
		if (t->len % GMFS_IMAGE_EXTENT)
			return -EINVAL;
		inode->extents = data;
		inode->nr_extents = t->len / GMFS_IMAGE_EXTENT;
	} else if (!strcmp(t->name, GMFS_PROP_TARGET)) {
		if (t->len < 2 || t->len > GMFS_MAX_TARGET + 1 ||
		    memchr(data, 0, t->len) != data + t->len - 1)
			return -EINVAL;
		inode->target = (const char *)data;
	} else if (!strcmp(t->name, GMFS_PROP_NAMES)) {
		inode->names = (const char *)data;
		return gmfs_count_names(data, t->len, nr_names);
	} else if (!strcmp(t->name, GMFS_PROP_INODES)) {
		if (t->len % 8)
			return -EINVAL;
		inode->inodes = data;
		inode->nr_entries = t->len / 8;
	} else if (!strcmp(t->name, GMFS_PROP_FLAGS) && t->len == 4) {
		inode->flags = get_unaligned_be32(data);
		return inode->flags & ~GMFS_FLAGS_KNOWN ? -EINVAL : 0;
	} else if (!strcmp(t->name, GMFS_PROP_XATTRS)) {
		return gmfs_read_xattrs(inode, data, t->len);
	} else if (!strcmp(t->name, GMFS_PROP_MODE) ||
		   !strcmp(t->name, GMFS_PROP_OWNER) ||
		   !strcmp(t->name, GMFS_PROP_TIMES) ||
		   !strcmp(t->name, GMFS_PROP_SIZE) ||
		   !strcmp(t->name, GMFS_PROP_DEVICE) ||
		   !strcmp(t->name, GMFS_PROP_FLAGS)) {
		return -EINVAL;		/* known, but of a wrong length */
	}
	return 0;
}

/* Each type has its properties, and no other type's. */
static bool fits_type(const struct gmfs_image_inode *i, u32 seen)
{
	bool device = false;

	if ((seen & SEEN_ALL) != SEEN_ALL || i->mode & ~(S_IFMT | 07777) ||
	    i->uid == U32_MAX || i->gid == U32_MAX)
		return false;
	switch (i->mode & S_IFMT) {
	case S_IFREG:
	case S_IFDIR:
	case S_IFIFO:
	case S_IFSOCK:
		break;
	case S_IFLNK:
		if (!i->target)
			return false;
		break;
	case S_IFCHR:
	case S_IFBLK:
		/* What the kernel's MKDEV() holds (include/linux/kdev_t.h). */
		if (i->major >> 12 || i->minor >> 20)
			return false;
		device = true;
		break;
	default:
		return false;
	}
	return !!(seen & SEEN_SIZE) == !!S_ISREG(i->mode) &&
	       !!(seen & SEEN_DEVICE) == device &&
	       (S_ISREG(i->mode) || !i->nr_extents) &&
	       (S_ISLNK(i->mode) || !i->target) &&
	       (S_ISDIR(i->mode) || !i->nr_entries);
}

/**
 * gmfs_image_next - read one inode
 * @img: the image
 * @pos: where; gmfs_image_first() to begin with; moved past the inode
 * @inode: what was read, set if 1 is returned
 *
 * Return: 1 if there was one, 0 at the end; -EINVAL if what stands there is
 * no inode, which a checked image cannot have.
 */
int gmfs_image_next(const struct gmfs_image *img, u32 *pos,
		    struct gmfs_image_inode *inode)
{
	struct gmfs_image_inode n = { 0 };
	struct gmfs_fdt_token t;
	u32 seen = 0, nr_names = 0;
	int err;

	for (;;) {
		err = gmfs_fdt_next(&img->fdt, pos, &t);
		if (err || t.kind == GMFS_FDT_END)
			return -EINVAL;
		if (t.kind == GMFS_FDT_END_NODE)
			return 0;
		if (t.kind != GMFS_FDT_BEGIN_NODE)
			continue;
		if (!strncmp(t.name, GMFS_NODE_INODE, strlen(GMFS_NODE_INODE)))
			break;
		if (gmfs_skip_node(&img->fdt, pos))
			return -EINVAL;
	}
	if (!parse_ino(t.name, &n.ino))
		return -EINVAL;
	for (;;) {
		err = gmfs_fdt_next(&img->fdt, pos, &t);
		if (err || t.kind == GMFS_FDT_END)
			return -EINVAL;
		if (t.kind == GMFS_FDT_END_NODE)
			break;
		if (t.kind == GMFS_FDT_PROP)
			err = gmfs_read_prop(&n, &seen, &nr_names, &t);
		else
			err = gmfs_skip_node(&img->fdt, pos);
		if (err)
			return -EINVAL;
	}
	if (!fits_type(&n, seen) || nr_names != n.nr_entries)
		return -EINVAL;
	*inode = n;
	return 1;
}

/**
 * gmfs_image_extent - read one of an inode's extents
 * @inode: what gmfs_image_next() read
 * @n: which one, below its nr_extents
 *
 * Return: the extent, whose block is numbered as in the image; out of bounds if the image
 * was not checked.
 */
struct gmfs_extent gmfs_image_extent(const struct gmfs_image_inode *inode, u32 n)
{
	const u8 *p = inode->extents + n * GMFS_IMAGE_EXTENT;

	return (struct gmfs_extent) {
		.at	= get_unaligned_be32(p),
		.start	= get_unaligned_be32(p + 4),
		.nr	= get_unaligned_be32(p + 8),
	};
}

/* Where gmfs_image_next() begins. */
u32 gmfs_image_first(const struct gmfs_image *img)
{
	return img->first;
}

/**
 * gmfs_image_range - where a window is that the image lists
 * @img: the image
 * @n: which one, below its nr_windows
 *
 * Return: its memory.
 */
struct gmfs_range gmfs_image_range(const struct gmfs_image *img, u32 n)
{
	const u8 *p = img->ranges + n * 2 * sizeof(u64);

	return (struct gmfs_range) {
		.base	= get_unaligned_be64(p),
		.size	= get_unaligned_be64(p + sizeof(u64)),
	};
}

/**
 * gmfs_image_block - the number that a block of the image has in the pool
 * @img: the image, checked
 * @block: its number in the image
 *
 * Return: the number, or GMFS_ABSENT if its window is absent.
 */
u32 gmfs_image_block(const struct gmfs_image *img, u32 block)
{
	const struct gmfs_image_window *w = img->windows;

	while (block - w->start >= w->nr)
		w++;
	return w->to == GMFS_ABSENT ? GMFS_ABSENT : w->to + (block - w->start);
}
