// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: pages
 *
 * Memory that memmap= has taken from the kernel has no page descriptors. For a pool that
 * is mounted with "pages" memremap_pages() makes them, and a direct map, as for memory
 * of a device: MEMORY_DEVICE_GENERIC, one folio a block. The last unmount removes both.
 *
 * 1. A folio has one reference of its own. Any other is a *pin*: a device, I/O on its way or
 *    a pipe holds it. From 6.17 on page table entries hold references, too, so pins are
 *    counted only after the block has been unmapped. GUP fast takes its reference and then
 *    looks at the entry again, so it takes none once the entry has gone.
 * 2. A folio that was mapped belongs to its file's mapping, as in the page cache: futexes
 *    and those who set pages dirty look there. It is detached, with its lock held, before
 *    its block leaves the file or the inode goes.
 * 3. If a block is pinned at the last unmount, the pages and the module stay. A work item
 *    looks again until the last pin is released, and then removes the pages.
 */
#define pr_fmt(fmt) "guestmemfs: " fmt

#include <compat.h>
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/nodemask.h>
#include <linux/numa.h>
#include <linux/pagemap.h>
#include <linux/slab.h>

#include "mem.h"

/* How often pages that are pinned after the last unmount are looked at. */
#define GMFS_UNPIN_MS	500

/**
 * gmfs_pool_folio - the pages of a block
 * @p: the pool, which has pages
 * @block: the block
 *
 * Context: any.
 * Return: its folio, whose size is the block's.
 */
struct folio *gmfs_pool_folio(const struct gmfs_pool *p, u32 block)
{
	return page_folio(pfn_to_page(PHYS_PFN(gmfs_pool_phys(p, block))));
}

/**
 * gmfs_pool_is_pinned - whether a block's folio has other references than its own
 * @p: the pool
 * @block: the block; no page table maps it
 *
 * Context: any.
 * Return: false if it has none, or the pool has no pages.
 */
bool gmfs_pool_is_pinned(const struct gmfs_pool *p, u32 block)
{
	return p->has_pages && folio_ref_count(gmfs_pool_folio(p, block)) > 1;
}

/* How many blocks are pinned. Nothing is mounted. */
static u32 gmfs_pool_nr_pinned(const struct gmfs_pool *p)
{
	u32 block, nr = 0;

	for (block = 0; block < p->blocks.nr; block++) {
		nr += gmfs_pool_is_pinned(p, block);
		cond_resched();
	}
	return nr;
}

/**
 * gmfs_pool_detach_folios - the folios of a range belong to no mapping any more
 * @p: the pool
 * @x: a file's extents
 * @from: first block of the file
 * @to: block after the last
 *
 * Context: nothing maps them, and nothing can; may sleep.
 */
void gmfs_pool_detach_folios(struct gmfs_pool *p, const struct gmfs_extents *x, u32 from,
			     u32 to)
{
	struct gmfs_extent part;
	struct folio *folio;
	u32 i, n;

	if (!p->has_pages)
		return;
	for (i = gmfs_extents_find(x, from); gmfs_extents_part(x, i, from, to, &part); i++)
		for (n = part.start; n < part.start + part.nr; n++) {
			folio = gmfs_pool_folio(p, n);
			if (READ_ONCE(folio->mapping)) {
				folio_lock(folio);
				folio->mapping = NULL;
				folio_unlock(folio);
			}
			cond_resched();
		}
}

static void gmfs_window_remove_pages(struct gmfs_window *w)
{
	memunmap_pages(w->pgmap);
	kfree(w->pgmap);
	w->pgmap = NULL;
}

/*
 * The kernel marks pages of a device as reserved when it makes them. VFIO's type1 driver
 * takes such a page for one without a reference and never unpins it (put_pfn() in
 * drivers/vfio/vfio_iommu_type1.c); numa_maps leaves it out.
 */
static void gmfs_clear_reserved(const struct gmfs_window *w)
{
	unsigned long pfn = PHYS_PFN(w->base), end = PHYS_PFN(w->base + w->size);

	for (; pfn < end; pfn++) {
		gmfs_page_clear_reserved(pfn_to_page(pfn));
		if (!(pfn % GMFS_BLOCK_PAGES))
			cond_resched();
	}
}

static int gmfs_window_add_pages(struct gmfs_pool *p, struct gmfs_window *w)
{
	struct dev_pagemap *pgmap = kzalloc(sizeof(*pgmap), GFP_KERNEL);
	void *map;

	if (!pgmap)
		return -ENOMEM;
	pgmap->type = MEMORY_DEVICE_GENERIC;
	pgmap->range.start = w->base;
	pgmap->range.end = w->base + w->size - 1;
	pgmap->nr_range = 1;
	pgmap->vmemmap_shift = PMD_ORDER;
	pgmap->ops = &gmfs_pagemap_ops;
	pgmap->owner = p;
	map = memremap_pages(pgmap, node_online(w->node) ? w->node : NUMA_NO_NODE);
	if (IS_ERR(map)) {
		kfree(pgmap);
		return PTR_ERR(map);
	}
	w->pgmap = pgmap;
	gmfs_clear_reserved(w);
	return 0;
}

static void gmfs_pool_remove_pages(struct gmfs_pool *p)
{
	u32 i;

	p->has_pages = false;
	for (i = 0; i < p->nr_windows; i++)
		if (p->windows[i].pgmap)
			gmfs_window_remove_pages(&p->windows[i]);
}

/* The descriptors of a block; tail pages share theirs where the kernel can let them. */
static u64 gmfs_pool_pages_size(const struct gmfs_pool *p)
{
	struct dev_pagemap pgmap = { .vmemmap_shift = PMD_ORDER };
	u64 block = GMFS_BLOCK_PAGES * sizeof(struct page);

	if (vmemmap_can_optimize(NULL, &pgmap))
		block = VMEMMAP_RESERVE_NR * PAGE_SIZE;
	/* And a little for page tables. */
	return p->blocks.nr * (block + block / 16);
}

static int gmfs_pool_add_pages(struct gmfs_pool *p)
{
	u64 needs = gmfs_pool_pages_size(p);
	u64 available = (u64)max(si_mem_available(), 0L) << PAGE_SHIFT;
	int err = 0;
	u32 i;

	/* The kernel warns with a traceback if it finds none on the way. */
	if (needs > available) {
		pr_err("no pages: their descriptors need %llu MiB, and %llu MiB are available: mount without \"pages\", or give the pool less\n",
		       needs >> 20, available >> 20);
		return -ENOMEM;
	}
	for (i = 0; i < p->nr_windows && !err; i++)
		err = gmfs_window_add_pages(p, &p->windows[i]);
	if (err) {
		pr_err("no pages for window 0x%llx@0x%llx: %pe\n", p->windows[i - 1].size,
		       p->windows[i - 1].base, ERR_PTR(err));
		gmfs_pool_remove_pages(p);
		return err;
	}
	p->has_pages = true;
	return 0;
}

static void gmfs_unpin_later(struct gmfs_pool *p)
{
	schedule_delayed_work(&p->unpin, msecs_to_jiffies(GMFS_UNPIN_MS));
}

/* The last unmount kept the pages because a block was pinned. */
static void gmfs_unpin_work(struct work_struct *work)
{
	struct gmfs_pool *p = container_of(to_delayed_work(work), struct gmfs_pool, unpin);

	if (gmfs_pool_nr_pinned(p)) {
		gmfs_unpin_later(p);
		return;
	}
	gmfs_pool_remove_pages(p);
	pr_info("the last pin has gone, and the pages with it\n");
	/* gmfs_pool_pages_exit() waits for what is left of this function. */
	module_put(THIS_MODULE);
}

/* Before the pool is mounted, or goes. */
void gmfs_pool_pages_init(struct gmfs_pool *p)
{
	INIT_DELAYED_WORK(&p->unpin, gmfs_unpin_work);
}

/* Undoes gmfs_pool_pages_init(). The module goes, so no pages are left. */
void gmfs_pool_pages_exit(struct gmfs_pool *p)
{
	cancel_delayed_work_sync(&p->unpin);
}

/**
 * gmfs_pool_get_pages - give a pool the pages that a mount wants, or none
 * @p: the pool
 * @want: whether it wants them
 * @nr_pinned: set on -EBUSY: how many blocks are pinned since an earlier mount
 *
 * Says in the log what is wrong.
 *
 * Context: about to be mounted for the first time; may sleep.
 * Return: 0; -EBUSY if none are wanted, and they cannot go; -ENOMEM; what
 * memremap_pages() returned.
 */
int gmfs_pool_get_pages(struct gmfs_pool *p, bool want, u32 *nr_pinned)
{
	int err;

	cancel_delayed_work_sync(&p->unpin);
	if (p->has_pages) {
		/* The last unmount left them behind. */
		*nr_pinned = want ? 0 : gmfs_pool_nr_pinned(p);
		if (*nr_pinned) {
			gmfs_unpin_later(p);
			return -EBUSY;
		}
		if (!want)
			gmfs_pool_remove_pages(p);
		module_put(THIS_MODULE);
	} else if (want) {
		err = gmfs_pool_add_pages(p);
		if (err)
			return err;
	}
	p->uses_pages = want;
	return 0;
}

/**
 * gmfs_pool_put_pages - remove what gmfs_pool_get_pages() has given
 * @p: the pool
 *
 * Not while a block is pinned: see above.
 *
 * Context: unmounted for the last time, and all inodes have gone; may sleep.
 */
void gmfs_pool_put_pages(struct gmfs_pool *p)
{
	u32 nr;

	/* A mount that failed may not have got as far. */
	if (!p->uses_pages)
		return;
	p->uses_pages = false;
	nr = gmfs_pool_nr_pinned(p);
	if (!nr) {
		gmfs_pool_remove_pages(p);
		return;
	}
	pr_info("%u blocks are still pinned: the pages stay until they are let go\n", nr);
	__module_get(THIS_MODULE);
	gmfs_unpin_later(p);
}
