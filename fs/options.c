// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mount options: what mount(2) and fsconfig(2) say, what a remount may change, and what
 * /proc/mounts shows.
 */
#define pr_fmt(fmt) "guestmemfs: " fmt

#include <linux/fs_context.h>
#include <linux/fs_parser.h>
#include <linux/seq_file.h>

#include "guestmemfs.h"

enum {
	OPT_UID, OPT_GID, OPT_MODE, OPT_NR_INODES, OPT_HUGE, OPT_SCRUB,
	OPT_FILEIO, OPT_SPARSE, OPT_PAGES, OPT_MPOL, OPT_DISCARD,
};

#define GIVEN(opt)	BIT(OPT_##opt)
#define GIVEN_ROOT	(GIVEN(UID) | GIVEN(GID) | GIVEN(MODE))

static const struct constant_table huge_values[] = {
	{ "pud",	PUD_ORDER },
	{ "pmd",	PMD_ORDER },
	{ "never",	0 },
	{}
};

const struct fs_parameter_spec gmfs_parameters[] = {
	fsparam_u32("uid",		OPT_UID),
	fsparam_u32("gid",		OPT_GID),
	fsparam_u32oct("mode",		OPT_MODE),
	fsparam_u32("nr_inodes",	OPT_NR_INODES),
	fsparam_enum("huge",		OPT_HUGE, huge_values),
	fsparam_flag_no("scrub",	OPT_SCRUB),
	fsparam_flag_no("fileio",	OPT_FILEIO),
	fsparam_flag_no("sparse",	OPT_SPARSE),
	fsparam_flag_no("pages",	OPT_PAGES),
	fsparam_string("mpol",		OPT_MPOL),
	fsparam_flag("discard",		OPT_DISCARD),
	{}
};

/* As ->parse_param of struct fs_context_operations. */
int gmfs_parse_param(struct fs_context *fc, struct fs_parameter *param)
{
	struct gmfs_mount *m = fc->fs_private;
	struct gmfs_options *o = &m->options;
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
	case OPT_PAGES:
		o->pages = !result.negated;
		break;
	case OPT_MPOL:
		why = gmfs_mpol_parse(param->string, &o->mpol);
		if (why)
			return invalfc(fc, "mpol %s", why);
		break;
	case OPT_DISCARD:
		m->discard = true;
		return 0;
	default:
		return opt;
	}
	o->given |= BIT(opt);
	return 0;
}

/**
 * gmfs_options_apply - change options
 * @o: the options
 * @change: what it asks for takes the place of what @o has
 */
void gmfs_options_apply(struct gmfs_options *o, const struct gmfs_options *change)
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
	if (change->given & GIVEN(PAGES))
		o->pages = change->pages;
	if (change->given & GIVEN(MPOL))
		o->mpol = change->mpol;
	o->given |= change->given;
}

/**
 * gmfs_options_suit_root - whether the root directory is as a mount wants it
 * @root: the directory
 * @change: what the mount asks for
 *
 * Return: true if it is so now, or was when it was mounted first.
 */
bool gmfs_options_suit_root(const struct inode *root, const struct gmfs_options *change)
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

/* From now on the tree has these. Its s_umount is held for writing. */
void gmfs_options_set(struct gmfs_tree *tree, const struct gmfs_options *o)
{
	write_seqlock(&gmfs_mpol_lock);
	tree->options = *o;
	write_sequnlock(&gmfs_mpol_lock);
	WRITE_ONCE(tree->pool.scrub, o->scrub);
}

/* Whether all options are equal but those of the root directory. */
bool gmfs_options_equal(const struct gmfs_options *a, const struct gmfs_options *b)
{
	return a->nr_inodes == b->nr_inodes && a->huge == b->huge &&
	       a->scrub == b->scrub && a->fileio == b->fileio &&
	       a->sparse == b->sparse && a->pages == b->pages && a->mpol.mode == b->mpol.mode &&
	       nodes_equal(a->mpol.nodes, b->mpol.nodes);
}

/* As ->show_options of struct super_operations. */
int gmfs_show_options(struct seq_file *m, struct dentry *root)
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
	if (o->pages)
		seq_puts(m, ",pages");
	gmfs_mpol_show(m, &o->mpol);
	return 0;
}

/* Says in @fc what is wrong. */
int gmfs_options_check_mpol(struct fs_context *fc, const struct gmfs_tree *tree,
			    const struct gmfs_options *o)
{
	if (!(o->given & GIVEN(MPOL)) || gmfs_mpol_fits(&o->mpol, &tree->pool))
		return 0;
	return invalfc(fc, "mpol=bind:%*pbl: pool %s has no window there: see /sys/fs/guestmemfs/%s/windows",
		       nodemask_pr_args(&o->mpol.nodes), tree->name, tree->name);
}

/* Whether a mounted pool has pages as @o says. Says in @fc what is wrong. */
bool gmfs_options_keep_pages(struct fs_context *fc, const struct gmfs_tree *tree,
			     const struct gmfs_options *o)
{
	if (o->pages == tree->options.pages)
		return true;
	errorf(fc, "guestmemfs: pool %s is mounted with%s pages, and stays so: unmount it everywhere, and mount it with%s",
	       tree->name, o->pages ? "out" : "", o->pages ? "" : "out");
	return false;
}

/* As ->reconfigure of struct fs_context_operations. */
int gmfs_reconfigure(struct fs_context *fc)
{
	struct gmfs_tree *tree = gmfs_tree(fc->root->d_sb);
	struct gmfs_mount *m = fc->fs_private;
	struct gmfs_options o = tree->options;
	int err = gmfs_options_check_mpol(fc, tree, &m->options);

	if (err)
		return err;
	if (!gmfs_options_suit_root(d_inode(fc->root), &m->options))
		return invalfc(fc, "uid, gid and mode are for the first mount: use chown and chmod");
	m->options.given &= ~GIVEN_ROOT;
	gmfs_options_apply(&o, &m->options);
	if (!gmfs_options_keep_pages(fc, tree, &o))
		return -EINVAL;
	if (o.nr_inodes < atomic_read(&tree->nr_inodes) &&
	    o.nr_inodes < tree->options.nr_inodes)
		return invalfc(fc, "nr_inodes=%u is less than the %u in use",
			       o.nr_inodes, atomic_read(&tree->nr_inodes));
	gmfs_options_set(tree, &o);
	return 0;
}

/**
 * gmfs_options_set_root - give a tree's root directory the owner and mode of a first mount
 * @sb: the superblock, with its root
 * @o: its options
 *
 * Context: mounting; may sleep.
 * Return: 0; -EBUSY if the tree is frozen; -EINTR.
 */
int gmfs_options_set_root(struct super_block *sb, const struct gmfs_options *o)
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
