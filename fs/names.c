// SPDX-License-Identifier: GPL-2.0-only
/*
 * Names. As in ramfs the dcache is the directory, and libfs does the
 * work; what is added is that nothing changes while the tree is frozen. Each change
 * to the tree is between gmfs_change_begin() and gmfs_change_end(), the dcache's part
 * included: that is why unlink drops the dentry and rename moves it here rather than
 * leave it to the VFS, which does so after the operation. A new inode is made before,
 * without a link.
 */
#include <guestmemfs/abi.h>
#include <linux/filelock.h>
#include <linux/fs.h>
#include <linux/slab.h>
#include <linux/stat.h>

#include "guestmemfs.h"
#include "../kho/pure/image.h"

/* A new inode gets its first link, inside gmfs_change_begin(). */
static void new_link(struct inode *inode)
{
	set_nlink(inode, S_ISDIR(inode->i_mode) ? 2 : 1);
}

/* The room that a name takes in an image. */
static u32 room_of(const struct qstr *name)
{
	return GMFS_IMAGE_NAME(name->len);
}

static void gmfs_drop_named(struct inode *inode, const struct qstr *name)
{
	struct gmfs_tree *tree = gmfs_tree_of(inode);

	iput(inode);
	gmfs_uncharge(tree, room_of(name));
}

/*
 * A new inode and the room for its name in @dir: gmfs_drop_named() undoes it. Outside
 * gmfs_change_begin(), see gmfs_inode_new().
 */
static struct inode *gmfs_new_named(struct mnt_idmap *idmap, struct inode *dir,
				    const struct qstr *name, umode_t mode, dev_t dev,
				    const char *target)
{
	struct gmfs_tree *tree = gmfs_tree_of(dir);
	struct inode *inode;
	int err;

	err = gmfs_charge(tree, room_of(name));
	if (err)
		return ERR_PTR(err);
	inode = gmfs_inode_new(idmap, dir, mode, dev);
	if (IS_ERR(inode)) {
		gmfs_uncharge(tree, room_of(name));
		return inode;
	}
	if (target) {
		err = gmfs_charge(tree, strlen(target) + 1);
		if (err)
			goto err_inode;
		inode->i_link = kstrdup(target, GFP_KERNEL_ACCOUNT);
		if (!inode->i_link) {
			gmfs_uncharge(tree, strlen(target) + 1);
			err = -ENOMEM;
			goto err_inode;
		}
		i_size_write(inode, strlen(target));
	}
	err = gmfs_xattr_init_security(inode, dir, name);
	if (err)
		goto err_inode;
	return inode;

err_inode:
	gmfs_drop_named(inode, name);
	return ERR_PTR(err);
}

static int gmfs_make(struct mnt_idmap *idmap, struct inode *dir,
		     struct dentry *dentry, umode_t mode, dev_t dev,
		     const char *target)
{
	struct inode *inode;
	int err;

	inode = gmfs_new_named(idmap, dir, &dentry->d_name, mode, dev, target);
	if (IS_ERR(inode))
		return PTR_ERR(inode);
	err = gmfs_change_begin(gmfs_gate(dir));
	if (err) {
		gmfs_drop_named(inode, &dentry->d_name);
		return err;
	}
	new_link(inode);
	gmfs_make_persistent(dentry, inode);
	if (S_ISDIR(mode))
		inc_nlink(dir);
	gmfs_inode_touch(dir);
	gmfs_change_end(gmfs_gate(dir));
	return 0;
}

static int gmfs_create(struct mnt_idmap *idmap, struct inode *dir,
		       struct dentry *dentry, umode_t mode GMFS_CREATE_EXCL)
{
	return gmfs_make(idmap, dir, dentry, mode | S_IFREG, 0, NULL);
}

static int gmfs_mknod(struct mnt_idmap *idmap, struct inode *dir,
		      struct dentry *dentry, umode_t mode, dev_t dev)
{
	return gmfs_make(idmap, dir, dentry, mode, dev, NULL);
}

static gmfs_mkdir_t gmfs_mkdir(struct mnt_idmap *idmap, struct inode *dir,
			       struct dentry *dentry, umode_t mode)
{
	return gmfs_mkdir_return(gmfs_make(idmap, dir, dentry, mode | S_IFDIR, 0, NULL));
}

static int gmfs_symlink(struct mnt_idmap *idmap, struct inode *dir,
			struct dentry *dentry, const char *target)
{
	return gmfs_make(idmap, dir, dentry, S_IFLNK | 0777, 0, target);
}

static int gmfs_tmpfile(struct mnt_idmap *idmap, struct inode *dir,
			struct file *file, umode_t mode)
{
	struct inode *inode = gmfs_inode_new(idmap, dir, mode, 0);
	int err;

	if (IS_ERR(inode))
		return finish_open_simple(file, PTR_ERR(inode));
	err = gmfs_xattr_init_security(inode, dir, NULL);
	if (!err)
		err = gmfs_change_begin(gmfs_gate(dir));
	if (err) {
		iput(inode);
	} else {
		new_link(inode);
		d_tmpfile(file, inode);
		gmfs_change_end(gmfs_gate(dir));
	}
	return finish_open_simple(file, err);
}

static int gmfs_link(struct dentry *old, struct inode *dir, struct dentry *new)
{
	int err;

	err = gmfs_change_begin(gmfs_gate(dir));
	if (err)
		return err;
	err = gmfs_charge(gmfs_tree_of(dir), room_of(&new->d_name));
	if (!err)
		err = simple_link(old, dir, new);
	gmfs_change_end(gmfs_gate(dir));
	return err;
}

static int gmfs_unlink(struct inode *dir, struct dentry *dentry)
{
	int err = gmfs_change_begin(gmfs_gate(dir));

	if (err)
		return err;
	err = simple_unlink(dir, dentry);
	if (!err) {
		gmfs_uncharge(gmfs_tree_of(dir), room_of(&dentry->d_name));
		d_drop(dentry);
	}
	gmfs_change_end(gmfs_gate(dir));
	return err;
}

static int gmfs_rmdir(struct inode *dir, struct dentry *dentry)
{
	int err = gmfs_change_begin(gmfs_gate(dir));

	if (err)
		return err;
	err = simple_rmdir(dir, dentry);
	if (!err) {
		gmfs_uncharge(gmfs_tree_of(dir), room_of(&dentry->d_name));
		d_drop(dentry);
	}
	gmfs_change_end(gmfs_gate(dir));
	return err;
}

/*
 * d_exchange() by two moves: not every kernel lets modules have the real one. Both
 * directories are locked, so a lookup that misses a name in between waits. Dentries are
 * charged to a memory cgroup, and so come before gmfs_change_begin().
 */
static int gmfs_exchange(struct mnt_idmap *idmap, struct inode *old_dir,
			 struct dentry *old, struct inode *new_dir,
			 struct dentry *new)
{
	struct dentry *old_place = d_alloc(old->d_parent, &old->d_name);
	struct dentry *new_place = d_alloc(new->d_parent, &new->d_name);
	int err = -ENOMEM;

	if (old_place && new_place)
		err = gmfs_change_begin(gmfs_gate(old_dir));
	if (!err) {
		err = simple_rename(idmap, old_dir, old, new_dir, new,
				    RENAME_EXCHANGE);
		if (!err) {
			d_move(old, new_place);
			d_move(new, old_place);
		}
		gmfs_change_end(gmfs_gate(old_dir));
	}
	dput(old_place);
	dput(new_place);
	return err;
}

/* The old name's room is given back, and the new one's taken, unless a file has it. */
static int gmfs_replace(struct mnt_idmap *idmap, struct inode *old_dir,
			struct dentry *old, struct inode *new_dir,
			struct dentry *new, unsigned int flags)
{
	struct gmfs_tree *tree = gmfs_tree_of(old_dir);
	u32 before = room_of(&old->d_name);
	u32 after = d_really_is_positive(new) ? 0 : room_of(&new->d_name);
	u32 more = after > before ? after - before : 0;
	int err;

	err = gmfs_charge(tree, more);
	if (err)
		return err;
	err = simple_rename(idmap, old_dir, old, new_dir, new, flags);
	if (err) {
		gmfs_uncharge(tree, more);
		return err;
	}
	gmfs_uncharge(tree, before + more - after);
	d_move(old, new);
	return 0;
}

/*
 * A whiteout takes the old name. All that can fail comes before the rename. Both
 * directories are locked, so a lookup of the old name in between waits.
 */
static int gmfs_replace_by_whiteout(struct mnt_idmap *idmap, struct inode *old_dir,
				    struct dentry *old, struct inode *new_dir,
				    struct dentry *new, unsigned int flags)
{
	struct dentry *place = d_alloc(old->d_parent, &old->d_name);
	struct inode *inode;
	int err;

	if (!place)
		return -ENOMEM;
	inode = gmfs_new_named(idmap, old_dir, &place->d_name, S_IFCHR | WHITEOUT_MODE,
			       WHITEOUT_DEV, NULL);
	err = PTR_ERR_OR_ZERO(inode);
	if (err)
		goto out;
	err = gmfs_change_begin(gmfs_gate(old_dir));
	if (!err) {
		err = gmfs_replace(idmap, old_dir, old, new_dir, new, flags);
		if (!err) {
			new_link(inode);
			gmfs_make_persistent(place, inode);
		}
		gmfs_change_end(gmfs_gate(old_dir));
	}
	if (err)
		gmfs_drop_named(inode, &place->d_name);
out:
	dput(place);
	return err;
}

static int gmfs_rename(struct mnt_idmap *idmap, struct inode *old_dir,
		       struct dentry *old, struct inode *new_dir,
		       struct dentry *new, unsigned int flags)
{
	int err;

	if (flags & RENAME_EXCHANGE)
		return gmfs_exchange(idmap, old_dir, old, new_dir, new);
	if (flags & RENAME_WHITEOUT)
		return gmfs_replace_by_whiteout(idmap, old_dir, old, new_dir, new,
						flags & ~RENAME_WHITEOUT);
	err = gmfs_change_begin(gmfs_gate(old_dir));
	if (err)
		return err;
	err = gmfs_replace(idmap, old_dir, old, new_dir, new, flags);
	gmfs_change_end(gmfs_gate(old_dir));
	return err;
}

const struct inode_operations gmfs_dir_inode_operations = {
	.lookup		= simple_lookup,
	.create		= gmfs_create,
	.mknod		= gmfs_mknod,
	.mkdir		= gmfs_mkdir,
	.symlink	= gmfs_symlink,
	.link		= gmfs_link,
	.unlink		= gmfs_unlink,
	.rmdir		= gmfs_rmdir,
	.rename		= gmfs_rename,
	.tmpfile	= gmfs_tmpfile,
	.setattr	= gmfs_setattr,
	.getattr	= gmfs_getattr,
	.listxattr	= gmfs_listxattr,
	.fileattr_get	= gmfs_fileattr_get,
	.fileattr_set	= gmfs_fileattr_set,
};

/* simple_dir_operations, and leases: a directory that refuses them refuses F_NOTIFY too. */
const struct file_operations gmfs_dir_operations = {
	.open		= dcache_dir_open,
	.release	= dcache_dir_close,
	.llseek		= dcache_dir_lseek,
	.read		= generic_read_dir,
	.iterate_shared	= dcache_readdir,
	.fsync		= noop_fsync,
	.setlease	= generic_setlease,
};
