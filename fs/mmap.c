// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: mappings
 *
 * A shared mapping has no pages, except one that can only read, of a file that is not
 * open for writing. The fault handler enters pfns, the largest of
 * PUD, PMD and PTE that is aligned in the file, in memory and in the VMA, lies
 * wholly before the end of the page that holds EOF and is wholly written. If a
 * block must be allocated or zeroed first, the handler waits while the tree is
 * frozen, without a lock of mm, and the fault begins anew; mapping a block that is
 * written goes on.
 *
 * A private mapping needs pages, for copy-on-write and because KVM does not take
 * a read-only pfn for a fault. It gets them from the page cache, which copies
 * from the blocks as it reads: clean, reclaimable, and shared by all mappings by
 * pages of the file. A shared mapping that can only read gets them, too: so a reader
 * of a template allocates nothing and does not stop its clones.
 *
 * A file has either mappings by pages or anything else that maps or changes its
 * blocks, never both: the copy cannot go stale, reading it needs no lock against
 * changes, and no walk from a page to its mappings meets a pfn. @users of struct
 * gmfs_inode counts mappings by pages downwards and the others upwards. The kind
 * that comes second gets ETXTBSY, as with a program that runs. Each of the others
 * drops the page cache before it begins.
 *
 * mm->mmap_lock or the VMA's lock, then gmfs.change, then the mapping's
 * invalidate_lock; Documentation/locking.rst has the whole order.
 */
#define pr_fmt(fmt) "guestmemfs: " fmt

#include <linux/capability.h>
#include <linux/file.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/moduleparam.h>
#include <linux/pagemap.h>
#include <asm/cpufeature.h>

#include "guestmemfs.h"
#include "trace.h"

static bool huge_needs_admin = GMFS_MBIND_OOPSES;
module_param(huge_needs_admin, bool, 0644);
MODULE_PARM_DESC(huge_needs_admin, "Shared mappings by tasks without CAP_SYS_ADMIN get no huge entries (default: on kernels where mbind() of them oopses)");

/* --- pfns ------------------------------------------------------------------ */

/* Whether a mapping takes entries of @order, and has all that one at the fault would. */
static bool takes(const struct vm_fault *vmf, unsigned int order)
{
	const struct vm_area_struct *vma = vmf->vma;
	unsigned long size = PAGE_SIZE << order, addr = ALIGN_DOWN(vmf->address, size);

	return order <= (unsigned long)vma->vm_private_data &&
	       addr >= vma->vm_start && vma->vm_end - addr >= size;
}

/* Not the VMA's protection: while soft-dirty is tracked it has no write in it. */
static vm_fault_t insert_page(struct vm_fault *vmf, unsigned long pfn)
{
	return vmf_insert_pfn_prot(vmf->vma, vmf->address, pfn,
				   vm_get_page_prot(vmf->vma->vm_flags));
}

/*
 * Enter pfns for the fault if the blocks are there and written, and @order fits.
 * Returns 0 if a block must be made ready first.
 */
static vm_fault_t map_written(struct vm_fault *vmf, unsigned int order)
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
	pfn = gmfs_file_find_pfn(inode, pgoff, order);
	if (!pfn)
		return order > PMD_ORDER ? VM_FAULT_FALLBACK : 0;

	if (order == PUD_ORDER) {
		WRITE_ONCE(gmfs_i(inode)->had_pud, true);
		return gmfs_insert_pud(vmf, pfn);
	}
	if (order == PMD_ORDER)
		return gmfs_insert_pmd(vmf, pfn);
	return insert_page(vmf, pfn);
}

/*
 * mm looks whether there is an entry and then asks for one, without a lock in
 * between; so two faults for one place may be of different orders, and mm warns if it
 * finds the other's. Therefore a PMD entry is what a fault of order 0 gets, too, if one
 * fits. What that depends on does not change while invalidate_lock is held for
 * reading, so either all enter the one or all the other.
 */
static vm_fault_t map_page(struct vm_fault *vmf)
{
	vm_fault_t ret = map_written(vmf, PMD_ORDER);

	return ret == VM_FAULT_FALLBACK ? map_written(vmf, 0) : ret;
}

/* Allocate the block that a fault is about, unless it is there. */
static int fill_hole(struct inode *inode, pgoff_t pgoff)
{
	loff_t from = (loff_t)round_down(pgoff, GMFS_BLOCK_PAGES) << PAGE_SHIFT;
	int err = 0;

	filemap_invalidate_lock(inode->i_mapping);
	if (pgoff < DIV_ROUND_UP_ULL(i_size_read(inode), PAGE_SIZE))
		err = gmfs_file_fill(inode, from, from + GMFS_BLOCK_SIZE);
	filemap_invalidate_unlock(inode->i_mapping);
	return err;
}

/* Make the block that a fault is about ready, unless a truncate comes in between. */
static int make_ready(struct inode *inode, pgoff_t pgoff)
{
	u32 at = pgoff / GMFS_BLOCK_PAGES, block, contiguous;
	int err = 0;

	filemap_invalidate_lock_shared(inode->i_mapping);
	if (gmfs_file_find_block(inode, at, &contiguous) == GMFS_HOLE) {
		filemap_invalidate_unlock_shared(inode->i_mapping);
		err = fill_hole(inode, pgoff);
		if (err)
			return err;
		filemap_invalidate_lock_shared(inode->i_mapping);
	}
	block = gmfs_file_find_block(inode, at, &contiguous);
	if (block != GMFS_HOLE)
		err = gmfs_region_write_in(&gmfs.region, block);
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
		gmfs_change_wait(interruptible);
	fput(file);
	return VM_FAULT_RETRY;
}

/* Returns 0 if it is to be looked at again. */
static vm_fault_t wait_until_ready(struct vm_fault *vmf)
{
	struct inode *inode = file_inode(vmf->vma->vm_file);
	bool may_retry = vmf->flags & FAULT_FLAG_ALLOW_RETRY;
	int err;

	/* Mapped to read while the file was open for writing; then came a remount. */
	if (sb_rdonly(inode->i_sb) && !(vmf->vma->vm_flags & VM_MAYWRITE))
		return VM_FAULT_SIGBUS;
	/* Without a retry only a signal that kills ends the wait; then SIGBUS is as good. */
	err = may_retry ? gmfs_change_try_begin() : gmfs_change_begin_wait();
	if (err == -EAGAIN)
		return gmfs_fault_wait(vmf, err);
	if (err)
		return err == -ENOMEM ? VM_FAULT_OOM : VM_FAULT_SIGBUS;
	err = make_ready(inode, vmf->pgoff);
	gmfs_change_end();
	if (!err)
		return 0;
	if (err == -ENOMEM)
		return VM_FAULT_OOM;
	if (err == -ENOSPC)
		pr_warn_ratelimited("%s touched a hole of \"%pD\" (inode %llu), but no block is free: remove files or punch holes; fallocate() a file that must not fail\n",
				    current->comm, vmf->vma->vm_file, (u64)inode->i_ino);
	else if (err != -EINTR)
		pr_warn_ratelimited("cannot prepare a block of \"%pD\" (inode %llu): %pe\n",
				    vmf->vma->vm_file, (u64)inode->i_ino, ERR_PTR(err));
	return VM_FAULT_SIGBUS;
}

/*
 * KVM and VFIO look for the entry after fixup_user_fault(), without a page table lock in
 * between, and fail if it has gone meanwhile: another process may have punched a part of
 * a PUD entry, or a read of /proc/PID/smaps have split it. If the fault has dropped
 * mmap_lock they begin anew, by looking first. So the first try of a fault that is not
 * from user space enters the pfns and asks for another one, which finds them entered.
 */
static bool looks_again(const struct vm_fault *vmf)
{
	return fault_flag_allow_retry_first(vmf->flags) &&
	       !(vmf->flags & (FAULT_FLAG_USER | FAULT_FLAG_RETRY_NOWAIT));
}

static vm_fault_t gmfs_huge_fault(struct vm_fault *vmf, unsigned int order)
{
	struct inode *inode = file_inode(vmf->vma->vm_file);
	unsigned long ino = inode->i_ino;
	vm_fault_t ret;

	if (order != 0 && order != PMD_ORDER && order != PUD_ORDER)
		return VM_FAULT_FALLBACK;
	do {
		filemap_invalidate_lock_shared(inode->i_mapping);
		ret = order ? map_written(vmf, order) : map_page(vmf);
		filemap_invalidate_unlock_shared(inode->i_mapping);
		if (ret)
			break;
		ret = wait_until_ready(vmf);
	} while (!ret);
	/* KVM and VFIO take VM_FAULT_OOM for EFAULT, which stops a guest. */
	if (ret == VM_FAULT_OOM && vmf->flags & FAULT_FLAG_ALLOW_RETRY)
		ret = gmfs_fault_wait(vmf, -ENOMEM);
	if (ret == VM_FAULT_NOPAGE && looks_again(vmf)) {
		release_fault_lock(vmf);
		ret = VM_FAULT_RETRY;
	}
	/* With VM_FAULT_RETRY the VMA and its file may be gone. */
	trace_gmfs_fault(ino, vmf->pgoff, order, ret);
	return ret;
}

static vm_fault_t gmfs_fault(struct vm_fault *vmf)
{
	return gmfs_huge_fault(vmf, 0);
}

/* --- pages ---------------------------------------------------------------- */

/*
 * The folio is locked. Whoever changes blocks has raised @users and then waited
 * for such folios, so if @users is not positive blocks stay as they are.
 */
static int gmfs_read_folio(struct file *file, struct folio *folio)
{
	struct inode *inode = folio->mapping->host;
	loff_t pos = folio_pos(folio), size = i_size_read(inode);
	size_t done = 0, len, end;
	int err = 0;

	/*
	 * Uprobes and readers of build IDs need no private mapping. The folio is
	 * in the cache first: pairs with gmfs_file_begin_write(), where the count
	 * is raised first.
	 */
	smp_mb();
	if (atomic_read(&gmfs_i(inode)->users) > 0) {
		folio_end_read(folio, false);
		return -ETXTBSY;
	}
	end = clamp_t(loff_t, size - pos, 0, folio_size(folio));
	for (; done < end && !err; done += len) {
		len = min_t(size_t, end - done,
			    GMFS_BLOCK_SIZE - (pos + done) % GMFS_BLOCK_SIZE);
		err = gmfs_file_read(inode, pos + done,
				     folio_address(folio) + done, len);
	}
	if (!err)
		folio_zero_segment(folio, end, folio_size(folio));
	folio_end_read(folio, !err);
	return err;
}

const struct address_space_operations gmfs_address_space_operations = {
	.read_folio	= gmfs_read_folio,
	.dirty_folio	= noop_dirty_folio,
};

/**
 * gmfs_file_begin_write - about to change a file's blocks, or to map them
 * @inode: a regular file
 *
 * It has no mappings by pages until gmfs_file_end_write(), and nothing of it is cached.
 *
 * Context: may sleep; the mapping's invalidate_lock is not held.
 * Return: 0; -ETXTBSY if the file has mappings by pages.
 */
int gmfs_file_begin_write(struct inode *inode)
{
	struct address_space *mapping = inode->i_mapping;

	if (!atomic_inc_unless_negative(&gmfs_i(inode)->users))
		return -ETXTBSY;
	/* A folio that comes after this look finds @users raised. */
	if (mapping_empty(mapping))
		return 0;
	filemap_invalidate_lock(mapping);
	truncate_inode_pages(mapping, 0);
	filemap_invalidate_unlock(mapping);
	return 0;
}

/**
 * gmfs_file_end_write - what gmfs_file_begin_write() began is done
 * @inode: the same
 *
 * Context: any.
 */
void gmfs_file_end_write(struct inode *inode)
{
	atomic_dec(&gmfs_i(inode)->users);
}

/* --- VMAs ------------------------------------------------------------------ */

/* Whether a VMA has pfns; the others have pages. It stays so, through fork and splits. */
static bool has_pfns(const struct vm_area_struct *vma)
{
	return vma->vm_flags & VM_PFNMAP;
}

/*
 * mremap() takes a PUD entry for a broken one and drops it without a flush
 * (get_old_pud() in mm/mremap.c). So there must be none in the VMA that it moves from,
 * which is one of this mm's, locked for writing. Other processes keep theirs.
 */
static void unmap_own_puds(struct vm_area_struct *new)
{
	struct inode *inode = file_inode(new->vm_file);
	pgoff_t first = new->vm_pgoff, last = first + vma_pages(new);
	unsigned long addr, end;
	struct vm_area_struct *vma;
	struct vma_iterator vmi;
	pgoff_t from, to;

	if (!READ_ONCE(gmfs_i(inode)->had_pud))
		return;
	vma_iter_init(&vmi, new->vm_mm, 0);
	/* For writing: none comes back while zap_pud_range() looks at it twice. */
	filemap_invalidate_lock(inode->i_mapping);
	for_each_vma(vmi, vma) {
		if (!vma->vm_file || file_inode(vma->vm_file) != inode || !has_pfns(vma))
			continue;
		from = max(first, vma->vm_pgoff);
		to = min(last, vma->vm_pgoff + vma_pages(vma));
		if (from >= to)
			continue;
		addr = vma->vm_start + ((from - vma->vm_pgoff) << PAGE_SHIFT);
		end = addr + ((to - from) << PAGE_SHIFT);
		for (addr = ALIGN(addr, PUD_SIZE); addr + PUD_SIZE <= end; addr += PUD_SIZE)
			if (gmfs_file_may_have_pud(inode, (loff_t)linear_page_index(vma, addr)
							  << PAGE_SHIFT))
				gmfs_zap_pfns(vma, addr, PUD_SIZE);
	}
	filemap_invalidate_unlock(inode->i_mapping);
}

/*
 * copy_huge_pmd() (mm/huge_memory.c) copies an entry without a look whether it has gone
 * meanwhile. So the parent must have none. Returns false if its VMA is not found.
 */
static bool unmap_parent(const struct vm_area_struct *child)
{
	struct vm_area_struct *vma = current->mm ? vma_lookup(current->mm, child->vm_start) : NULL;

	if (!vma || vma->vm_file != child->vm_file || vma->vm_start != child->vm_start)
		return false;
	gmfs_zap_pfns(vma, vma->vm_start, vma->vm_end - vma->vm_start);
	return true;
}

/*
 * fork makes a VMA of another mm than current's. In current's, a split is of a VMA that
 * is there, and a move is to a place without a VMA. Anything else is unknown to this file:
 * then nothing keeps an entry.
 */
static void unmap_for(struct vm_area_struct *vma)
{
	struct address_space *mapping = vma->vm_file->f_mapping;
	struct vm_area_struct *old;

	if (vma->vm_mm != current->mm) {
		if (unmap_parent(vma))
			return;
	} else {
		old = vma_lookup(vma->vm_mm, vma->vm_start);
		if (!old) {
			unmap_own_puds(vma);
			return;
		}
		if (old != vma && old->vm_file == vma->vm_file)
			return;
	}
	WARN_ON_ONCE(1);
	filemap_invalidate_lock(mapping);
	unmap_mapping_range(mapping, (loff_t)vma->vm_pgoff << PAGE_SHIFT,
			    vma->vm_end - vma->vm_start, 1);
	filemap_invalidate_unlock(mapping);
}

/* A VMA more, by fork, a split or a move; the file has one of its kind already. */
static void gmfs_vma_open(struct vm_area_struct *vma)
{
	atomic_add(has_pfns(vma) ? 1 : -1, &gmfs_i(file_inode(vma->vm_file))->users);
	if (has_pfns(vma))
		unmap_for(vma);
}

/*
 * To split a VMA, mm splits the PMD entry at that place, and it takes what a PUD
 * entry leads to for a table of them (mm_find_pmd() in mm/rmap.c).
 */
static int gmfs_vma_may_split(struct vm_area_struct *vma, unsigned long addr)
{
	unsigned long start = ALIGN_DOWN(addr, PUD_SIZE);
	struct inode *inode = file_inode(vma->vm_file);
	pgoff_t pgoff = linear_page_index(vma, start);
	bool found;

	if (start == addr || start < vma->vm_start ||
	    vma->vm_end - start < PUD_SIZE || pgoff & ((1UL << PUD_ORDER) - 1))
		return 0;
	/* No fault brings it back, until mmap_lock is given up. */
	vma_start_write(vma);
	filemap_invalidate_lock_shared(inode->i_mapping);
	found = gmfs_file_may_have_pud(inode, pgoff << PAGE_SHIFT);
	filemap_invalidate_unlock_shared(inode->i_mapping);
	if (found)
		gmfs_zap_pfns(vma, start, PUD_SIZE);
	return 0;
}

static void gmfs_vma_close(struct vm_area_struct *vma)
{
	atomic_add(has_pfns(vma) ? -1 : 1,
		   &gmfs_i(file_inode(vma->vm_file))->users);
}

static const struct vm_operations_struct gmfs_pfn_vm_operations = {
	.open		= gmfs_vma_open,
	.close		= gmfs_vma_close,
	.may_split	= gmfs_vma_may_split,
	.fault		= gmfs_fault,
	.huge_fault	= gmfs_huge_fault,
};

static const struct vm_operations_struct gmfs_paged_vm_operations = {
	.open		= gmfs_vma_open,
	.close		= gmfs_vma_close,
	.fault		= filemap_fault,
	.map_pages	= filemap_map_pages,
};

/*
 * A private mapping takes pages. So does a shared one that can only read (VM_SHARED means
 * that it may be made writable), or it would drop what is cached, keep clones from
 * starting, and allocate blocks. But while the file is open for writing, as a guest's is, it
 * takes pfns, to see what is written; and what the file is mapped by already decides for
 * both. If that changes at this very moment, mmap() fails with ETXTBSY.
 */
static bool takes_pages(struct inode *inode, const struct vm_area_struct *vma)
{
	int users = atomic_read(&gmfs_i(inode)->users);

	if (!(vma->vm_flags & VM_MAYSHARE))
		return true;
	if (vma->vm_flags & VM_SHARED)
		return false;
	return users < 0 || (!users && !inode_is_open_for_write(inode));
}

/**
 * gmfs_largest_order - the largest entry that this CPU's page tables can have
 *
 * On a CPU without 1 GiB pages the bit that makes a PUD entry a leaf is reserved.
 *
 * Context: any.
 * Return: PUD_ORDER or PMD_ORDER.
 */
unsigned int gmfs_largest_order(void)
{
	return boot_cpu_has(X86_FEATURE_GBPAGES) ? PUD_ORDER : PMD_ORDER;
}

/**
 * gmfs_mmap_init - say if the kernel has a fault that users of mappings can trigger
 *
 * Context: when the module is loaded.
 */
void gmfs_mmap_init(void)
{
	if (GMFS_MBIND_OOPSES || huge_needs_admin)
		pr_warn("security: before Linux 6.12.118 and 7.3.4 mbind() of a huge mapping can oops, a local denial of service; tasks without CAP_SYS_ADMIN get 4 KiB mappings, unless huge_needs_admin=0\n");
}

/* The largest entry of a new mapping, by the mount's options and who maps. */
static unsigned int order_for_current(void)
{
	if (READ_ONCE(huge_needs_admin) && !ns_capable_noaudit(&init_user_ns, CAP_SYS_ADMIN))
		return 0;
	return READ_ONCE(gmfs.options.huge);
}

/**
 * gmfs_mmap - map a file
 * @file: the file
 * @vma: where
 *
 * Return: 0; -ETXTBSY for a mapping by pages of a file that is mapped by pfns, or the
 * other way round, or whose blocks are being changed.
 */
int gmfs_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct inode *inode = file_inode(file);
	int err;

	if (takes_pages(inode, vma)) {
		if (!atomic_dec_unless_positive(&gmfs_i(inode)->users))
			return -ETXTBSY;
		/* As if by a block device: there is none to say how much. */
		file->f_ra.ra_pages = GMFS_BLOCK_PAGES;
		vma->vm_ops = &gmfs_paged_vm_operations;
		return 0;
	}
	err = gmfs_file_begin_write(inode);
	if (err)
		return err;
	/* VM_HUGEPAGE: 6.12, before 6.12.115, asks the THP setting even for pfns. */
	vm_flags_set(vma, VM_PFNMAP | VM_IO | VM_DONTDUMP | VM_DONTEXPAND |
			  VM_HUGEPAGE);
	/* What it is now, and not what a remount says later: see map_page(). */
	vma->vm_private_data = (void *)(unsigned long)order_for_current();
	vma->vm_ops = &gmfs_pfn_vm_operations;
	return 0;
}

/**
 * gmfs_get_unmapped_area - find room for a mapping, aligned as the file is
 * @file: the file
 * @addr: a hint, or 0
 * @len: bytes
 * @pgoff: of the file, in pages
 * @flags: MAP_*
 *
 * A GiB or more is aligned for PUD entries, less for PMD entries.
 *
 * Return: the address, or an errno.
 */
unsigned long gmfs_get_unmapped_area(struct file *file, unsigned long addr,
				     unsigned long len, unsigned long pgoff,
				     unsigned long flags)
{
	unsigned long found, offset = pgoff << PAGE_SHIFT;

	if (!addr && !(flags & MAP_FIXED) && len >= PUD_SIZE && len <= TASK_SIZE - PUD_SIZE &&
	    READ_ONCE(gmfs.options.huge) >= PUD_ORDER) {
		found = gmfs_get_area(file, len + PUD_SIZE, flags);
		if (!IS_ERR_VALUE(found))
			return found + ((offset - found) & (PUD_SIZE - 1));
	}
	return thp_get_unmapped_area(file, addr, len, pgoff, flags);
}
