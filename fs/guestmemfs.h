/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _GUESTMEMFS_H
#define _GUESTMEMFS_H

#include <linux/fs.h>
#include <linux/mutex.h>
#include <linux/rwsem.h>
#include <linux/wait.h>
#include <linux/xarray.h>

#include "blocks.h"
#include "compat.h"
#include "extents.h"

#define GMFS_MAGIC		0x676d6673	/* "gmfs" */
#define GMFS_BLOCK_SHIFT	PMD_SHIFT
#define GMFS_BLOCK_SIZE		PMD_SIZE
#define GMFS_BLOCK_PAGES	(PMD_SIZE / PAGE_SIZE)
#define GMFS_NR_ZERO_LOCKS	16

/**
 * struct gmfs_region - the window of memory that files are made of
 * @base: physical address, PMD-aligned, constant while claimed
 * @size: bytes, a multiple of GMFS_BLOCK_SIZE, constant while claimed
 * @resource: keeps others, /dev/mem among them, out
 * @lock: protects @blocks
 * @blocks: which blocks are in use
 * @written: one bit a block that holds a file's data and not an earlier
 *	owner's; set under a lock of @zeroing, cleared under @lock when a block
 *	gets free, read without a lock
 * @zeroing: hashed by block: one task zeroes it, the others wait
 */
struct gmfs_region {
	phys_addr_t base;
	u64 size;
	struct resource *resource;
	struct mutex lock;
	struct gmfs_blocks blocks;
	unsigned long *written;
	struct mutex zeroing[GMFS_NR_ZERO_LOCKS];
};

/**
 * struct gmfs - the one region and the one tree in it
 * @region: the memory
 * @change: held for reading by whatever changes what an image tells, and for
 *	writing to freeze, thaw, mount and unmount
 * @frozen: no changes until thaw; written under @change
 * @thawed: woken when @frozen is cleared
 * @sb: the tree while it is mounted; written under @change
 * @image: the tree while it is not mounted, or one that was refused; for
 *	kvfree(), protected by @change
 * @image_size: bytes at @image
 * @refused: why @image cannot be mounted, or NULL; protected by @change
 * @pinned: @image has files, so the module must stay; protected by @change
 * @inodes: the mounted tree's inodes by number
 * @nr_inodes: how many
 * @last_ino: highest inode number given out
 */
struct gmfs {
	struct gmfs_region region;
	struct rw_semaphore change;
	bool frozen;
	wait_queue_head_t thawed;
	struct super_block *sb;
	void *image;
	size_t image_size;
	const char *refused;
	bool pinned;
	struct xarray inodes;
	atomic_t nr_inodes;
	atomic64_t last_ino;
};

/**
 * struct gmfs_inode - an inode
 * @vfs: the VFS's part
 * @extents: regular files: where the blocks are; written with the mapping's
 *	invalidate_lock held for writing, read with it held for reading
 * @btime: when it was created
 */
struct gmfs_inode {
	struct inode vfs;
	struct gmfs_extents extents;
	struct timespec64 btime;
};

static inline struct gmfs_inode *gmfs_i(struct inode *inode)
{
	return container_of(inode, struct gmfs_inode, vfs);
}

/* In main.c */
extern struct gmfs gmfs;

/* In region.c */
ssize_t gmfs_read_file(const char *path, char *buf, size_t size);
int gmfs_region_claim(struct gmfs_region *r, u64 base, u64 size);
void gmfs_region_release(struct gmfs_region *r);
int gmfs_region_alloc(struct gmfs_region *r, struct gmfs_extents *x, u32 at,
		      u32 nr);
void gmfs_region_free(struct gmfs_region *r, struct gmfs_extents *x, u32 from,
		      u32 to);
bool gmfs_region_is_written(struct gmfs_region *r, u32 block, u32 nr);
int gmfs_region_write_in(struct gmfs_region *r, u32 block);
int gmfs_region_zero(struct gmfs_region *r, u32 block, u32 from, u32 to);

/* In handover.c */
int gmfs_change_begin(void);
int gmfs_change_begin_wait(void);
void gmfs_change_end(void);
int gmfs_handover_init(void);
void gmfs_handover_exit(void);
int gmfs_tree_attach(struct super_block *sb, bool discard, const char **why);
void gmfs_tree_detach(struct super_block *sb);

/* In super.c */
int gmfs_super_init(void);
int gmfs_super_register(void);
void gmfs_super_unregister(void);
void gmfs_super_exit(void);

/* In inode.c */
extern const struct inode_operations gmfs_dir_inode_operations;
struct inode *gmfs_inode_alloc(struct super_block *sb, u64 ino, umode_t mode,
			       dev_t dev);
struct inode *gmfs_inode_new(struct super_block *sb, struct inode *dir,
			     umode_t mode, dev_t dev);
void gmfs_inode_evict(struct inode *inode);

/* In file.c */
extern const struct file_operations gmfs_file_operations;
int gmfs_file_resize(struct inode *inode, loff_t size);

#endif /* _GUESTMEMFS_H */
