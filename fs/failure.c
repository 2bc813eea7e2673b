// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: memory failures
 *
 * Two tell of a page that is bad:
 *
 * 1. memory_failure(), in a pool with pages: the hardware, or MADV_HWPOISON, has called the
 *    page bad.
 * 2. The chain of machine checks that have been logged, in any pool. It tells later, and of some
 *    that memory_failure() is not told of.
 *
 * The page is recorded (fs/mem/bad.c), and an image that is published or waits for a mount is
 * written anew. From then on the block is entered page by page, and a fault of the bad page ends in
 * VM_FAULT_HWPOISON: who touches it gets SIGBUS with BUS_MCEERR_AR and its address.
 *
 * With pages, the block is unmapped, and KVM hands such a fault to the VMM in the same way.
 * Without, a fault that KVM makes ends in EFAULT (hva_to_pfn() in virt/kvm/kvm_main.c), which
 * stops the guest. So what is mapped stays mapped: the guest's next touch is a machine check.
 *
 * All faults on a block enter the same entries: see fs/fault.c. So a page is recorded with the
 * file's invalidate_lock held for writing. Which file that is does not change while the
 * gate is held for writing. A private mapping's fault on its way may enter the
 * page nevertheless; if that is touched, the page fails again.
 */
#define pr_fmt(fmt) "guestmemfs: " fmt

#include <linux/delay.h>
#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/notifier.h>
#include <linux/pagemap.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/timekeeping.h>
#ifdef CONFIG_X86_MCE
#include <asm/mce.h>
#endif

#include "guestmemfs.h"

/* Where in a file a block of the pool is, or GMFS_HOLE. */
static u32 gmfs_find_in(struct inode *inode, u32 block)
{
	const struct gmfs_extents *x = &gmfs_i(inode)->extents;
	u32 i, at = GMFS_HOLE;

	filemap_invalidate_lock_shared(inode->i_mapping);
	for (i = 0; i < x->nr && at == GMFS_HOLE; i++)
		if (block - x->e[i].start < x->e[i].nr)
			at = x->e[i].at + (block - x->e[i].start);
	filemap_invalidate_unlock_shared(inode->i_mapping);
	return at;
}

/*
 * The file that has a block, with a reference, and where in it; or NULL. The gate is held
 * and the tree is mounted. A file that goes just now counts as gone.
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

/**
 * struct victim - where a bad page is in a file, for those who map it
 * @sb: the file's superblock; never followed, as it may have gone
 * @ino: the file's number
 * @pgoff: the page
 */
struct victim {
	const struct super_block *sb;
	u64 ino;
	pgoff_t pgoff;
};

/**
 * gmfs_check_bad - a file may have got bad pages
 * @inode: a regular file
 *
 * Without pages, a private mapping has copies in the page cache. A large folio of it would not
 * be read if one page cannot.
 *
 * Context: the mapping's invalidate_lock is held for writing, or no other task has the inode.
 */
void gmfs_check_bad(struct inode *inode)
{
	const struct gmfs_extents *x = &gmfs_i(inode)->extents;
	struct gmfs_pool *p = gmfs_pool_of(inode);
	u64 len;
	u32 i;

	for (i = 0; i < x->nr; i++) {
		len = (u64)x->e[i].nr << GMFS_BLOCK_SHIFT;
		if (gmfs_pool_until_bad(p, gmfs_pool_phys(p, x->e[i].start), len) < len)
			mapping_set_folio_order_range(inode->i_mapping, 0, 0);
	}
}

/* Record it in the file that has it. Fills in @v. */
static int gmfs_fail_in_file(struct gmfs_tree *tree, struct inode *inode, u32 at,
			     const struct gmfs_bad_page *page, struct victim *v)
{
	int err;

	filemap_invalidate_lock(inode->i_mapping);
	err = gmfs_pool_record_bad(&tree->pool, page);
	if (!err)
		gmfs_punched_clear(inode, at, PHYS_PFN(page->at) % GMFS_BLOCK_PAGES);
	if (tree->pool.has_pages)
		gmfs_unmap_bad(inode, at);
	gmfs_check_bad(inode);
	filemap_invalidate_unlock(inode->i_mapping);
	*v = (struct victim){
		.sb = inode->i_sb,
		.ino = inode->i_ino,
		.pgoff = (pgoff_t)at * GMFS_BLOCK_PAGES + PHYS_PFN(page->at) % GMFS_BLOCK_PAGES,
	};
	return err;
}

/*
 * Record it, and say so. Returns -EEXIST if that is known. Fills in @v if a file has the page.
 */
static int gmfs_record_failure(struct gmfs_tree *tree, const struct gmfs_bad_page *page,
			       struct victim *v)
{
	struct gmfs_handover *h = &tree->handover;
	u32 block = gmfs_pool_block(&tree->pool, page->at), at;
	struct inode *inode = NULL;
	int err;

	down_write(&h->change);
	if (h->mounted)
		inode = gmfs_find_owner(tree, block, &at);
	if (inode) {
		err = gmfs_fail_in_file(tree, inode, at, page, v);
		iput(inode);
	} else {
		err = gmfs_pool_record_bad(&tree->pool, page);
	}
	/* The head is mapped for that, and read. */
	if (!err && !(block != GMFS_HOLE && gmfs_pool_is_head(&tree->pool, block)))
		gmfs_publish_bad(h);
	up_write(&h->change);
	if (!err && v->sb)
		gmfs_log(h, pr_err, "the page at 0x%llx is bad, in inode %llu: its contents are lost, and no other file gets its block\n",
			 page->at, v->ino);
	else if (!err)
		gmfs_log(h, pr_err, "the page at 0x%llx is bad: no file gets its block\n",
			 page->at);
	else if (err != -EEXIST)
		gmfs_log(h, pr_err, "the page at 0x%llx is bad, and that cannot be recorded: %pe\n",
			 page->at, ERR_PTR(err));
	return err;
}

/* The thread of a process that asked to be told at once, by prctl(PR_MCE_KILL); or NULL. */
static struct task_struct *wants_to_know(struct task_struct *process)
{
	const unsigned int early = PF_MCE_PROCESS | PF_MCE_EARLY;
	struct task_struct *t;

	for_each_thread(process, t)
		if ((t->flags & early) == early)
			return t;
	return NULL;
}

/* All of them, with references, in an array for kvfree(). */
static u32 gmfs_find_early(struct task_struct ***tasks)
{
	struct task_struct *process, *t;
	u32 nr = 0, max = 0;

	*tasks = NULL;
	do {
		kvfree(*tasks);
		max = max(nr, 64U);
		*tasks = kvmalloc_array(max, sizeof(**tasks), GFP_KERNEL);
		if (!*tasks)
			return 0;
		nr = 0;
		rcu_read_lock();
		for_each_process(process)
			nr += !!wants_to_know(process);
		rcu_read_unlock();
	} while (nr > max);
	nr = 0;
	rcu_read_lock();
	for_each_process(process) {
		t = wants_to_know(process);
		if (t && nr < max) {
			get_task_struct(t);
			(*tasks)[nr++] = t;
		}
	}
	rcu_read_unlock();
	return nr;
}

/* Send SIGBUS for each shared mapping of the page. A private one may have a copy. */
static void gmfs_tell_mm(struct task_struct *t, struct mm_struct *mm, const struct victim *v)
{
	struct vm_area_struct *vma;
	struct vma_iterator vmi;
	unsigned long addr;

	vma_iter_init(&vmi, mm, 0);
	for_each_vma(vmi, vma) {
		if (!vma->vm_file || !(vma->vm_flags & VM_SHARED) ||
		    file_inode(vma->vm_file)->i_sb != v->sb ||
		    file_inode(vma->vm_file)->i_ino != v->ino || v->pgoff < vma->vm_pgoff ||
		    v->pgoff - vma->vm_pgoff >= vma_pages(vma))
			continue;
		addr = vma->vm_start + ((v->pgoff - vma->vm_pgoff) << PAGE_SHIFT);
		send_sig_mceerr(BUS_MCEERR_AO, (void __user *)addr, PAGE_SHIFT, t);
	}
}

#define GMFS_TELL_TRIES	100	/* about a millisecond each */

/*
 * No failure waits for what some task does with its mmap_lock held. Who is not told gets
 * SIGBUS when it touches the page.
 */
static void gmfs_tell_task(struct task_struct *t, const struct victim *v)
{
	struct mm_struct *mm = get_task_mm(t);
	int i;

	for (i = 0; mm && i < GMFS_TELL_TRIES; i++) {
		if (mmap_read_trylock(mm)) {
			gmfs_tell_mm(t, mm, v);
			mmap_read_unlock(mm);
			break;
		}
		fsleep(1000);
	}
	if (mm)
		mmput_async(mm);
}

/* Tasks of @but, which may be NULL, are left out: they have touched the page and get SIGBUS. */
static void gmfs_tell(const struct victim *v, const struct mm_struct *but)
{
	struct task_struct **tasks;
	u32 nr = gmfs_find_early(&tasks);

	while (nr--) {
		if (!but || READ_ONCE(tasks[nr]->mm) != but)
			gmfs_tell_task(tasks[nr], v);
		put_task_struct(tasks[nr]);
	}
	kvfree(tasks);
}

/* Returns 0 also if that is known. */
static int gmfs_fail_page(struct gmfs_tree *tree, phys_addr_t phys, const struct mm_struct *but)
{
	struct gmfs_bad_page page = {
		.at = ALIGN_DOWN(phys, PAGE_SIZE),
		.when = ktime_get_real_seconds(),
	};
	struct victim v = { 0 };
	int err = gmfs_record_failure(tree, &page, &v);

	/* Of a pfn that a file has registered, mm has told the tasks that map it. */
	if (err != -EEXIST && v.sb && (!GMFS_HAVE_PFN_SPACES || tree->pool.has_pages))
		gmfs_tell(&v, but);
	return err == -EEXIST ? 0 : err;
}

static int gmfs_memory_failure(struct dev_pagemap *pgmap, unsigned long pfn,
			       unsigned long nr_pages, int mf_flags)
{
	struct gmfs_tree *tree = container_of(pgmap->owner, struct gmfs_tree, pool);
	int err = 0;

	for (; nr_pages && !err; nr_pages--)
		err = gmfs_fail_page(tree, PFN_PHYS(pfn++),
				     mf_flags & MF_ACTION_REQUIRED ? current->mm : NULL);
	/* The task cannot go on where it was: who called memory_failure() kills it on failure. */
	return mf_flags & MF_MUST_KILL ? -EBUSY : err;
}

const struct dev_pagemap_ops gmfs_pagemap_ops = {
	.memory_failure = gmfs_memory_failure,
};

/**
 * gmfs_bad_list - the bad pages of a tree, as text
 * @tree: the tree
 * @buf: where to
 * @size: bytes at @buf
 *
 * Context: the gate is held for reading; may sleep.
 * Return: bytes; a line for each page with address, seconds since 1970, and "file" with the inode's
 * number, or "free", "head" or "absent".
 */
size_t gmfs_bad_list(struct gmfs_tree *tree, char *buf, size_t size)
{
	const struct gmfs_bad_page *bad;
	struct inode *inode;
	size_t len = 0;
	u32 i, nr, block, at;

	bad = gmfs_pool_bad(&tree->pool, &nr);
	for (i = 0; i < nr; i++) {
		len += scnprintf(buf + len, size - len, "0x%llx %llu ", bad[i].at, bad[i].when);
		block = gmfs_pool_block(&tree->pool, bad[i].at);
		inode = block != GMFS_HOLE && tree->handover.mounted ?
			gmfs_find_owner(tree, block, &at) : NULL;
		if (inode)
			len += scnprintf(buf + len, size - len, "file %llu\n", (u64)inode->i_ino);
		else
			len += scnprintf(buf + len, size - len, "%s\n",
					 block == GMFS_HOLE ? "absent" :
					 gmfs_pool_is_head(&tree->pool, block) ? "head" : "free");
		iput(inode);
	}
	return len;
}

#ifdef CONFIG_X86_MCE
/*
 * A machine check has been logged; a work item calls this. If memory_failure() hears of the
 * error, it has done so before.
 */
static int gmfs_on_machine_check(struct notifier_block *nb, unsigned long val, void *data)
{
	struct mce *m = data;
	struct gmfs_tree *tree;
	phys_addr_t phys;

	if (!m || !mce_usable_address(m) || mce_is_correctable(m))
		return NOTIFY_DONE;
	phys = m->addr & MCI_ADDR_PHYSADDR;
	tree = gmfs_tree_at(phys);
	if (tree)
		gmfs_fail_page(tree, phys, NULL);
	return NOTIFY_DONE;
}

static struct notifier_block machine_checks = {
	.notifier_call	= gmfs_on_machine_check,
	.priority	= MCE_PRIO_EDAC,
};

/* Begin to listen. All trees have been loaded, or not. */
void gmfs_failure_init(void)
{
	mce_register_decode_chain(&machine_checks);
}

/* Undoes gmfs_failure_init(). */
void gmfs_failure_exit(void)
{
	mce_unregister_decode_chain(&machine_checks);
}
#else
void gmfs_failure_init(void)
{
}

void gmfs_failure_exit(void)
{
}
#endif
