// SPDX-License-Identifier: GPL-2.0-only
/*
 * Inodes: their attributes, their numbers, and their end.
 *
 * Access times are not kept: reading must not change what was published.
 */
#include <guestmemfs/abi.h>
#include <linux/fs.h>
#include <linux/fileattr.h>	/* wants fs.h first */
#include <linux/pagemap.h>
#include <linux/slab.h>
#include <linux/stat.h>

#include "guestmemfs.h"
#include "../kho/pure/image.h"

/**
 * gmfs_inode_touch - an inode's contents change now
 * @inode: the inode
 *
 * Context: inside gmfs_change_begin(), with the inode's lock held.
 */
void gmfs_inode_touch(struct inode *inode)
{
	inode_set_mtime_to_ts(inode, inode_set_ctime_current(inode));
}

/* For all types. */
int gmfs_setattr(struct mnt_idmap *idmap, struct dentry *dentry,
		 struct iattr *attr)
{
	struct inode *inode = d_inode(dentry);
	int err;

	err = setattr_prepare(idmap, dentry, attr);
	if (err)
		return err;
	err = gmfs_change_begin(gmfs_gate(inode));
	if (err)
		return err;
	if (attr->ia_valid & ATTR_SIZE) {
		bool same = attr->ia_size == i_size_read(inode);

		err = gmfs_file_resize(inode, attr->ia_size);
		/* The VFS asks for it in ftruncate(), and not in truncate(). */
		if (!err && !same)
			gmfs_inode_touch(inode);
	}
	if (!err)
		setattr_copy(idmap, inode, attr);
	gmfs_change_end(gmfs_gate(inode));
	return err;
}

int gmfs_getattr(struct mnt_idmap *idmap, const struct path *path,
		 struct kstat *stat, u32 request_mask, unsigned int flags)
{
	struct inode *inode = d_inode(path->dentry);

	generic_fill_statx_attr(inode, stat);
	generic_fillattr(idmap, request_mask, inode, stat);
	stat->btime = gmfs_i(inode)->btime;
	stat->result_mask |= STATX_BTIME;
	stat->blksize = GMFS_BLOCK_SIZE;
	return 0;
}

/**
 * gmfs_inode_flags - an inode's flags as chattr(1) and an image have them
 * @inode: the inode
 *
 * Return: GMFS_FLAG_IMMUTABLE and the others, which the VFS itself obeys.
 */
u32 gmfs_inode_flags(struct inode *inode)
{
	return (IS_IMMUTABLE(inode) ? GMFS_FLAG_IMMUTABLE : 0) |
	       (IS_APPEND(inode) ? GMFS_FLAG_APPEND : 0);
}

/**
 * gmfs_inode_set_flags - set them
 * @inode: the inode, which no other task knows yet, or locked
 * @flags: as gmfs_inode_flags() returns them
 */
void gmfs_inode_set_flags(struct inode *inode, u32 flags)
{
	inode_set_flags(inode,
			(flags & GMFS_FLAG_IMMUTABLE ? S_IMMUTABLE : 0) |
			(flags & GMFS_FLAG_APPEND ? S_APPEND : 0),
			S_IMMUTABLE | S_APPEND);
}

/* For files and directories. */
int gmfs_fileattr_get(struct dentry *dentry, struct gmfs_fileattr *fa)
{
	fileattr_fill_flags(fa, gmfs_inode_flags(d_inode(dentry)));
	return 0;
}

int gmfs_fileattr_set(struct mnt_idmap *idmap, struct dentry *dentry,
		      struct gmfs_fileattr *fa)
{
	struct inode *inode = d_inode(dentry);
	int err;

	if (fileattr_has_fsx(fa) || fa->flags & ~GMFS_FLAGS_KNOWN)
		return -EOPNOTSUPP;
	err = gmfs_change_begin(gmfs_gate(inode));
	if (err)
		return err;
	gmfs_inode_set_flags(inode, fa->flags);
	inode_set_ctime_current(inode);
	gmfs_change_end(gmfs_gate(inode));
	return 0;
}

static const struct inode_operations gmfs_special_inode_operations = {
	.setattr	= gmfs_setattr,
	.getattr	= gmfs_getattr,
	.listxattr	= gmfs_listxattr,
};

static const struct inode_operations gmfs_symlink_inode_operations = {
	.get_link	= simple_get_link,
	.setattr	= gmfs_setattr,
	.getattr	= gmfs_getattr,
	.listxattr	= gmfs_listxattr,
};

static struct inode *gmfs_alloc_numbered(struct super_block *sb, u64 ino, umode_t mode, dev_t dev,
					 bool linked)
{
	struct gmfs_tree *tree = gmfs_tree(sb);
	struct inode *inode;
	int err;

	if (!atomic_add_unless(&tree->nr_inodes, 1, GMFS_MAX_INODES))
		return ERR_PTR(-ENOSPC);
	err = xa_reserve(&tree->inodes, ino, GFP_KERNEL);
	if (err)
		goto err_count;
	inode = new_inode(sb);
	if (!inode) {
		err = -ENOMEM;
		goto err_release;
	}
	inode->i_ino = ino;
	inode->i_mode = mode;
	/* A device node or fifo changes neither when it is used. */
	inode->i_flags |= S_NOATIME | S_NOCMTIME;
	switch (mode & S_IFMT) {
	case S_IFREG:
		inode->i_op = &gmfs_file_inode_operations;
		inode->i_fop = &gmfs_file_operations;
		inode->i_mapping->a_ops = &gmfs_address_space_operations;
		/* With pages khugepaged must find none: see gmfs_maps_pages_of(). */
		if (!gmfs_pool_of(inode)->has_pages)
			mapping_set_large_folios(inode->i_mapping);
		break;
	case S_IFDIR:
		inode->i_op = &gmfs_dir_inode_operations;
		inode->i_fop = &gmfs_dir_operations;
		set_nlink(inode, 2);
		break;
	case S_IFLNK:
		inode->i_op = &gmfs_symlink_inode_operations;
		break;
	default:
		inode->i_op = &gmfs_special_inode_operations;
		init_special_inode(inode, mode, dev);
	}
	if (!linked)
		clear_nlink(inode);	/* an image leaves it out */
	xa_store(&tree->inodes, ino, inode, GFP_KERNEL);	/* reserved */
	atomic64_sub(GMFS_IMAGE_INODE, &tree->room);
	return inode;

err_release:
	xa_release(&tree->inodes, ino);
err_count:
	atomic_dec(&tree->nr_inodes);
	return ERR_PTR(err);
}

/**
 * gmfs_inode_alloc - an inode with a given number
 * @sb: the superblock
 * @ino: its number, not in use
 * @mode: type and permissions
 * @dev: of a device node
 *
 * It takes its room in an image even if none is left.
 *
 * Context: may sleep.
 * Return: the inode; -ENOSPC if there are GMFS_MAX_INODES; -ENOMEM.
 */
struct inode *gmfs_inode_alloc(struct super_block *sb, u64 ino, umode_t mode,
			       dev_t dev)
{
	return gmfs_alloc_numbered(sb, ino, mode, dev, true);
}

/**
 * gmfs_inode_new - a new inode, with the next number
 * @idmap: of the mount
 * @dir: the directory it will be in
 * @mode: type and permissions
 * @dev: of a device node
 *
 * Without a link, so that no image has it yet; gmfs_create() or another caller links it.
 *
 * Context: outside gmfs_change_begin(), as the inode is charged to a memory cgroup, and
 * reclaim for its limit must not hold up a freeze; may sleep.
 * Return: as gmfs_inode_alloc(); -ENOSPC too if there are no more inodes, or numbers for
 * them; -EOVERFLOW if the mount does not map the caller's user or group.
 */
struct inode *gmfs_inode_new(struct mnt_idmap *idmap, struct inode *dir,
			     umode_t mode, dev_t dev)
{
	const s64 max = GMFS_MAX_NEXT_INO - 1;
	struct gmfs_tree *tree = gmfs_tree_of(dir);
	struct inode *inode;
	s64 last;

	/* The VFS does not look for a whiteout that a rename over a file leaves. */
	if (!fsuidgid_has_mapping(dir->i_sb, idmap))
		return ERR_PTR(-EOVERFLOW);
	last = atomic64_fetch_add_unless(&tree->handover.last_ino, 1, max);
	if (last >= max)
		return ERR_PTR(-ENOSPC);
	inode = gmfs_alloc_numbered(dir->i_sb, last + 1, mode, dev, false);
	if (IS_ERR(inode))
		return inode;
	/* An image may bring more of them than a mount wants: those stay. */
	if (atomic_read(&tree->nr_inodes) > READ_ONCE(tree->options.nr_inodes) ||
	    atomic64_read(&tree->room) < 0) {
		iput(inode);
		return ERR_PTR(-ENOSPC);
	}
	inode_init_owner(idmap, inode, dir, mode);
	gmfs_i(inode)->btime = simple_inode_init_ts(inode);
	return inode;
}

/**
 * gmfs_inode_evict - the last reference is gone
 * @inode: the inode
 *
 * The blocks of a file without a name become free. Those of a file that is only
 * unmounted stay: the image has them.
 */
void gmfs_inode_evict(struct inode *inode)
{
	struct gmfs_tree *tree = gmfs_tree_of(inode);
	struct gmfs_inode *gi = gmfs_i(inode);

	truncate_inode_pages_final(&inode->i_data);
	clear_inode(inode);
	gmfs_spaces_drop(inode, 0, U32_MAX);
	if (!inode->i_nlink)
		gmfs_pool_free(&tree->pool, &gi->extents, 0, U32_MAX);
	else
		gmfs_pool_detach_folios(&tree->pool, &gi->extents, 0, U32_MAX);
	gmfs_punched_forget(inode, 0, U32_MAX);
	gmfs_extents_destroy(&gi->extents);
	gmfs_uncharge(tree, GMFS_IMAGE_INODE + gi->xattrs.size);
	if (S_ISLNK(inode->i_mode) && inode->i_link)
		gmfs_uncharge(tree, strlen(inode->i_link) + 1);
	gmfs_xattrs_destroy(&gi->xattrs);
	/* Only if it is this one: two that fail to attach may share a number. */
	xa_cmpxchg(&tree->inodes, inode->i_ino, inode, NULL, 0);
	atomic_dec(&tree->nr_inodes);
}
