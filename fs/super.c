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
	atomic_set(&gi->pfn_users, 0);
	gi->had_pud = false;
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

/* --- options --------------------------------------------------------------- */

/**
 * struct context - a mount or a remount on its way
 * @options: what was asked for, where @options.given says so
 * @discard: drop an image in quarantine
 * @filled: the tree was not mounted before
 */
struct context {
	struct gmfs_options options;
	bool discard;
	bool filled;
};

enum {
	OPT_UID, OPT_GID, OPT_MODE, OPT_NR_INODES, OPT_HUGE, OPT_SCRUB,
	OPT_FILEIO, OPT_SPARSE, OPT_MPOL, OPT_DISCARD,
};

#define GIVEN(opt)	BIT(OPT_##opt)
#define GIVEN_ROOT	(GIVEN(UID) | GIVEN(GID) | GIVEN(MODE))

static const struct constant_table huge_values[] = {
	{ "pud",	PUD_ORDER },
	{ "pmd",	PMD_ORDER },
	{ "never",	0 },
	{}
};

static const struct fs_parameter_spec gmfs_parameters[] = {
	fsparam_u32("uid",		OPT_UID),
	fsparam_u32("gid",		OPT_GID),
	fsparam_u32oct("mode",		OPT_MODE),
	fsparam_u32("nr_inodes",	OPT_NR_INODES),
	fsparam_enum("huge",		OPT_HUGE, huge_values),
	fsparam_flag_no("scrub",	OPT_SCRUB),
	fsparam_flag_no("fileio",	OPT_FILEIO),
	fsparam_flag_no("sparse",	OPT_SPARSE),
	fsparam_string("mpol",		OPT_MPOL),
	fsparam_flag("discard",		OPT_DISCARD),
	{}
};

static int gmfs_parse_param(struct fs_context *fc, struct fs_parameter *param)
{
	struct context *c = fc->fs_private;
	struct gmfs_options *o = &c->options;
	struct fs_parse_result result;
	const char *why;
	int opt = fs_parse(fc, gmfs_parameters, param, &result);

	switch (opt) {
	case OPT_UID:
		o->uid = make_kuid(&init_user_ns, result.uint_32);
		if (!uid_valid(o->uid))
			return invalfc(fc, "uid=%u is no user", result.uint_32);
		break;
	case OPT_GID:
		o->gid = make_kgid(&init_user_ns, result.uint_32);
		if (!gid_valid(o->gid))
			return invalfc(fc, "gid=%u is no group", result.uint_32);
		break;
	case OPT_MODE:
		if (result.uint_32 & ~07777)
			return invalfc(fc, "mode=%o is more than 7777", result.uint_32);
		o->mode = result.uint_32;
		break;
	case OPT_NR_INODES:
		if (!result.uint_32 || result.uint_32 > GMFS_MAX_INODES)
			return invalfc(fc, "nr_inodes=%u is not between 1 and %u",
				       result.uint_32, GMFS_MAX_INODES);
		o->nr_inodes = result.uint_32;
		break;
	case OPT_HUGE:
		o->huge = min(result.uint_32, gmfs_largest_order());
		if (o->huge < result.uint_32)
			infofc(fc, "this CPU has no 1 GiB pages: huge=pud is huge=pmd");
		break;
	case OPT_SCRUB:
		o->scrub = !result.negated;
		break;
	case OPT_FILEIO:
		o->fileio = !result.negated;
		break;
	case OPT_SPARSE:
		o->sparse = !result.negated;
		break;
	case OPT_MPOL:
		why = gmfs_mpol_parse(param->string, &o->mpol);
		if (why)
			return invalfc(fc, "mpol %s", why);
		break;
	case OPT_DISCARD:
		c->discard = true;
		return 0;
	default:
		return opt;
	}
	o->given |= BIT(opt);
	return 0;
}

/* What @change asks for in place of what @o has. */
static void apply(struct gmfs_options *o, const struct gmfs_options *change)
{
	if (change->given & GIVEN(UID))
		o->uid = change->uid;
	if (change->given & GIVEN(GID))
		o->gid = change->gid;
	if (change->given & GIVEN(MODE))
		o->mode = change->mode;
	if (change->given & GIVEN(NR_INODES))
		o->nr_inodes = change->nr_inodes;
	if (change->given & GIVEN(HUGE))
		o->huge = change->huge;
	if (change->given & GIVEN(SCRUB))
		o->scrub = change->scrub;
	if (change->given & GIVEN(FILEIO))
		o->fileio = change->fileio;
	if (change->given & GIVEN(SPARSE))
		o->sparse = change->sparse;
	if (change->given & GIVEN(MPOL))
		o->mpol = change->mpol;
	o->given |= change->given;
}

/* The root directory is as @change wants it: it was when mounted, or is now. */
static bool same_root(const struct inode *root, const struct gmfs_options *change)
{
	const struct gmfs_options *o = &gmfs_tree_of(root)->options;
	unsigned int both = o->given & change->given;

	if (change->given & GIVEN(UID) && !uid_eq(change->uid, root->i_uid) &&
	    !(both & GIVEN(UID) && uid_eq(change->uid, o->uid)))
		return false;
	if (change->given & GIVEN(GID) && !gid_eq(change->gid, root->i_gid) &&
	    !(both & GIVEN(GID) && gid_eq(change->gid, o->gid)))
		return false;
	return !(change->given & GIVEN(MODE)) ||
	       change->mode == (root->i_mode & 07777) ||
	       (both & GIVEN(MODE) && change->mode == o->mode);
}

static void set_options(struct gmfs_tree *tree, const struct gmfs_options *o)
{
	write_seqlock(&gmfs_mpol_lock);
	tree->options = *o;
	write_sequnlock(&gmfs_mpol_lock);
	WRITE_ONCE(tree->pool.scrub, o->scrub);
}

static bool same(const struct gmfs_options *a, const struct gmfs_options *b)
{
	return a->nr_inodes == b->nr_inodes && a->huge == b->huge &&
	       a->scrub == b->scrub && a->fileio == b->fileio &&
	       a->sparse == b->sparse && a->mpol.mode == b->mpol.mode &&
	       nodes_equal(a->mpol.nodes, b->mpol.nodes);
}

static int gmfs_show_options(struct seq_file *m, struct dentry *root)
{
	const struct gmfs_options *o = &gmfs_tree(root->d_sb)->options;
	const struct constant_table *huge;

	if (o->given & GIVEN(UID))
		seq_printf(m, ",uid=%u", from_kuid_munged(&init_user_ns, o->uid));
	if (o->given & GIVEN(GID))
		seq_printf(m, ",gid=%u", from_kgid_munged(&init_user_ns, o->gid));
	if (o->given & GIVEN(MODE))
		seq_printf(m, ",mode=%03o", o->mode);
	if (o->nr_inodes != GMFS_MAX_INODES)
		seq_printf(m, ",nr_inodes=%u", o->nr_inodes);
	for (huge = huge_values; huge->name; huge++)
		if (huge->value == o->huge && o->huge != PUD_ORDER)
			seq_printf(m, ",huge=%s", huge->name);
	if (o->scrub)
		seq_puts(m, ",scrub");
	if (o->fileio)
		seq_puts(m, ",fileio");
	if (o->sparse)
		seq_puts(m, ",sparse");
	gmfs_mpol_show(m, &o->mpol);
	return 0;
}

static int gmfs_check_mpol(struct fs_context *fc, const struct gmfs_tree *tree,
			   const struct gmfs_options *o)
{
	if (!(o->given & GIVEN(MPOL)) || gmfs_mpol_fits(&o->mpol, &tree->pool))
		return 0;
	return invalfc(fc, "mpol=bind:%*pbl: pool %s has no window there: see /sys/fs/guestmemfs/%s/windows",
		       nodemask_pr_args(&o->mpol.nodes), tree->name, tree->name);
}

static int gmfs_reconfigure(struct fs_context *fc)
{
	struct gmfs_tree *tree = gmfs_tree(fc->root->d_sb);
	struct context *c = fc->fs_private;
	struct gmfs_options o = tree->options;
	int err = gmfs_check_mpol(fc, tree, &c->options);

	if (err)
		return err;
	if (!same_root(d_inode(fc->root), &c->options))
		return invalfc(fc, "uid, gid and mode are for the first mount: use chown and chmod");
	c->options.given &= ~GIVEN_ROOT;
	apply(&o, &c->options);
	if (o.nr_inodes < atomic_read(&tree->nr_inodes) &&
	    o.nr_inodes < tree->options.nr_inodes)
		return invalfc(fc, "nr_inodes=%u is less than the %u in use",
			       o.nr_inodes, atomic_read(&tree->nr_inodes));
	set_options(tree, &o);
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

static int gmfs_set_root(struct super_block *sb, const struct gmfs_options *o)
{
	struct inode *root = d_inode(sb->s_root);
	int err;

	if (!(o->given & GIVEN_ROOT))
		return 0;
	err = gmfs_change_begin(gmfs_gate(root));
	if (err)
		return err;
	if (o->given & GIVEN(UID))
		root->i_uid = o->uid;
	if (o->given & GIVEN(GID))
		root->i_gid = o->gid;
	if (o->given & GIVEN(MODE))
		root->i_mode = S_IFDIR | o->mode;
	inode_set_ctime_current(root);
	gmfs_change_end(gmfs_gate(root));
	return 0;
}

static int gmfs_fill_super(struct super_block *sb, struct fs_context *fc)
{
	struct gmfs_tree *tree = gmfs_tree(sb);
	struct context *c = fc->fs_private;
	struct gmfs_options o = {
		.nr_inodes = GMFS_MAX_INODES,
		.huge = gmfs_largest_order(),
	};
	const char *why;
	int err;

	c->filled = true;
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

	apply(&o, &c->options);
	set_options(tree, &o);
	err = gmfs_tree_attach(sb, c->discard, &why);
	if (err) {
		errorf(fc, "guestmemfs: %s", why);
		return err;
	}
	err = gmfs_set_root(sb, &o);
	if (err == -EBUSY)
		errorf(fc, "guestmemfs: the tree is frozen, so uid, gid and mode cannot be set: write 0 to active first");
	return err;
}

static int gmfs_get_tree(struct fs_context *fc)
{
	struct gmfs_tree *tree = gmfs_tree_find(fc->source);
	struct context *c = fc->fs_private;
	struct super_block *sb;
	struct gmfs_options o;
	int err;

	if (tree->loading != GMFS_LOADED) {
		errorf(fc, "guestmemfs: pool %s was not loaded: the kernel log says why", tree->name);
		return -ENODEV;
	}
	err = gmfs_check_mpol(fc, tree, &c->options);
	if (err)
		return err;
	err = get_tree_keyed(fc, gmfs_fill_super, tree);
	if (err || c->filled)
		return err;
	/* One tree, one set of options: a second mount does not change it. */
	o = tree->options;
	apply(&o, &c->options);
	if (same(&o, &tree->options) &&
	    same_root(d_inode(fc->root), &c->options))
		return 0;
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
	struct context *c = kzalloc(sizeof(*c), GFP_KERNEL);
	int err = gmfs_trees_wait();

	if (err || !c) {
		kfree(c);
		return err ?: -ENOMEM;
	}
	fc->fs_private = c;
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
