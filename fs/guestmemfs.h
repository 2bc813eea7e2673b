/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _GUESTMEMFS_H
#define _GUESTMEMFS_H

#include <compat.h>
#include <guestmemfs/abi.h>
#include <linux/completion.h>
#include <linux/fs.h>
#include <linux/fs_parser.h>
#include <linux/kobject.h>
#include <linux/nodemask.h>
#include <linux/rwsem.h>
#include <linux/seqlock.h>
#include <linux/xarray.h>

#include "mem/mem.h"
#include "mem/pure/cmdline.h"
#include "../kho/kho.h"
#include "../kho/pure/xattrs.h"

#define GMFS_MAGIC		0x676d6673	/* "gmfs" */

/**
 * struct gmfs_mpol - the NUMA policy of a mount
 * @mode: MPOL_DEFAULT or another one (include/uapi/linux/mempolicy.h)
 * @nodes: that it is about
 */
struct gmfs_mpol {
	unsigned int mode;
	nodemask_t nodes;
};

/**
 * struct gmfs_options - how the tree is mounted
 * @given: which of the options the mount named, by bit
 * @uid: owner of the root directory
 * @gid: group of the root directory
 * @mode: permissions of the root directory
 * @nr_inodes: no more of them are created
 * @huge: largest order that a shared mapping gets: PUD_ORDER, PMD_ORDER or 0; no more
 *	than gmfs_largest_order()
 * @scrub: blocks are zeroed when they get free
 * @fileio: read() and write() work
 * @sparse: truncate() leaves a hole where a file grows
 * @pages: the pool has page descriptors; the first mount's choice
 * @mpol: where blocks come from if neither the VMA nor the task has a policy; read under
 *	gmfs_mpol_lock
 */
struct gmfs_options {
	unsigned int given;
	kuid_t uid;
	kgid_t gid;
	umode_t mode;
	unsigned int nr_inodes;
	unsigned int huge;
	bool scrub;
	bool fileio;
	bool sparse;
	bool pages;
	struct gmfs_mpol mpol;
};

/**
 * struct gmfs_mount - a mount or a remount on its way
 * @options: what was asked for, where @options.given says so
 * @discard: drop an image in quarantine
 * @filled: the tree was not mounted before
 */
struct gmfs_mount {
	struct gmfs_options options;
	bool discard;
	bool filled;
};

/**
 * enum gmfs_loading - how far loading a tree has got
 * @GMFS_NOT_LOADED: its pool could not be claimed, or loading failed; mounts fail
 * @GMFS_LOADING: mounts wait
 * @GMFS_LOADED: it can be mounted
 */
enum gmfs_loading {
	GMFS_NOT_LOADED,
	GMFS_LOADING,
	GMFS_LOADED,
};

/**
 * struct gmfs_tree - a pool: a tree of files and the memory that they lie in
 * @list: of all trees; see fs/tree.c
 * @name: of the pool, constant
 * @loading: written once, by loading; read without a lock
 * @pool: the memory; without windows if it could not be claimed
 * @handover: how it gets to the next kernel, and the gate of all changes
 * @sb: the superblock while it is mounted; written with the gate held for writing
 * @options: how it is mounted; written with its s_umount held for writing
 * @inodes: the mounted tree's inodes by number
 * @nr_inodes: how many
 * @room: bytes that inodes and names may still add to an image; below zero if
 *	one came with more
 * @xattr_lock: protects the extended attributes of all inodes
 * @kobj: the directory in sysfs
 * @kobj_released: completed when the last user of @kobj is gone
 */
struct gmfs_tree {
	struct list_head list;
	const char *name;
	enum gmfs_loading loading;
	struct gmfs_pool pool;
	struct gmfs_handover handover;
	struct super_block *sb;
	struct gmfs_options options;
	struct xarray inodes;
	atomic_t nr_inodes;
	atomic64_t room;
	struct rw_semaphore xattr_lock;
	struct kobject kobj;
	struct completion kobj_released;
};

static inline struct gmfs_tree *gmfs_tree(const struct super_block *sb)
{
	return sb->s_fs_info;
}

static inline struct gmfs_tree *gmfs_tree_of(const struct inode *inode)
{
	return gmfs_tree(inode->i_sb);
}

static inline struct gmfs_pool *gmfs_pool_of(const struct inode *inode)
{
	return &gmfs_tree_of(inode)->pool;
}

/* What gmfs_change_begin() and the others take. */
static inline struct gmfs_handover *gmfs_gate(const struct inode *inode)
{
	return &gmfs_tree_of(inode)->handover;
}

/**
 * struct gmfs_inode - an inode
 * @vfs: the VFS's part
 * @extents: regular files: where the blocks are; written with the mapping's
 *	invalidate_lock held for writing; Documentation/locking.rst says who reads
 * @block_users: regular files: shared mappings and operations that change blocks, or, below
 *	zero, private mappings; see fs/pagecache.c
 * @had_pud: regular files: some mapping has had a PUD entry; set with invalidate_lock
 *	held for reading
 * @punched: regular files: pages of blocks that have been punched in part, a bitmap for each
 *	such block; protected by the mapping's invalidate_lock, held for writing
 * @spaces: regular files: extents that memory_failure() knows; see fs/spaces.c
 * @spaces_lock: held to change @spaces, and by who does not hold invalidate_lock to read it
 * @xattrs: extended attributes, packed as in an image; protected by @xattr_lock of
 *	the tree
 * @btime: when it was created
 */
struct gmfs_inode {
	struct inode vfs;
	struct gmfs_extents extents;
	atomic_t block_users;
	bool had_pud;
	struct xarray punched;
#if GMFS_HAVE_PFN_SPACES
	struct rb_root_cached spaces;
	spinlock_t spaces_lock;
#endif
	struct gmfs_xattrs xattrs;
	struct timespec64 btime;
};

static inline struct gmfs_inode *gmfs_i(struct inode *inode)
{
	return container_of(inode, struct gmfs_inode, vfs);
}

/* How many blocks of a file @size bytes take. */
static inline u32 gmfs_blocks_for(loff_t size)
{
	return DIV_ROUND_UP_ULL(size, GMFS_BLOCK_SIZE);
}

/* In tree.c */
int gmfs_tree_create(const struct gmfs_pool_arg *pool);
int gmfs_trees_load(void);
void gmfs_trees_unload(void);
void gmfs_trees_destroy(void);
int gmfs_trees_wait(void);
struct gmfs_tree *gmfs_tree_find(const char *name);
struct gmfs_tree *gmfs_tree_at(phys_addr_t phys);
int gmfs_charge(struct gmfs_tree *tree, u32 bytes);
void gmfs_uncharge(struct gmfs_tree *tree, u32 bytes);
int gmfs_tree_attach(struct super_block *sb, bool discard, const char **why);
void gmfs_tree_detach(struct super_block *sb);

/* In serialize.c */
void gmfs_write_inodes(struct gmfs_handover *h, struct gmfs_fdt_writer *w);

/* In restore.c */
int gmfs_build_tree(struct super_block *sb);

/* In status.c */
int gmfs_status_init(void);
void gmfs_status_exit(void);
void gmfs_status_setup(struct gmfs_tree *tree);
int gmfs_status_add(struct gmfs_handover *h);
void gmfs_status_remove(struct gmfs_handover *h);

/* In super.c */
int gmfs_super_init(void);
int gmfs_super_register(void);
void gmfs_super_unregister(void);
void gmfs_super_exit(void);

/* In options.c */
extern const struct fs_parameter_spec gmfs_parameters[];
int gmfs_parse_param(struct fs_context *fc, struct fs_parameter *param);
void gmfs_options_apply(struct gmfs_options *o, const struct gmfs_options *change);
bool gmfs_options_suit_root(const struct inode *root, const struct gmfs_options *change);
void gmfs_options_set(struct gmfs_tree *tree, const struct gmfs_options *o);
bool gmfs_options_equal(const struct gmfs_options *a, const struct gmfs_options *b);
int gmfs_options_check_mpol(struct fs_context *fc, const struct gmfs_tree *tree,
			    const struct gmfs_options *o);
bool gmfs_options_keep_pages(struct fs_context *fc, const struct gmfs_tree *tree,
			     const struct gmfs_options *o);
int gmfs_options_set_root(struct super_block *sb, const struct gmfs_options *o);
int gmfs_show_options(struct seq_file *m, struct dentry *root);
int gmfs_reconfigure(struct fs_context *fc);

/* In names.c */
extern const struct inode_operations gmfs_dir_inode_operations;
extern const struct file_operations gmfs_dir_operations;

/* In inode.c */
int gmfs_setattr(struct mnt_idmap *idmap, struct dentry *dentry, struct iattr *attr);
int gmfs_getattr(struct mnt_idmap *idmap, const struct path *path, struct kstat *stat,
		 u32 request_mask, unsigned int flags);
int gmfs_fileattr_get(struct dentry *dentry, struct gmfs_fileattr *fa);
int gmfs_fileattr_set(struct mnt_idmap *idmap, struct dentry *dentry,
		      struct gmfs_fileattr *fa);
struct inode *gmfs_inode_alloc(struct super_block *sb, u64 ino, umode_t mode,
			       dev_t dev);
struct inode *gmfs_inode_new(struct mnt_idmap *idmap, struct inode *dir,
			     umode_t mode, dev_t dev);
void gmfs_inode_evict(struct inode *inode);
void gmfs_inode_touch(struct inode *inode);
void gmfs_inode_set_flags(struct inode *inode, u32 flags);
u32 gmfs_inode_flags(struct inode *inode);

/* In xattr.c */
extern const struct xattr_handler * const gmfs_xattr_handlers[];
ssize_t gmfs_listxattr(struct dentry *dentry, char *list, size_t size);
int gmfs_xattr_init_security(struct inode *inode, struct inode *dir,
			     const struct qstr *name);

/* In export.c */
extern const struct export_operations gmfs_export_operations;

/* In bmap.c */
u32 gmfs_file_find_block(struct inode *inode, u32 at, u32 *contiguous);
unsigned long gmfs_file_find_pfn(struct inode *inode, pgoff_t pgoff, unsigned int order);
unsigned long gmfs_file_map_pfn(struct inode *inode, pgoff_t pgoff, unsigned int order);
struct page *gmfs_file_find_page(struct inode *inode, pgoff_t pgoff);
int gmfs_file_read(struct inode *inode, loff_t pos, void *to, u32 len);
bool gmfs_file_may_have_pud(struct inode *inode, loff_t pos);
loff_t gmfs_llseek(struct file *file, loff_t offset, int whence);
int gmfs_fiemap(struct inode *inode, struct fiemap_extent_info *info, u64 start,
		u64 len);

/* In policy.c */
extern seqlock_t gmfs_mpol_lock;
void gmfs_wish_for(struct inode *inode, const struct vm_area_struct *vma,
		   struct gmfs_wish *wish);
int gmfs_set_policy(struct vm_area_struct *vma, struct mempolicy *policy);
const char *gmfs_mpol_parse(const char *text, struct gmfs_mpol *mpol);
bool gmfs_mpol_fits(const struct gmfs_mpol *mpol, const struct gmfs_pool *p);
void gmfs_mpol_show(struct seq_file *m, const struct gmfs_mpol *mpol);

/* In punched.c */
bool gmfs_punched_note(struct inode *inode, u32 at, u32 first, u32 last, u32 nr);
bool gmfs_punched_has(struct inode *inode, u32 at, u32 page);
void gmfs_punched_clear(struct inode *inode, u32 at, u32 page);
void gmfs_punched_forget(struct inode *inode, u32 from, u32 to);

/* In prepare.c */
void gmfs_file_prepare(struct inode *inode, u32 from, u32 to);

/* In file.c */
extern const struct inode_operations gmfs_file_inode_operations;
extern const struct file_operations gmfs_file_operations;
void gmfs_file_unmap(struct inode *inode, loff_t from, loff_t to);
int gmfs_file_fill(struct inode *inode, loff_t from, loff_t to,
		   const struct vm_area_struct *vma);
u32 gmfs_file_mend(struct inode *inode, u32 at);
int gmfs_file_clear_eof(struct inode *inode, loff_t to);
int gmfs_file_resize(struct inode *inode, loff_t size);

/* In fault.c */
vm_fault_t gmfs_huge_fault(struct vm_fault *vmf, unsigned int order);
vm_fault_t gmfs_fault(struct vm_fault *vmf);
vm_fault_t gmfs_private_fault(struct vm_fault *vmf);

/* In failure.c */
void gmfs_check_bad(struct inode *inode);
size_t gmfs_bad_list(struct gmfs_tree *tree, char *buf, size_t size);
void gmfs_failure_init(void);
void gmfs_failure_exit(void);

/* In spaces.c */
#if GMFS_HAVE_PFN_SPACES
void gmfs_spaces_drop(struct inode *inode, u32 from, u32 to);
void gmfs_spaces_sync(struct inode *inode, u32 from, u32 to);
#else
static inline void gmfs_spaces_drop(struct inode *inode, u32 from, u32 to)
{
}

static inline void gmfs_spaces_sync(struct inode *inode, u32 from, u32 to)
{
}
#endif

/* In pagecache.c */
extern const struct address_space_operations gmfs_address_space_operations;
int gmfs_get_block_access(struct inode *inode);
void gmfs_put_block_access(struct inode *inode);
int gmfs_deny_block_access(struct inode *inode);
void gmfs_allow_block_access(struct inode *inode);

/* In mmap.c */
unsigned int gmfs_largest_order(void);
void gmfs_mmap_init(void);
int gmfs_mmap(struct file *file, struct vm_area_struct *vma);
unsigned long gmfs_get_unmapped_area(struct file *file, unsigned long addr,
				     unsigned long len, unsigned long pgoff,
				     unsigned long flags);

/* In fileio.c */
ssize_t gmfs_read_iter(struct kiocb *iocb, struct iov_iter *to);
ssize_t gmfs_write_iter(struct kiocb *iocb, struct iov_iter *from);
ssize_t gmfs_copy_file_range(struct file *file_in, loff_t pos_in,
			     struct file *file_out, loff_t pos_out, size_t len,
			     unsigned int flags);

#endif /* _GUESTMEMFS_H */
