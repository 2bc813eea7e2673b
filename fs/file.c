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
 * Holes are whole blocks. What a punched range has of a block is zeroed; when all pages
 * of a block have been punched, and it still holds nothing but zeroes, it becomes a hole.
 *
 * inode lock, then the gate, then the mapping's invalidate_lock;
 * Documentation/locking.rst has the whole order.
 */
#include <linux/fs.h>
#include <linux/falloc.h>	/* wants fs.h first */
#include <linux/filelock.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/splice.h>

#include "guestmemfs.h"

static void count_blocks(struct inode *inode)
{
	inode->i_blocks = (u64)gmfs_i(inode)->extents.blocks << (GMFS_BLOCK_SHIFT - 9);
}

/* Zero [from, to) of a file, all in one block, if the block is written. */
static int gmfs_zero_part(struct inode *inode, loff_t from, loff_t to)
{
	u32 at = from >> GMFS_BLOCK_SHIFT, block, contiguous;
	loff_t base = (loff_t)at << GMFS_BLOCK_SHIFT;

	block = gmfs_file_find_block(inode, at, &contiguous);
	if (from >= to || block == GMFS_HOLE ||
	    !gmfs_pool_is_written(gmfs_pool_of(inode), block, 1))
		return 0;
	return gmfs_pool_zero(gmfs_pool_of(inode), block, from - base, to - base);
}

/**
 * gmfs_file_unmap - take a range away from all shared mappings
 * @inode: a regular file
 * @from: first byte
 * @to: byte after the last
 *
 * Whole blocks alone: each entry that is removed costs a guest a fault. But
 * no part of a PUD entry can be removed (zap_pud_range() in mm/memory.c), so a GiB that
 * may have one is unmapped whole. Once blocks of the GiB have changed, it cannot have one.
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
 * @vma: the mapping that it is for, or NULL: see gmfs_wish_for()
 *
 * Context: inside gmfs_change_begin(), with the mapping's invalidate_lock held
 * for writing; may sleep.
 * Return: as gmfs_pool_alloc().
 */
int gmfs_file_fill(struct inode *inode, loff_t from, loff_t to,
		   const struct vm_area_struct *vma)
{
	struct gmfs_wish wish;
	int err;

	/* As in gmfs_punch_hole(): not all callers have checked that. */
	if (to > inode->i_sb->s_maxbytes)
		return -ENOSPC;
	gmfs_wish_for(inode, vma, &wish);
	err = gmfs_pool_alloc(gmfs_pool_of(inode), &gmfs_i(inode)->extents,
			      from >> GMFS_BLOCK_SHIFT, gmfs_blocks_for(to), &wish);
	gmfs_spaces_sync(inode, from >> GMFS_BLOCK_SHIFT, gmfs_blocks_for(to));
	count_blocks(inode);
	return err;
}

/**
 * gmfs_file_mend - give a file a block without bad pages for one that has some
 * @inode: a regular file
 * @at: block of the file
 *
 * The contents of bad pages are not asked for any more. If no block is free, or a device may reach
 * it, the file keeps what it has.
 *
 * Context: as gmfs_file_fill().
 * Return: the pool's block that the file has then, or GMFS_HOLE.
 */
u32 gmfs_file_mend(struct inode *inode, u32 at)
{
	struct gmfs_extents *x = &gmfs_i(inode)->extents, other = { 0 };
	loff_t base = (loff_t)at << GMFS_BLOCK_SHIFT;
	struct gmfs_pool *p = gmfs_pool_of(inode);
	struct gmfs_wish wish;
	u32 block, contiguous;

	block = gmfs_file_find_block(inode, at, &contiguous);
	if (block == GMFS_HOLE || !gmfs_pool_is_bad(p, block))
		return block;
	/* Without pages KVM fails where it finds no entry: unmap nothing in vain. */
	if (!p->has_pages && gmfs_pool_is_reached(p, block, gmfs_devices_have_users()))
		return block;
	gmfs_wish_for(inode, NULL, &wish);
	if (!gmfs_extents_reserve(x, 2) && !gmfs_pool_alloc(p, &other, at, at + 1, &wish)) {
		gmfs_file_unmap(inode, base, base + GMFS_BLOCK_SIZE);
		gmfs_spaces_drop(inode, at, at + 1);
		gmfs_pool_replace(p, x, at, &other);
		gmfs_spaces_sync(inode, at, at + 1);
	}
	gmfs_extents_destroy(&other);
	return gmfs_file_find_block(inode, at, &contiguous);
}

/*
 * [from, to), all in one block, reads as zeroes now. Mend the block if each of its bad pages
 * is in there, or has been punched.
 */
static void gmfs_mend_zeroed(struct inode *inode, loff_t from, loff_t to)
{
	u32 at = from >> GMFS_BLOCK_SHIFT, block, contiguous, page, good;
	struct gmfs_pool *p = gmfs_pool_of(inode);
	loff_t base = (loff_t)at << GMFS_BLOCK_SHIFT, pos;

	block = gmfs_file_find_block(inode, at, &contiguous);
	if (from >= to || block == GMFS_HOLE || !gmfs_pool_is_bad(p, block))
		return;
	for (page = 0; page < GMFS_BLOCK_PAGES; page++) {
		good = gmfs_pool_until_bad(p, gmfs_pool_phys(p, block) + page * PAGE_SIZE,
					   GMFS_BLOCK_SIZE - page * PAGE_SIZE) / PAGE_SIZE;
		page += good;
		pos = base + (loff_t)page * PAGE_SIZE;
		if (page < GMFS_BLOCK_PAGES && (pos < from || pos + PAGE_SIZE > to) &&
		    !gmfs_punched_has(inode, at, page))
			return;
	}
	gmfs_file_mend(inode, at);
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

	return gmfs_zero_part(inode, old, min(PAGE_ALIGN(old), to));
}

static int gmfs_grow(struct inode *inode, loff_t old, loff_t size)
{
	bool sparse = READ_ONCE(gmfs_tree_of(inode)->options.sparse);
	int err;

	err = gmfs_file_clear_eof(inode, size);
	if (!err && !sparse && gmfs_blocks_for(size) > gmfs_blocks_for(old))
		err = gmfs_file_fill(inode, round_up(old, GMFS_BLOCK_SIZE), size, NULL);
	if (!err)
		i_size_write(inode, size);
	return err;
}

static int gmfs_shrink(struct inode *inode, loff_t old, loff_t size)
{
	struct gmfs_extents *x = &gmfs_i(inode)->extents;
	int err;

	if (size == old && !gmfs_extents_blocks(x, gmfs_blocks_for(size), U32_MAX))
		return 0;
	err = gmfs_extents_reserve(x, 1);
	if (err)
		return err;
	i_size_write(inode, size);
	gmfs_file_unmap(inode, size, inode->i_sb->s_maxbytes);
	/* A later grow must find zeroes in the rest of the last block. */
	err = gmfs_zero_part(inode, size, round_up(size, GMFS_BLOCK_SIZE));
	if (err) {
		i_size_write(inode, old);
		return err;
	}
	gmfs_spaces_drop(inode, gmfs_blocks_for(size), U32_MAX);
	gmfs_pool_free(gmfs_pool_of(inode), x, gmfs_blocks_for(size), U32_MAX);
	gmfs_punched_forget(inode, gmfs_blocks_for(size), U32_MAX);
	gmfs_spaces_sync(inode, gmfs_blocks_for(size), U32_MAX);
	gmfs_mend_zeroed(inode, size, round_up(size, GMFS_BLOCK_SIZE));
	count_blocks(inode);
	return 0;
}

/**
 * gmfs_file_resize - truncate, up or down
 * @inode: a regular file
 * @size: the new size in bytes
 *
 * Context: inside gmfs_change_begin(), with the inode's lock held; may sleep.
 * Return: 0; -ETXTBSY if the file has private mappings; -ENOSPC, -ENOMEM, or -EINTR if
 * killed; and size, blocks and contents are unchanged.
 */
int gmfs_file_resize(struct inode *inode, loff_t size)
{
	loff_t old = i_size_read(inode);
	int err;

	err = gmfs_get_block_access(inode);
	if (err)
		return err;
	filemap_invalidate_lock(inode->i_mapping);
	err = size > old ? gmfs_grow(inode, old, size) : gmfs_shrink(inode, old, size);
	filemap_invalidate_unlock(inode->i_mapping);
	gmfs_put_block_access(inode);
	return err;
}

/*
 * Make [from, to) read as zeroes except the whole blocks in it, which are unmapped.
 * Those are [*first, *last), if any.
 */
static int gmfs_clear_edges(struct inode *inode, loff_t from, loff_t to, u32 *first,
			    u32 *last)
{
	int err;

	*first = gmfs_blocks_for(from);
	*last = to >> GMFS_BLOCK_SHIFT;
	if (*first < *last)
		gmfs_file_unmap(inode, from, to);
	if (*first > *last) {
		err = gmfs_zero_part(inode, from, to);
	} else {
		err = gmfs_zero_part(inode, from, round_up(from, GMFS_BLOCK_SIZE));
		if (!err)
			err = gmfs_zero_part(inode, round_down(to, GMFS_BLOCK_SIZE), to);
	}
	return err;
}

/*
 * [from, to), all in one block, has been punched and is zeroed. If that was the last part of
 * the block, unmap the block, so that no task can write to it, and free it if it is zero.
 */
static void gmfs_punch_part(struct inode *inode, loff_t from, loff_t to)
{
	struct gmfs_extents *x = &gmfs_i(inode)->extents;
	u32 at = from >> GMFS_BLOCK_SHIFT, block, contiguous;
	loff_t base = (loff_t)at << GMFS_BLOCK_SHIFT;
	loff_t size = i_size_read(inode);
	u64 nr = size > base ? DIV_ROUND_UP_ULL(size - base, PAGE_SIZE) : GMFS_BLOCK_PAGES;

	block = gmfs_file_find_block(inode, at, &contiguous);
	if (from >= to || block == GMFS_HOLE ||
	    !gmfs_punched_note(inode, at, DIV_ROUND_UP_ULL(from - base, PAGE_SIZE),
			       (to - base) >> PAGE_SHIFT, min(nr, GMFS_BLOCK_PAGES))) {
		gmfs_mend_zeroed(inode, from, to);
		return;
	}
	gmfs_file_unmap(inode, base, base + GMFS_BLOCK_SIZE);
	if (gmfs_pool_is_idle_zero(gmfs_pool_of(inode), block) && !gmfs_extents_reserve(x, 1)) {
		gmfs_spaces_drop(inode, at, at + 1);
		gmfs_pool_free(gmfs_pool_of(inode), x, at, at + 1);
	} else {
		/* All pages have been punched, the bad ones too. */
		gmfs_file_mend(inode, at);
	}
}

static int gmfs_punch_hole(struct inode *inode, loff_t from, loff_t to)
{
	struct gmfs_extents *x = &gmfs_i(inode)->extents;
	u32 first, last;
	int err;

	/* vfs_fallocate() has checked that; loop and LIO call ->fallocate() themselves. */
	to = min_t(loff_t, to, inode->i_sb->s_maxbytes);
	/* The rest of the block is behind EOF and empty: free the whole block. */
	if (to >= i_size_read(inode))
		to = round_up(to, GMFS_BLOCK_SIZE);
	if (from >= to)
		return 0;
	err = gmfs_extents_reserve(x, 1);
	if (!err)
		err = gmfs_clear_edges(inode, from, to, &first, &last);
	if (!err && first < last) {
		gmfs_spaces_drop(inode, first, last);
		gmfs_pool_free(gmfs_pool_of(inode), x, first, last);
		gmfs_punched_forget(inode, first, last);
	}
	if (!err && first > last) {
		gmfs_punch_part(inode, from, to);
	} else if (!err) {
		gmfs_punch_part(inode, from, (loff_t)first << GMFS_BLOCK_SHIFT);
		gmfs_punch_part(inode, (loff_t)last << GMFS_BLOCK_SHIFT, to);
	}
	gmfs_spaces_sync(inode, from >> GMFS_BLOCK_SHIFT, gmfs_blocks_for(to));
	count_blocks(inode);
	return err;
}

static int gmfs_zero_range(struct inode *inode, loff_t from, loff_t to)
{
	u32 first, last;
	int err;

	err = gmfs_file_fill(inode, from, to, NULL);
	if (!err)
		err = gmfs_clear_edges(inode, from, to, &first, &last);
	if (!err && first < last)
		err = gmfs_pool_mark_unwritten(gmfs_pool_of(inode), &gmfs_i(inode)->extents,
					       first, last);
	if (err)
		return err;
	for (; first < last; first++) {
		gmfs_file_mend(inode, first);
		cond_resched();
	}
	if (from >> GMFS_BLOCK_SHIFT == (to - 1) >> GMFS_BLOCK_SHIFT) {
		gmfs_mend_zeroed(inode, from, to);
	} else {
		gmfs_mend_zeroed(inode, from, round_up(from, GMFS_BLOCK_SIZE));
		gmfs_mend_zeroed(inode, round_down(to, GMFS_BLOCK_SIZE), to);
	}
	return 0;
}

static int gmfs_fallocate_range(struct inode *inode, int mode, loff_t from, loff_t to)
{
	bool extend = !(mode & FALLOC_FL_KEEP_SIZE) && to > i_size_read(inode);
	int err;

	if (extend) {
		err = inode_newsize_ok(inode, to);
		if (err)
			return err;
	}
	err = gmfs_get_block_access(inode);
	if (err)
		return err;
	filemap_invalidate_lock(inode->i_mapping);
	/* Who asks for memory gets to keep it, whatever was punched before. */
	if (!(mode & FALLOC_FL_PUNCH_HOLE))
		gmfs_punched_forget(inode, from >> GMFS_BLOCK_SHIFT, gmfs_blocks_for(to));
	if (mode & FALLOC_FL_PUNCH_HOLE)
		err = gmfs_punch_hole(inode, from, to);
	else if (mode & FALLOC_FL_ZERO_RANGE)
		err = gmfs_zero_range(inode, from, to);
	else
		err = gmfs_file_fill(inode, from, to, NULL);
	if (!err && extend)
		err = gmfs_file_clear_eof(inode, to);
	if (!err && extend)
		i_size_write(inode, to);
	filemap_invalidate_unlock(inode->i_mapping);
	gmfs_put_block_access(inode);
	return err;
}

/*
 * ENOSPC, with nothing changed; EBUSY while the tree is frozen; ETXTBSY if the file has
 * private mappings. The VFS checks s_maxbytes and RLIMIT_FSIZE.
 */
static long gmfs_fallocate(struct file *file, int mode, loff_t offset, loff_t len)
{
	struct inode *inode = file_inode(file);
	int err;

	if (mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE |
		     FALLOC_FL_ZERO_RANGE))
		return -EOPNOTSUPP;
	inode_lock(inode);
	err = file_remove_privs(file);
	if (!err)
		err = gmfs_change_begin(gmfs_gate(inode));
	if (!err) {
		err = gmfs_fallocate_range(inode, mode, offset, offset + len);
		if (!err)
			gmfs_inode_touch(inode);
		gmfs_change_end(gmfs_gate(inode));
	}
	inode_unlock(inode);
	/* Beside a private mapping no block becomes a written one: see gmfs_private_fault(). */
	if (!err && !(mode & ~FALLOC_FL_KEEP_SIZE) && !gmfs_get_block_access(inode)) {
		gmfs_file_prepare(inode, offset >> GMFS_BLOCK_SHIFT,
				  gmfs_blocks_for(offset + len));
		gmfs_put_block_access(inode);
	}
	return err;
}

const struct inode_operations gmfs_file_inode_operations = {
	.setattr	= gmfs_setattr,
	.getattr	= gmfs_getattr,
	.listxattr	= gmfs_listxattr,
	.fileattr_get	= gmfs_fileattr_get,
	.fileattr_set	= gmfs_fileattr_set,
	.fiemap		= gmfs_fiemap,
};

const struct file_operations gmfs_file_operations = {
	.mmap			= gmfs_mmap,
	.get_unmapped_area	= gmfs_get_unmapped_area,
	.llseek			= gmfs_llseek,
	.fallocate		= gmfs_fallocate,
	.read_iter		= gmfs_read_iter,
	.write_iter		= gmfs_write_iter,
	.copy_file_range	= gmfs_copy_file_range,
	.splice_read		= copy_splice_read,
	.splice_write		= iter_file_splice_write,
	.fsync			= noop_fsync,
	.setlease		= generic_setlease,
};
