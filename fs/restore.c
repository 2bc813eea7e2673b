// SPDX-License-Identifier: GPL-2.0-only
/*
 * Building the mounted tree from an image: inodes first, in the order of the image, then
 * names, directory by directory from the root.
 *
 * gmfs_image_check() has accepted the image, so only want of memory and two equal names
 * in a directory can stop it. Then the inodes are put and the image stays.
 */
#define pr_fmt(fmt) "guestmemfs: " fmt

#include <guestmemfs/abi.h>
#include <linux/dcache.h>
#include <linux/kdev_t.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/unaligned.h>

#include "guestmemfs.h"
#include "trace.h"

static struct timespec64 inode_time(const struct gmfs_image_time *t)
{
	return (struct timespec64){ t->sec, t->nsec };
}

/*
 * The bit of a block without a file means nothing: a free block is unwritten. @start is the
 * number of the extent's first block in the pool.
 */
static void take_written(struct gmfs_pool *p, const u8 *written, const struct gmfs_extent *e,
			 u32 start)
{
	u32 i, n;

	for (n = 0; n < e->nr; n++) {
		i = e->start + n;
		if (written[i / 8] >> (i % 8) & 1)
			__set_bit(start + n, p->written);
	}
}

static int gmfs_take_extents(struct gmfs_pool *p, struct gmfs_inode *gi,
			     const struct gmfs_image *img, const struct gmfs_image_inode *i)
{
	struct gmfs_extent e;
	u32 n, start;
	int err;

	err = gmfs_extents_reserve(&gi->extents, i->nr_extents);
	if (err)
		return err;
	for (n = 0; n < i->nr_extents; n++) {
		e = gmfs_image_extent(i, n);
		start = gmfs_image_block(img, e.start);
		err = gmfs_blocks_take(&p->blocks, start, e.nr);
		if (err)
			return err;
		gmfs_extents_insert(&gi->extents, (struct gmfs_extent){ e.at, start, e.nr });
		take_written(p, img->written, &e, start);
		gi->vfs.i_blocks += (u64)e.nr << (GMFS_BLOCK_SHIFT - 9);
	}
	return 0;
}

static int gmfs_build_inode(struct super_block *sb, const struct gmfs_image *img,
			    const struct gmfs_image_inode *i)
{
	struct gmfs_tree *tree = gmfs_tree(sb);
	dev_t dev = MKDEV(i->major, i->minor);
	struct inode *inode = gmfs_inode_alloc(sb, i->ino, i->mode, dev);
	int err;

	if (IS_ERR(inode))
		return PTR_ERR(inode);
	i_uid_write(inode, i->uid);
	i_gid_write(inode, i->gid);
	inode_set_atime_to_ts(inode, inode_time(&i->times[GMFS_ATIME]));
	inode_set_mtime_to_ts(inode, inode_time(&i->times[GMFS_MTIME]));
	inode_set_ctime_to_ts(inode, inode_time(&i->times[GMFS_CTIME]));
	gmfs_i(inode)->btime = inode_time(&i->times[GMFS_BTIME]);
	gmfs_inode_set_flags(inode, i->flags);
	atomic64_sub(i->xattrs_size, &tree->room);
	if (i->xattrs_size) {
		gmfs_i(inode)->xattrs.data = kvmemdup(i->xattrs, i->xattrs_size,
						      GFP_KERNEL);
		if (!gmfs_i(inode)->xattrs.data)
			return -ENOMEM;
		gmfs_i(inode)->xattrs.size = i->xattrs_size;
	}
	i_size_write(inode, i->size);
	if (S_ISLNK(i->mode)) {
		inode->i_link = kstrdup(i->target, GFP_KERNEL);
		i_size_write(inode, strlen(i->target));
		atomic64_sub(i_size_read(inode) + 1, &tree->room);
		return inode->i_link ? 0 : -ENOMEM;
	}
	err = gmfs_take_extents(&tree->pool, gmfs_i(inode), img, i);
	gmfs_spaces_sync(inode, 0, U32_MAX);
	gmfs_check_bad(inode);
	return err;
}

/* Give a name to an inode. The first one takes over the inode's reference. */
static struct dentry *gmfs_build_name(struct dentry *parent, const char *name,
				      struct inode *inode)
{
	struct dentry *dentry = d_alloc_name(parent, name), *twin;

	if (!dentry)
		return ERR_PTR(-ENOMEM);
	twin = d_lookup(parent, &dentry->d_name);
	if (twin) {
		dput(twin);
		dput(dentry);
		return ERR_PTR(-EEXIST);
	}
	atomic64_sub(GMFS_IMAGE_NAME(dentry->d_name.len), &gmfs_tree_of(inode)->room);
	if (!hlist_empty(&inode->i_dentry)) {
		inc_nlink(inode);
		ihold(inode);
	}
	if (S_ISDIR(inode->i_mode))
		inc_nlink(d_inode(parent));
	gmfs_make_persistent(dentry, inode);
	dput(dentry);	/* the tree has its own reference */
	return dentry;
}

/* Fill one directory; directories found in it are put at the end of @queue. */
static int gmfs_build_directory(const struct gmfs_image_inode *i,
				struct dentry *parent, struct dentry **queue,
				u32 *queued)
{
	struct gmfs_tree *tree = gmfs_tree(parent->d_sb);
	const char *name = i->names;
	struct dentry *dentry;
	struct inode *inode;
	u32 n;

	for (n = 0; n < i->nr_entries; n++, name += strlen(name) + 1) {
		inode = xa_load(&tree->inodes, get_unaligned_be64(i->inodes + 8 * n));
		dentry = gmfs_build_name(parent, name, inode);
		if (IS_ERR(dentry))
			return PTR_ERR(dentry);
		if (S_ISDIR(inode->i_mode))
			queue[(*queued)++] = dentry;
	}
	return 0;
}

/**
 * struct build - what building a tree needs for the time being
 * @img: the image
 * @pos: where in the image an inode is, by number
 * @queue: directories found, for each to be filled after its parent
 */
struct build {
	struct gmfs_image img;
	struct xarray pos;
	struct dentry **queue;
};

static int gmfs_build_inodes(struct super_block *sb, struct build *b)
{
	u32 pos = gmfs_image_first(&b->img), here = pos;
	struct gmfs_image_inode i;
	int err;

	for (; gmfs_image_next(&b->img, &pos, &i) > 0; here = pos) {
		if (S_ISDIR(i.mode)) {
			err = xa_err(xa_store(&b->pos, i.ino, xa_mk_value(here),
					      GFP_KERNEL));
			if (err)
				return err;
		}
		err = gmfs_build_inode(sb, &b->img, &i);
		if (err)
			return err;
	}
	return 0;
}

static int gmfs_build_names(struct super_block *sb, struct build *b)
{
	u32 queued = 0, done, pos;
	struct gmfs_image_inode i;
	struct dentry *dir;
	int err;

	/* On failure d_make_root() puts the inode: it has a reference to give. */
	sb->s_root = d_make_root(igrab(xa_load(&gmfs_tree(sb)->inodes, GMFS_ROOT_INO)));
	if (!sb->s_root)
		return -ENOMEM;
	b->queue[queued++] = sb->s_root;
	for (done = 0; done < queued; done++) {
		dir = b->queue[done];
		pos = xa_to_value(xa_load(&b->pos, d_inode(dir)->i_ino));
		gmfs_image_next(&b->img, &pos, &i);
		err = gmfs_build_directory(&i, dir, b->queue, &queued);
		if (err)
			return err;
	}
	return 0;
}

/* Inodes that got no name still have the reference they were made with. */
static void gmfs_put_nameless(struct gmfs_tree *tree)
{
	struct inode *inode;
	unsigned long ino;

	xa_for_each(&tree->inodes, ino, inode)
		if (ino == GMFS_ROOT_INO || hlist_empty(&inode->i_dentry))
			iput(inode);
}

/**
 * gmfs_build_tree - build the tree of a superblock from the image
 * @sb: the superblock
 *
 * Context: the gate is held for writing; may sleep.
 * Return: 0; -ENOMEM; another errno if the image goes to quarantine.
 */
int gmfs_build_tree(struct super_block *sb)
{
	struct gmfs_tree *tree = gmfs_tree(sb);
	struct gmfs_handover *h = &tree->handover;
	struct build *b = kzalloc(sizeof(*b), GFP_KERNEL);
	int err = -ENOMEM;

	if (!b)
		return err;
	xa_init(&b->pos);
	err = gmfs_image_check(&b->img, h->image, h->image_size, &h->layout);
	if (err) {
		if (err != -ENOMEM)
			gmfs_quarantine(h, b->img.why);
		goto out;
	}
	err = -ENOMEM;
	b->queue = kvcalloc(b->img.nr_inodes, sizeof(*b->queue), GFP_KERNEL);
	if (!b->queue)
		goto out;
	gmfs_pool_reset(&tree->pool);
	atomic64_set(&tree->room, gmfs_image_room(&h->layout));
	err = gmfs_build_inodes(sb, b);
	if (!err)
		err = gmfs_build_names(sb, b);
	if (err == -EEXIST)
		gmfs_quarantine(h, "a directory has two equal names");
	if (err)
		gmfs_put_nameless(tree);
	else
		iput(xa_load(&tree->inodes, GMFS_ROOT_INO));
	trace_gmfs_restore(b->img.nr_inodes, err);
	atomic64_set(&h->last_ino, b->img.next_ino - 1);
out:
	xa_destroy(&b->pos);
	kvfree(b->queue);
	kfree(b);
	return err;
}
