// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: private mappings
 *
 * A private mapping needs pages, for copy-on-write and because KVM does not take
 * a read-only pfn for a fault. It gets them from the page cache, which copies
 * from the blocks as it reads: clean, reclaimable, and common to all private mappings
 * of the file. A shared mapping that can only read counts as a private one: so a reader
 * of a template allocates nothing and does not stop its clones. In a pool with pages they
 * map the file's own instead, see gmfs_private_fault(), and the page cache has the rest.
 *
 * A file has either private mappings or anything else that maps or changes its
 * blocks, never both: the copy cannot go stale, reading it needs no lock against
 * changes, and no walk from a page to its mappings meets a pfn.
 *
 * 1. @block_users of struct gmfs_inode is for the two kinds what i_writecount is for a program
 *    that runs and those that write it: gmfs_get_block_access() counts upwards, each private
 *    mapping counts downwards by gmfs_deny_block_access().
 * 2. The kind that comes second gets ETXTBSY.
 * 3. Page cache can outlive its mappings. gmfs_get_block_access() drops it.
 */
#include <linux/mm.h>
#include <linux/pagemap.h>

#include "guestmemfs.h"

/*
 * Whether private mappings have the file's own pages instead of this folio. Then it must
 * not become up to date: khugepaged (collapse_file() in mm/khugepaged.c) makes one folio of
 * 512 pages that are, and frees page tables that must have nothing else in them.
 */
static bool gmfs_maps_pages_of(struct folio *folio)
{
	struct inode *inode = folio->mapping->host;

	return atomic_read(&gmfs_i(inode)->block_users) < 0 &&
	       gmfs_file_find_page(inode, folio->index);
}

/*
 * The folio is locked. A task that changes blocks has raised @block_users and then waited
 * for such folios, so if @block_users is not positive blocks stay as they are.
 */
static int gmfs_read_folio(struct file *file, struct folio *folio)
{
	struct inode *inode = folio->mapping->host;
	loff_t pos = folio_pos(folio), size = i_size_read(inode);
	size_t done = 0, len, end;
	int err = 0;

	/*
	 * Uprobes and readers of build IDs need no private mapping. The folio is
	 * in the cache first: pairs with gmfs_get_block_access(), where the count
	 * is raised first.
	 */
	smp_mb();
	if (atomic_read(&gmfs_i(inode)->block_users) > 0 || gmfs_maps_pages_of(folio)) {
		folio_end_read(folio, false);
		return -ETXTBSY;
	}
	end = clamp_t(loff_t, size - pos, 0, folio_size(folio));
	for (; done < end && !err; done += len) {
		len = min_t(size_t, end - done,
			    GMFS_BLOCK_SIZE - (pos + done) % GMFS_BLOCK_SIZE);
		err = gmfs_file_read(inode, pos + done,
				     folio_address(folio) + done, len);
	}
	if (!err)
		folio_zero_segment(folio, end, folio_size(folio));
	folio_end_read(folio, !err);
	return err;
}

const struct address_space_operations gmfs_address_space_operations = {
	.read_folio	= gmfs_read_folio,
	.dirty_folio	= noop_dirty_folio,
};

/**
 * gmfs_get_block_access - about to change a file's blocks, or to map them shared
 * @inode: a regular file
 *
 * As get_write_access(): until gmfs_put_block_access() the file has no private mappings, and
 * nothing of it is cached.
 *
 * Context: may sleep; the mapping's invalidate_lock is not held, since this waits for folios.
 * Return: 0; -ETXTBSY if the file has private mappings.
 */
int gmfs_get_block_access(struct inode *inode)
{
	struct address_space *mapping = inode->i_mapping;

	if (!atomic_inc_unless_negative(&gmfs_i(inode)->block_users))
		return -ETXTBSY;
	/* A folio that comes after this look finds @block_users raised. */
	if (mapping_empty(mapping))
		return 0;
	/*
	 * Without invalidate_lock, which keeps nobody out that @block_users does not: from 7.3 on
	 * khugepaged asks for it while it holds folios of the file locked, for which this
	 * waits (collapse_file() in mm/khugepaged.c).
	 */
	truncate_inode_pages(mapping, 0);
	return 0;
}

/**
 * gmfs_put_block_access - undo gmfs_get_block_access()
 * @inode: the same
 *
 * Context: any.
 */
void gmfs_put_block_access(struct inode *inode)
{
	atomic_dec(&gmfs_i(inode)->block_users);
}

/**
 * gmfs_deny_block_access - about to map a file privately
 * @inode: a regular file
 *
 * As deny_write_access(): gmfs_get_block_access() fails until gmfs_allow_block_access().
 *
 * Context: any.
 * Return: 0; -ETXTBSY if the file has shared mappings, or its blocks are being changed.
 */
int gmfs_deny_block_access(struct inode *inode)
{
	return atomic_dec_unless_positive(&gmfs_i(inode)->block_users) ? 0 : -ETXTBSY;
}

/**
 * gmfs_allow_block_access - undo gmfs_deny_block_access()
 * @inode: the same
 *
 * Context: any.
 */
void gmfs_allow_block_access(struct inode *inode)
{
	atomic_inc(&gmfs_i(inode)->block_users);
}
