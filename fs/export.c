// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: file handles
 *
 * A handle is an inode number. Numbers are not used twice in a tree and survive umount
 * and kexec, so a handle does, too, and the generation in it is 0.
 *
 * 1. An inode is found in @inodes of struct gmfs_tree under RCU. gmfs_inode_evict()
 *    removes it there before it is freed, and igrab() does not take one that is
 *    about to be evicted.
 * 2. The handle leads to a dentry that is there: a name, or that of an open file whose
 *    name was removed, as on tmpfs. All names are in the dcache, so none is ever made
 *    here, and no directory is disconnected.
 * 3. Without a dentry the handle is stale: the inode is gone, or not yet complete.
 *
 * Nothing changes what an image describes, so handles work while the tree is frozen.
 */
#include <linux/exportfs.h>
#include <linux/fs.h>
#include <linux/unaligned.h>

#include "guestmemfs.h"

#define WORDS		3	/* of a number and its generation */

static void encode(__u32 *fh, struct inode *inode)
{
	put_unaligned((u64)inode->i_ino, (u64 *)fh);
	fh[2] = 0;
}

static int gmfs_encode_fh(struct inode *inode, __u32 *fh, int *max_len,
			  struct inode *parent)
{
	int len = parent ? 2 * WORDS : WORDS;
	bool fits = *max_len >= len;

	*max_len = len;
	if (!fits)
		return FILEID_INVALID;
	encode(fh, inode);
	if (parent)
		encode(fh + WORDS, parent);
	return parent ? FILEID_INO64_GEN_PARENT : FILEID_INO64_GEN;
}

static struct dentry *gmfs_find_handle(struct super_block *sb, const __u32 *fh)
{
	u64 ino = get_unaligned((const u64 *)fh);
	struct dentry *dentry;
	struct inode *inode;

	if (fh[2])
		return NULL;
	rcu_read_lock();
	inode = xa_load(&gmfs_tree(sb)->inodes, ino);
	if (inode && (inode->i_sb != sb || !igrab(inode)))
		inode = NULL;
	rcu_read_unlock();
	if (!inode)
		return NULL;
	dentry = d_find_alias(inode) ?: d_find_any_alias(inode);
	iput(inode);
	return dentry;
}

static struct dentry *gmfs_fh_to_dentry(struct super_block *sb, struct fid *fid,
					int fh_len, int fh_type)
{
	if (fh_len < WORDS ||
	    (fh_type != FILEID_INO64_GEN && fh_type != FILEID_INO64_GEN_PARENT))
		return NULL;
	return gmfs_find_handle(sb, fid->raw);
}

static struct dentry *gmfs_fh_to_parent(struct super_block *sb, struct fid *fid,
					int fh_len, int fh_type)
{
	if (fh_len < 2 * WORDS || fh_type != FILEID_INO64_GEN_PARENT)
		return NULL;
	return gmfs_find_handle(sb, fid->raw + WORDS);
}

const struct export_operations gmfs_export_operations = {
	.encode_fh	= gmfs_encode_fh,
	.fh_to_dentry	= gmfs_fh_to_dentry,
	.fh_to_parent	= gmfs_fh_to_parent,
};
