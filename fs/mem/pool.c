// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: windows
 *
 * A window is physical memory that memmap= took from the kernel before it built
 * its direct map and its page descriptors. Claiming it checks that this is so,
 * keeps other drivers out by an exclusive resource (and /dev/mem, if the kernel has
 * CONFIG_STRICT_DEVMEM), and settles the cache mode.
 *
 * x86 PAT maps a pfn that is not RAM uncached unless the memtype of its range is
 * known (arch/x86/mm/pat/memtype.c, lookup_memtype()). memremap() enters it as
 * write-back; iounmap() would take the entry away again, vunmap() removes the
 * mapping alone. So an entry for each GiB stays until the window is released, and no
 * kernel mapping.
 *
 * Afterwards the kernel maps a block only while it zeroes or copies it.
 */
#define pr_fmt(fmt) "guestmemfs: " fmt

#include <guestmemfs/abi.h>
#include <linux/bitmap.h>
#include <linux/cc_platform.h>
#include <linux/file.h>
#include <linux/io.h>
#include <linux/ioport.h>
#include <linux/mm.h>
#include <linux/nodemask.h>
#include <linux/numa.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include "mem.h"

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
static int gmfs_read_memmap(int entry, const char *attr, char *buf, size_t size)
{
	char path[64];
	ssize_t len;

	snprintf(path, sizeof(path), FIRMWARE_MEMMAP "/%d/%s", entry, attr);
	len = gmfs_read_file(path, buf, size);
	return len < 0 ? len : 0;
}

/* How many bytes of the range the firmware calls memory; -errno if unknown. */
static s64 gmfs_firmware_memory(u64 base, u64 size)
{
	u64 start, end, found = 0;
	char buf[32];
	int i, err;

	for (i = 0; ; i++) {
		err = gmfs_read_memmap(i, "type", buf, sizeof(buf));
		if (err)
			return i ? found : err;
		if (strcmp(strim(buf), "System RAM"))
			continue;
		if (gmfs_read_memmap(i, "start", buf, sizeof(buf)) ||
		    kstrtou64(strim(buf), 16, &start) ||
		    gmfs_read_memmap(i, "end", buf, sizeof(buf)) ||
		    kstrtou64(strim(buf), 16, &end))
			return -EIO;
		start = max(start, base);
		end = min(end + 1, base + size);
		if (start < end)
			found += end - start;
	}
}

static bool gmfs_has_pages(u64 base, u64 size)
{
	u64 addr;

	for (addr = base; addr < base + size; addr += GMFS_BLOCK_SIZE)
		if (pfn_valid(PHYS_PFN(addr)))
			return true;
	return false;
}

static int gmfs_check_range(u64 base, u64 size)
{
	u64 end;
	s64 memory;

	/* User mappings would be encrypted, and those that zero would not. */
	if (cc_platform_has(CC_ATTR_MEM_ENCRYPT)) {
		pr_err("memory encryption (SME, SEV, TDX) is on: boot the host with mem_encrypt=off; an SEV or TDX guest cannot do without\n");
		return -EOPNOTSUPP;
	}
	if (check_add_overflow(base, size, &end) || end >> MAX_PHYSMEM_BITS) {
		pr_err("window 0x%llx@0x%llx reaches beyond what this machine can address\n",
		       size, base);
		return -EINVAL;
	}
	if (!IS_ALIGNED(base, GMFS_BLOCK_SIZE) ||
	    !IS_ALIGNED(size, GMFS_BLOCK_SIZE)) {
		pr_err("window 0x%llx@0x%llx is not aligned: address and size must be multiples of %lu KiB\n",
		       size, base, GMFS_BLOCK_SIZE >> 10);
		return -EINVAL;
	}
	if (size < 2 * GMFS_BLOCK_SIZE) {
		pr_err("window at 0x%llx is too small: it must hold a block of %lu KiB for itself and one for files\n",
		       base, GMFS_BLOCK_SIZE >> 10);
		return -EINVAL;
	}
	if (region_intersects(base, size, IORESOURCE_SYSTEM_RAM,
			      IORES_DESC_NONE) != REGION_DISJOINT) {
		pr_err("window 0x%llx@0x%llx is memory the kernel uses: add memmap=0x%llx$0x%llx to its command line\n",
		       size, base, size, base);
		return -EBUSY;
	}
	/* A section has descriptors for all of it if any of it is RAM. */
	if (gmfs_has_pages(base, size)) {
		pr_err("window 0x%llx@0x%llx has page descriptors, for it shares a section with the kernel's memory: begin and end it at multiples of %lu MiB\n",
		       size, base, 1UL << (SECTION_SIZE_BITS - 20));
		return -EBUSY;
	}
	memory = gmfs_firmware_memory(base, size);
	if (memory < 0) {
		pr_warn("cannot read " FIRMWARE_MEMMAP " (%pe): taking it on trust that window 0x%llx@0x%llx is memory\n",
			ERR_PTR(memory), size, base);
	} else if (memory < size) {
		pr_err("window 0x%llx@0x%llx is not memory: the firmware describes only 0x%llx bytes of it so\n",
		       size, base, memory);
		return -ENXIO;
	}
	return 0;
}

/*
 * Remove what gmfs_set_cache_mode() has entered, by the same steps: an entry is found by its exact
 * range. Whatever the name says, the entry may be of any cache mode.
 */
static void gmfs_reset_cache_mode(u64 base, u64 size)
{
	u64 at, step;

	for (at = base; at < base + size; at += step) {
		step = min_t(u64, base + size - at, SZ_1G);
		arch_io_free_memtype_wc(at, step);
	}
}

/* In steps, as KASAN needs an eighth of what is mapped for its shadow. */
static int gmfs_set_cache_mode(u64 base, u64 size)
{
	u64 at, step;
	void *map;

	for (at = base; at < base + size; at += step) {
		step = min_t(u64, base + size - at, SZ_1G);
		map = memremap(at, step, MEMREMAP_WB);
		if (!map) {
			pr_err("cannot map window 0x%llx@0x%llx write-back\n",
			       size, base);
			gmfs_reset_cache_mode(base, at - base);
			return -ENOMEM;
		}
		vunmap(map);
	}
	return 0;
}

/*
 * Which node a window is on; the node may have no other memory. A window that begins on one node
 * and ends on another may hold the files of a 0.1 that did not ask: it counts for the first.
 */
static int gmfs_find_node(u64 base, u64 size, int *node)
{
	u64 at;

	*node = phys_to_target_node(base);
	if (*node == NUMA_NO_NODE && nr_online_nodes == 1) {
		*node = first_online_node;
		return 0;
	}
	if (*node == NUMA_NO_NODE) {
		pr_err("window 0x%llx@0x%llx is on no NUMA node: the firmware's tables (SRAT) do not have it\n",
		       size, base);
		return -ENXIO;
	}
	for (at = base; at < base + size; at += 1UL << SECTION_SIZE_BITS)
		if (phys_to_target_node(at) != *node) {
			pr_warn("window 0x%llx@0x%llx counts for node %d, and what begins at 0x%llx is on another: make two windows of it\n",
				size, base, *node, at);
			break;
		}
	return 0;
}

static int gmfs_window_claim(struct gmfs_pool *p, const struct gmfs_range *range)
{
	struct gmfs_window *w = &p->windows[p->nr_windows];
	u64 base = range->base, size = range->size;
	u32 nr = size >> GMFS_BLOCK_SHIFT;
	u32 first = (base >> GMFS_BLOCK_SHIFT) % (PUD_SIZE / PMD_SIZE);
	int node, err;

	err = gmfs_check_range(base, size);
	if (!err)
		err = gmfs_find_node(base, size, &node);
	if (err)
		return err;
	w->resource = request_mem_region_exclusive(base, size, "guestmemfs");
	if (!w->resource) {
		pr_err("another driver has claimed a part of window 0x%llx@0x%llx: see /proc/iomem\n",
		       size, base);
		return -EBUSY;
	}
	err = gmfs_set_cache_mode(base, size);
	if (err)
		goto err_resource;
	w->base = base;
	w->size = size;
	w->node = node;
	w->start = p->blocks.nr;
	err = p->nr_windows ? gmfs_blocks_add(&p->blocks, nr, first) :
			      gmfs_blocks_init(&p->blocks, nr, PUD_SIZE / PMD_SIZE, first);
	if (err)
		goto err_cache_mode;
	p->nr_windows++;
	return 0;

err_cache_mode:
	gmfs_reset_cache_mode(base, size);
err_resource:
	release_mem_region(base, size);
	return err;
}

static int gmfs_check_size(const struct gmfs_range *ranges, u32 nr)
{
	u64 blocks = 0;
	u32 i;

	for (i = 0; i < nr; i++)
		blocks += ranges[i].size >> GMFS_BLOCK_SHIFT;
	if (blocks <= GMFS_MAX_BLOCKS)
		return 0;
	pr_err("a pool of 0x%llx bytes is larger than the %lu TiB that an image can describe\n",
	       blocks << GMFS_BLOCK_SHIFT, (GMFS_MAX_BLOCKS * GMFS_BLOCK_SIZE) >> 40);
	return -EINVAL;
}

/**
 * gmfs_pool_claim - make ranges of memory the windows of a pool
 * @p: the pool, zeroed
 * @ranges: physical addresses and sizes, bytes, none overlapping another
 * @nr: how many, 1 to GMFS_MAX_WINDOWS
 *
 * All or none. Says in the log what is wrong.
 *
 * Context: may sleep.
 * Return: 0; -EINVAL if a range is malformed; -EBUSY if the kernel or another
 * driver uses it; -ENXIO if it is no memory; -EOPNOTSUPP if memory is encrypted;
 * -ENOMEM.
 */
int gmfs_pool_claim(struct gmfs_pool *p, const struct gmfs_range *ranges, u32 nr)
{
	u32 i;
	int err;

	err = gmfs_check_size(ranges, nr);
	if (err)
		return err;
	gmfs_pool_pages_init(p);
	p->windows = kcalloc(nr, sizeof(*p->windows), GFP_KERNEL);
	if (!p->windows)
		return -ENOMEM;
	for (i = 0; i < nr && !err; i++)
		err = gmfs_window_claim(p, &ranges[i]);
	if (err)
		goto err_release;
	p->written = kvcalloc(BITS_TO_LONGS(p->blocks.nr), sizeof(long), GFP_KERNEL);
	p->zeroing = kvcalloc(BITS_TO_LONGS(p->blocks.nr), sizeof(long), GFP_KERNEL);
	p->mapped = kvcalloc(BITS_TO_LONGS(p->blocks.nr), sizeof(long), GFP_KERNEL);
	p->withheld = kvcalloc(BITS_TO_LONGS(p->blocks.nr), sizeof(long), GFP_KERNEL);
	if (!p->written || !p->zeroing || !p->mapped || !p->withheld) {
		err = -ENOMEM;
		goto err_release;
	}
	/* The module may have been here before. */
	if (gmfs_devices_have_users())
		bitmap_fill(p->mapped, p->blocks.nr);
	mutex_init(&p->lock);
	gmfs_pool_reset(p);
	return 0;

err_release:
	gmfs_pool_release(p);
	return err;
}

/**
 * gmfs_pool_release - undo gmfs_pool_claim()
 * @p: the pool; nothing may be mapped of it
 *
 * Context: may sleep.
 */
void gmfs_pool_release(struct gmfs_pool *p)
{
	gmfs_pool_pages_exit(p);
	gmfs_pool_forget_bad(p);
	kvfree(p->withheld);
	kvfree(p->mapped);
	kvfree(p->zeroing);
	kvfree(p->written);
	p->withheld = NULL;
	p->mapped = NULL;
	p->zeroing = NULL;
	p->written = NULL;
	if (p->nr_windows)
		gmfs_blocks_destroy(&p->blocks);
	while (p->nr_windows) {
		struct gmfs_window *w = &p->windows[--p->nr_windows];

		gmfs_reset_cache_mode(w->base, w->size);
		release_mem_region(w->base, w->size);
	}
	kfree(p->windows);
	p->windows = NULL;
}
