// SPDX-License-Identifier: GPL-2.0-only
/*
 * The image: a filesystem's metadata as a flattened device tree.
 *
 * include/guestmemfs/abi.h has the layout. Writing is a sequence of calls that
 * the filesystem makes while it walks its inodes, once to measure and once to
 * write. Reading is in two steps: gmfs_image_check() looks at every byte that
 * means something and refuses the whole image if any is wrong; only then does
 * the filesystem build objects from gmfs_image_next(), which cannot fail for
 * the image's sake any more.
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
#include "xattrs.h"

#define NSEC_IN_SEC	1000000000U
#define EXTENT_BYTES	12

/* --- writing ------------------------------------------------------------- */

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

/* The tree's frame, the root's properties but for the bitmap, all the names. */
#define FIXED_BYTES	1024

/**
 * gmfs_image_room - how much room for inodes and names every image has
 * @region: the region
 *
 * The head's slots are as large as the region asks for, so an image must not
 * grow with what is in it beyond that. Extents are not counted: each is of a
 * block at least, and there is room for one for every block.
 *
 * Return: bytes; what inodes, names, targets and attributes take together.
 */
u64 gmfs_image_room(const struct gmfs_image_region *region)
{
	u64 nr = region->size / region->block_size;
	u64 max = GMFS_HEAD_BLOCKS(nr) * region->block_size / GMFS_NR_SLOTS -
		  GMFS_SLOT_IMAGE;

	return min_t(u64, max, GMFS_MAX_IMAGE) - FIXED_BYTES -
	       DIV_ROUND_UP(nr, 8) - nr * EXTENT_BYTES;
}

/**
 * gmfs_image_begin - begin an image
 * @w: the writer
 * @buf: where to, or NULL to only measure
 * @max: bytes at @buf
 * @region: the region it is bound to
 * @next_ino: above every inode number in use
 *
 * The caller adds the property GMFS_PROP_WRITTEN, then inodes in ascending
 * order: gmfs_image_begin_inode(), the properties of its type,
 * gmfs_fdt_end_node(); and gmfs_image_end().
 */
void gmfs_image_begin(struct gmfs_fdt_writer *w, void *buf, size_t max,
		      const struct gmfs_image_region *region, u64 next_ino)
{
	size_t prop;

	gmfs_fdt_start(w, buf, max);
	gmfs_fdt_begin_node(w, "");
	prop = gmfs_fdt_open_prop(w, GMFS_PROP_COMPATIBLE);
	gmfs_fdt_append(w, GMFS_COMPATIBLE, sizeof(GMFS_COMPATIBLE));
	gmfs_fdt_close_prop(w, prop);
	put_u64(w, GMFS_PROP_INCOMPATIBLE, 0);
	prop = gmfs_fdt_open_prop(w, GMFS_PROP_REGION);
	gmfs_fdt_append_u64(w, region->base);
	gmfs_fdt_append_u64(w, region->size);
	gmfs_fdt_close_prop(w, prop);
	put_u64(w, GMFS_PROP_BLOCK_SIZE, region->block_size);
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

/* --- reading one inode ---------------------------------------------------- */

static u64 cell64(const u8 *p)
{
	return get_unaligned_be64(p);
}

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

/* Skips to the end of a node just begun, nodes inside it included. */
static int skip_node(const struct gmfs_fdt_reader *r, u32 *pos)
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

static int read_times(struct gmfs_image_inode *inode, const u8 *data)
{
	int i;

	for (i = 0; i < GMFS_NR_TIMES; i++, data += 12) {
		inode->times[i].sec = cell64(data);
		inode->times[i].nsec = get_unaligned_be32(data + 8);
		if (inode->times[i].nsec >= NSEC_IN_SEC)
			return -EINVAL;
	}
	return 0;
}

/* Every string of the list ends in NUL; how many there are. */
static int count_names(const u8 *data, u32 len, u32 *nr)
{
	u32 i;

	*nr = 0;
	for (i = 0; i < len; i++)
		*nr += !data[i];
	return len && data[len - 1] ? -EINVAL : 0;
}

static int read_xattrs(struct gmfs_image_inode *inode, const u8 *data, u32 len)
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

static int read_prop(struct gmfs_image_inode *inode, u32 *seen, u32 *nr_names,
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
		return read_times(inode, data);
	} else if (!strcmp(t->name, GMFS_PROP_SIZE) && t->len == 8) {
		inode->size = cell64(data);
		*seen |= SEEN_SIZE;
	} else if (!strcmp(t->name, GMFS_PROP_DEVICE) && t->len == 8) {
		inode->major = get_unaligned_be32(data);
		inode->minor = get_unaligned_be32(data + 4);
		*seen |= SEEN_DEVICE;
	} else if (!strcmp(t->name, GMFS_PROP_EXTENTS)) {
		if (t->len % EXTENT_BYTES)
			return -EINVAL;
		inode->extents = data;
		inode->nr_extents = t->len / EXTENT_BYTES;
	} else if (!strcmp(t->name, GMFS_PROP_TARGET)) {
		if (t->len < 2 || t->len > GMFS_MAX_TARGET + 1 ||
		    memchr(data, 0, t->len) != data + t->len - 1)
			return -EINVAL;
		inode->target = (const char *)data;
	} else if (!strcmp(t->name, GMFS_PROP_NAMES)) {
		inode->names = (const char *)data;
		return count_names(data, t->len, nr_names);
	} else if (!strcmp(t->name, GMFS_PROP_INODES)) {
		if (t->len % 8)
			return -EINVAL;
		inode->inodes = data;
		inode->nr_entries = t->len / 8;
	} else if (!strcmp(t->name, GMFS_PROP_FLAGS) && t->len == 4) {
		inode->flags = get_unaligned_be32(data);
		return inode->flags & ~GMFS_FLAGS_KNOWN ? -EINVAL : 0;
	} else if (!strcmp(t->name, GMFS_PROP_XATTRS)) {
		return read_xattrs(inode, data, t->len);
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
		if (skip_node(&img->fdt, pos))
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
			err = read_prop(&n, &seen, &nr_names, &t);
		else
			err = skip_node(&img->fdt, pos);
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
 * Return: the extent; out of bounds if the image was not checked.
 */
struct gmfs_extent gmfs_image_extent(const struct gmfs_image_inode *inode, u32 n)
{
	const u8 *p = inode->extents + n * EXTENT_BYTES;

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

/* --- checking the whole --------------------------------------------------- */

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

static int check_root(struct gmfs_image *img, const void *buf, size_t size,
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
			if (cell64(t.data))
				return refuse(img, -EPROTONOSUPPORT,
					      "it uses features this module does not know (0x%llx)",
					      (unsigned long long)cell64(t.data));
			seen |= 2;
		} else if (!strcmp(t.name, GMFS_PROP_REGION) && t.len == 16) {
			img->region.base = cell64(t.data);
			img->region.size = cell64(t.data + 8);
			seen |= 4;
		} else if (!strcmp(t.name, GMFS_PROP_BLOCK_SIZE) && t.len == 8) {
			img->region.block_size = cell64(t.data);
			seen |= 8;
		} else if (!strcmp(t.name, GMFS_PROP_NEXT_INODE) && t.len == 8) {
			img->next_ino = cell64(t.data);
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

static int count_inodes(struct gmfs_image *img)
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

static int check_extents(struct gmfs_image *img,
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
static int check_directory(struct gmfs_image *img, struct entry *e,
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
		child = find_entry(e, img->nr_inodes, cell64(dir->inodes + 8 * i));
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

static int check_tree(struct gmfs_image *img, struct entry *e,
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
		err = check_directory(img, e, &dir, queue, &queued);
		if (err)
			return err;
	}
	/* A directory that has a name was reached: nobody else could name it. */
	for (i = 1; i < img->nr_inodes; i++)
		if (!e[i].links)
			return refuse(img, -EINVAL, "inode %llu has no name",
				      (unsigned long long)e[i].ino);
	return 0;
}

static int check_inodes(struct gmfs_image *img, struct entry *e,
			unsigned long *used)
{
	struct gmfs_image_inode inode;
	u32 pos = img->first, here = pos, i;
	int err;

	for (i = 0; i < img->nr_inodes; i++, here = pos) {
		gmfs_image_next(img, &pos, &inode);
		e[i] = (struct entry){ .ino = inode.ino, .pos = here,
				       .is_dir = S_ISDIR(inode.mode) };
		err = check_extents(img, &inode, used);
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
	err = check_root(img, buf, size, region);
	if (!err)
		err = count_inodes(img);
	if (err)
		return err;

	used = kvcalloc(BITS_TO_LONGS(region->size / region->block_size),
			sizeof(long), GFP_KERNEL);
	e = kvcalloc(img->nr_inodes + 1, sizeof(*e), GFP_KERNEL);
	queue = kvcalloc(img->nr_inodes + 1, sizeof(*queue), GFP_KERNEL);
	if (!used || !e || !queue)
		err = refuse(img, -ENOMEM, "there is no memory to check it");
	if (!err)
		err = check_inodes(img, e, used);
	if (!err)
		err = check_tree(img, e, queue);
	kvfree(queue);
	kvfree(e);
	kvfree(used);
	return err;
}
