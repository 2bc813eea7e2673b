// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: files and their mappings
 *
 * A file's size decides its blocks: truncate allocates all that a larger size
 * needs, or fails and changes nothing, so that a guest never meets SIGBUS for
 * lack of memory. A block is zeroed when it is first touched, not before.
 *
 * A shared mapping has no pages. The fault handler enters pfns, the largest of
 * PUD, PMD and PTE that is aligned in the file, in memory and in the VMA, lies
 * wholly before the end of the page that holds EOF and is wholly written. If a
 * block must be allocated or zeroed first, the handler waits while the tree is
 * frozen; mapping a block that is written goes on.
 *
 * mm->mmap_lock or the VMA's lock, then gmfs.change, then the mapping's
 * invalidate_lock; Documentation/locking.rst has the whole order.
 */
#define pr_fmt(fmt) "guestmemfs: " fmt

#include <linux/mm.h>
#include <linux/pagemap.h>

#include "guestmemfs.h"

static u32 blocks_for(loff_t size)
{
	return DIV_ROUND_UP_ULL(size, GMFS_BLOCK_SIZE);
}

/* The region's block that holds a page of the file; false if it is a hole. */
static bool find_block(struct inode *inode, pgoff_t pgoff, u32 *block,
		       u32 *contiguous)
{
	struct gmfs_extents *x = &gmfs_i(inode)->extents;
	u32 at = pgoff / GMFS_BLOCK_PAGES;
	u32 i = gmfs_extents_find(x, at);

	if (i == x->nr || x->e[i].at > at)
		return false;
	*block = x->e[i].start + (at - x->e[i].at);
	*contiguous = x->e[i].nr - (at - x->e[i].at);
	return true;
}

/* Zero what a page's block holds after @from, if anybody can have seen it. */
static int zero_tail(struct inode *inode, loff_t from, u32 to)
{
	u32 block, contiguous;

	if (!find_block(inode, from >> PAGE_SHIFT, &block, &contiguous) ||
	    !gmfs_region_is_written(&gmfs.region, block, 1))
		return 0;
	return gmfs_region_zero(&gmfs.region, block, from % GMFS_BLOCK_SIZE, to);
}

static void count_blocks(struct inode *inode)
{
	u64 nr = gmfs_extents_blocks(&gmfs_i(inode)->extents, 0, U32_MAX);

	inode->i_blocks = nr << (GMFS_BLOCK_SHIFT - 9);
}

static int grow(struct inode *inode, loff_t old, loff_t size)
{
	u32 have = blocks_for(old), want;
	int err;

	if (size > gmfs.region.size)
		return -ENOSPC;
	want = blocks_for(size);
	/* What was written through a mapping after EOF in EOF's page. */
	if (!IS_ALIGNED(old, PAGE_SIZE)) {
		u32 end = PAGE_ALIGN(old) % GMFS_BLOCK_SIZE;

		err = zero_tail(inode, old, end ?: GMFS_BLOCK_SIZE);
		if (err)
			return err;
	}
	if (want > have) {
		err = gmfs_region_alloc(&gmfs.region, &gmfs_i(inode)->extents,
					have, want - have);
		if (err)
			return err;
	}
	i_size_write(inode, size);
	return 0;
}

static int shrink(struct inode *inode, loff_t size)
{
	struct gmfs_extents *x = &gmfs_i(inode)->extents;
	loff_t old = i_size_read(inode);
	int err;

	err = gmfs_extents_reserve(x, 1);
	if (err)
		return err;
	i_size_write(inode, size);
	/*
	 * From a PUD boundary, and what is before EOF comes back by faults: 6.12
	 * cannot split a PUD entry without mmap_lock (zap_pud_range()).
	 */
	unmap_mapping_range(inode->i_mapping, round_down(size, PUD_SIZE), 0, 1);
	/* A later grow must find zeroes in the rest of the last block. */
	if (!IS_ALIGNED(size, GMFS_BLOCK_SIZE)) {
		err = zero_tail(inode, size, GMFS_BLOCK_SIZE);
		if (err) {
			i_size_write(inode, old);
			return err;
		}
	}
	gmfs_region_free(&gmfs.region, x, blocks_for(size), U32_MAX);
	return 0;
}

/**
 * gmfs_file_resize - truncate, up or down
 * @inode: a regular file
 * @size: the new size in bytes
 *
 * Context: inside gmfs_change_begin(), with the inode's lock held; may sleep.
 * Return: 0; -ENOSPC or -ENOMEM with size, blocks and contents unchanged.
 */
int gmfs_file_resize(struct inode *inode, loff_t size)
{
	loff_t old = i_size_read(inode);
	int err;

	filemap_invalidate_lock(inode->i_mapping);
	err = size > old ? grow(inode, old, size) : shrink(inode, size);
	if (!err)
		count_blocks(inode);
	filemap_invalidate_unlock(inode->i_mapping);
	return err;
}

/*
 * Enter pfns for the fault if the blocks are there and written, and @order fits.
 * Returns 0 if a block must be made ready first.
 */
static vm_fault_t map_written(struct vm_fault *vmf, unsigned int order)
{
	struct inode *inode = file_inode(vmf->vma->vm_file);
	unsigned long nr_pages = 1UL << order;
	unsigned long below = (vmf->address >> PAGE_SHIFT) & (nr_pages - 1);
	pgoff_t pgoff = vmf->pgoff - below, end;
	u32 block, contiguous, nr_blocks;
	unsigned long pfn;

	end = DIV_ROUND_UP_ULL(i_size_read(inode), PAGE_SIZE);
	if (vmf->pgoff >= end)
		return VM_FAULT_SIGBUS;
	if (!IS_ALIGNED(pgoff, nr_pages) || pgoff + nr_pages > end)
		return VM_FAULT_FALLBACK;
	if (!find_block(inode, pgoff, &block, &contiguous))
		return order > PMD_ORDER ? VM_FAULT_FALLBACK : 0;
	pfn = PHYS_PFN(gmfs.region.base) + (unsigned long)block * GMFS_BLOCK_PAGES +
	      pgoff % GMFS_BLOCK_PAGES;
	nr_blocks = DIV_ROUND_UP(nr_pages, GMFS_BLOCK_PAGES);
	if (!IS_ALIGNED(pfn, nr_pages) || contiguous < nr_blocks)
		return VM_FAULT_FALLBACK;
	if (!gmfs_region_is_written(&gmfs.region, block, nr_blocks))
		return order > PMD_ORDER ? VM_FAULT_FALLBACK : 0;

	if (order == PUD_ORDER)
		return gmfs_insert_pud(vmf, pfn);
	if (order == PMD_ORDER)
		return gmfs_insert_pmd(vmf, pfn);
	return vmf_insert_pfn(vmf->vma, vmf->address, pfn);
}

/* Allocate the block that a fault is about, unless it is there. */
static int fill_hole(struct inode *inode, pgoff_t pgoff)
{
	u32 block, contiguous;
	int err = 0;

	filemap_invalidate_lock(inode->i_mapping);
	if (pgoff < DIV_ROUND_UP_ULL(i_size_read(inode), PAGE_SIZE) &&
	    !find_block(inode, pgoff, &block, &contiguous)) {
		err = gmfs_region_alloc(&gmfs.region, &gmfs_i(inode)->extents,
					pgoff / GMFS_BLOCK_PAGES, 1);
		count_blocks(inode);
	}
	filemap_invalidate_unlock(inode->i_mapping);
	return err;
}

/*
 * Make the block that a fault is about ready, then map it. A truncate may come
 * in between; then map_written() finds nothing and the access is tried again.
 */
static int make_ready(struct vm_fault *vmf, unsigned int order, vm_fault_t *ret)
{
	struct inode *inode = file_inode(vmf->vma->vm_file);
	u32 block, contiguous;
	int err = 0;

	filemap_invalidate_lock_shared(inode->i_mapping);
	if (!find_block(inode, vmf->pgoff, &block, &contiguous)) {
		filemap_invalidate_unlock_shared(inode->i_mapping);
		err = fill_hole(inode, vmf->pgoff);
		if (err)
			return err;
		filemap_invalidate_lock_shared(inode->i_mapping);
	}
	if (find_block(inode, vmf->pgoff, &block, &contiguous))
		err = gmfs_region_write_in(&gmfs.region, block);
	if (!err)
		*ret = map_written(vmf, order) ?: VM_FAULT_NOPAGE;
	filemap_invalidate_unlock_shared(inode->i_mapping);
	return err;
}

static vm_fault_t map_unwritten(struct vm_fault *vmf, unsigned int order)
{
	struct inode *inode = file_inode(vmf->vma->vm_file);
	vm_fault_t ret;
	int err;

	/* Only a signal that kills ends the wait: nobody sees the SIGBUS. */
	if (gmfs_change_begin_wait())
		return VM_FAULT_SIGBUS;
	err = make_ready(vmf, order, &ret);
	gmfs_change_end();
	if (!err)
		return ret;
	pr_warn_ratelimited("cannot fill a hole of inode %llu, or zero its block: %pe\n",
			    (u64)inode->i_ino, ERR_PTR(err));
	return err == -ENOMEM ? VM_FAULT_OOM : VM_FAULT_SIGBUS;
}

static vm_fault_t gmfs_huge_fault(struct vm_fault *vmf, unsigned int order)
{
	struct vm_area_struct *vma = vmf->vma;
	struct inode *inode = file_inode(vma->vm_file);
	unsigned long size = PAGE_SIZE << order;
	unsigned long addr = ALIGN_DOWN(vmf->address, size);
	vm_fault_t ret;

	if (order != 0 && order != PMD_ORDER && order != PUD_ORDER)
		return VM_FAULT_FALLBACK;
	if (addr < vma->vm_start || vma->vm_end - addr < size)
		return VM_FAULT_FALLBACK;
	filemap_invalidate_lock_shared(inode->i_mapping);
	ret = map_written(vmf, order);
	filemap_invalidate_unlock_shared(inode->i_mapping);
	if (!ret)
		ret = map_unwritten(vmf, order);
	return ret;
}

static vm_fault_t gmfs_fault(struct vm_fault *vmf)
{
	return gmfs_huge_fault(vmf, 0);
}

static const struct vm_operations_struct gmfs_vm_operations = {
	.fault		= gmfs_fault,
	.huge_fault	= gmfs_huge_fault,
};

static int gmfs_mmap(struct file *file, struct vm_area_struct *vma)
{
	/* Copy on write needs pages, and these blocks have none. */
	if ((vma->vm_flags & (VM_SHARED | VM_MAYWRITE)) == VM_MAYWRITE)
		return -EINVAL;
	/* VM_HUGEPAGE: 6.12, before 6.12.115, asks the THP setting even for pfns. */
	vm_flags_set(vma, VM_PFNMAP | VM_IO | VM_DONTDUMP | VM_DONTEXPAND |
			  VM_HUGEPAGE);
	vma->vm_ops = &gmfs_vm_operations;
	return 0;
}

const struct file_operations gmfs_file_operations = {
	.mmap			= gmfs_mmap,
	.get_unmapped_area	= thp_get_unmapped_area,
	.llseek			= generic_file_llseek,
	.fsync			= noop_fsync,
};
