// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: private mappings
 *
 * A private mapping needs pages, for copy-on-write and because KVM does not take
 * a read-only pfn for a fault. It gets them from the page cache, which copies
 * from the blocks as it reads: clean, reclaimable, and shared by all mappings by
 * pages of the file. A shared mapping that can only read gets them, too: so a reader
 * of a template allocates nothing and does not stop its clones.
 *
 * A file has either mappings by pages or anything else that maps or changes its
 * blocks, never both: the copy cannot go stale, reading it needs no lock against
 * changes, and no walk from a page to its mappings meets a pfn. @users of struct
 * gmfs_inode counts mappings by pages downwards and the others upwards. The kind
 * that comes second gets ETXTBSY, as with a program that runs. Each of the others
 * drops the page cache before it begins.
 */
#include <linux/mm.h>
#include <linux/pagemap.h>

#include "guestmemfs.h"

/*
 * The folio is locked. Whoever changes blocks has raised @users and then waited
 * for such folios, so if @users is not positive blocks stay as they are.
 */
static int gmfs_read_folio(struct file *file, struct folio *folio)
{
	struct inode *inode = folio->mapping->host;
	loff_t pos = folio_pos(folio), size = i_size_read(inode);
	size_t done = 0, len, end;
	int err = 0;

	/*
	 * Uprobes and readers of build IDs need no private mapping. The folio is
	 * in the cache first: pairs with gmfs_file_begin_write(), where the count
	 * is raised first.
	 */
	smp_mb();
	if (atomic_read(&gmfs_i(inode)->users) > 0) {
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
 * gmfs_file_begin_write - about to change a file's blocks, or to map them
 * @inode: a regular file
 *
 * It has no mappings by pages until gmfs_file_end_write(), and nothing of it is cached.
 *
 * Context: may sleep; the mapping's invalidate_lock is not held.
 * Return: 0; -ETXTBSY if the file has mappings by pages.
 */
int gmfs_file_begin_write(struct inode *inode)
{
	struct address_space *mapping = inode->i_mapping;

	if (!atomic_inc_unless_negative(&gmfs_i(inode)->users))
		return -ETXTBSY;
	/* A folio that comes after this look finds @users raised. */
	if (mapping_empty(mapping))
		return 0;
	filemap_invalidate_lock(mapping);
	truncate_inode_pages(mapping, 0);
	filemap_invalidate_unlock(mapping);
	return 0;
}

/**
 * gmfs_file_end_write - what gmfs_file_begin_write() began is done
 * @inode: the same
 *
 * Context: any.
 */
void gmfs_file_end_write(struct inode *inode)
{
	atomic_dec(&gmfs_i(inode)->users);
}
