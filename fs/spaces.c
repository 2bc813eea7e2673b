// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: pfn address spaces
 *
 * Memory without page descriptors has no reverse map. From 6.19 on memory_failure() finds who
 * maps a pfn by what files have registered (register_pfn_address_space()), and sends SIGBUS with
 * the address to them: see kill_procs() in mm/memory-failure.c. A file in a pool without pages
 * registers each of its extents for as long as it has it.
 *
 * If there is no memory for one, its pages that fail kill whoever touches them without an
 * address.
 */
#include <compat.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/slab.h>

#include "guestmemfs.h"

#if GMFS_HAVE_PFN_SPACES

/**
 * struct gmfs_space - an extent that is registered
 * @blocks: of the file, in the inode's tree
 * @start: the pool's first block
 * @pfns: what mm knows
 */
struct gmfs_space {
	struct interval_tree_node blocks;
	u32 start;
	struct pfn_address_space pfns;
};

static struct gmfs_space *gmfs_space_in(struct gmfs_inode *gi, unsigned long first,
					unsigned long last)
{
	struct interval_tree_node *node = interval_tree_iter_first(&gi->spaces, first, last);

	return node ? container_of(node, struct gmfs_space, blocks) : NULL;
}

static struct gmfs_space *gmfs_space_next(struct gmfs_space *space, unsigned long first,
					  unsigned long last)
{
	struct interval_tree_node *node = interval_tree_iter_next(&space->blocks, first, last);

	return node ? container_of(node, struct gmfs_space, blocks) : NULL;
}

/* Where in a mapping a pfn is that has failed. Called with i_mmap_rwsem held, under RCU. */
static int gmfs_pfn_to_vma_pgoff(struct vm_area_struct *vma, unsigned long pfn, pgoff_t *pgoff)
{
	struct gmfs_inode *gi = gmfs_i(file_inode(vma->vm_file));
	struct gmfs_space *space;
	int err = -EFAULT;

	/* A private mapping has copies. */
	if (!(vma->vm_flags & VM_PFNMAP))
		return -EFAULT;
	spin_lock(&gi->spaces_lock);
	for (space = gmfs_space_in(gi, 0, ULONG_MAX); space;
	     space = gmfs_space_next(space, 0, ULONG_MAX)) {
		if (pfn < space->pfns.node.start || pfn > space->pfns.node.last)
			continue;
		*pgoff = (pgoff_t)space->blocks.start * GMFS_BLOCK_PAGES +
			 (pfn - space->pfns.node.start);
		if (*pgoff >= vma->vm_pgoff && *pgoff - vma->vm_pgoff < vma_pages(vma))
			err = 0;
		break;
	}
	spin_unlock(&gi->spaces_lock);
	return err;
}

static void gmfs_space_drop(struct gmfs_inode *gi, struct gmfs_space *space)
{
	spin_lock(&gi->spaces_lock);
	interval_tree_remove(&space->blocks, &gi->spaces);
	spin_unlock(&gi->spaces_lock);
	unregister_pfn_address_space(&space->pfns);
	kfree(space);
}

static void gmfs_space_add(struct inode *inode, const struct gmfs_extent *e)
{
	struct gmfs_space *space = kzalloc(sizeof(*space), GFP_KERNEL);
	unsigned long pfn = PHYS_PFN(gmfs_pool_phys(gmfs_pool_of(inode), e->start));

	if (!space)
		return;
	space->blocks.start = e->at;
	space->blocks.last = e->at + e->nr - 1;
	space->start = e->start;
	space->pfns.node.start = pfn;
	space->pfns.node.last = pfn + (unsigned long)e->nr * GMFS_BLOCK_PAGES - 1;
	space->pfns.mapping = inode->i_mapping;
	space->pfns.pfn_to_vma_pgoff = gmfs_pfn_to_vma_pgoff;
	if (register_pfn_address_space(&space->pfns)) {
		kfree(space);
		return;
	}
	spin_lock(&gmfs_i(inode)->spaces_lock);
	interval_tree_insert(&space->blocks, &gmfs_i(inode)->spaces);
	spin_unlock(&gmfs_i(inode)->spaces_lock);
}

static bool is_of(const struct gmfs_space *space, const struct gmfs_extents *x)
{
	u32 i = gmfs_extents_find(x, space->blocks.start);

	return i < x->nr && x->e[i].at == space->blocks.start &&
	       x->e[i].at + x->e[i].nr - 1 == space->blocks.last &&
	       x->e[i].start == space->start;
}

/**
 * gmfs_spaces_drop - blocks are about to leave a file
 * @inode: a regular file
 * @from: first block of the file
 * @to: block after the last
 *
 * Before they are free, as the next file will register them. gmfs_spaces_sync() follows.
 *
 * Context: the mapping's invalidate_lock is held for writing, or the inode is being evicted;
 * may sleep.
 */
void gmfs_spaces_drop(struct inode *inode, u32 from, u32 to)
{
	struct gmfs_inode *gi = gmfs_i(inode);
	struct gmfs_space *space;

	while (from < to && (space = gmfs_space_in(gi, from, to - 1))) {
		gmfs_space_drop(gi, space);
		cond_resched();
	}
}

/**
 * gmfs_spaces_sync - a file's extents have changed
 * @inode: a regular file
 * @from: first block of the file that concerns
 * @to: block after the last
 *
 * Context: the mapping's invalidate_lock is held for writing, or no other task has the
 * inode; may sleep.
 */
void gmfs_spaces_sync(struct inode *inode, u32 from, u32 to)
{
	struct gmfs_inode *gi = gmfs_i(inode);
	const struct gmfs_extents *x = &gi->extents;
	/* Neighbours may have become one with what came, or parts. */
	unsigned long first = from ? from - 1 : 0, last = to;
	struct gmfs_space *space, *next;
	u32 i;

	if (gmfs_pool_of(inode)->has_pages)
		return;
	/* First what is no longer so, since what comes may be in the same place. */
	for (space = gmfs_space_in(gi, first, last); space; space = next) {
		next = gmfs_space_next(space, first, last);
		if (!is_of(space, x))
			gmfs_space_drop(gi, space);
		cond_resched();
	}
	for (i = gmfs_extents_find(x, first); i < x->nr && x->e[i].at <= last; i++) {
		if (!gmfs_space_in(gi, x->e[i].at, x->e[i].at))
			gmfs_space_add(inode, &x->e[i]);
		cond_resched();
	}
}

#endif
