/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Every difference between the kernels that are supported, 6.12 and newer.
 * One wrapper each; the sentence names the release that changed.
 */
#ifndef _GMFS_COMPAT_H
#define _GMFS_COMPAT_H

#include <linux/crc32.h>
#include <linux/dcache.h>
#include <linux/fs.h>
#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/version.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 17, 0)
#include <linux/pfn_t.h>
#endif

/* 7.1 gave kho_add_subtree() a size; older KHO counts as no KHO. */
#if defined(CONFIG_KEXEC_KHO) && IS_ENABLED(CONFIG_KEXEC_HANDOVER) && \
	LINUX_VERSION_CODE >= KERNEL_VERSION(7, 1, 0)
#define GMFS_HAVE_KHO 1
#else
#define GMFS_HAVE_KHO 0
#endif

/* 6.15 made ->mkdir return a dentry, NULL meaning the one it was given. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 15, 0)
typedef struct dentry *gmfs_mkdir_t;
#define gmfs_mkdir_return(err)	ERR_PTR(err)
#else
typedef int gmfs_mkdir_t;
#define gmfs_mkdir_return(err)	(err)
#endif

/*
 * What has no pages is entered by pfn, in VM_PFNMAP. What has them (GMFS_VM_PAGES) is
 * entered as a folio from 6.17 on, when pfn_t went; with VM_MIXEDMAP the split of an entry
 * would then leave the RSS counter wrong (vma_is_special_huge() in mm/huge_memory.c). Before,
 * it is entered as a device's memory, in VM_MIXEDMAP, and entries hold no references.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 17, 0)
#define GMFS_VM_PAGES	0
#else
#define GMFS_VM_PAGES	VM_MIXEDMAP

static inline pfn_t gmfs_pfn_t(const struct vm_fault *vmf, unsigned long pfn)
{
	return __pfn_to_pfn_t(pfn, vmf->vma->vm_flags & VM_PFNMAP ? PFN_DEV : PFN_DEV | PFN_MAP);
}
#endif

/*
 * Whether an insertion must be told that it is for a write, so that the entry can be written:
 * the VMA's protection says so, but while soft-dirty is tracked or userfaultfd write-protects.
 * Told, mm warns of any other entry in that place.
 */
static inline bool gmfs_insert_for_write(const struct vm_area_struct *vma)
{
	return vma->vm_flags & VM_WRITE && !(pgprot_val(vma->vm_page_prot) & _PAGE_RW);
}

/*
 * With pfns not the VMA's protection: while soft-dirty is tracked it has no write in it, and
 * KVM does not fault for it. With pages, from 6.17 on, userfaultfd can have left a marker,
 * for which mm would begin the fault anew for ever.
 */
static inline vm_fault_t gmfs_insert_pte(struct vm_fault *vmf, unsigned long pfn)
{
	struct vm_area_struct *vma = vmf->vma;

	if (vma->vm_flags & VM_PFNMAP)
		return vmf_insert_pfn_prot(vma, vmf->address, pfn,
					   vm_get_page_prot(vma->vm_flags));
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 17, 0)
	if (vmf->flags & FAULT_FLAG_ORIG_PTE_VALID && !pte_none(vmf->orig_pte) &&
	    !pte_present(vmf->orig_pte))
		return VM_FAULT_SIGBUS;
	return vmf_insert_page_mkwrite(vmf, pfn_to_page(pfn), gmfs_insert_for_write(vma));
#else
	return vmf_insert_mixed(vma, vmf->address, gmfs_pfn_t(vmf, pfn));
#endif
}

/*
 * A table that is there already stays. With pages, from 6.17 on, MADV_GUARD_INSTALL and
 * userfaultfd can bring one after this look: then nothing is entered, and the fault comes again.
 * The entry is never read-only in a VMA that is not: without pages KVM would not fault, but fail.
 */
static inline vm_fault_t gmfs_insert_pmd(struct vm_fault *vmf, unsigned long pfn)
{
	bool write = gmfs_insert_for_write(vmf->vma);
	pmd_t pmd = READ_ONCE(*vmf->pmd);

	if (!pmd_none(pmd) && !pmd_leaf(pmd))
		return VM_FAULT_FALLBACK;
	/* One that was made read-only while writes were tracked. */
	if (pmd_leaf(pmd) && !pmd_write(pmd))
		write = vmf->vma->vm_flags & VM_WRITE;
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 17, 0)
	return vmf->vma->vm_flags & VM_PFNMAP ?
	       vmf_insert_pfn_pmd(vmf, pfn, write) :
	       vmf_insert_folio_pmd(vmf, page_folio(pfn_to_page(pfn)), write);
#else
	return vmf_insert_pfn_pmd(vmf, gmfs_pfn_t(vmf, pfn), write);
#endif
}

/*
 * Another fault can bring a table of PMD entries at any time, and insert_pud() warns
 * of it if told that this is for a write: in a VMA that needs that no PUD entry is entered.
 * Nor is one of folios: they are as large as a block.
 */
static inline vm_fault_t gmfs_insert_pud(struct vm_fault *vmf, unsigned long pfn)
{
	bool write = vmf->vma->vm_flags & VM_WRITE;
	pud_t pud;

	if (gmfs_insert_for_write(vmf->vma))
		return VM_FAULT_FALLBACK;
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 17, 0)
	if (!(vmf->vma->vm_flags & VM_PFNMAP))
		return VM_FAULT_FALLBACK;
	vmf_insert_pfn_pud(vmf, pfn, false);
#else
	vmf_insert_pfn_pud(vmf, gmfs_pfn_t(vmf, pfn), false);
#endif
	pud = READ_ONCE(*vmf->pud);
	return pud_leaf(pud) && (!write || pud_write(pud)) ? VM_FAULT_NOPAGE :
							     VM_FAULT_FALLBACK;
}

/* 6.18 made the flags of a page a structure. The page is nobody else's. */
static inline void gmfs_page_clear_reserved(struct page *page)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 18, 0)
	__clear_bit(PG_reserved, &page->flags.f);
#else
	__clear_bit(PG_reserved, &page->flags);
#endif
}

/* 6.19 lets memory_failure() know what pfns a file has. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 19, 0) && IS_ENABLED(CONFIG_MEMORY_FAILURE)
#include <linux/memory-failure.h>
#define GMFS_HAVE_PFN_SPACES 1
#else
#define GMFS_HAVE_PFN_SPACES 0
#endif

/* Without it only the kernel's own memory has pages. */
#ifndef CONFIG_ZONE_DEVICE
static inline void *memremap_pages(struct dev_pagemap *pgmap, int nid)
{
	return ERR_PTR(-EOPNOTSUPP);
}

static inline void memunmap_pages(struct dev_pagemap *pgmap)
{
}
#endif

/*
 * mbind() with MPOL_MF_STRICT takes what a PMD entry maps for a folio, pages or not, and
 * oopses: a local denial of service. "mm/mempolicy: use vm_normal_folio_pmd() in
 * queue_folios_pmd()" came to 7.3 with 7.3.4 and to 6.12 with 6.12.118. Later releases have
 * it; of other stable ones nothing is known, so they count as faulty.
 */
#define GMFS_MBIND_OOPSES \
	(IS_ENABLED(CONFIG_NUMA) && \
	 (LINUX_VERSION_CODE < KERNEL_VERSION(6, 12, 118) || \
	  (LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0) && \
	   LINUX_VERSION_CODE < KERNEL_VERSION(7, 3, 4))))

/* 6.15 gave crc32c() to lib/crc32; before, it needs a module of its own. */
static inline u32 gmfs_crc32c_update(u32 crc, const void *data, size_t len)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 15, 0)
	return crc32c(crc, data, len);
#else
	return __crc32c_le(crc, data, len);
#endif
}

/* 6.16 made what ->read of a struct bin_attribute is given constant. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 16, 0)
#define GMFS_BIN_ATTRIBUTE	const struct bin_attribute
#else
#define GMFS_BIN_ATTRIBUTE	struct bin_attribute
#endif

/* 7.3 renamed zap_vma_ptes(). */
static inline void gmfs_zap_pfns(struct vm_area_struct *vma, unsigned long addr,
				 unsigned long size)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 3, 0)
	zap_special_vma_range(vma, addr, size);
#else
	zap_vma_ptes(vma, addr, size);
#endif
}

/* 6.18 renamed generic_delete_inode(). */
static inline int gmfs_drop_inode(struct inode *inode)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 18, 0)
	return inode_just_drop(inode);
#else
	return generic_delete_inode(inode);
#endif
}

/* 6.19 gave dentries that live by themselves a flag; before it was a reference. */
static inline void gmfs_make_persistent(struct dentry *dentry,
					struct inode *inode)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 19, 0)
	d_make_persistent(dentry, inode);
#else
	if (d_unhashed(dentry))
		d_add(dentry, inode);
	else
		d_instantiate(dentry, inode);
	dget(dentry);
#endif
}

/* 6.19, for the same reason, left kill_litter_super() without work. */
static inline void gmfs_kill_litter_super(struct super_block *sb)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 19, 0)
	kill_anon_super(sb);
#else
	kill_litter_super(sb);
#endif
}

/* 6.17 renamed what ->fileattr_get and ->fileattr_set are about. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 17, 0)
#define gmfs_fileattr		file_kattr
#else
#define gmfs_fileattr		fileattr
#endif

/* 7.0 took the mm, always current's, from mm_get_unmapped_area(). */
static inline unsigned long gmfs_get_area(struct file *file, unsigned long len,
					  unsigned long flags)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 0, 0)
	return mm_get_unmapped_area(file, 0, len, 0, flags);
#else
	return mm_get_unmapped_area(current->mm, file, 0, len, 0, flags);
#endif
}

/* 7.3 took "excl" from ->create. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 3, 0)
#define GMFS_CREATE_EXCL
#else
#define GMFS_CREATE_EXCL	, bool excl
#endif

#endif /* _GMFS_COMPAT_H */
