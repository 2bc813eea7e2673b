// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where a file's blocks are: for faults, for reads, and for lseek() and FIEMAP.
 *
 * What is not written is a hole to lseek(), whether it has blocks or not.
 */
#include <linux/capability.h>
#include <linux/fiemap.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/uaccess.h>

#include "guestmemfs.h"

/**
 * gmfs_file_find_block - where a block of a file is
 * @inode: a regular file
 * @at: block of the file
 * @contiguous: how many blocks from there on are one run; set on success
 *
 * Context: the mapping's invalidate_lock is held, or no task changes blocks.
 * Return: the pool's block, or GMFS_HOLE.
 */
u32 gmfs_file_find_block(struct inode *inode, u32 at, u32 *contiguous)
{
	struct gmfs_extents *x = &gmfs_i(inode)->extents;
	u32 i = gmfs_extents_find(x, at);

	if (i == x->nr || x->e[i].at > at)
		return GMFS_HOLE;
	*contiguous = x->e[i].nr - (at - x->e[i].at);
	return x->e[i].start + (at - x->e[i].at);
}

/* gmfs_file_find_pfn(), and the first block. */
static unsigned long gmfs_find_mappable(struct inode *inode, pgoff_t pgoff, unsigned int order,
					u32 *block)
{
	u32 nr_blocks = DIV_ROUND_UP(1UL << order, GMFS_BLOCK_PAGES), contiguous;
	unsigned long pfn;

	*block = gmfs_file_find_block(inode, pgoff / GMFS_BLOCK_PAGES, &contiguous);
	if (*block == GMFS_HOLE || contiguous < nr_blocks ||
	    !gmfs_pool_is_written(gmfs_pool_of(inode), *block, nr_blocks))
		return 0;
	pfn = PHYS_PFN(gmfs_pool_phys(gmfs_pool_of(inode), *block)) + pgoff % GMFS_BLOCK_PAGES;
	return IS_ALIGNED(pfn, 1UL << order) ? pfn : 0;
}

/**
 * gmfs_file_find_pfn - the memory that one entry of a page table can map
 * @inode: a regular file
 * @pgoff: page of the file, a multiple of 1 << @order
 * @order: 0, PMD_ORDER or PUD_ORDER
 *
 * Context: the mapping's invalidate_lock is held, or no task changes blocks.
 * Return: the first pfn, or 0 if there is a hole in these pages, a block that is not
 * written, or memory that is not one aligned piece.
 */
unsigned long gmfs_file_find_pfn(struct inode *inode, pgoff_t pgoff, unsigned int order)
{
	u32 block;

	return gmfs_find_mappable(inode, pgoff, order, &block);
}

/* Futexes, and who sets pages dirty, find the file by them. All faults write the same. */
static void gmfs_attach_folio(struct inode *inode, struct folio *folio, pgoff_t index)
{
	if (READ_ONCE(folio->mapping) == inode->i_mapping)
		return;
	folio->index = index;
	/* Who finds the mapping finds the index. */
	smp_store_release(&folio->mapping, inode->i_mapping);
}

/**
 * gmfs_file_map_pfn - gmfs_file_find_pfn() for an entry that is about to be made
 * @inode: a regular file
 * @pgoff: page of the file, a multiple of 1 << @order
 * @order: 0, PMD_ORDER or PUD_ORDER
 *
 * Context: the mapping's invalidate_lock is held.
 * Return: as gmfs_file_find_pfn().
 */
unsigned long gmfs_file_map_pfn(struct inode *inode, pgoff_t pgoff, unsigned int order)
{
	u32 at = pgoff / GMFS_BLOCK_PAGES, nr = DIV_ROUND_UP(1UL << order, GMFS_BLOCK_PAGES);
	u32 block, i;
	unsigned long pfn = gmfs_find_mappable(inode, pgoff, order, &block);

	if (!pfn)
		return 0;
	if (!gmfs_pool_of(inode)->has_pages) {
		gmfs_pool_mark_mapped(gmfs_pool_of(inode), block, nr);
		return pfn;
	}
	for (i = 0; i < nr; i++)
		gmfs_attach_folio(inode, gmfs_pool_folio(gmfs_pool_of(inode), block + i),
				  (pgoff_t)(at + i) * GMFS_BLOCK_PAGES);
	return pfn;
}

/**
 * gmfs_file_find_page - the page that a private mapping shares with its file
 * @inode: a regular file
 * @pgoff: page of the file
 *
 * The page cache has all others: those of holes, of blocks that are not written or have a bad
 * page, and of the block that EOF is in, whose folio reaches beyond. mm maps a whole folio.
 *
 * Context: no task changes blocks.
 * Return: the page, or NULL if the page cache has it, as for all in a pool without pages.
 */
struct page *gmfs_file_find_page(struct inode *inode, pgoff_t pgoff)
{
	pgoff_t end = DIV_ROUND_UP_ULL(i_size_read(inode), PAGE_SIZE);
	struct gmfs_pool *p = gmfs_pool_of(inode);
	unsigned long pfn;

	if (!p->has_pages ||
	    round_down(pgoff, GMFS_BLOCK_PAGES) + GMFS_BLOCK_PAGES > end)
		return NULL;
	pfn = gmfs_file_map_pfn(inode, pgoff, 0);
	if (!pfn || gmfs_pool_is_bad(p, gmfs_pool_block(p, PFN_PHYS(pfn))))
		return NULL;
	return pfn_to_page(pfn);
}

/**
 * gmfs_file_read - copy what a file holds into kernel memory
 * @inode: a regular file
 * @pos: first byte
 * @to: where to
 * @len: number of bytes, all of one block
 *
 * Context: blocks stay where they are; may sleep.
 * Return: 0; -ENOMEM; -EIO if the memory is bad: a machine check that a plain memcpy()
 * meets is a panic.
 */
int gmfs_file_read(struct inode *inode, loff_t pos, void *to, u32 len)
{
	struct gmfs_pool *p = gmfs_pool_of(inode);
	u32 block, contiguous;
	unsigned long left;
	void *map;

	block = gmfs_file_find_block(inode, pos >> GMFS_BLOCK_SHIFT, &contiguous);
	if (block == GMFS_HOLE || !gmfs_pool_is_written(p, block, 1)) {
		memset(to, 0, len);
		return 0;
	}
	if (gmfs_pool_until_bad(p, gmfs_pool_phys(p, block) + pos % GMFS_BLOCK_SIZE, len) < len)
		return -EIO;
	map = gmfs_pool_map(p, block, pos % GMFS_BLOCK_SIZE, len);
	if (!map)
		return -ENOMEM;
	left = copy_mc_to_kernel(to, map, len);
	gmfs_pool_unmap(p, map);
	return left ? -EIO : 0;
}

/**
 * gmfs_file_may_have_pud - whether a mapping can have a PUD entry
 * @inode: a regular file
 * @pos: a byte that it would map
 *
 * Context: the mapping's invalidate_lock is held for writing; or for reading, if it is
 * about a VMA that is locked for writing.
 * Return: false if none can.
 */
bool gmfs_file_may_have_pud(struct inode *inode, loff_t pos)
{
	return READ_ONCE(gmfs_i(inode)->had_pud) &&
	       gmfs_file_find_pfn(inode, round_down(pos, PUD_SIZE) >> PAGE_SHIFT, PUD_ORDER);
}

/**
 * struct run - blocks of a file that are alike
 * @block: the pool's first block, or GMFS_HOLE
 * @nr: how many
 * @written: they hold data
 * @last: no block of the file comes after them
 */
struct run {
	u32 block;
	u32 nr;
	bool written;
	bool last;
};

static struct run gmfs_run_at(struct inode *inode, u32 at)
{
	struct gmfs_extents *x = &gmfs_i(inode)->extents;
	unsigned long *written = gmfs_pool_of(inode)->written;
	struct run run = { .block = GMFS_HOLE, .last = true };
	u32 i, end;

	filemap_invalidate_lock_shared(inode->i_mapping);
	i = gmfs_extents_find(x, at);
	if (i == x->nr) {
		run.nr = U32_MAX - at;
	} else if (x->e[i].at > at) {
		run.nr = x->e[i].at - at;
		run.last = false;
	} else {
		run.block = gmfs_file_find_block(inode, at, &run.nr);
		run.written = test_bit(run.block, written);
		end = run.block + run.nr;
		/* The first bit may be set meanwhile: no run is empty for that. */
		run.nr = (run.written ?
			  find_next_zero_bit(written, end, run.block + 1) :
			  find_next_bit(written, end, run.block + 1)) - run.block;
		run.last = i + 1 == x->nr && run.block + run.nr == end;
	}
	filemap_invalidate_unlock_shared(inode->i_mapping);
	return run;
}

static loff_t gmfs_seek(struct inode *inode, loff_t offset, bool data)
{
	loff_t size = i_size_read(inode), found;
	struct run run;
	u32 at;

	if (offset < 0 || offset >= size)
		return -ENXIO;
	for (at = offset >> GMFS_BLOCK_SHIFT; at < gmfs_blocks_for(size); at += run.nr) {
		run = gmfs_run_at(inode, at);
		if (run.written == data) {
			found = (loff_t)at << GMFS_BLOCK_SHIFT;
			return max(offset, found);
		}
	}
	return data ? -ENXIO : size;
}

/**
 * gmfs_llseek - lseek(), SEEK_DATA and SEEK_HOLE too
 * @file: the file
 * @offset: bytes
 * @whence: from where
 *
 * What has not been written is a hole, whether it has blocks or not.
 *
 * Return: the new position; -ENXIO if there is no data, or beyond EOF; -EINVAL.
 */
loff_t gmfs_llseek(struct file *file, loff_t offset, int whence)
{
	struct inode *inode = file_inode(file);

	if (whence != SEEK_DATA && whence != SEEK_HOLE)
		return generic_file_llseek(file, offset, whence);
	inode_lock_shared(inode);
	offset = gmfs_seek(inode, offset, whence == SEEK_DATA);
	inode_unlock_shared(inode);
	return offset < 0 ? offset : vfs_setpos(file, offset, inode->i_sb->s_maxbytes);
}

/**
 * gmfs_fiemap - list a file's extents
 * @inode: a regular file
 * @info: where to
 * @start: first byte
 * @len: number of bytes
 *
 * Physical addresses are for CAP_SYS_ADMIN, as in /proc/PID/pagemap.
 *
 * Return: 0; -EBADR for a flag; what copying to user space returned.
 */
int gmfs_fiemap(struct inode *inode, struct fiemap_extent_info *info, u64 start,
		u64 len)
{
	bool show_phys = ns_capable_noaudit(&init_user_ns, CAP_SYS_ADMIN);
	struct run run;
	u64 phys;
	u32 flags, at, to;
	int err;

	err = fiemap_prep(inode, info, start, &len, 0);
	if (err)
		return err;
	to = min_t(u64, DIV_ROUND_UP_ULL(start + len, GMFS_BLOCK_SIZE), U32_MAX);
	for (at = start >> GMFS_BLOCK_SHIFT; at < to; at += run.nr) {
		run = gmfs_run_at(inode, at);
		if (run.block == GMFS_HOLE)
			continue;
		phys = gmfs_pool_phys(gmfs_pool_of(inode), run.block);
		flags = run.last ? FIEMAP_EXTENT_LAST : 0;
		if (!run.written)
			flags |= FIEMAP_EXTENT_UNWRITTEN;
		if (!show_phys)
			flags |= FIEMAP_EXTENT_UNKNOWN;
		err = fiemap_fill_next_extent(info, (u64)at << GMFS_BLOCK_SHIFT,
					      show_phys ? phys : 0,
					      (u64)run.nr << GMFS_BLOCK_SHIFT, flags);
		if (err || run.last)
			break;
	}
	return min(err, 0);
}
