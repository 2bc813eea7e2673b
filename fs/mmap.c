// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: mappings
 *
 * A *shared* mapping, but for one that can only read, of a file that is not open for
 * writing, maps the blocks themselves: see fs/fault.c. All others are *private*: they have
 * copies in the page cache, see fs/pagecache.c; or, in a pool with pages, the blocks' own
 * pages to read. A VMA keeps its kind through fork, splits and moves.
 *
 * mm splits and moves PUD entries wrongly, and fork() copies PMD entries of pfns without
 * checking that they still exist. So this file removes such entries before mm handles them.
 */
#define pr_fmt(fmt) "guestmemfs: " fmt

#include <linux/capability.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/moduleparam.h>
#include <linux/pagemap.h>
#include <asm/cpufeature.h>

#include "guestmemfs.h"

static bool huge_needs_admin = GMFS_MBIND_OOPSES;
module_param(huge_needs_admin, bool, 0644);
MODULE_PARM_DESC(huge_needs_admin, "Shared mappings by tasks without CAP_SYS_ADMIN get no huge entries (default: on kernels where mbind() of them oopses)");

static const struct vm_operations_struct gmfs_shared_vm_operations;

/* Of which kind a VMA is. It stays so, through fork and splits. */
static bool is_shared(const struct vm_area_struct *vma)
{
	return vma->vm_ops == &gmfs_shared_vm_operations;
}

/*
 * Remove entries of one VMA, or, where mm has nothing that a module could do that with, those
 * of the whole file. The mapping's invalidate_lock is held for writing.
 */
static void gmfs_zap(struct vm_area_struct *vma, unsigned long addr, unsigned long size)
{
	loff_t pos = (loff_t)linear_page_index(vma, addr) << PAGE_SHIFT;

	if (vma->vm_flags & VM_PFNMAP)
		gmfs_zap_pfns(vma, addr, size);
	else
		gmfs_file_unmap(file_inode(vma->vm_file), pos, pos + size);
}

/*
 * mremap() takes a PUD entry for a broken one and drops it without a flush
 * (get_old_pud() in mm/mremap.c). So there must be none in the VMA that it moves from,
 * which is one of this mm's, locked for writing. Other processes keep theirs.
 */
static void gmfs_unmap_own_puds(struct vm_area_struct *new)
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
		if (!vma->vm_file || file_inode(vma->vm_file) != inode || !is_shared(vma))
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
				gmfs_zap(vma, addr, PUD_SIZE);
	}
	filemap_invalidate_unlock(inode->i_mapping);
}

/*
 * copy_huge_pmd() (mm/huge_memory.c) copies an entry of pfns without a look whether it has gone
 * meanwhile. So the parent must have none; nor a PUD entry, which would come to be read-only.
 * Returns false if its VMA is not found.
 */
static bool gmfs_unmap_parent(const struct vm_area_struct *child)
{
	struct vm_area_struct *vma = current->mm ? vma_lookup(current->mm, child->vm_start) : NULL;
	struct inode *inode;

	if (!vma || vma->vm_file != child->vm_file || vma->vm_start != child->vm_start)
		return false;
	inode = file_inode(vma->vm_file);
	if (!(vma->vm_flags & VM_PFNMAP) && !READ_ONCE(gmfs_i(inode)->had_pud))
		return true;
	filemap_invalidate_lock(inode->i_mapping);
	gmfs_zap(vma, vma->vm_start, vma->vm_end - vma->vm_start);
	filemap_invalidate_unlock(inode->i_mapping);
	return true;
}

/*
 * fork makes a VMA of another mm than current's. In current's, a split is of a VMA that
 * is there, and a move is to a place without a VMA. Anything else is unknown to this file:
 * then nothing keeps an entry.
 */
static void gmfs_unmap_for(struct vm_area_struct *vma)
{
	struct address_space *mapping = vma->vm_file->f_mapping;
	struct vm_area_struct *old;

	if (vma->vm_mm != current->mm) {
		if (gmfs_unmap_parent(vma))
			return;
	} else {
		old = vma_lookup(vma->vm_mm, vma->vm_start);
		if (!old) {
			gmfs_unmap_own_puds(vma);
			return;
		}
		if (old != vma && old->vm_file == vma->vm_file)
			return;
	}
	WARN_ON_ONCE(1);
	filemap_invalidate_lock(mapping);
	gmfs_file_unmap(file_inode(vma->vm_file), (loff_t)vma->vm_pgoff << PAGE_SHIFT,
			((loff_t)vma->vm_pgoff << PAGE_SHIFT) + vma->vm_end - vma->vm_start);
	filemap_invalidate_unlock(mapping);
}

/* fork, a split or mremap() made another VMA of a kind that exists: @block_users keeps its sign. */
static void gmfs_vma_open(struct vm_area_struct *vma)
{
	atomic_add(is_shared(vma) ? 1 : -1, &gmfs_i(file_inode(vma->vm_file))->block_users);
	if (is_shared(vma))
		gmfs_unmap_for(vma);
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

	if (start == addr || start < vma->vm_start ||
	    vma->vm_end - start < PUD_SIZE || pgoff & ((1UL << PUD_ORDER) - 1))
		return 0;
	/* No fault brings it back, until mmap_lock is given up. */
	vma_start_write(vma);
	filemap_invalidate_lock(inode->i_mapping);
	if (gmfs_file_may_have_pud(inode, (loff_t)pgoff << PAGE_SHIFT))
		gmfs_zap(vma, start, PUD_SIZE);
	filemap_invalidate_unlock(inode->i_mapping);
	return 0;
}

static void gmfs_vma_close(struct vm_area_struct *vma)
{
	struct inode *inode = file_inode(vma->vm_file);

	if (is_shared(vma))
		gmfs_put_block_access(inode);
	else
		gmfs_allow_block_access(inode);
}

static const struct vm_operations_struct gmfs_shared_vm_operations = {
	.open		= gmfs_vma_open,
	.close		= gmfs_vma_close,
	.may_split	= gmfs_vma_may_split,
	.fault		= gmfs_fault,
	.huge_fault	= gmfs_huge_fault,
#ifdef CONFIG_NUMA
	.set_policy	= gmfs_set_policy,
#endif
};

static const struct vm_operations_struct gmfs_private_vm_operations = {
	.open		= gmfs_vma_open,
	.close		= gmfs_vma_close,
	.fault		= gmfs_private_fault,
	.map_pages	= filemap_map_pages,
};

/*
 * A shared mapping that cannot become writable (no VM_SHARED) counts as private, too: as a
 * shared one it would drop the page cache, keep clones from starting, and allocate blocks.
 * Exceptions: if the file already has mappings, it takes their kind; if the file is open for
 * writing, as a guest's is, it is shared, to see what is written. If the file gets mappings of
 * the other kind at this very moment, mmap() fails with ETXTBSY.
 */
static bool becomes_private(struct inode *inode, const struct vm_area_struct *vma)
{
	int users = atomic_read(&gmfs_i(inode)->block_users);

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

/* The largest entry of a new shared mapping, by the mount's options and who maps. */
static unsigned int order_for_current(struct inode *inode)
{
	if (READ_ONCE(huge_needs_admin) && !gmfs_pool_of(inode)->has_pages &&
	    !ns_capable_noaudit(&init_user_ns, CAP_SYS_ADMIN))
		return 0;
	return READ_ONCE(gmfs_tree_of(inode)->options.huge);
}

/**
 * gmfs_mmap - map a file
 * @file: the file
 * @vma: where
 *
 * Return: 0; -ETXTBSY for a private mapping of a file that is mapped shared, or the
 * other way round, or whose blocks are being changed.
 */
int gmfs_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct inode *inode = file_inode(file);
	int err;

	if (becomes_private(inode, vma)) {
		err = gmfs_deny_block_access(inode);
		if (err)
			return err;
		/* No block device gives this size. */
		file->f_ra.ra_pages = GMFS_BLOCK_PAGES;
		vma->vm_ops = &gmfs_private_vm_operations;
		return 0;
	}
	err = gmfs_get_block_access(inode);
	if (err)
		return err;
	if (gmfs_pool_of(inode)->has_pages)
		vm_flags_set(vma, GMFS_VM_PAGES);
	else
		vm_flags_set(vma, VM_PFNMAP | VM_IO | VM_DONTDUMP | VM_DONTEXPAND);
	/* 6.12, before 6.12.115, asks the THP setting even for pfns. */
	vm_flags_set(vma, VM_HUGEPAGE);
	/* What it is now, and not what a remount says later: see gmfs_map_page(). */
	vma->vm_private_data = (void *)(unsigned long)order_for_current(inode);
	vma->vm_ops = &gmfs_shared_vm_operations;
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
	struct gmfs_tree *tree = gmfs_tree_of(file_inode(file));
	unsigned long found, offset = pgoff << PAGE_SHIFT;

	if (!addr && !(flags & MAP_FIXED) && len >= PUD_SIZE && len <= TASK_SIZE - PUD_SIZE &&
	    READ_ONCE(tree->options.huge) >= PUD_ORDER) {
		found = gmfs_get_area(file, len + PUD_SIZE, flags);
		if (!IS_ERR_VALUE(found))
			return found + ((offset - found) & (PUD_SIZE - 1));
	}
	return thp_get_unmapped_area(file, addr, len, pgoff, flags);
}
