// SPDX-License-Identifier: GPL-2.0-only
/*
 * The superblock. A tree has one, and every mount of the tree shows it. The last
 * unmount turns the tree into an image and the next mount turns it back.
 */
#define pr_fmt(fmt) "guestmemfs: " fmt

#include <guestmemfs/abi.h>
#include <linux/ctype.h>
#include <linux/exportfs.h>
#include <linux/fs_context.h>
#include <linux/fs_parser.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <linux/statfs.h>

#include "guestmemfs.h"

static struct kmem_cache *inode_cache;

static struct inode *gmfs_alloc_inode(struct super_block *sb)
{
	struct gmfs_inode *gi = alloc_inode_sb(sb, inode_cache, GFP_KERNEL);

	if (!gi)
		return NULL;
	gi->extents = (struct gmfs_extents){ 0 };
	gi->xattrs = (struct gmfs_xattrs){ 0 };
	atomic_set(&gi->block_users, 0);
	gi->had_pud = false;
	xa_init(&gi->punched);
#if GMFS_HAVE_PFN_SPACES
	gi->spaces = RB_ROOT_CACHED;
	spin_lock_init(&gi->spaces_lock);
#endif
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
	struct gmfs_tree *tree = gmfs_tree(dentry->d_sb);
	struct gmfs_pool *p = &tree->pool;
	unsigned int used = atomic_read(&tree->nr_inodes);
	s64 room = max(atomic64_read(&tree->room), 0);

	buf->f_type = GMFS_MAGIC;
	buf->f_bsize = GMFS_BLOCK_SIZE;
	buf->f_frsize = GMFS_BLOCK_SIZE;
	buf->f_blocks = gmfs_pool_nr_usable(p);
	buf->f_bfree = READ_ONCE(p->blocks.nr_free);
	buf->f_bavail = buf->f_bfree;
	buf->f_files = max(used, READ_ONCE(tree->options.nr_inodes));
	buf->f_ffree = min_t(u64, buf->f_files - used,
			     room / (GMFS_IMAGE_INODE + GMFS_IMAGE_NAME(GMFS_MAX_NAME)));
	buf->f_files = used + buf->f_ffree;
	buf->f_namelen = GMFS_MAX_NAME;
	buf->f_fsid = u64_to_fsid(p->windows[0].base);
	return 0;
}

/* --- mount and unmount ----------------------------------------------------- */

static const struct super_operations gmfs_super_operations = {
	.alloc_inode	= gmfs_alloc_inode,
	.free_inode	= gmfs_free_inode,
	.drop_inode	= gmfs_drop_inode,
	.evict_inode	= gmfs_inode_evict,
	.statfs		= gmfs_statfs,
	.show_options	= gmfs_show_options,
};

static int gmfs_set_pages(struct gmfs_tree *tree, struct fs_context *fc, bool pages)
{
	u32 nr_pinned = 0;
	int err;

	if (pages && !IS_ENABLED(CONFIG_ZONE_DEVICE)) {
		errorf(fc, "guestmemfs: this kernel was built without CONFIG_ZONE_DEVICE: mount without \"pages\"");
		return -EOPNOTSUPP;
	}
	err = gmfs_pool_get_pages(&tree->pool, pages, &nr_pinned);
	if (nr_pinned)
		errorf(fc, "guestmemfs: %u blocks of pool %s are still pinned: end who pins them, or mount with \"pages\"",
		       nr_pinned, tree->name);
	else if (err)
		errorf(fc, "guestmemfs: pool %s cannot have pages: the kernel log says why",
		       tree->name);
	return err;
}

static int gmfs_fill_super(struct super_block *sb, struct fs_context *fc)
{
	struct gmfs_tree *tree = gmfs_tree(sb);
	struct gmfs_mount *m = fc->fs_private;
	struct gmfs_options o = {
		.nr_inodes = GMFS_MAX_INODES,
		.huge = gmfs_largest_order(),
	};
	const char *why;
	int err;

	m->filled = true;
	/* Not the pool's size, which can be another one when the file is seen again. */
	sb->s_maxbytes = GMFS_MAX_BLOCKS * GMFS_BLOCK_SIZE;
	/* Blocks are larger than the VFS lets a block size be. */
	sb->s_blocksize = PAGE_SIZE;
	sb->s_blocksize_bits = PAGE_SHIFT;
	sb->s_magic = GMFS_MAGIC;
	sb->s_op = &gmfs_super_operations;
	sb->s_xattr = gmfs_xattr_handlers;
	sb->s_export_op = &gmfs_export_operations;
	sb->s_time_gran = 1;

	gmfs_options_apply(&o, &m->options);
	err = gmfs_set_pages(tree, fc, o.pages);
	if (err)
		return err;
	gmfs_options_set(tree, &o);
	err = gmfs_tree_attach(sb, m->discard, &why);
	if (err) {
		errorf(fc, "guestmemfs: %s", why);
		return err;
	}
	err = gmfs_options_set_root(sb, &o);
	if (err == -EBUSY)
		errorf(fc, "guestmemfs: the tree is frozen, so uid, gid and mode cannot be set: write 0 to active first");
	return err;
}

static int gmfs_get_tree(struct fs_context *fc)
{
	struct gmfs_tree *tree = gmfs_tree_find(fc->source);
	struct gmfs_mount *m = fc->fs_private;
	struct super_block *sb;
	struct gmfs_options o;
	int err;

	if (tree->loading != GMFS_LOADED) {
		errorf(fc, "guestmemfs: pool %s was not loaded: the kernel log says why", tree->name);
		return -ENODEV;
	}
	err = gmfs_options_check_mpol(fc, tree, &m->options);
	if (err)
		return err;
	err = get_tree_keyed(fc, gmfs_fill_super, tree);
	if (err || m->filled)
		return err;
	/* One tree, one set of options: a second mount does not change it. */
	o = tree->options;
	gmfs_options_apply(&o, &m->options);
	if (gmfs_options_equal(&o, &tree->options) &&
	    gmfs_options_suit_root(d_inode(fc->root), &m->options))
		return 0;
	if (gmfs_options_keep_pages(fc, tree, &o))
		errorf(fc, "guestmemfs: the tree is mounted with other options already: use -o remount to change them");
	sb = fc->root->d_sb;
	dput(fc->root);
	fc->root = NULL;
	deactivate_locked_super(sb);
	return -EBUSY;
}

/* The next option of mount(2)'s list. A comma before a digit is one of mpol='s nodes. */
static char *next_option(char **list)
{
	char *option = *list, *comma;

	if (!option)
		return NULL;
	comma = strchr(option, ',');
	while (comma && isdigit(comma[1]))
		comma = strchr(comma + 1, ',');
	*list = comma ? comma + 1 : NULL;
	if (comma)
		*comma = '\0';
	return option;
}

static int gmfs_parse_monolithic(struct fs_context *fc, void *data)
{
	return vfs_parse_monolithic_sep(fc, data, next_option);
}

static void gmfs_free_fc(struct fs_context *fc)
{
	kfree(fc->fs_private);
}

static const struct fs_context_operations gmfs_context_operations = {
	.parse_param	= gmfs_parse_param,
	.parse_monolithic = gmfs_parse_monolithic,
	.get_tree	= gmfs_get_tree,
	.reconfigure	= gmfs_reconfigure,
	.free		= gmfs_free_fc,
};

static int gmfs_init_fs_context(struct fs_context *fc)
{
	struct gmfs_mount *m = kzalloc(sizeof(*m), GFP_KERNEL);
	int err = gmfs_trees_wait();

	if (err || !m) {
		kfree(m);
		return err ?: -ENOMEM;
	}
	fc->fs_private = m;
	fc->ops = &gmfs_context_operations;
	return 0;
}

static void gmfs_kill_sb(struct super_block *sb)
{
	struct gmfs_tree *tree = gmfs_tree(sb);

	gmfs_tree_detach(sb);
	gmfs_kill_litter_super(sb);
	gmfs_pool_put_pages(&tree->pool);
}

static struct file_system_type gmfs_type = {
	.owner		= THIS_MODULE,
	.name		= "guestmemfs",
	.init_fs_context = gmfs_init_fs_context,
	.parameters	= gmfs_parameters,
	.kill_sb	= gmfs_kill_sb,
	.fs_flags	= FS_RENAME_DOES_D_MOVE | FS_ALLOW_IDMAP,
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
 * gmfs_super_register - take the filesystem's name
 *
 * Before anything is taken over from the last kernel, since it can fail. Mounts that
 * come from now on wait for gmfs_trees_load().
 *
 * Return: 0; -EBUSY if the name is taken.
 */
int gmfs_super_register(void)
{
	int err = register_filesystem(&gmfs_type);

	if (err)
		pr_err("cannot register the filesystem (%pe): unload the module that has its name\n",
		       ERR_PTR(err));
	return err;
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
