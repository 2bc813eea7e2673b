// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: faults
 *
 * Of a shared mapping:
 *
 * 1. The fault handler enters pfns, or folios in a pool with pages, by the largest of PUD, PMD
 *    and PTE that is aligned in the file, in memory and in the VMA, lies wholly before the
 *    end of the page that holds EOF and is wholly written. While the tree is frozen this
 *    goes on.
 * 2. A block that must be allocated or zeroed first is made ready, and the handler looks
 *    again.
 * 3. While the tree is frozen, published, mounted or unmounted, the handler sleeps before
 *    step 2 without a lock of mm, and mm starts the fault over. If memory is short, the
 *    handler sleeps for a moment in the same way.
 * 4. Behind EOF, and if no block is free, the fault ends in SIGBUS.
 *
 * A private mapping in a pool with pages maps those of the file to read, and mm copies them
 * to write; whatever the file has no whole written block for comes from the page cache, as
 * all does in a pool without.
 *
 * mm->mmap_lock or the VMA's lock, then the gate, then the mapping's invalidate_lock;
 * Documentation/locking.rst has the whole order.
 */
#define pr_fmt(fmt) "guestmemfs: " fmt

#include <linux/file.h>
#include <linux/mm.h>
#include <linux/pagemap.h>

#include "guestmemfs.h"
#include "trace.h"

/* Whether a mapping takes entries of @order, and has all that one at the fault would. */
static bool takes(const struct vm_fault *vmf, unsigned int order)
{
	const struct vm_area_struct *vma = vmf->vma;
	unsigned long size = PAGE_SIZE << order, addr = ALIGN_DOWN(vmf->address, size);

	return order <= (unsigned long)vma->vm_private_data &&
	       addr >= vma->vm_start && vma->vm_end - addr >= size;
}

/* Whether what an entry would map has a bad page: see fs/failure.c. */
static bool has_bad(const struct vm_fault *vmf, unsigned long pfn, unsigned int order)
{
	return gmfs_pool_until_bad(gmfs_pool_of(file_inode(vmf->vma->vm_file)), PFN_PHYS(pfn),
				   PAGE_SIZE << order) < PAGE_SIZE << order;
}

/*
 * Enter what the fault is about if the blocks are there and written, and @order fits.
 * Returns 0 if a block must be made ready first.
 */
static vm_fault_t gmfs_map_written(struct vm_fault *vmf, unsigned int order)
{
	struct inode *inode = file_inode(vmf->vma->vm_file);
	unsigned long nr_pages = 1UL << order, pfn;
	unsigned long below = (vmf->address >> PAGE_SHIFT) & (nr_pages - 1);
	pgoff_t pgoff = vmf->pgoff - below, end;

	if (!takes(vmf, order))
		return VM_FAULT_FALLBACK;
	end = DIV_ROUND_UP_ULL(i_size_read(inode), PAGE_SIZE);
	if (vmf->pgoff >= end)
		return VM_FAULT_SIGBUS;
	if (!IS_ALIGNED(pgoff, nr_pages) || pgoff + nr_pages > end)
		return VM_FAULT_FALLBACK;
	pfn = gmfs_file_map_pfn(inode, pgoff, order);
	if (!pfn)
		return order > PMD_ORDER ? VM_FAULT_FALLBACK : 0;
	if (has_bad(vmf, pfn, order))
		return order ? VM_FAULT_FALLBACK : VM_FAULT_HWPOISON;
	/* An entry from before a page of it was bad, which came after mm had looked for one. */
	if (!order && pmd_leaf(READ_ONCE(*vmf->pmd)))
		return VM_FAULT_NOPAGE;

	if (order == PUD_ORDER) {
		WRITE_ONCE(gmfs_i(inode)->had_pud, true);
		return gmfs_insert_pud(vmf, pfn);
	}
	if (order == PMD_ORDER)
		return gmfs_insert_pmd(vmf, pfn);
	return gmfs_insert_pte(vmf, pfn);
}

/*
 * mm checks for an entry and then calls us unlocked, so two faults on one address can
 * arrive with different orders, and mm warns if it finds the entry of the other. So a
 * fault of order 0 enters a PMD entry, too, if one fits. What that depends on does not
 * change while invalidate_lock is held for reading, so all faults enter the same.
 */
static vm_fault_t gmfs_map_page(struct vm_fault *vmf, unsigned int *order)
{
	vm_fault_t ret = gmfs_map_written(vmf, PMD_ORDER);

	*order = PMD_ORDER;
	if (ret == VM_FAULT_FALLBACK) {
		*order = 0;
		ret = gmfs_map_written(vmf, 0);
	}
	return ret;
}

/* Whether a file has a block, and if it is not written yet no bad page keeps it from that. */
static bool gmfs_is_usable(struct inode *inode, u32 at)
{
	struct gmfs_pool *p = gmfs_pool_of(inode);
	u32 contiguous, block = gmfs_file_find_block(inode, at, &contiguous);

	return block != GMFS_HOLE &&
	       (gmfs_pool_is_written(p, block, 1) || !gmfs_pool_is_bad(p, block));
}

/* Allocate the block that a fault is about, unless it is there; not one with a bad page. */
static int gmfs_fill_hole(struct inode *inode, struct vm_fault *vmf)
{
	pgoff_t pgoff = vmf->pgoff;
	loff_t from = (loff_t)round_down(pgoff, GMFS_BLOCK_PAGES) << PAGE_SHIFT;
	int err = 0;

	filemap_invalidate_lock(inode->i_mapping);
	if (pgoff < DIV_ROUND_UP_ULL(i_size_read(inode), PAGE_SIZE))
		err = gmfs_file_fill(inode, from, from + GMFS_BLOCK_SIZE, vmf->vma);
	if (!err && !gmfs_is_usable(inode, pgoff / GMFS_BLOCK_PAGES))
		gmfs_file_mend(inode, pgoff / GMFS_BLOCK_PAGES);
	filemap_invalidate_unlock(inode->i_mapping);
	return err;
}

/* Make the block that a fault is about ready, unless a truncate comes in between. */
static int gmfs_make_ready(struct inode *inode, struct vm_fault *vmf)
{
	u32 at = vmf->pgoff / GMFS_BLOCK_PAGES, block, contiguous;
	int err = 0;

	filemap_invalidate_lock_shared(inode->i_mapping);
	if (!gmfs_is_usable(inode, at)) {
		filemap_invalidate_unlock_shared(inode->i_mapping);
		err = gmfs_fill_hole(inode, vmf);
		if (err)
			return err;
		filemap_invalidate_lock_shared(inode->i_mapping);
	}
	block = gmfs_file_find_block(inode, at, &contiguous);
	if (block != GMFS_HOLE)
		err = gmfs_pool_init_block(gmfs_pool_of(inode), block);
	filemap_invalidate_unlock_shared(inode->i_mapping);
	return err;
}

/* How long a fault sleeps before it asks for memory again. */
#define GMFS_RETRY_MS	20

/*
 * Drop the lock of mm that the fault came with, wait for thaw or for memory, and let mm
 * begin the fault anew. Any thread may need that lock meanwhile, and @vmf's VMA may go.
 * A signal whose handler runs in user space ends the wait only of a fault from there: a
 * system call could not go back to run it.
 */
static vm_fault_t gmfs_fault_wait(struct vm_fault *vmf, int err)
{
	const unsigned int from_user = FAULT_FLAG_USER | FAULT_FLAG_INTERRUPTIBLE;
	bool interruptible = (vmf->flags & from_user) == from_user;
	struct file *file;

	if (vmf->flags & FAULT_FLAG_RETRY_NOWAIT)
		return VM_FAULT_RETRY;
	/* The mount and this module must not go meanwhile. */
	file = get_file(vmf->vma->vm_file);
	release_fault_lock(vmf);
	if (err == -ENOMEM)
		schedule_timeout_killable(msecs_to_jiffies(GMFS_RETRY_MS));
	else
		gmfs_change_wait(gmfs_gate(file_inode(file)), interruptible);
	fput(file);
	return VM_FAULT_RETRY;
}

/* Returns 0 if it is to be looked at again. */
static vm_fault_t gmfs_wait_until_ready(struct vm_fault *vmf)
{
	struct inode *inode = file_inode(vmf->vma->vm_file);
	bool may_retry = vmf->flags & FAULT_FLAG_ALLOW_RETRY;
	int err;

	/* Mapped to read while the file was open for writing; then came a remount. */
	if (sb_rdonly(inode->i_sb) && !(vmf->vma->vm_flags & VM_MAYWRITE))
		return VM_FAULT_SIGBUS;
	/* Without a retry only a fatal signal ends the wait: the task never sees SIGBUS. */
	err = may_retry ? gmfs_change_try_begin(gmfs_gate(inode)) :
			  gmfs_change_begin_wait(gmfs_gate(inode));
	if (err == -EAGAIN)
		return gmfs_fault_wait(vmf, err);
	if (err)
		return err == -ENOMEM ? VM_FAULT_OOM : VM_FAULT_SIGBUS;
	err = gmfs_make_ready(inode, vmf);
	gmfs_change_end(gmfs_gate(inode));
	if (!err)
		return 0;
	if (err == -ENOMEM)
		return VM_FAULT_OOM;
	if (err == -ENOSPC)
		pr_warn_ratelimited("%s touched a hole of \"%pD\" (inode %llu), but no block is free: remove files or punch holes, and see blocks_withheld in sysfs; fallocate() a file that must not fail; under MPOL_BIND only its nodes count\n",
				    current->comm, vmf->vma->vm_file, (u64)inode->i_ino);
	else if (err != -EINTR)
		pr_warn_ratelimited("cannot prepare a block of \"%pD\" (inode %llu): %pe\n",
				    vmf->vma->vm_file, (u64)inode->i_ino, ERR_PTR(err));
	return VM_FAULT_SIGBUS;
}

/*
 * Without pages KVM and VFIO look for the entry after fixup_user_fault(), without a page
 * table lock in
 * between, and fail if it has gone meanwhile: another process may have punched a part of
 * a PUD entry, or a read of /proc/PID/smaps have split it. If the fault has dropped
 * mmap_lock they begin anew, by looking first. So the first try of a fault that is not
 * from user space enters the pfns and asks for another one, which finds them entered.
 */
static bool looks_again(const struct vm_fault *vmf)
{
	return vmf->vma->vm_flags & VM_PFNMAP && fault_flag_allow_retry_first(vmf->flags) &&
	       !(vmf->flags & (FAULT_FLAG_USER | FAULT_FLAG_RETRY_NOWAIT));
}

/**
 * gmfs_huge_fault - enter pfns or folios for a fault of a shared mapping
 * @vmf: the fault
 * @order: of the entry that mm asks for
 *
 * Return: VM_FAULT_NOPAGE if it maps what was asked for; VM_FAULT_FALLBACK if a smaller
 * entry may; VM_FAULT_RETRY without the lock of mm, unless FAULT_FLAG_RETRY_NOWAIT;
 * VM_FAULT_SIGBUS behind EOF, without a free block, or if killed; VM_FAULT_HWPOISON if the
 * page is bad; VM_FAULT_OOM.
 */
vm_fault_t gmfs_huge_fault(struct vm_fault *vmf, unsigned int order)
{
	struct inode *inode = file_inode(vmf->vma->vm_file);
	unsigned int fits = order;
	unsigned long ino = inode->i_ino;
	vm_fault_t ret;
	int entered;

	if (order != 0 && order != PMD_ORDER && order != PUD_ORDER)
		return VM_FAULT_FALLBACK;
	do {
		filemap_invalidate_lock_shared(inode->i_mapping);
		ret = order ? gmfs_map_written(vmf, order) : gmfs_map_page(vmf, &fits);
		filemap_invalidate_unlock_shared(inode->i_mapping);
		if (ret)
			break;
		ret = gmfs_wait_until_ready(vmf);
	} while (!ret);
	entered = ret == VM_FAULT_NOPAGE ? fits : -1;
	/* KVM and VFIO take VM_FAULT_OOM for EFAULT, which stops a guest. */
	if (ret == VM_FAULT_OOM && vmf->flags & FAULT_FLAG_ALLOW_RETRY)
		ret = gmfs_fault_wait(vmf, -ENOMEM);
	if (ret == VM_FAULT_NOPAGE && looks_again(vmf)) {
		release_fault_lock(vmf);
		ret = VM_FAULT_RETRY;
	}
	/* With VM_FAULT_RETRY the VMA and its file may be gone. */
	trace_gmfs_fault(ino, vmf->pgoff, order, entered, ret);
	return ret;
}

/* gmfs_huge_fault() of a page. */
vm_fault_t gmfs_fault(struct vm_fault *vmf)
{
	return gmfs_huge_fault(vmf, 0);
}

/**
 * gmfs_private_fault - find the page for a fault of a private mapping
 * @vmf: the fault
 *
 * mm maps it, or copies it if this is a write.
 *
 * Context: as any fault; while the mapping is there, blocks stay as they are.
 * Return: 0 with @vmf->page set; VM_FAULT_HWPOISON if it is bad; or as filemap_fault().
 */
vm_fault_t gmfs_private_fault(struct vm_fault *vmf)
{
	struct inode *inode = file_inode(vmf->vma->vm_file);
	struct page *page = gmfs_file_find_page(inode, vmf->pgoff);
	unsigned long pfn;

	if (!page) {
		pfn = gmfs_file_find_pfn(inode, vmf->pgoff, 0);
		return pfn && has_bad(vmf, pfn, 0) ? VM_FAULT_HWPOISON : filemap_fault(vmf);
	}
	get_page(page);
	vmf->page = page;
	return 0;
}
