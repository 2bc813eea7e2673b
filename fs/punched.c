// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which pages of a block have been punched, one by one, as a balloon does. Once all have,
 * the block can hold nothing but zeroes, unless some were written again; so then, and not at
 * each punch, it is worth a look.
 */
#include <linux/bitmap.h>
#include <linux/slab.h>

#include "guestmemfs.h"

/**
 * gmfs_punched_note - pages of a block have been punched
 * @inode: a regular file
 * @at: block of the file
 * @first: first page of the block
 * @last: page after the last
 * @nr: how many pages the block has before EOF
 *
 * A note that there is no memory for is lost, and the block stays.
 *
 * Context: the mapping's invalidate_lock is held for writing; may sleep.
 * Return: true if that was the last one, and the notes of this block begin anew.
 */
bool gmfs_punched_note(struct inode *inode, u32 at, u32 first, u32 last, u32 nr)
{
	struct xarray *punched = &gmfs_i(inode)->punched;
	unsigned long *pages = xa_load(punched, at);

	if (first >= last)
		return false;
	if (!pages) {
		pages = bitmap_zalloc(GMFS_BLOCK_PAGES, GFP_KERNEL);
		if (!pages)
			return false;
		if (xa_err(xa_store(punched, at, pages, GFP_KERNEL))) {
			bitmap_free(pages);
			return false;
		}
	}
	bitmap_set(pages, first, last - first);
	if (find_next_zero_bit(pages, nr, 0) < nr)
		return false;
	gmfs_punched_forget(inode, at, at + 1);
	return true;
}

/**
 * gmfs_punched_has - whether a page has been punched
 * @inode: a regular file
 * @at: block of the file
 * @page: page of the block
 *
 * Context: as gmfs_punched_note().
 * Return: true if there is a note.
 */
bool gmfs_punched_has(struct inode *inode, u32 at, u32 page)
{
	unsigned long *pages = xa_load(&gmfs_i(inode)->punched, at);

	return pages && test_bit(page, pages);
}

/**
 * gmfs_punched_clear - a page has failed
 * @inode: a regular file
 * @at: block of the file
 * @page: page of the block
 *
 * It may have been written since it was punched.
 *
 * Context: as gmfs_punched_note().
 */
void gmfs_punched_clear(struct inode *inode, u32 at, u32 page)
{
	unsigned long *pages = xa_load(&gmfs_i(inode)->punched, at);

	if (pages)
		clear_bit(page, pages);
}

/**
 * gmfs_punched_forget - drop the notes about some blocks, or all
 * @inode: a regular file
 * @from: first block of the file
 * @to: block after the last
 *
 * Context: the mapping's invalidate_lock is held for writing, or the inode is being evicted.
 */
void gmfs_punched_forget(struct inode *inode, u32 from, u32 to)
{
	struct xarray *punched = &gmfs_i(inode)->punched;
	unsigned long *pages, at;

	if (from >= to)
		return;
	xa_for_each_range(punched, at, pages, from, to - 1) {
		xa_erase(punched, at);
		bitmap_free(pages);
	}
}
