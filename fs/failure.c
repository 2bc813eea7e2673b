// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: memory failures
 *
 * memory_failure() tells of a page that the hardware, or MADV_HWPOISON, calls bad, in a pool
 * with pages. It is recorded (fs/mem/bad.c), and its block is unmapped. From then on
 * the block is entered page by page; a fault of the bad page ends in VM_FAULT_HWPOISON, so that
 * who touches it gets SIGBUS with BUS_MCEERR_AR and its address, and so does a VMM
 * whose guest does.
 *
 * All faults on a block enter the same entries: see fs/fault.c. So a page is recorded with the
 * file's invalidate_lock held for writing. Which file that is does not change while the
 * gate is held for writing. A private mapping's fault on its way may enter the
 * page nevertheless; if that is touched, the page fails again.
 */
#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/pagemap.h>

#include "guestmemfs.h"

/* Where in a file a block of the pool is, or GMFS_HOLE. */
static u32 gmfs_find_in(struct inode *inode, u32 block)
{
	const struct gmfs_extents *x = &gmfs_i(inode)->extents;
	u32 i;

	for (i = 0; i < x->nr; i++)
		if (block - x->e[i].start < x->e[i].nr)
			return x->e[i].at + (block - x->e[i].start);
	return GMFS_HOLE;
}

/*
 * The file that has a block, with a reference, and where in it; or NULL. The gate is held for
 * writing and the tree is mounted. A file that goes just now counts as gone.
 */
static struct inode *gmfs_find_owner(struct gmfs_tree *tree, u32 block, u32 *at)
{
	struct inode *inode;
	unsigned long ino;

	for (ino = 0; ; ino++) {
		rcu_read_lock();
		inode = xa_find(&tree->inodes, &ino, ULONG_MAX, XA_PRESENT);
		if (!inode) {
			rcu_read_unlock();
			return NULL;
		}
		inode = igrab(inode);
		rcu_read_unlock();
		if (!inode)
			continue;
		*at = gmfs_find_in(inode, block);
		if (*at != GMFS_HOLE)
			return inode;
		iput(inode);
		cond_resched();
	}
}

/* Entries of pfns or folios alone: a private mapping keeps its copies. */
static void gmfs_unmap_bad(struct inode *inode, u32 at)
{
	loff_t size = gmfs_i(inode)->had_pud ? PUD_SIZE : GMFS_BLOCK_SIZE;

	unmap_mapping_range(inode->i_mapping, round_down((loff_t)at << GMFS_BLOCK_SHIFT, size),
			    size, 0);
}

static int gmfs_fail_page(struct gmfs_tree *tree, phys_addr_t phys)
{
	u32 block = gmfs_pool_block(&tree->pool, phys), at;
	struct inode *inode = NULL;
	int err;

	down_write(&tree->handover.change);
	if (tree->handover.mounted)
		inode = gmfs_find_owner(tree, block, &at);
	if (inode) {
		filemap_invalidate_lock(inode->i_mapping);
		err = gmfs_pool_record_bad(&tree->pool, block, phys);
		gmfs_unmap_bad(inode, at);
		filemap_invalidate_unlock(inode->i_mapping);
		iput(inode);
	} else {
		err = gmfs_pool_record_bad(&tree->pool, block, phys);
	}
	up_write(&tree->handover.change);
	return err;
}

static int gmfs_memory_failure(struct dev_pagemap *pgmap, unsigned long pfn,
			       unsigned long nr_pages, int mf_flags)
{
	struct gmfs_tree *tree = container_of(pgmap->owner, struct gmfs_tree, pool);
	int err = 0;

	for (; nr_pages && !err; nr_pages--)
		err = gmfs_fail_page(tree, PFN_PHYS(pfn++));
	/* The task cannot go on where it was: who called memory_failure() kills it on failure. */
	return mf_flags & MF_MUST_KILL ? -EBUSY : err;
}

const struct dev_pagemap_ops gmfs_pagemap_ops = {
	.memory_failure = gmfs_memory_failure,
};
