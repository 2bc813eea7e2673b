// SPDX-License-Identifier: GPL-2.0-only
/*
 * Extended attributes: user, trusted and security. They survive a kexec.
 *
 * libfs' simple_xattr is not exported. Attributes are seldom read and hardly
 * ever changed, so one lock serves all inodes of a tree.
 */
#include <linux/rwsem.h>
#include <linux/security.h>
#include <linux/slab.h>
#include <linux/xattr.h>

#include "guestmemfs.h"

static int gmfs_xattr_get(const struct xattr_handler *handler,
			  struct dentry *dentry, struct inode *inode,
			  const char *name, void *buffer, size_t size)
{
	struct gmfs_tree *tree = gmfs_tree_of(inode);
	struct gmfs_xattr x;
	int ret = -ENODATA;

	name = xattr_full_name(handler, name);
	down_read(&tree->xattr_lock);
	if (gmfs_xattrs_find(&gmfs_i(inode)->xattrs, name, &x)) {
		ret = x.len;
		if (buffer && size < x.len)
			ret = -ERANGE;
		else if (buffer)
			memcpy(buffer, x.value, x.len);
	}
	up_read(&tree->xattr_lock);
	return ret;
}

static int gmfs_set_xattr(struct inode *inode, const struct gmfs_xattr *x, int flags)
{
	/* As packed; what the old value gives back is known afterwards. */
	u32 room = x->value ? strlen(x->name) + 5 + x->len : 0, before;
	struct gmfs_xattrs *xs = &gmfs_i(inode)->xattrs;
	struct gmfs_tree *tree = gmfs_tree_of(inode);
	struct gmfs_xattr old;
	bool found;
	int err;

	err = gmfs_charge(tree, room);
	if (err)
		return err;
	down_write(&tree->xattr_lock);
	before = xs->size;
	found = gmfs_xattrs_find(xs, x->name, &old);
	if (found && flags & XATTR_CREATE)
		err = -EEXIST;
	else if (!found && (flags & XATTR_REPLACE || !x->value))
		err = -ENODATA;
	else
		err = gmfs_xattrs_set(xs, x);
	gmfs_uncharge(tree, room + before - xs->size);
	up_write(&tree->xattr_lock);
	return err;
}

static int gmfs_xattr_set(const struct xattr_handler *handler,
			  struct mnt_idmap *idmap, struct dentry *dentry,
			  struct inode *inode, const char *name,
			  const void *value, size_t size, int flags)
{
	struct gmfs_xattr x = { xattr_full_name(handler, name), value, size };
	int err;

	err = gmfs_change_begin(gmfs_gate(inode));
	if (err)
		return err;
	err = gmfs_set_xattr(inode, &x, flags);
	if (!err)
		inode_set_ctime_current(inode);
	gmfs_change_end(gmfs_gate(inode));
	return err;
}

static const struct xattr_handler user_handler = {
	.prefix	= XATTR_USER_PREFIX,
	.get	= gmfs_xattr_get,
	.set	= gmfs_xattr_set,
};

static const struct xattr_handler trusted_handler = {
	.prefix	= XATTR_TRUSTED_PREFIX,
	.get	= gmfs_xattr_get,
	.set	= gmfs_xattr_set,
};

static const struct xattr_handler security_handler = {
	.prefix	= XATTR_SECURITY_PREFIX,
	.get	= gmfs_xattr_get,
	.set	= gmfs_xattr_set,
};

const struct xattr_handler * const gmfs_xattr_handlers[] = {
	&user_handler,
	&trusted_handler,
	&security_handler,
	NULL
};

/**
 * gmfs_listxattr - names of an inode's attributes
 * @dentry: the inode's
 * @list: where to, or NULL
 * @size: bytes at @list
 *
 * Those of trusted are for CAP_SYS_ADMIN.
 *
 * Return: bytes they take; -ERANGE if that is more than @size.
 */
ssize_t gmfs_listxattr(struct dentry *dentry, char *list, size_t size)
{
	bool trusted = ns_capable_noaudit(&init_user_ns, CAP_SYS_ADMIN);
	struct gmfs_xattrs *xs = &gmfs_i(d_inode(dentry))->xattrs;
	struct gmfs_tree *tree = gmfs_tree(dentry->d_sb);
	struct gmfs_xattr x;
	ssize_t used = 0;
	size_t len;
	u32 pos = 0;

	down_read(&tree->xattr_lock);
	while (gmfs_xattrs_next(xs->data, xs->size, &pos, &x) > 0) {
		if (!trusted && !strncmp(x.name, XATTR_TRUSTED_PREFIX,
					 XATTR_TRUSTED_PREFIX_LEN))
			continue;
		len = strlen(x.name) + 1;
		if (list && used + len > size) {
			used = -ERANGE;
			break;
		}
		if (list)
			memcpy(list + used, x.name, len);
		used += len;
	}
	up_read(&tree->xattr_lock);
	return used;
}

static int gmfs_init_security(struct inode *inode, const struct xattr *array,
			      void *unused)
{
	struct gmfs_xattr x;
	char *name;
	int err = 0;

	for (; array->name && !err; array++) {
		name = kasprintf(GFP_KERNEL, XATTR_SECURITY_PREFIX "%s", array->name);
		if (!name)
			return -ENOMEM;
		x = (struct gmfs_xattr){ name, array->value, array->value_len };
		err = gmfs_set_xattr(inode, &x, 0);
		kfree(name);
	}
	return err;
}

/**
 * gmfs_xattr_init_security - label a new inode as the security module wants
 * @inode: the inode
 * @dir: the directory it will be in
 * @name: the name it will have, or NULL
 *
 * Context: the inode has no link yet, so outside gmfs_change_begin(); may sleep.
 * Return: 0; -ENOSPC; -ENOMEM; what the security module returned.
 */
int gmfs_xattr_init_security(struct inode *inode, struct inode *dir,
			     const struct qstr *name)
{
	int err = security_inode_init_security(inode, dir, name, gmfs_init_security,
					       NULL);

	return err == -EOPNOTSUPP ? 0 : err;
}
