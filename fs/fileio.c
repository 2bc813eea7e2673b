// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: read, write and copy
 *
 * read() and splice() copy a file's contents to ordinary memory, which is in the
 * kernel's direct map, so they and write() need the mount option "fileio". A copy
 * from one file here to another does not: the contents stay in the region. The option
 * keeps nothing from a process that may open the file: it can map it.
 *
 * The inode's lock keeps blocks where they are: only faults, and fallocate() while it
 * zeroes, work without it, and they only add blocks and zero them. It is held
 * while user memory is touched. invalidate_lock is not, for that may fault here,
 * and inside the gate user memory must not fault. Reads and copies take it anew for each
 * chunk, so that a balloon's punch does not wait for all of a long one.
 */
#include <linux/pagemap.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>
#include <linux/uaccess.h>
#include <linux/uio.h>

#include "guestmemfs.h"

#define CHUNK	SZ_256K

/* As much as one chunk and one block take of @len bytes from @pos on. */
static u32 chunk_at(loff_t pos, u64 len)
{
	u32 left = CHUNK - (pos & (CHUNK - 1));

	return min_t(u64, left, len);
}

/* The region's block at @pos if it is written, or GMFS_HOLE: it is all zeroes. */
static u32 gmfs_written_block(struct inode *inode, loff_t pos)
{
	u32 block, contiguous;

	filemap_invalidate_lock_shared(inode->i_mapping);
	block = gmfs_file_find_block(inode, pos >> GMFS_BLOCK_SHIFT, &contiguous);
	if (block != GMFS_HOLE && !gmfs_pool_is_written(gmfs_pool_of(inode), block, 1))
		block = GMFS_HOLE;
	filemap_invalidate_unlock_shared(inode->i_mapping);
	return block;
}

/* Allocate and zero the block at @pos, unless that was done. */
static int gmfs_ready_block(struct inode *inode, loff_t pos, u32 len, u32 *block)
{
	struct address_space *mapping = inode->i_mapping;
	u32 contiguous;
	int err;

	*block = gmfs_written_block(inode, pos);
	if (*block != GMFS_HOLE && pos <= i_size_read(inode))
		return 0;
	filemap_invalidate_lock(mapping);
	err = gmfs_file_fill(inode, pos, pos + len, NULL);
	if (!err) {
		*block = gmfs_file_find_block(inode, pos >> GMFS_BLOCK_SHIFT,
					      &contiguous);
		if (!gmfs_pool_is_written(gmfs_pool_of(inode), *block, 1))
			*block = gmfs_file_mend(inode, pos >> GMFS_BLOCK_SHIFT);
		err = gmfs_pool_init_block(gmfs_pool_of(inode), *block);
	}
	if (!err && pos > i_size_read(inode))
		err = gmfs_file_clear_eof(inode, pos);
	filemap_invalidate_unlock(mapping);
	return err;
}

/* Whether a copy that could not even begin at @from met bad memory. */
static bool is_bad(const void *from, size_t len)
{
	u8 line[L1_CACHE_BYTES];

	return copy_mc_to_kernel(line, from, min(len, sizeof(line)));
}

/* How many of @len bytes, which are in one block, come before a bad page. */
static u32 gmfs_until_bad(const struct gmfs_pool *p, u32 block, loff_t pos, u32 len)
{
	return gmfs_pool_until_bad(p, gmfs_pool_phys(p, block) + pos % GMFS_BLOCK_SIZE, len);
}

/*
 * One chunk. Fewer bytes than @len, and then -EFAULT or -EIO, if user memory faults for
 * good or the block's memory is bad.
 */
static ssize_t gmfs_read_chunk(struct inode *inode, loff_t pos, u32 len,
			       struct iov_iter *to)
{
	struct gmfs_pool *p = gmfs_pool_of(inode);
	u32 block = gmfs_written_block(inode, pos);
	size_t copied;
	void *map;
	int err = 0;

	if (block == GMFS_HOLE)
		return iov_iter_zero(len, to) ?: -EFAULT;
	len = gmfs_until_bad(p, block, pos, len);
	if (!len)
		return -EIO;
	map = gmfs_pool_map(p, block, pos % GMFS_BLOCK_SIZE, len);
	if (!map)
		return -ENOMEM;
	copied = _copy_mc_to_iter(map, len, to);
	if (!copied)
		err = is_bad(map, len) ? -EIO : -EFAULT;
	gmfs_pool_unmap(p, map);
	return copied ?: err;
}

/* The file is locked for one chunk. Returns 0 at EOF. */
static ssize_t gmfs_read_locked(struct inode *inode, loff_t pos, struct iov_iter *to)
{
	ssize_t n = 0;
	loff_t size;

	inode_lock_shared(inode);
	size = i_size_read(inode);
	if (pos < size)
		n = gmfs_read_chunk(inode, pos, chunk_at(pos, min_t(u64, iov_iter_count(to),
								    size - pos)), to);
	inode_unlock_shared(inode);
	return n;
}

/**
 * gmfs_read_iter - read a file
 * @iocb: the file and the position
 * @to: where to
 *
 * Return: bytes read; -EINVAL without the mount option "fileio"; -EFAULT; -EIO
 * if the memory is bad; -ENOMEM; -EINTR if killed.
 */
ssize_t gmfs_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	struct inode *inode = file_inode(iocb->ki_filp);
	ssize_t done = 0, n = 0;

	if (!READ_ONCE(gmfs_tree_of(inode)->options.fileio))
		return -EINVAL;
	while (iov_iter_count(to)) {
		n = fatal_signal_pending(current) ? -EINTR :
		    gmfs_read_locked(inode, iocb->ki_pos, to);
		if (n <= 0)
			break;
		iocb->ki_pos += n;
		done += n;
		cond_resched();
	}
	return done ?: n;
}

/* The size decides the order of a fault's entry: see gmfs_map_page() in fs/fault.c. */
static void gmfs_extend_to(struct inode *inode, loff_t size)
{
	if (size <= i_size_read(inode))
		return;
	filemap_invalidate_lock(inode->i_mapping);
	i_size_write(inode, size);
	filemap_invalidate_unlock(inode->i_mapping);
}

/* One chunk; user memory must not fault, so fewer bytes may be copied, or none. */
static ssize_t gmfs_write_chunk(struct inode *inode, loff_t pos, u32 len,
				struct iov_iter *from)
{
	struct gmfs_pool *p = gmfs_pool_of(inode);
	size_t copied = 0;
	u32 block;
	void *map;
	int err;

	err = gmfs_change_begin(gmfs_gate(inode));
	if (err)
		return err;
	err = gmfs_ready_block(inode, pos, len, &block);
	if (err)
		goto out;
	len = gmfs_until_bad(p, block, pos, len);
	if (!len) {
		err = -EIO;
		goto out;
	}
	map = gmfs_pool_map(p, block, pos % GMFS_BLOCK_SIZE, len);
	if (!map) {
		err = -ENOMEM;
		goto out;
	}
	pagefault_disable();
	copied = copy_from_iter(map, len, from);
	pagefault_enable();
	gmfs_pool_unmap(p, map);
	if (copied) {
		gmfs_extend_to(inode, pos + copied);
		gmfs_inode_touch(inode);
	}
out:
	gmfs_change_end(gmfs_gate(inode));
	return err ?: copied;
}

static ssize_t gmfs_write_chunks(struct kiocb *iocb, struct iov_iter *from)
{
	struct inode *inode = file_inode(iocb->ki_filp);
	ssize_t done = 0, n = 0;
	u32 len, limit = CHUNK;

	while (iov_iter_count(from) && n >= 0) {
		len = min(chunk_at(iocb->ki_pos, iov_iter_count(from)), limit);
		if (fault_in_iov_iter_readable(from, len) == len) {
			n = -EFAULT;
			break;
		}
		n = gmfs_write_chunk(inode, iocb->ki_pos, len, from);
		/* Pages were taken away in between: a page's worth must work. */
		limit = n ? CHUNK : 1;
		if (n > 0) {
			iocb->ki_pos += n;
			done += n;
		}
		if (n >= 0 && fatal_signal_pending(current))
			n = -EINTR;
		cond_resched();
	}
	return done ?: n;
}

/**
 * gmfs_write_iter - write a file
 * @iocb: the file and the position
 * @from: where from
 *
 * Return: bytes written; -EINVAL without the mount option "fileio"; -EBUSY while
 * the tree is frozen; -ETXTBSY if the file has private mappings; -ENOSPC;
 * -EFBIG; -EFAULT; -EIO if the memory is bad; -ENOMEM; -EINTR if killed.
 */
ssize_t gmfs_write_iter(struct kiocb *iocb, struct iov_iter *from)
{
	struct inode *inode = file_inode(iocb->ki_filp);
	ssize_t ret;

	if (!READ_ONCE(gmfs_tree_of(inode)->options.fileio))
		return -EINVAL;
	inode_lock(inode);
	ret = generic_write_checks(iocb, from);
	if (ret <= 0)
		goto out;
	ret = file_remove_privs(iocb->ki_filp);
	if (!ret)
		ret = gmfs_get_block_access(inode);
	if (!ret) {
		ret = gmfs_write_chunks(iocb, from);
		gmfs_put_block_access(inode);
	}
out:
	inode_unlock(inode);
	return ret;
}

/* With "sparse", what reads as zeroes on both sides needs no block. */
static bool may_leave_hole(struct inode *in, loff_t pos_in, struct inode *out, loff_t pos_out)
{
	return READ_ONCE(gmfs_tree_of(out)->options.sparse) &&
	       gmfs_written_block(in, pos_in) == GMFS_HOLE &&
	       gmfs_written_block(out, pos_out) == GMFS_HOLE;
}

static int gmfs_leave_hole(struct inode *out, loff_t pos_out)
{
	int err;

	if (pos_out <= i_size_read(out))
		return 0;
	filemap_invalidate_lock(out->i_mapping);
	err = gmfs_file_clear_eof(out, pos_out);
	filemap_invalidate_unlock(out->i_mapping);
	return err;
}

static int gmfs_copy_bytes(struct inode *in, loff_t pos_in, struct inode *out,
			   loff_t pos_out, u32 len)
{
	struct gmfs_pool *p = gmfs_pool_of(out);
	u32 block;
	void *to;
	int err;

	err = gmfs_ready_block(out, pos_out, len, &block);
	if (err)
		return err;
	if (gmfs_until_bad(p, block, pos_out, len) < len)
		return -EIO;
	to = gmfs_pool_map(p, block, pos_out % GMFS_BLOCK_SIZE, len);
	if (!to)
		return -ENOMEM;
	filemap_invalidate_lock_shared(in->i_mapping);
	err = gmfs_file_read(in, pos_in, to, len);
	filemap_invalidate_unlock_shared(in->i_mapping);
	gmfs_pool_unmap(p, to);
	return err;
}

/* Copy within the region: both are in one chunk, so in one block each. */
static int gmfs_copy_chunk(struct inode *in, loff_t pos_in, struct inode *out,
			   loff_t pos_out, u32 len)
{
	int err;

	err = gmfs_change_begin(gmfs_gate(out));
	if (err)
		return err;
	if (may_leave_hole(in, pos_in, out, pos_out))
		err = gmfs_leave_hole(out, pos_out);
	else
		err = gmfs_copy_bytes(in, pos_in, out, pos_out, len);
	if (!err) {
		gmfs_extend_to(out, pos_out + len);
		gmfs_inode_touch(out);
	}
	gmfs_change_end(gmfs_gate(out));
	return err;
}

/*
 * As lock_two_nondirectories(), by address, but the source's only for reading: so copies
 * in opposite directions do not wait for each other for ever.
 */
static void gmfs_lock_files(struct inode *in, struct inode *out)
{
	if (in == out) {
		inode_lock(out);
	} else if (in < out) {
		inode_lock_shared(in);
		inode_lock_nested(out, I_MUTEX_NONDIR2);
	} else {
		inode_lock(out);
		inode_lock_shared_nested(in, I_MUTEX_NONDIR2);
	}
}

static void gmfs_unlock_files(struct inode *in, struct inode *out)
{
	inode_unlock(out);
	if (in != out)
		inode_unlock_shared(in);
}

/*
 * Both files are locked for one chunk at a time, or a balloon could not punch the
 * source until all is copied. Returns the bytes copied, 0 at EOF of the source.
 */
static ssize_t gmfs_copy_locked(struct inode *in, loff_t pos_in, struct file *file_out,
				loff_t pos_out, u64 len)
{
	struct inode *out = file_inode(file_out);
	ssize_t n = 0;
	loff_t size;
	int err;

	gmfs_lock_files(in, out);
	/* Between two chunks chmod() and chattr() can come. */
	err = IS_IMMUTABLE(out) ? -EPERM : file_remove_privs(file_out);
	size = i_size_read(in);
	if (!err && pos_in < size) {
		n = chunk_at(pos_in, min_t(u64, len, size - pos_in));
		n = chunk_at(pos_out, n);
		err = gmfs_copy_chunk(in, pos_in, out, pos_out, n);
	}
	gmfs_unlock_files(in, out);
	return err ?: n;
}

static ssize_t gmfs_copy_chunks(struct inode *in, loff_t pos_in, struct file *file_out,
				loff_t pos_out, u64 len)
{
	ssize_t n = 0;
	u64 done = 0;

	while (done < len) {
		n = fatal_signal_pending(current) ? -EINTR :
		    gmfs_copy_locked(in, pos_in + done, file_out, pos_out + done, len - done);
		if (n <= 0)
			break;
		done += n;
		cond_resched();
	}
	return done ?: n;
}

/**
 * gmfs_copy_file_range - copy from one file to another inside the region
 * @file_in: from
 * @pos_in: from its byte
 * @file_out: to
 * @pos_out: to its byte
 * @len: number of bytes
 * @flags: none
 *
 * Other changes of either file can come between two chunks of CHUNK bytes.
 *
 * Return: bytes copied; as gmfs_write_iter(), except that "fileio" is not needed; -EIO if
 * the source's memory is bad; -EPERM if the target has become immutable.
 */
ssize_t gmfs_copy_file_range(struct file *file_in, loff_t pos_in,
			     struct file *file_out, loff_t pos_out, size_t len,
			     unsigned int flags)
{
	struct inode *in = file_inode(file_in), *out = file_inode(file_out);
	ssize_t ret;

	ret = gmfs_get_block_access(out);
	if (ret)
		return ret;
	ret = gmfs_copy_chunks(in, pos_in, file_out, pos_out, len);
	gmfs_put_block_access(out);
	return ret;
}
