// SPDX-License-Identifier: GPL-2.0-only
/*
 * Writing the inodes of a mounted tree to an image.
 *
 * Called with the gate held for writing, so no name, size, extent or attribute
 * changes meanwhile. A walk of all inodes measures the image, a second one writes it.
 */
#include <guestmemfs/abi.h>
#include <linux/dcache.h>
#include <linux/kdev_t.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "guestmemfs.h"

static void gmfs_put_extents(struct gmfs_fdt_writer *w, const struct gmfs_extents *x)
{
	size_t prop = gmfs_fdt_open_prop(w, GMFS_PROP_EXTENTS);
	u32 i;

	for (i = 0; i < x->nr; i++) {
		gmfs_fdt_append_u32(w, x->e[i].at);
		gmfs_fdt_append_u32(w, x->e[i].start);
		gmfs_fdt_append_u32(w, x->e[i].nr);
	}
	gmfs_fdt_close_prop(w, prop);
}

static void gmfs_put_names(struct gmfs_fdt_writer *w, struct inode *dir)
{
	struct dentry *parent = d_find_any_alias(dir), *child;
	size_t prop;

	/* Names neither come nor go, so both walks meet them in one order. */
	spin_lock(&parent->d_lock);
	prop = gmfs_fdt_open_prop(w, GMFS_PROP_NAMES);
	hlist_for_each_entry(child, &parent->d_children, d_sib)
		if (d_really_is_positive(child) && !d_unhashed(child))
			gmfs_fdt_append(w, child->d_name.name,
					child->d_name.len + 1);
	gmfs_fdt_close_prop(w, prop);
	prop = gmfs_fdt_open_prop(w, GMFS_PROP_INODES);
	hlist_for_each_entry(child, &parent->d_children, d_sib)
		if (d_really_is_positive(child) && !d_unhashed(child))
			gmfs_fdt_append_u64(w, d_inode(child)->i_ino);
	gmfs_fdt_close_prop(w, prop);
	spin_unlock(&parent->d_lock);
	dput(parent);
}

static struct gmfs_image_time image_time(struct timespec64 t)
{
	return (struct gmfs_image_time){ t.tv_sec, t.tv_nsec };
}

static void gmfs_put_inode(struct gmfs_fdt_writer *w, struct inode *inode)
{
	struct gmfs_image_inode i = {
		.ino = inode->i_ino,
		.mode = inode->i_mode,
		.uid = i_uid_read(inode),
		.gid = i_gid_read(inode),
		.major = MAJOR(inode->i_rdev),
		.minor = MINOR(inode->i_rdev),
		.times = {
			[GMFS_ATIME] = image_time(inode_get_atime(inode)),
			[GMFS_MTIME] = image_time(inode_get_mtime(inode)),
			[GMFS_CTIME] = image_time(inode_get_ctime(inode)),
			[GMFS_BTIME] = image_time(gmfs_i(inode)->btime),
		},
		.size = i_size_read(inode),
		.flags = gmfs_inode_flags(inode),
		.xattrs = gmfs_i(inode)->xattrs.data,
		.xattrs_size = gmfs_i(inode)->xattrs.size,
	};
	size_t prop;

	gmfs_image_begin_inode(w, &i);
	if (S_ISREG(inode->i_mode)) {
		gmfs_put_extents(w, &gmfs_i(inode)->extents);
	} else if (S_ISDIR(inode->i_mode)) {
		gmfs_put_names(w, inode);
	} else if (S_ISLNK(inode->i_mode)) {
		prop = gmfs_fdt_open_prop(w, GMFS_PROP_TARGET);
		gmfs_fdt_append(w, inode->i_link, strlen(inode->i_link) + 1);
		gmfs_fdt_close_prop(w, prop);
	}
	gmfs_fdt_end_node(w);
}

/*
 * The next inode that has a name, from number *@ino on. Those without one are
 * open files, which end with their users, at any moment: hence RCU. A name, and
 * with it the inode, does not go while the gate is held for writing.
 */
static struct inode *gmfs_next_named(struct gmfs_tree *tree, unsigned long *ino)
{
	struct inode *inode;

	rcu_read_lock();
	inode = xa_find(&tree->inodes, ino, ULONG_MAX, XA_PRESENT);
	while (inode && !inode->i_nlink)
		inode = xa_find_after(&tree->inodes, ino, ULONG_MAX, XA_PRESENT);
	rcu_read_unlock();
	return inode;
}

/**
 * gmfs_write_inodes - write all inodes that have a name
 * @h: the tree
 * @w: where to
 *
 * Context: the gate is held for writing, the tree is mounted; does not sleep.
 */
void gmfs_write_inodes(struct gmfs_handover *h, struct gmfs_fdt_writer *w)
{
	struct gmfs_tree *tree = container_of(h, struct gmfs_tree, handover);
	unsigned long ino = 0;
	struct inode *inode;

	for (; (inode = gmfs_next_named(tree, &ino)); ino++)
		gmfs_put_inode(w, inode);
}
