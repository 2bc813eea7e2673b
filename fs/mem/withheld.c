// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: blocks that are withheld
 *
 * A block that no file has any more must not be given to another one while a device can
 * still write to it, or read it. Such a block is *withheld*: in use, and in no file.
 *
 * With pages a block is withheld while somebody pins it; see fs/mem/pages.c. One with a bad page
 * is withheld for ever; see fs/mem/bad.c.
 *
 * Without, nothing tells of one block whether a device reaches it: VFIO's type1 driver
 * takes the pfn that a page table has, and no reference. So a block that a shared mapping
 * had is withheld if any device is in the hands of a program. It comes back when
 * no device is left there, or when the administrator says so.
 *
 * What is withheld is in no image: whoever could reach a block has gone when the next
 * kernel finds it free.
 */
#define pr_fmt(fmt) "guestmemfs: " fmt

#include <linux/bitmap.h>
#include <linux/iommu.h>
#include <linux/mm.h>
#include <linux/pci.h>
#include <linux/sched/signal.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "mem.h"

#ifdef CONFIG_PCI
/* Devices of the kernel's own drivers have its DMA API; VFIO's are claimed while in use. */
static int is_in_a_users_hands(struct device *dev, void *unused)
{
	struct iommu_group *group = NULL;
	bool claimed;

	if (pci_is_bridge(to_pci_dev(dev)))
		return 0;
	/* Who unbinds a driver has the lock, and waits for users, who may wait for us. */
	if (!device_trylock(dev))
		return 1;
	if (dev->driver && to_pci_driver(dev->driver)->driver_managed_dma)
		group = iommu_group_get(dev);
	claimed = group && iommu_group_dma_owner_claimed(group);
	iommu_group_put(group);
	device_unlock(dev);
	return claimed;
}
#endif

/**
 * gmfs_devices_have_users - whether some device reaches what a program has told its IOMMU
 *
 * On x86 all devices behind an IOMMU that VFIO can hand out are on the PCI bus. A device of
 * the mdev kind has its memory pinned page by page, and so needs pages. Without an IOMMU
 * (VFIO's no-IOMMU mode, UIO) a device can reach anything, and nothing tells of it.
 *
 * Context: may sleep.
 * Return: true if there is one.
 */
bool gmfs_devices_have_users(void)
{
#ifdef CONFIG_PCI
	return bus_for_each_dev(&pci_bus_type, NULL, NULL, is_in_a_users_hands);
#else
	return false;
#endif
}

/**
 * gmfs_pool_mark_mapped - a shared mapping without pages is about to have blocks
 * @p: the pool
 * @block: the first one
 * @nr: how many
 *
 * Context: the file's invalidate_lock is held.
 */
void gmfs_pool_mark_mapped(struct gmfs_pool *p, u32 block, u32 nr)
{
	unsigned long i = block, end = block + nr;

	while ((i = find_next_zero_bit(p->mapped, end, i)) < end)
		set_bit(i, p->mapped);
}

/**
 * gmfs_pool_is_reached - whether somebody may write to a block that no page table maps
 * @p: the pool
 * @block: the block
 * @devices: gmfs_devices_have_users()
 *
 * Context: any.
 * Return: true if it is pinned, or a device may reach it.
 */
bool gmfs_pool_is_reached(const struct gmfs_pool *p, u32 block, bool devices)
{
	return gmfs_pool_is_pinned(p, block) || (devices && test_bit(block, p->mapped));
}

/* Whether a block must not get to another file. */
static bool gmfs_is_to_be_withheld(const struct gmfs_pool *p, u32 block, bool devices)
{
	return gmfs_pool_is_reached(p, block, devices) || gmfs_pool_is_bad(p, block);
}

static void gmfs_withhold(struct gmfs_pool *p, u32 block)
{
	lockdep_assert_held(&p->lock);
	__set_bit(block, p->withheld);
	WRITE_ONCE(p->nr_withheld, p->nr_withheld + 1);
}

/**
 * gmfs_pool_give_back - make blocks free, or withhold them
 * @p: the pool
 * @run: the blocks; nothing maps them
 * @devices: gmfs_devices_have_users()
 *
 * Context: @p->lock is held.
 */
void gmfs_pool_give_back(struct gmfs_pool *p, const struct gmfs_extent *run, bool devices)
{
	u32 i, first = run->start, end = run->start + run->nr;

	lockdep_assert_held(&p->lock);
	for (i = first; i < end; i++) {
		/* Atomic: gmfs_pool_init_block() sets neighbours meanwhile. */
		clear_bit(i, p->written);
		if (gmfs_is_to_be_withheld(p, i, devices)) {
			gmfs_withhold(p, i);
			gmfs_blocks_free(&p->blocks, first, i - first);
			first = i + 1;
		} else {
			clear_bit(i, p->mapped);
		}
	}
	gmfs_blocks_free(&p->blocks, first, end - first);
}

/**
 * gmfs_pool_withhold_free - withhold free blocks that devices reach, and bad ones
 * @p: the pool
 *
 * A tree was built from an image, which knows nothing of either.
 *
 * Context: no other task uses the pool; after gmfs_pool_reset(); may sleep.
 */
void gmfs_pool_withhold_free(struct gmfs_pool *p)
{
	bool devices = gmfs_devices_have_users();
	u32 i;

	mutex_lock(&p->lock);
	for (i = 0; i < p->blocks.nr; i++) {
		if (gmfs_is_to_be_withheld(p, i, devices) &&
		    !gmfs_blocks_take(&p->blocks, i, 1))
			gmfs_withhold(p, i);
		cond_resched();
	}
	mutex_unlock(&p->lock);
	if (p->nr_withheld)
		pr_info("%u free blocks are withheld, as a device may reach them or they are bad: see guestmemfs.rst\n",
			p->nr_withheld);
}

/**
 * gmfs_pool_withhold_bad - a page of a block has become bad
 * @p: the pool
 * @block: the block
 *
 * If a file has it, it is withheld when the file gives it up.
 *
 * Context: nobody allocates blocks, so none is reserved; may sleep.
 */
void gmfs_pool_withhold_bad(struct gmfs_pool *p, u32 block)
{
	mutex_lock(&p->lock);
	if (!gmfs_blocks_take(&p->blocks, block, 1))
		gmfs_withhold(p, block);
	mutex_unlock(&p->lock);
}

/* Takes a block that no device reaches any more out of what is withheld. */
static u32 gmfs_next_unreached(struct gmfs_pool *p, u32 from, bool devices)
{
	u32 i;

	mutex_lock(&p->lock);
	for (i = find_next_bit(p->withheld, p->blocks.nr, from); i < p->blocks.nr;
	     i = find_next_bit(p->withheld, p->blocks.nr, i + 1))
		if (!gmfs_is_to_be_withheld(p, i, devices)) {
			__clear_bit(i, p->withheld);
			WRITE_ONCE(p->nr_withheld, p->nr_withheld - 1);
			break;
		}
	mutex_unlock(&p->lock);
	return i;
}

/**
 * gmfs_pool_reclaim - make those withheld blocks free that no device reaches any more
 * @p: the pool
 * @devices: gmfs_devices_have_users(); or false, if the administrator answers for it
 *
 * A device may have written to a block after it was scrubbed. A signal that kills ends it.
 *
 * Context: mounted, with the gate held; may sleep.
 * Return: how many.
 */
u32 gmfs_pool_reclaim(struct gmfs_pool *p, bool devices)
{
	struct gmfs_extent run = { .nr = 1 };
	u32 nr = 0;

	if (!READ_ONCE(p->nr_withheld))
		return 0;
	while ((run.start = gmfs_next_unreached(p, run.start, devices)) < p->blocks.nr) {
		if (READ_ONCE(p->scrub) &&
		    gmfs_pool_zero(p, run.start, 0, GMFS_BLOCK_SIZE))
			pr_warn_ratelimited("no memory to scrub a block: it keeps its contents until it is used again\n");
		mutex_lock(&p->lock);
		gmfs_pool_give_back(p, &run, devices);
		mutex_unlock(&p->lock);
		nr++;
		if (fatal_signal_pending(current))
			break;
		cond_resched();
	}
	return nr;
}

/* A machine check on the way counts as something else than zeroes. */
static bool gmfs_is_zero(const void *from, size_t len)
{
	u8 piece[256];
	size_t at;

	for (at = 0; at < len; at += sizeof(piece))
		if (copy_mc_to_kernel(piece, from + at, sizeof(piece)) ||
		    memchr_inv(piece, 0, sizeof(piece)))
			return false;
	return true;
}

/**
 * gmfs_pool_is_idle_zero - whether a block holds zeroes, and nobody is about to change that
 * @p: the pool
 * @block: the block; nothing maps it
 *
 * A bad page counts as zero: what it held is not asked for any more.
 *
 * Context: the file's invalidate_lock is held for writing; may sleep.
 * Return: false if a device reaches it, it holds something else, or no memory maps it.
 */
bool gmfs_pool_is_idle_zero(struct gmfs_pool *p, u32 block)
{
	bool zero = true;
	u32 at, len;
	void *map;

	if (gmfs_pool_is_reached(p, block, gmfs_devices_have_users()))
		return false;
	if (!gmfs_pool_is_written(p, block, 1))
		return true;
	for (at = 0; at < GMFS_BLOCK_SIZE && zero; at += len + PAGE_SIZE) {
		len = gmfs_pool_until_bad(p, gmfs_pool_phys(p, block) + at, GMFS_BLOCK_SIZE - at);
		if (!len)
			continue;
		map = gmfs_pool_map(p, block, at, len);
		if (!map)
			return false;
		zero = gmfs_is_zero(map, len);
		gmfs_pool_unmap(p, map);
	}
	return zero;
}
