// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: NUMA policies
 *
 * A block comes from the windows that a policy names: that of the VMA, if a fault allocates
 * it and mbind() was called; else the task's, of set_mempolicy(); else the mount's, "mpol=";
 * else from a window of the node that the task runs on. MPOL_BIND allows no other window.
 * The other policies take any where theirs are full.
 *
 * mbind() moves the blocks of the mapping that are not written, at once. QEMU, which
 * allocates its file by truncate() and binds the mapping afterwards, gets what it asks for.
 * Written blocks stay where they are. The policy is the VMA's and not the file's: another
 * mapping of the same file has its own.
 */
#include <linux/mempolicy.h>
#include <linux/mm.h>
#include <linux/nodemask.h>
#include <linux/pagemap.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/seqlock.h>
#include <linux/string.h>
#include <linux/topology.h>

#include "guestmemfs.h"

/* A remount against gmfs_wish_for(): a policy read by halves can bind to no window at all. */
DEFINE_SEQLOCK(gmfs_mpol_lock);

static gmfs_windows_t windows_on(const struct gmfs_pool *p, const nodemask_t *nodes)
{
	gmfs_windows_t set = 0;
	u32 i;

	for (i = 0; i < p->nr_windows; i++)
		if (node_isset(p->windows[i].node, *nodes))
			set |= 1ULL << i;
	return set;
}

static gmfs_windows_t windows_on_node(const struct gmfs_pool *p, int node)
{
	gmfs_windows_t set = 0;
	u32 i;

	for (i = 0; i < p->nr_windows; i++)
		if (p->windows[i].node == node)
			set |= 1ULL << i;
	return set;
}

/* Nodes without a window have no turn. */
static void take_turns(const struct gmfs_pool *p, const nodemask_t *nodes,
		       struct gmfs_wish *wish)
{
	gmfs_windows_t set;
	int node;

	wish->nr_turns = 0;
	for_each_node_mask(node, *nodes) {
		set = windows_on_node(p, node);
		if (set)
			wish->turns[wish->nr_turns++] = set;
	}
	if (!wish->nr_turns)
		wish->turns[wish->nr_turns++] = GMFS_ALL_WINDOWS;
}

/* Which windows a policy of @mode about @nodes names. */
static void set_wish(const struct gmfs_pool *p, unsigned int mode, const nodemask_t *nodes,
		     struct gmfs_wish *wish)
{
	wish->nr_turns = 1;
	wish->allowed = GMFS_ALL_WINDOWS;
	switch (mode) {
	case MPOL_BIND:
		wish->turns[0] = windows_on(p, nodes);
		wish->allowed = wish->turns[0];
		break;
	case MPOL_INTERLEAVE:
	case MPOL_WEIGHTED_INTERLEAVE:
		take_turns(p, nodes, wish);
		break;
	case MPOL_PREFERRED:
	case MPOL_PREFERRED_MANY:
		wish->turns[0] = windows_on(p, nodes) ?: GMFS_ALL_WINDOWS;
		break;
	default:
		wish->turns[0] = windows_on_node(p, numa_node_id()) ?: GMFS_ALL_WINDOWS;
		break;
	}
}

#ifdef CONFIG_NUMA

static void set_wish_by(const struct gmfs_pool *p, const struct mempolicy *policy,
			struct gmfs_wish *wish)
{
	set_wish(p, policy->mode, &policy->nodes, wish);
}

/* The policy of the VMA, or of the task; NULL if there is none. */
static const struct mempolicy *policy_of(const struct vm_area_struct *vma)
{
	const struct mempolicy *policy = vma ? READ_ONCE(vma->vm_policy) : NULL;

	return policy ?: current->mempolicy;
}

#else

static void set_wish_by(const struct gmfs_pool *p, const struct mempolicy *policy,
			struct gmfs_wish *wish)
{
}

static const struct mempolicy *policy_of(const struct vm_area_struct *vma)
{
	return NULL;
}

#endif

/**
 * gmfs_wish_for - where the blocks of a file shall come from
 * @inode: a regular file
 * @vma: the mapping that they are allocated for, or NULL
 * @wish: set
 *
 * Context: the lock of mm that protects @vma's policy is held.
 */
void gmfs_wish_for(struct inode *inode, const struct vm_area_struct *vma,
		   struct gmfs_wish *wish)
{
	const struct gmfs_mpol *mount = &gmfs_tree_of(inode)->options.mpol;
	const struct mempolicy *policy = policy_of(vma);
	unsigned int seq;

	if (policy) {
		set_wish_by(gmfs_pool_of(inode), policy, wish);
		return;
	}
	do {
		seq = read_seqbegin(&gmfs_mpol_lock);
		set_wish(gmfs_pool_of(inode), mount->mode, &mount->nodes, wish);
	} while (read_seqretry(&gmfs_mpol_lock, seq));
}

#ifdef CONFIG_NUMA

static int gmfs_move_to_wish(struct inode *inode, struct vm_area_struct *vma,
			     const struct gmfs_wish *wish)
{
	struct gmfs_extents *x = &gmfs_i(inode)->extents;
	struct gmfs_pool *p = gmfs_pool_of(inode);
	bool misplaced;
	u32 from, to;
	int err;

	/* mmap() takes any offset, and a file ends at GMFS_MAX_BLOCKS. */
	from = min_t(pgoff_t, vma->vm_pgoff / GMFS_BLOCK_PAGES, GMFS_MAX_BLOCKS);
	to = min_t(pgoff_t, DIV_ROUND_UP(vma->vm_pgoff + vma_pages(vma), GMFS_BLOCK_PAGES),
		   GMFS_MAX_BLOCKS);
	/* mbind() that changes nothing works while the tree is frozen, and keeps the seal. */
	filemap_invalidate_lock_shared(inode->i_mapping);
	misplaced = gmfs_pool_is_misplaced(p, x, from, to, wish);
	filemap_invalidate_unlock_shared(inode->i_mapping);
	if (!misplaced)
		return 0;
	/* Does not wait for thaw, which would keep mmap_lock from all threads. */
	err = gmfs_change_begin(gmfs_gate(inode));
	if (err)
		return err;
	filemap_invalidate_lock(inode->i_mapping);
	gmfs_spaces_drop(inode, from, to);
	err = gmfs_pool_move(p, x, from, to, wish);
	gmfs_spaces_sync(inode, from, to);
	filemap_invalidate_unlock(inode->i_mapping);
	gmfs_change_end(gmfs_gate(inode));
	return err;
}

/**
 * gmfs_set_policy - mbind() of a shared mapping
 * @vma: the mapping, which gets the policy if 0 is returned
 * @policy: the policy, or NULL for none
 *
 * Context: mmap_lock is held for writing; may sleep.
 * Return: 0; -EINVAL if MPOL_BIND names no node that the pool has a window on; -ENOMEM if
 * there is no room for it there; -EBUSY if blocks would move while the tree is frozen;
 * -EINTR if killed.
 */
int gmfs_set_policy(struct vm_area_struct *vma, struct mempolicy *policy)
{
	struct inode *inode = file_inode(vma->vm_file);
	struct gmfs_wish wish;
	int err;

	if (!policy)
		return 0;
	set_wish_by(gmfs_pool_of(inode), policy, &wish);
	if (!wish.allowed)
		return -EINVAL;
	err = gmfs_move_to_wish(inode, vma, &wish);
	if (err != -ENOSPC)
		return err;
	return policy->mode == MPOL_BIND ? -ENOMEM : 0;
}

#endif

/* --- mpol= ------------------------------------------------------------------- */

/* As tmpfs names them (mm/mempolicy.c). */
static const char * const modes[] = {
	[MPOL_DEFAULT]			= "default",
	[MPOL_PREFERRED]		= "prefer",
	[MPOL_BIND]			= "bind",
	[MPOL_INTERLEAVE]		= "interleave",
	[MPOL_LOCAL]			= "local",
	[MPOL_PREFERRED_MANY]		= "prefer (many)",
	[MPOL_WEIGHTED_INTERLEAVE]	= "weighted interleave",
};

static bool parse_mode(const char *text, size_t len, unsigned int *mode)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(modes); i++)
		if (strlen(modes[i]) == len && !memcmp(modes[i], text, len)) {
			*mode = i;
			return true;
		}
	return false;
}

/**
 * gmfs_mpol_parse - read "MODE[:NODELIST]"
 * @text: the value of mpol=
 * @mpol: set on success
 *
 * Return: NULL, or what is wrong.
 */
const char *gmfs_mpol_parse(const char *text, struct gmfs_mpol *mpol)
{
	const char *colon = strchr(text, ':');
	size_t len = colon ? colon - text : strlen(text);
	struct gmfs_mpol m = { 0 };

	if (memchr(text, '=', len))
		return "takes no mode flags: its nodes are absolute, as with =static";
	if (!parse_mode(text, len, &m.mode))
		return "knows default, local, prefer:NODE, prefer (many):NODES, bind:NODES, interleave[:NODES] and weighted interleave[:NODES], as in mpol=bind:0-1";
	if (colon && (nodelist_parse(colon + 1, m.nodes) || nodes_empty(m.nodes)))
		return "needs a list of nodes behind the colon, as in mpol=bind:0-1";
	switch (m.mode) {
	case MPOL_DEFAULT:
	case MPOL_LOCAL:
		if (colon)
			return "takes no nodes with default and local";
		break;
	case MPOL_PREFERRED:
		if (!colon)
			m.mode = MPOL_LOCAL;
		else if (nodes_weight(m.nodes) != 1)
			return "takes one node with prefer: see prefer (many)";
		break;
	case MPOL_INTERLEAVE:
	case MPOL_WEIGHTED_INTERLEAVE:
		if (!colon)
			m.nodes = node_states[N_ONLINE];
		break;
	default:
		if (!colon)
			return "needs nodes with bind and prefer (many), as in mpol=bind:0-1";
	}
	*mpol = m;
	return NULL;
}

/**
 * gmfs_mpol_fits - whether a pool can keep to a mount's policy
 * @mpol: the policy
 * @p: the pool
 *
 * Return: false if it binds to nodes that the pool has no window on.
 */
bool gmfs_mpol_fits(const struct gmfs_mpol *mpol, const struct gmfs_pool *p)
{
	return mpol->mode != MPOL_BIND || windows_on(p, &mpol->nodes);
}

/**
 * gmfs_mpol_show - write what gmfs_mpol_parse() reads
 * @m: where to
 * @mpol: the policy
 */
void gmfs_mpol_show(struct seq_file *m, const struct gmfs_mpol *mpol)
{
	if (mpol->mode == MPOL_DEFAULT)
		return;
	seq_printf(m, ",mpol=%s", modes[mpol->mode]);
	if (!nodes_empty(mpol->nodes))
		seq_printf(m, ":%*pbl", nodemask_pr_args(&mpol->nodes));
}
