// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: the region
 *
 * A window of physical memory that memmap= took from the kernel before it built
 * its direct map and its page descriptors. Claiming it checks that this is so,
 * keeps everybody else out by an exclusive resource, and settles the cache mode.
 *
 * x86 PAT maps a pfn that is not RAM uncached unless the memtype of its range is
 * known (arch/x86/mm/pat/memtype.c, lookup_memtype()). memremap() enters it as
 * write-back; iounmap() would take the entry away again, vunmap() removes the
 * mapping alone. So an entry for each GiB stays, and no kernel mapping.
 *
 * Afterwards the kernel maps a block only while it zeroes it.
 */
#define pr_fmt(fmt) "guestmemfs: " fmt

#include <linux/bitmap.h>
#include <linux/cc_platform.h>
#include <linux/file.h>
#include <linux/io.h>
#include <linux/ioport.h>
#include <linux/mm.h>
#include <linux/sizes.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include "guestmemfs.h"

#define FIRMWARE_MEMMAP	"/sys/firmware/memmap"

/**
 * gmfs_read_file - read a small file as a string
 * @path: the file
 * @buf: where to; ends in NUL on success
 * @size: bytes at @buf
 *
 * Context: process context; may sleep.
 * Return: length; -EFBIG if it does not fit; what opening or reading returned.
 */
ssize_t gmfs_read_file(const char *path, char *buf, size_t size)
{
	struct file *file = filp_open(path, O_RDONLY, 0);
	size_t len = 0;
	loff_t pos = 0;
	ssize_t n;

	if (IS_ERR(file))
		return PTR_ERR(file);
	do {
		n = kernel_read(file, buf + len, size - len, &pos);
		if (n > 0)
			len += n;
	} while (n > 0 && len < size);
	fput(file);
	if (n < 0)
		return n;
	if (len == size)
		return -EFBIG;
	buf[len] = '\0';
	return len;
}

/* One attribute of one entry of the firmware's memory map. */
static int read_memmap(int entry, const char *attr, char *buf, size_t size)
{
	char path[64];
	ssize_t len;

	snprintf(path, sizeof(path), FIRMWARE_MEMMAP "/%d/%s", entry, attr);
	len = gmfs_read_file(path, buf, size);
	return len < 0 ? len : 0;
}

/* How many bytes of the range the firmware calls memory; -errno if unknown. */
static s64 firmware_memory(u64 base, u64 size)
{
	u64 start, end, found = 0;
	char buf[32];
	int i, err;

	for (i = 0; ; i++) {
		err = read_memmap(i, "type", buf, sizeof(buf));
		if (err)
			return i ? found : err;
		if (strcmp(strim(buf), "System RAM"))
			continue;
		if (read_memmap(i, "start", buf, sizeof(buf)) ||
		    kstrtou64(strim(buf), 16, &start) ||
		    read_memmap(i, "end", buf, sizeof(buf)) ||
		    kstrtou64(strim(buf), 16, &end))
			return -EIO;
		start = max(start, base);
		end = min(end + 1, base + size);
		if (start < end)
			found += end - start;
	}
}

static bool has_pages(u64 base, u64 size)
{
	u64 addr;

	for (addr = base; addr < base + size; addr += GMFS_BLOCK_SIZE)
		if (pfn_valid(PHYS_PFN(addr)))
			return true;
	return false;
}

static int check_range(u64 base, u64 size)
{
	u64 end;
	s64 memory;

	/* User mappings would be encrypted, and those that zero would not. */
	if (cc_platform_has(CC_ATTR_MEM_ENCRYPT)) {
		pr_err("memory encryption (SME, SEV, TDX) is on: boot with mem_encrypt=off\n");
		return -EOPNOTSUPP;
	}
	if (check_add_overflow(base, size, &end) || end >> MAX_PHYSMEM_BITS ||
	    size >> GMFS_BLOCK_SHIFT >= U32_MAX) {
		pr_err("region 0x%llx@0x%llx reaches beyond what this machine can address\n",
		       size, base);
		return -EINVAL;
	}
	if (!size) {
		pr_err("region at 0x%llx is too small: it must hold a block of %lu KiB\n",
		       base, GMFS_BLOCK_SIZE >> 10);
		return -EINVAL;
	}
	if (!IS_ALIGNED(base, GMFS_BLOCK_SIZE) ||
	    !IS_ALIGNED(size, GMFS_BLOCK_SIZE)) {
		pr_err("region 0x%llx@0x%llx is not aligned: address and size must be multiples of %lu KiB\n",
		       size, base, GMFS_BLOCK_SIZE >> 10);
		return -EINVAL;
	}
	if (region_intersects(base, size, IORESOURCE_SYSTEM_RAM,
			      IORES_DESC_NONE) != REGION_DISJOINT) {
		pr_err("region 0x%llx@0x%llx is memory the kernel uses: add memmap=0x%llx$0x%llx to its command line\n",
		       size, base, size, base);
		return -EBUSY;
	}
	/* A section has descriptors for all of it if any of it is RAM. */
	if (has_pages(base, size)) {
		pr_err("region 0x%llx@0x%llx has page descriptors, for it shares a section with the kernel's memory: begin and end it at multiples of %lu MiB\n",
		       size, base, 1UL << (SECTION_SIZE_BITS - 20));
		return -EBUSY;
	}
	memory = firmware_memory(base, size);
	if (memory < 0) {
		pr_warn("cannot read " FIRMWARE_MEMMAP " (%pe): taking it on trust that region 0x%llx@0x%llx is memory\n",
			ERR_PTR(memory), size, base);
	} else if (memory < size) {
		pr_err("region 0x%llx@0x%llx is not memory: the firmware describes only 0x%llx bytes of it so\n",
		       size, base, memory);
		return -ENXIO;
	}
	return 0;
}

/* In steps, as KASAN needs an eighth of what is mapped for its shadow. */
static int set_cache_mode(u64 base, u64 size)
{
	u64 at, step;
	void *map;

	for (at = base; at < base + size; at += step) {
		step = min_t(u64, base + size - at, SZ_1G);
		map = memremap(at, step, MEMREMAP_WB);
		if (!map) {
			pr_err("cannot map region 0x%llx@0x%llx write-back\n",
			       size, base);
			return -ENOMEM;
		}
		vunmap(map);
	}
	return 0;
}

/**
 * gmfs_region_claim - make a range of memory the region
 * @r: the region, zeroed
 * @base: physical address, bytes
 * @size: bytes
 *
 * Says in the log what is wrong.
 *
 * Context: may sleep.
 * Return: 0; -EINVAL if the range is malformed; -EBUSY if the kernel or somebody
 * else uses it; -ENXIO if it is no memory; -EOPNOTSUPP if memory is encrypted;
 * -ENOMEM.
 */
int gmfs_region_claim(struct gmfs_region *r, u64 base, u64 size)
{
	u32 nr = size >> GMFS_BLOCK_SHIFT;
	int err, i;

	err = check_range(base, size);
	if (err)
		return err;
	r->resource = request_mem_region_exclusive(base, size, "guestmemfs");
	if (!r->resource) {
		pr_err("region 0x%llx@0x%llx is claimed by somebody else: see /proc/iomem\n",
		       size, base);
		return -EBUSY;
	}
	err = set_cache_mode(base, size);
	if (err)
		goto err_resource;
	err = gmfs_blocks_init(&r->blocks, nr, PUD_SIZE / PMD_SIZE,
			       (base >> GMFS_BLOCK_SHIFT) % (PUD_SIZE / PMD_SIZE));
	if (err)
		goto err_resource;
	r->written = kvcalloc(BITS_TO_LONGS(nr), sizeof(long), GFP_KERNEL);
	if (!r->written) {
		err = -ENOMEM;
		goto err_blocks;
	}
	r->base = base;
	r->size = size;
	mutex_init(&r->lock);
	for (i = 0; i < GMFS_NR_ZERO_LOCKS; i++)
		mutex_init(&r->zeroing[i]);
	return 0;

err_blocks:
	gmfs_blocks_destroy(&r->blocks);
err_resource:
	release_mem_region(base, size);
	return err;
}

void gmfs_region_release(struct gmfs_region *r)
{
	kvfree(r->written);
	gmfs_blocks_destroy(&r->blocks);
	release_mem_region(r->base, r->size);
}

/* Blocks of the file in [from, to) that are there become free, last one first. */
static void free_range(struct gmfs_region *r, struct gmfs_extents *x, u32 from,
		       u32 to)
{
	struct gmfs_extent cut;
	u32 i;

	lockdep_assert_held(&r->lock);
	while (gmfs_extents_cut(x, from, to, &cut)) {
		/* Atomic: gmfs_region_write_in() sets neighbours meanwhile. */
		for (i = 0; i < cut.nr; i++)
			clear_bit(cut.start + i, r->written);
		gmfs_blocks_free(&r->blocks, cut.start, cut.nr);
	}
}

/* Fill one hole. What was got so far is in @x even if it fails. */
static int fill_hole(struct gmfs_region *r, struct gmfs_extents *x, u32 at,
		     u32 nr)
{
	u32 start, got, goal, i;
	int err;

	while (nr) {
		err = gmfs_extents_reserve(x, 2);
		if (err)
			return err;
		i = gmfs_extents_find(x, at);
		goal = GMFS_NO_GOAL;
		if (i && x->e[i - 1].at + x->e[i - 1].nr == at)
			goal = x->e[i - 1].start + x->e[i - 1].nr;
		got = gmfs_blocks_alloc(&r->blocks, nr, at, goal, &start);
		if (!got)
			return -ENOSPC;
		gmfs_extents_insert(x, (struct gmfs_extent){ at, start, got });
		at += got;
		nr -= got;
	}
	return 0;
}

/**
 * gmfs_region_alloc - give a file blocks that it does not have yet
 * @r: the region
 * @x: the file's extents
 * @at: first block of the file
 * @nr: number of blocks; none of them may be there
 *
 * Context: the file's invalidate_lock is held for writing; may sleep.
 * Return: 0; -ENOSPC or -ENOMEM with nothing changed.
 */
int gmfs_region_alloc(struct gmfs_region *r, struct gmfs_extents *x, u32 at,
		      u32 nr)
{
	int err = -ENOSPC;
	unsigned int nofs;

	/* Reclaim may evict an inode, which takes r->lock. */
	nofs = memalloc_nofs_save();
	mutex_lock(&r->lock);
	if (nr <= r->blocks.nr_free)
		err = fill_hole(r, x, at, nr);
	if (err)
		free_range(r, x, at, at + nr);
	mutex_unlock(&r->lock);
	memalloc_nofs_restore(nofs);
	return err;
}

/**
 * gmfs_region_free - take blocks away from a file
 * @r: the region
 * @x: the file's extents, with room for one more
 * @from: first block of the file
 * @to: block after the last
 *
 * Nobody may map them any more. The next owner will find them zeroed.
 *
 * Context: the file's invalidate_lock is held for writing, or it is being
 * evicted; may sleep.
 */
void gmfs_region_free(struct gmfs_region *r, struct gmfs_extents *x, u32 from,
		      u32 to)
{
	mutex_lock(&r->lock);
	free_range(r, x, from, to);
	mutex_unlock(&r->lock);
}

/**
 * gmfs_region_is_written - whether blocks hold nothing but their file's data
 * @r: the region
 * @block: first block
 * @nr: number of blocks
 *
 * Context: any.
 * Return: true if they all do.
 */
bool gmfs_region_is_written(struct gmfs_region *r, u32 block, u32 nr)
{
	bool written;

	written = find_next_zero_bit(r->written, block + nr, block) >= block + nr;
	/* Pairs with the barrier in gmfs_region_write_in(). */
	smp_rmb();
	return written;
}

/**
 * gmfs_region_zero - zero a part of a block
 * @r: the region
 * @block: the block
 * @from: first byte
 * @to: byte after the last
 *
 * Context: may sleep.
 * Return: 0, or -ENOMEM if it could not be mapped.
 */
int gmfs_region_zero(struct gmfs_region *r, u32 block, u32 from, u32 to)
{
	void *map;

	map = memremap(r->base + ((u64)block << GMFS_BLOCK_SHIFT),
		       GMFS_BLOCK_SIZE, MEMREMAP_WB);
	if (!map)
		return -ENOMEM;
	memset(map + from, 0, to - from);
	memunmap(map);
	return 0;
}

/**
 * gmfs_region_write_in - zero a file's block unless it has been touched before
 * @r: the region
 * @block: the block
 *
 * Context: inside gmfs_change_begin(), with the file's invalidate_lock held, so
 * that the block remains the file's; may sleep.
 * Return: 0 if the block is written now, or -ENOMEM.
 */
int gmfs_region_write_in(struct gmfs_region *r, u32 block)
{
	struct mutex *lock = &r->zeroing[block % GMFS_NR_ZERO_LOCKS];
	int err = 0;

	if (gmfs_region_is_written(r, block, 1))
		return 0;
	mutex_lock(lock);
	if (!test_bit(block, r->written)) {
		err = gmfs_region_zero(r, block, 0, GMFS_BLOCK_SIZE);
		if (!err) {
			/* Zeroes first, then the bit: gmfs_region_is_written() */
			smp_mb__before_atomic();
			set_bit(block, r->written);
		}
	}
	mutex_unlock(lock);
	return err;
}
