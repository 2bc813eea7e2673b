// SPDX-License-Identifier: GPL-2.0-only
/*
 * The superblock. There is one region, so there is one superblock, and every
 * mount shows it. The last unmount turns the tree into an image and the next
 * mount turns it back: the tree belongs to the region, not to a mount.
 */
#define pr_fmt(fmt) "guestmemfs: " fmt

#include <guestmemfs/abi.h>
#include <linux/fs_context.h>
#include <linux/fs_parser.h>
#include <linux/module.h>
#include <linux/statfs.h>

#include "guestmemfs.h"

static struct kmem_cache *inode_cache;

static struct inode *gmfs_alloc_inode(struct super_block *sb)
{
	struct gmfs_inode *gi = alloc_inode_sb(sb, inode_cache, GFP_KERNEL);

	if (!gi)
		return NULL;
	gi->extents = (struct gmfs_extents){ 0 };
	return &gi->vfs;
}

static void gmfs_free_inode(struct inode *inode)
{
	if (S_ISLNK(inode->i_mode))
		kfree(inode->i_link);
	kmem_cache_free(inode_cache, gmfs_i(inode));
}

static int gmfs_statfs(struct dentry *dentry, struct kstatfs *buf)
{
	struct gmfs_region *r = &gmfs.region;

	buf->f_type = GMFS_MAGIC;
	buf->f_bsize = GMFS_BLOCK_SIZE;
	buf->f_frsize = GMFS_BLOCK_SIZE;
	buf->f_blocks = r->blocks.nr;
	buf->f_bfree = READ_ONCE(r->blocks.nr_free);
	buf->f_bavail = buf->f_bfree;
	buf->f_files = GMFS_MAX_INODES;
	buf->f_ffree = GMFS_MAX_INODES - atomic_read(&gmfs.nr_inodes);
	buf->f_namelen = GMFS_MAX_NAME;
	buf->f_fsid = u64_to_fsid(r->base);
	return 0;
}

static const struct super_operations gmfs_super_operations = {
	.alloc_inode	= gmfs_alloc_inode,
	.free_inode	= gmfs_free_inode,
	.drop_inode	= gmfs_drop_inode,
	.evict_inode	= gmfs_inode_evict,
	.statfs		= gmfs_statfs,
};

static int gmfs_fill_super(struct super_block *sb, struct fs_context *fc)
{
	const char *why;
	int err;

	sb->s_maxbytes = MAX_LFS_FILESIZE;
	/* Blocks are larger than the VFS lets a block size be. */
	sb->s_blocksize = PAGE_SIZE;
	sb->s_blocksize_bits = PAGE_SHIFT;
	sb->s_magic = GMFS_MAGIC;
	sb->s_op = &gmfs_super_operations;
	sb->s_time_gran = 1;

	err = gmfs_tree_attach(sb, fc->fs_private, &why);
	if (err)
		errorf(fc, "guestmemfs: %s", why);
	return err;
}

enum { OPT_DISCARD };

static const struct fs_parameter_spec gmfs_parameters[] = {
	fsparam_flag("discard",	OPT_DISCARD),
	{}
};

static int gmfs_parse_param(struct fs_context *fc, struct fs_parameter *param)
{
	struct fs_parse_result result;
	int opt = fs_parse(fc, gmfs_parameters, param, &result);

	if (opt == OPT_DISCARD)
		fc->fs_private = &gmfs;	/* anything but NULL */
	return opt < 0 ? opt : 0;
}

static int gmfs_get_tree(struct fs_context *fc)
{
	return get_tree_single(fc, gmfs_fill_super);
}

static const struct fs_context_operations gmfs_context_operations = {
	.parse_param	= gmfs_parse_param,
	.get_tree	= gmfs_get_tree,
};

static int gmfs_init_fs_context(struct fs_context *fc)
{
	fc->ops = &gmfs_context_operations;
	return 0;
}

static void gmfs_kill_sb(struct super_block *sb)
{
	gmfs_tree_detach(sb);
	gmfs_kill_litter_super(sb);
}

static struct file_system_type gmfs_type = {
	.owner		= THIS_MODULE,
	.name		= "guestmemfs",
	.init_fs_context = gmfs_init_fs_context,
	.parameters	= gmfs_parameters,
	.kill_sb	= gmfs_kill_sb,
	.fs_flags	= FS_RENAME_DOES_D_MOVE,
};

static void init_once(void *object)
{
	struct gmfs_inode *gi = object;

	inode_init_once(&gi->vfs);
}

/**
 * gmfs_super_init - make what mounts will need
 *
 * Return: 0, or -ENOMEM.
 */
int gmfs_super_init(void)
{
	inode_cache = kmem_cache_create("guestmemfs_inode",
					sizeof(struct gmfs_inode), 0,
					SLAB_RECLAIM_ACCOUNT | SLAB_ACCOUNT,
					init_once);
	return inode_cache ? 0 : -ENOMEM;
}

/**
 * gmfs_super_register - let the filesystem be mounted
 *
 * The last step of loading: a mount may come before it returns.
 *
 * Return: 0; -EBUSY if the name is taken.
 */
int gmfs_super_register(void)
{
	return register_filesystem(&gmfs_type);
}

void gmfs_super_unregister(void)
{
	unregister_filesystem(&gmfs_type);
}

void gmfs_super_exit(void)
{
	rcu_barrier();	/* gmfs_free_inode() */
	kmem_cache_destroy(inode_cache);
}
