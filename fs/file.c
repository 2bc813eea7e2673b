// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: files and their blocks
 *
 * A file's size decides its blocks: truncate allocates all that a larger size
 * adds, or fails and changes nothing, so that a guest whose file has no holes
 * never meets SIGBUS for lack of memory. With the mount option "sparse" it leaves
 * a hole instead. fallocate() allocates a range and zeroes it, and it punches holes; a
 * hole gets a block when it is touched.
 *
 * Holes are whole blocks. What a punched range has of a block is zeroed.
 *
 * inode lock, then gmfs.change, then the mapping's invalidate_lock;
 * Documentation/locking.rst has the whole order.
 */
#define pr_fmt(fmt) "guestmemfs: " fmt

#include <linux/capability.h>
#include <linux/falloc.h>
#include <linux/fiemap.h>
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "guestmemfs.h"

static u32 blocks_for(loff_t size)
{
	return DIV_ROUND_UP_ULL(size, GMFS_BLOCK_SIZE);
}

/**
 * gmfs_file_find_block - where a block of a file is
 * @inode: a regular file
 * @at: block of the file
 * @contiguous: how many blocks from there on are one run; set on success
 *
 * Context: the mapping's invalidate_lock is held, or nobody changes blocks.
 * Return: the region's block, or GMFS_HOLE.
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

/**
 * gmfs_file_find_pfn - the memory that one entry of a page table can map
 * @inode: a regular file
 * @pgoff: page of the file, a multiple of 1 << @order
 * @order: 0, PMD_ORDER or PUD_ORDER
 *
 * Context: the mapping's invalidate_lock is held.
 * Return: the first pfn, or 0 if there is a hole in these pages, a block that is not
 * written, or memory that is not one aligned piece.
 */
unsigned long gmfs_file_find_pfn(struct inode *inode, pgoff_t pgoff, unsigned int order)
{
	u32 nr_blocks = DIV_ROUND_UP(1UL << order, GMFS_BLOCK_PAGES), block, contiguous;
	unsigned long pfn;

	block = gmfs_file_find_block(inode, pgoff / GMFS_BLOCK_PAGES, &contiguous);
	if (block == GMFS_HOLE || contiguous < nr_blocks ||
	    !gmfs_region_is_written(&gmfs.region, block, nr_blocks))
		return 0;
	pfn = PHYS_PFN(gmfs.region.base) + (unsigned long)block * GMFS_BLOCK_PAGES +
	      pgoff % GMFS_BLOCK_PAGES;
	return IS_ALIGNED(pfn, 1UL << order) ? pfn : 0;
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
	u32 block, contiguous;
	unsigned long left;
	void *map;

	block = gmfs_file_find_block(inode, pos >> GMFS_BLOCK_SHIFT, &contiguous);
	if (block == GMFS_HOLE || !gmfs_region_is_written(&gmfs.region, block, 1)) {
		memset(to, 0, len);
		return 0;
	}
	map = gmfs_region_map(&gmfs.region, block, pos % GMFS_BLOCK_SIZE, len);
	if (!map)
		return -ENOMEM;
	left = copy_mc_to_kernel(to, map, len);
	memunmap(map);
	return left ? -EIO : 0;
}

static void count_blocks(struct inode *inode)
{
	inode->i_blocks = (u64)gmfs_i(inode)->extents.blocks << (GMFS_BLOCK_SHIFT - 9);
}

/* Zero [from, to) of a file, all in one block, if anybody can have seen it. */
static int zero_part(struct inode *inode, loff_t from, loff_t to)
{
	u32 at = from >> GMFS_BLOCK_SHIFT, block, contiguous;
	loff_t base = (loff_t)at << GMFS_BLOCK_SHIFT;

	block = gmfs_file_find_block(inode, at, &contiguous);
	if (from >= to || block == GMFS_HOLE ||
	    !gmfs_region_is_written(&gmfs.region, block, 1))
		return 0;
	return gmfs_region_zero(&gmfs.region, block, from - base, to - base);
}

/**
 * gmfs_file_may_have_pud - whether a mapping can have a PUD entry
 * @inode: a regular file
 * @pos: a byte that it would map
 *
 * Context: the mapping's invalidate_lock is held for writing; or for reading, if it is
 * about a VMA that is locked for writing.
 * Return: false if there is none.
 */
bool gmfs_file_may_have_pud(struct inode *inode, loff_t pos)
{
	return READ_ONCE(gmfs_i(inode)->had_pud) &&
	       gmfs_file_find_pfn(inode, round_down(pos, PUD_SIZE) >> PAGE_SHIFT, PUD_ORDER);
}

/**
 * gmfs_file_unmap - take a range away from all shared mappings
 * @inode: a regular file
 * @from: first byte
 * @to: byte after the last
 *
 * Whole blocks, and no others: a guest pays for each entry that goes with a fault. But
 * no part of a PUD entry can be removed (zap_pud_range() in mm/memory.c), so all of a
 * GiB goes that may have one. It has none any more when blocks of it have changed.
 *
 * Context: the mapping's invalidate_lock is held for writing, and what is to change
 * has not yet; may sleep.
 */
void gmfs_file_unmap(struct inode *inode, loff_t from, loff_t to)
{
	loff_t start = round_down(from, GMFS_BLOCK_SIZE), end = round_up(to, GMFS_BLOCK_SIZE);

	if (gmfs_file_may_have_pud(inode, from))
		start = round_down(from, PUD_SIZE);
	if (gmfs_file_may_have_pud(inode, to - 1))
		end = round_up(to, PUD_SIZE);
	unmap_mapping_range(inode->i_mapping, start, end - start, 1);
}

/**
 * gmfs_file_fill - allocate what a range of a file lacks
 * @inode: a regular file
 * @from: first byte
 * @to: byte after the last
 *
 * Context: inside gmfs_change_begin(), with the mapping's invalidate_lock held
 * for writing; may sleep.
 * Return: as gmfs_region_alloc().
 */
int gmfs_file_fill(struct inode *inode, loff_t from, loff_t to)
{
	int err;

	if (to > gmfs.region.size)
		return -ENOSPC;
	err = gmfs_region_alloc(&gmfs.region, &gmfs_i(inode)->extents,
				from >> GMFS_BLOCK_SHIFT, blocks_for(to));
	count_blocks(inode);
	return err;
}

/**
 * gmfs_file_clear_eof - what is behind EOF in its page reads as zeroes
 * @inode: a regular file, about to grow
 * @to: where what is written next begins; bytes from there on may stay
 *
 * A mapping can have written there.
 *
 * Context: as gmfs_file_fill(), and with the inode's lock held.
 * Return: 0, or -ENOMEM.
 */
int gmfs_file_clear_eof(struct inode *inode, loff_t to)
{
	loff_t old = i_size_read(inode);

	return zero_part(inode, old, min(PAGE_ALIGN(old), to));
}

static int grow(struct inode *inode, loff_t old, loff_t size)
{
	bool fill = !READ_ONCE(gmfs.options.sparse) && blocks_for(size) > blocks_for(old);
	int err;

	err = gmfs_file_clear_eof(inode, size);
	if (!err && fill)
		err = gmfs_file_fill(inode, round_up(old, GMFS_BLOCK_SIZE), size);
	if (!err)
		i_size_write(inode, size);
	return err;
}

static int shrink(struct inode *inode, loff_t old, loff_t size)
{
	struct gmfs_extents *x = &gmfs_i(inode)->extents;
	int err;

	if (size == old && !gmfs_extents_blocks(x, blocks_for(size), U32_MAX))
		return 0;
	err = gmfs_extents_reserve(x, 1);
	if (err)
		return err;
	i_size_write(inode, size);
	gmfs_file_unmap(inode, size, gmfs.region.size);
	/* A later grow must find zeroes in the rest of the last block. */
	err = zero_part(inode, size, round_up(size, GMFS_BLOCK_SIZE));
	if (err) {
		i_size_write(inode, old);
		return err;
	}
	gmfs_region_free(&gmfs.region, x, blocks_for(size), U32_MAX);
	count_blocks(inode);
	return 0;
}

/**
 * gmfs_file_resize - truncate, up or down
 * @inode: a regular file
 * @size: the new size in bytes
 *
 * Context: inside gmfs_change_begin(), with the inode's lock held; may sleep.
 * Return: 0; -ETXTBSY if the file has mappings by pages; -ENOSPC, -ENOMEM, or -EINTR if
 * killed; and size, blocks and contents are unchanged.
 */
int gmfs_file_resize(struct inode *inode, loff_t size)
{
	loff_t old = i_size_read(inode);
	int err;

	err = gmfs_file_begin_write(inode);
	if (err)
		return err;
	filemap_invalidate_lock(inode->i_mapping);
	err = size > old ? grow(inode, old, size) : shrink(inode, old, size);
	filemap_invalidate_unlock(inode->i_mapping);
	gmfs_file_end_write(inode);
	return err;
}

/* --- zeroing ahead --------------------------------------------------------- */

/* One block; it may be gone, or the tree frozen: then it waits to be touched. */
static bool prepare_block(struct inode *inode, u32 at)
{
	u32 block, contiguous;
	int err;

	err = gmfs_change_begin();
	if (err)
		return false;
	filemap_invalidate_lock_shared(inode->i_mapping);
	block = gmfs_file_find_block(inode, at, &contiguous);
	if (block != GMFS_HOLE)
		err = gmfs_region_write_in(&gmfs.region, block);
	filemap_invalidate_unlock_shared(inode->i_mapping);
	gmfs_change_end();
	return !err;
}

/*
 * Zero what is unwritten of a range. The caller does it, and no kernel thread, so that
 * its cgroup's limits hold; other tasks can zero other ranges meanwhile.
 */
static void prepare_range(struct inode *inode, u32 from, u32 to)
{
	u32 at;

	for (at = from; at < to; at++) {
		if (!prepare_block(inode, at) || fatal_signal_pending(current))
			return;
		cond_resched();
	}
}

/* --- fallocate ------------------------------------------------------------- */

/*
 * Make [from, to) read as zeroes but for the whole blocks in it, which nobody
 * maps any more. Those are [*first, *last), if any.
 */
static int clear_edges(struct inode *inode, loff_t from, loff_t to, u32 *first,
		       u32 *last)
{
	int err;

	*first = blocks_for(from);
	*last = to >> GMFS_BLOCK_SHIFT;
	if (*first < *last)
		gmfs_file_unmap(inode, from, to);
	if (*first > *last) {
		err = zero_part(inode, from, to);
	} else {
		err = zero_part(inode, from, round_up(from, GMFS_BLOCK_SIZE));
		if (!err)
			err = zero_part(inode, round_down(to, GMFS_BLOCK_SIZE), to);
	}
	return err;
}

static int punch_hole(struct inode *inode, loff_t from, loff_t to)
{
	struct gmfs_extents *x = &gmfs_i(inode)->extents;
	u32 first, last;
	int err;

	to = min_t(loff_t, to, gmfs.region.size);
	/* There is nothing after EOF, so EOF's block goes as a whole. */
	if (to >= i_size_read(inode))
		to = round_up(to, GMFS_BLOCK_SIZE);
	if (from >= to)
		return 0;
	err = gmfs_extents_reserve(x, 1);
	if (!err)
		err = clear_edges(inode, from, to, &first, &last);
	if (!err && first < last)
		gmfs_region_free(&gmfs.region, x, first, last);
	count_blocks(inode);
	return err;
}

static int zero_range(struct inode *inode, loff_t from, loff_t to)
{
	u32 first, last;
	int err;

	err = gmfs_file_fill(inode, from, to);
	if (!err)
		err = clear_edges(inode, from, to, &first, &last);
	if (!err && first < last)
		err = gmfs_region_forget(&gmfs.region, &gmfs_i(inode)->extents,
					 first, last);
	return err;
}

static int change_range(struct inode *inode, int mode, loff_t from, loff_t to)
{
	bool extend = !(mode & FALLOC_FL_KEEP_SIZE) && to > i_size_read(inode);
	int err;

	if (extend) {
		err = inode_newsize_ok(inode, to);
		if (err)
			return err;
	}
	err = gmfs_file_begin_write(inode);
	if (err)
		return err;
	filemap_invalidate_lock(inode->i_mapping);
	if (mode & FALLOC_FL_PUNCH_HOLE)
		err = punch_hole(inode, from, to);
	else if (mode & FALLOC_FL_ZERO_RANGE)
		err = zero_range(inode, from, to);
	else
		err = gmfs_file_fill(inode, from, to);
	if (!err && extend)
		err = gmfs_file_clear_eof(inode, to);
	if (!err && extend)
		i_size_write(inode, to);
	filemap_invalidate_unlock(inode->i_mapping);
	gmfs_file_end_write(inode);
	return err;
}

/**
 * gmfs_fallocate - allocate, punch or zero a range of a file
 * @file: the file
 * @mode: 0, FALLOC_FL_PUNCH_HOLE or FALLOC_FL_ZERO_RANGE, and
 *	FALLOC_FL_KEEP_SIZE
 * @offset: first byte
 * @len: number of bytes
 *
 * Return: 0; -ENOSPC with nothing changed; -EBUSY while the tree is frozen;
 * -ETXTBSY if the file has mappings by pages; -EOPNOTSUPP for another mode;
 * -EFBIG beyond s_maxbytes or RLIMIT_FSIZE; -ENOMEM; -EINTR if killed.
 */
long gmfs_fallocate(struct file *file, int mode, loff_t offset, loff_t len)
{
	struct inode *inode = file_inode(file);
	int err;

	if (mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE |
		     FALLOC_FL_ZERO_RANGE))
		return -EOPNOTSUPP;
	inode_lock(inode);
	err = file_remove_privs(file);
	if (!err)
		err = gmfs_change_begin();
	if (!err) {
		err = change_range(inode, mode, offset, offset + len);
		if (!err)
			gmfs_inode_touch(inode);
		gmfs_change_end();
	}
	inode_unlock(inode);
	if (!err && !(mode & ~FALLOC_FL_KEEP_SIZE))
		prepare_range(inode, offset >> GMFS_BLOCK_SHIFT,
			      blocks_for(offset + len));
	return err;
}

/* --- where data is --------------------------------------------------------- */

/**
 * struct run - blocks of a file that are alike
 * @block: the region's first block, or GMFS_HOLE
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

static struct run run_at(struct inode *inode, u32 at)
{
	struct gmfs_extents *x = &gmfs_i(inode)->extents;
	unsigned long *written = gmfs.region.written;
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

static loff_t seek(struct inode *inode, loff_t offset, bool data)
{
	loff_t size = i_size_read(inode), found;
	struct run run;
	u32 at;

	if (offset < 0 || offset >= size)
		return -ENXIO;
	for (at = offset >> GMFS_BLOCK_SHIFT; at < blocks_for(size); at += run.nr) {
		run = run_at(inode, at);
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
	offset = seek(inode, offset, whence == SEEK_DATA);
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
	bool tell = ns_capable_noaudit(&init_user_ns, CAP_SYS_ADMIN);
	struct run run;
	u64 phys;
	u32 flags, at, to;
	int err;

	err = fiemap_prep(inode, info, start, &len, 0);
	if (err)
		return err;
	if (start >= gmfs.region.size)
		return 0;
	to = min_t(u64, DIV_ROUND_UP_ULL(start + len, GMFS_BLOCK_SIZE), U32_MAX);
	for (at = start >> GMFS_BLOCK_SHIFT; at < to; at += run.nr) {
		run = run_at(inode, at);
		if (run.block == GMFS_HOLE)
			continue;
		phys = gmfs.region.base + ((u64)run.block << GMFS_BLOCK_SHIFT);
		flags = run.last ? FIEMAP_EXTENT_LAST : 0;
		if (!run.written)
			flags |= FIEMAP_EXTENT_UNWRITTEN;
		if (!tell)
			flags |= FIEMAP_EXTENT_UNKNOWN;
		err = fiemap_fill_next_extent(info, (u64)at << GMFS_BLOCK_SHIFT,
					      tell ? phys : 0,
					      (u64)run.nr << GMFS_BLOCK_SHIFT, flags);
		if (err || run.last)
			break;
	}
	return min(err, 0);
}
