// SPDX-License-Identifier: GPL-2.0-only
/*
 * Zeroing ahead: fallocate() zeroes what it has allocated, so that no first access has to.
 *
 * A block that is gone is left out. While the tree is frozen nothing is zeroed: the
 * first access zeroes the block then.
 */
#include <linux/pagemap.h>
#include <linux/sched/signal.h>

#include "guestmemfs.h"

/* Returns false if the tree is frozen or memory is short. */
static bool gmfs_prepare_block(struct inode *inode, u32 at)
{
	u32 block, contiguous;
	int err;

	err = gmfs_change_begin(gmfs_gate(inode));
	if (err)
		return false;
	filemap_invalidate_lock_shared(inode->i_mapping);
	block = gmfs_file_find_block(inode, at, &contiguous);
	if (block != GMFS_HOLE)
		err = gmfs_region_init_block(gmfs_region_of(inode), block);
	filemap_invalidate_unlock_shared(inode->i_mapping);
	gmfs_change_end(gmfs_gate(inode));
	return !err;
}

/**
 * gmfs_file_prepare - zero what is unwritten of a range
 * @inode: a regular file
 * @from: first block of the file
 * @to: block after the last
 *
 * The caller zeroes, and no kernel thread, so that its cgroup's limits hold. Other tasks
 * can zero other ranges meanwhile.
 *
 * Context: no lock of the file or the tree is held; may sleep. A signal that kills ends it.
 */
void gmfs_file_prepare(struct inode *inode, u32 from, u32 to)
{
	u32 at;

	for (at = from; at < to; at++) {
		if (!gmfs_prepare_block(inode, at) || fatal_signal_pending(current))
			return;
		cond_resched();
	}
}
