// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: the tree and its image
 *
 * A tree is either mounted, and then it is dentries and inodes, or it is not,
 * and then it is an image. Mounting turns the image into the tree, the last
 * unmount turns the tree into an image, and publishing leaves an image to the
 * next kernel, whose module begins with what it finds. So there is one way to
 * write a tree down and one way to build it up, for umount and kexec alike.
 *
 * The region's head has the image wherever there is one: umount seals it there,
 * and so does publishing; the first change afterwards opens it again. So the
 * module can be unloaded, and a kernel that crashes leaves a head that says so.
 *
 * An image that fails its check is kept as it is, untouched: mounting it fails
 * and says why, a kexec passes it on, and "-o discard" drops it. While there
 * is an image that the head does not have, the module cannot be unloaded.
 *
 * gmfs.change is held for reading around everything that changes what an image
 * tells and for writing here, so a tree is never written down half changed.
 */
#define pr_fmt(fmt) "guestmemfs: " fmt

#include <guestmemfs/abi.h>
#include <linux/kstrtox.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/pagemap.h>
#include <linux/reboot.h>
#include <linux/sched/task_stack.h>
#include <linux/string.h>
#include <linux/suspend.h>
#include <linux/unaligned.h>
#include <linux/uuid.h>

#include "guestmemfs.h"
#include "mem/pure/places.h"
#include "trace.h"
#include "../kho/kho.h"

#define BOOT_ID		"/proc/sys/kernel/random/boot_id"
#define LOADER_TYPE	"/proc/sys/kernel/bootloader_type"
#define LOADER_KEXEC	0xd0	/* Documentation/arch/x86/boot.rst, type_of_loader */

static DEFINE_MUTEX(open_lock);
static struct gmfs_copy refused;	/* the record that KHO's image came with, if any */
static bool forgotten;	/* the machine goes down: nothing is sealed any more */

/* What is sealed holds no longer. Waits for whoever else is about to say so. */
static int open_head(void)
{
	int err = 0;

	mutex_lock(&open_lock);
	if (gmfs.clean) {
		err = gmfs_slots_open();
		if (!err)
			/* Pairs with maybe_open_head(): it is open, then it is said. */
			smp_store_release(&gmfs.clean, false);
	}
	mutex_unlock(&open_lock);
	if (err)
		up_read(&gmfs.change);
	return err;
}

static int maybe_open_head(void)
{
	/* Whoever finds it open may change the tree: see open_head(). */
	return smp_load_acquire(&gmfs.clean) ? open_head() : 0;
}

/**
 * gmfs_change_begin - about to change what an image tells
 *
 * Context: may sleep; gmfs_change_end() follows.
 * Return: 0; -EBUSY while the tree is frozen; -ENOMEM; -EINTR if killed while
 * waiting for it to be published, mounted or unmounted.
 */
int gmfs_change_begin(void)
{
	int err = down_read_killable(&gmfs.change);

	if (err)
		return err;
	if (!gmfs.frozen)
		return maybe_open_head();
	up_read(&gmfs.change);
	return -EBUSY;
}

/**
 * gmfs_change_try_begin - as gmfs_change_begin(), but do not wait for freeze or thaw
 *
 * For a page fault, which has a lock of mm that other threads need.
 *
 * Return: 0; -EAGAIN while the tree is frozen, or is published, mounted or
 * unmounted; -ENOMEM.
 */
int gmfs_change_try_begin(void)
{
	if (!down_read_trylock(&gmfs.change))
		return -EAGAIN;
	if (!gmfs.frozen)
		return maybe_open_head();
	up_read(&gmfs.change);
	return -EAGAIN;
}

/**
 * gmfs_change_wait - wait until gmfs_change_try_begin() can succeed
 * @interruptible: any signal ends the wait, and not only one that kills
 *
 * Context: sleeps until thaw, so the caller holds no lock of mm.
 * Return: 0, though it may be frozen again by then; -EINTR or -ERESTARTSYS if a signal
 * came first.
 */
int gmfs_change_wait(bool interruptible)
{
	bool frozen;
	int err;

	do {
		err = interruptible ?
			wait_event_interruptible(gmfs.thawed, !READ_ONCE(gmfs.frozen)) :
			wait_event_killable(gmfs.thawed, !READ_ONCE(gmfs.frozen));
		if (!err)
			err = interruptible ? down_read_interruptible(&gmfs.change) :
					      down_read_killable(&gmfs.change);
		if (err)
			return err;
		frozen = gmfs.frozen;
		up_read(&gmfs.change);
	} while (frozen);
	return 0;
}

/**
 * gmfs_change_begin_wait - as gmfs_change_begin(), but wait until thaw
 *
 * For a page fault that cannot be begun anew, and so keeps a lock of mm meanwhile.
 *
 * Return: 0; -ENOMEM; -EINTR or -ERESTARTSYS if a signal that kills came first.
 */
int gmfs_change_begin_wait(void)
{
	int err;

	for (;;) {
		err = down_read_killable(&gmfs.change);
		if (err)
			return err;
		if (!gmfs.frozen)
			return maybe_open_head();
		up_read(&gmfs.change);
		err = wait_event_killable(gmfs.thawed, !READ_ONCE(gmfs.frozen));
		if (err)
			return err;
	}
}

/**
 * gmfs_change_end - what gmfs_change_begin() or gmfs_change_begin_wait() began is done
 *
 * Context: does not sleep.
 */
void gmfs_change_end(void)
{
	up_read(&gmfs.change);
}

/**
 * gmfs_charge - take room that an inode, a name or an attribute has in an image
 * @bytes: how much, at most; gmfs_uncharge() gives it back
 *
 * Context: inside gmfs_change_begin(), or for an inode that has no link yet.
 * Return: 0, or -ENOSPC if the region's head could not hold such an image.
 */
int gmfs_charge(u32 bytes)
{
	if (!bytes)
		return 0;	/* giving back goes on where there is too little */
	if (atomic64_sub_return(bytes, &gmfs.room) >= 0)
		return 0;
	gmfs_uncharge(bytes);
	return -ENOSPC;
}

/**
 * gmfs_uncharge - give back what gmfs_charge() took
 * @bytes: how much
 *
 * Context: any.
 */
void gmfs_uncharge(u32 bytes)
{
	atomic64_add(bytes, &gmfs.room);
}

/* --- tree to image --------------------------------------------------------- */

static struct gmfs_image_region image_region(void)
{
	return (struct gmfs_image_region){
		.base = gmfs.region.base,
		.size = gmfs.region.size,
		.block_size = GMFS_BLOCK_SIZE,
	};
}

static void put_written(struct gmfs_fdt_writer *w)
{
	size_t prop = gmfs_fdt_open_prop(w, GMFS_PROP_WRITTEN);
	u32 nr = gmfs.region.blocks.nr, i;
	u8 byte;

	for (i = 0; i < nr; i += 8) {
		byte = gmfs.region.written[BIT_WORD(i)] >> (i % BITS_PER_LONG);
		gmfs_fdt_append(w, &byte, 1);
	}
	gmfs_fdt_close_prop(w, prop);
}

static void put_extents(struct gmfs_fdt_writer *w, const struct gmfs_extents *x)
{
	size_t prop = gmfs_fdt_open_prop(w, GMFS_PROP_EXTENTS);
	u32 i;

	for (i = 0; i < x->nr; i++) {
		gmfs_fdt_append_u32(w, x->e[i].at);
		gmfs_fdt_append_u32(w, x->e[i].start);
		gmfs_fdt_append_u32(w, x->e[i].nr);
	}
	gmfs_fdt_close_prop(w, prop);
}

static void put_names(struct gmfs_fdt_writer *w, struct inode *dir)
{
	struct dentry *parent = d_find_any_alias(dir), *child;
	size_t prop;

	/* Names neither come nor go, so both walks meet them in one order. */
	spin_lock(&parent->d_lock);
	prop = gmfs_fdt_open_prop(w, GMFS_PROP_NAMES);
	hlist_for_each_entry(child, &parent->d_children, d_sib)
		if (d_really_is_positive(child) && !d_unhashed(child))
			gmfs_fdt_append(w, child->d_name.name,
					child->d_name.len + 1);
	gmfs_fdt_close_prop(w, prop);
	prop = gmfs_fdt_open_prop(w, GMFS_PROP_INODES);
	hlist_for_each_entry(child, &parent->d_children, d_sib)
		if (d_really_is_positive(child) && !d_unhashed(child))
			gmfs_fdt_append_u64(w, d_inode(child)->i_ino);
	gmfs_fdt_close_prop(w, prop);
	spin_unlock(&parent->d_lock);
	dput(parent);
}

static struct gmfs_image_time image_time(struct timespec64 t)
{
	return (struct gmfs_image_time){ t.tv_sec, t.tv_nsec };
}

static void put_inode(struct gmfs_fdt_writer *w, struct inode *inode)
{
	struct gmfs_image_inode i = {
		.ino = inode->i_ino,
		.mode = inode->i_mode,
		.uid = i_uid_read(inode),
		.gid = i_gid_read(inode),
		.major = MAJOR(inode->i_rdev),
		.minor = MINOR(inode->i_rdev),
		.times = {
			[GMFS_ATIME] = image_time(inode_get_atime(inode)),
			[GMFS_MTIME] = image_time(inode_get_mtime(inode)),
			[GMFS_CTIME] = image_time(inode_get_ctime(inode)),
			[GMFS_BTIME] = image_time(gmfs_i(inode)->btime),
		},
		.size = i_size_read(inode),
		.flags = gmfs_inode_flags(inode),
		.xattrs = gmfs_i(inode)->xattrs.data,
		.xattrs_size = gmfs_i(inode)->xattrs.size,
	};
	size_t prop;

	gmfs_image_begin_inode(w, &i);
	if (S_ISREG(inode->i_mode)) {
		put_extents(w, &gmfs_i(inode)->extents);
	} else if (S_ISDIR(inode->i_mode)) {
		put_names(w, inode);
	} else if (S_ISLNK(inode->i_mode)) {
		prop = gmfs_fdt_open_prop(w, GMFS_PROP_TARGET);
		gmfs_fdt_append(w, inode->i_link, strlen(inode->i_link) + 1);
		gmfs_fdt_close_prop(w, prop);
	}
	gmfs_fdt_end_node(w);
}

/* A tree of a root directory alone. */
static void put_empty_root(struct gmfs_fdt_writer *w)
{
	struct gmfs_image_inode root = {
		.ino = GMFS_ROOT_INO,
		.mode = S_IFDIR | 0700,
	};
	struct timespec64 now;
	int i;

	ktime_get_real_ts64(&now);
	for (i = 0; i < GMFS_NR_TIMES; i++)
		root.times[i] = image_time(now);
	gmfs_image_begin_inode(w, &root);
	gmfs_fdt_end_node(w);
}

/*
 * The next inode that has a name, from number *@ino on. Those without one are
 * open files, which end with their users, at any moment: hence RCU. A name, and
 * with it the inode, does not go while gmfs.change is held for writing.
 */
static struct inode *next_named(unsigned long *ino)
{
	struct inode *inode;

	rcu_read_lock();
	inode = xa_find(&gmfs.inodes, ino, ULONG_MAX, XA_PRESENT);
	while (inode && !inode->i_nlink)
		inode = xa_find_after(&gmfs.inodes, ino, ULONG_MAX, XA_PRESENT);
	rcu_read_unlock();
	return inode;
}

/* The mounted tree, or the empty one. Returns the bytes it takes. */
static size_t write_image(void *buf, size_t max)
{
	struct gmfs_image_region region = image_region();
	struct gmfs_fdt_writer w;
	struct inode *inode;
	unsigned long ino = 0;

	gmfs_image_begin(&w, buf, max, &region,
			 atomic64_read(&gmfs.last_ino) + 1);
	put_written(&w);
	if (!gmfs.sb)
		put_empty_root(&w);
	while (gmfs.sb && (inode = next_named(&ino))) {
		put_inode(&w, inode);
		ino++;
	}
	return gmfs_image_end(&w);
}

static void *make_image(size_t *size, gfp_t gfp)
{
	void *image;

	*size = write_image(NULL, 0);
	image = kvmalloc(*size, gfp);
	if (image && WARN_ON_ONCE(write_image(image, *size) != *size)) {
		kvfree(image);
		return NULL;
	}
	return image;
}

/* --- image to tree --------------------------------------------------------- */

static struct timespec64 inode_time(const struct gmfs_image_time *t)
{
	return (struct timespec64){ t->sec, t->nsec };
}

/* Bits of blocks that are nobody's mean nothing: a free block is unwritten. */
static void take_written(const u8 *written, const struct gmfs_extent *e)
{
	u32 i;

	for (i = e->start; i < e->start + e->nr; i++)
		if (written[i / 8] >> (i % 8) & 1)
			__set_bit(i, gmfs.region.written);
}

static int take_extents(struct gmfs_inode *gi, const struct gmfs_image_inode *i,
			const u8 *written)
{
	struct gmfs_extent e;
	u32 n;
	int err;

	err = gmfs_extents_reserve(&gi->extents, i->nr_extents);
	if (err)
		return err;
	for (n = 0; n < i->nr_extents; n++) {
		e = gmfs_image_extent(i, n);
		err = gmfs_blocks_take(&gmfs.region.blocks, e.start, e.nr);
		if (err)
			return err;
		gmfs_extents_insert(&gi->extents, e);
		take_written(written, &e);
		gi->vfs.i_blocks += (u64)e.nr << (GMFS_BLOCK_SHIFT - 9);
	}
	return 0;
}

static int build_inode(struct super_block *sb, const struct gmfs_image_inode *i,
		       const u8 *written)
{
	dev_t dev = MKDEV(i->major, i->minor);
	struct inode *inode = gmfs_inode_alloc(sb, i->ino, i->mode, dev);

	if (IS_ERR(inode))
		return PTR_ERR(inode);
	i_uid_write(inode, i->uid);
	i_gid_write(inode, i->gid);
	inode_set_atime_to_ts(inode, inode_time(&i->times[GMFS_ATIME]));
	inode_set_mtime_to_ts(inode, inode_time(&i->times[GMFS_MTIME]));
	inode_set_ctime_to_ts(inode, inode_time(&i->times[GMFS_CTIME]));
	gmfs_i(inode)->btime = inode_time(&i->times[GMFS_BTIME]);
	gmfs_inode_set_flags(inode, i->flags);
	atomic64_sub(i->xattrs_size, &gmfs.room);
	if (i->xattrs_size) {
		gmfs_i(inode)->xattrs.data = kvmemdup(i->xattrs, i->xattrs_size,
						      GFP_KERNEL);
		if (!gmfs_i(inode)->xattrs.data)
			return -ENOMEM;
		gmfs_i(inode)->xattrs.size = i->xattrs_size;
	}
	i_size_write(inode, i->size);
	if (S_ISLNK(i->mode)) {
		inode->i_link = kstrdup(i->target, GFP_KERNEL);
		i_size_write(inode, strlen(i->target));
		atomic64_sub(i_size_read(inode) + 1, &gmfs.room);
		return inode->i_link ? 0 : -ENOMEM;
	}
	return take_extents(gmfs_i(inode), i, written);
}

/* Give a name to an inode. The first one takes over the inode's reference. */
static struct dentry *build_name(struct dentry *parent, const char *name,
				 struct inode *inode)
{
	struct dentry *dentry = d_alloc_name(parent, name), *twin;

	if (!dentry)
		return ERR_PTR(-ENOMEM);
	twin = d_lookup(parent, &dentry->d_name);
	if (twin) {
		dput(twin);
		dput(dentry);
		return ERR_PTR(-EEXIST);
	}
	atomic64_sub(GMFS_IMAGE_NAME, &gmfs.room);
	if (!hlist_empty(&inode->i_dentry)) {
		inc_nlink(inode);
		ihold(inode);
	}
	if (S_ISDIR(inode->i_mode))
		inc_nlink(d_inode(parent));
	gmfs_make_persistent(dentry, inode);
	dput(dentry);	/* the tree has its own reference */
	return dentry;
}

/* Fill one directory; directories found in it are put at the end of @queue. */
static int build_directory(const struct gmfs_image_inode *i,
			   struct dentry *parent, struct dentry **queue,
			   u32 *queued)
{
	const char *name = i->names;
	struct dentry *dentry;
	struct inode *inode;
	u32 n;

	for (n = 0; n < i->nr_entries; n++, name += strlen(name) + 1) {
		inode = xa_load(&gmfs.inodes, get_unaligned_be64(i->inodes + 8 * n));
		dentry = build_name(parent, name, inode);
		if (IS_ERR(dentry))
			return PTR_ERR(dentry);
		if (S_ISDIR(inode->i_mode))
			queue[(*queued)++] = dentry;
	}
	return 0;
}

/**
 * struct build - what building a tree needs for the time being
 * @img: the image
 * @pos: where in the image an inode is, by number
 * @queue: directories found, for each to be filled after its parent
 */
struct build {
	struct gmfs_image img;
	struct xarray pos;
	struct dentry **queue;
};

static int build_inodes(struct super_block *sb, struct build *b)
{
	u32 pos = gmfs_image_first(&b->img), here = pos;
	struct gmfs_image_inode i;
	int err;

	for (; gmfs_image_next(&b->img, &pos, &i) > 0; here = pos) {
		if (S_ISDIR(i.mode)) {
			err = xa_err(xa_store(&b->pos, i.ino, xa_mk_value(here),
					      GFP_KERNEL));
			if (err)
				return err;
		}
		err = build_inode(sb, &i, b->img.written);
		if (err)
			return err;
	}
	return 0;
}

static int build_names(struct super_block *sb, struct build *b)
{
	u32 queued = 0, done, pos;
	struct gmfs_image_inode i;
	struct dentry *dir;
	int err;

	/* On failure d_make_root() puts the inode: it has a reference to give. */
	sb->s_root = d_make_root(igrab(xa_load(&gmfs.inodes, GMFS_ROOT_INO)));
	if (!sb->s_root)
		return -ENOMEM;
	b->queue[queued++] = sb->s_root;
	for (done = 0; done < queued; done++) {
		dir = b->queue[done];
		pos = xa_to_value(xa_load(&b->pos, d_inode(dir)->i_ino));
		gmfs_image_next(&b->img, &pos, &i);
		err = build_directory(&i, dir, b->queue, &queued);
		if (err)
			return err;
	}
	return 0;
}

/* Inodes that got no name still have the reference they were made with. */
static void put_nameless(void)
{
	struct inode *inode;
	unsigned long ino;

	xa_for_each(&gmfs.inodes, ino, inode)
		if (ino == GMFS_ROOT_INO || hlist_empty(&inode->i_dentry))
			iput(inode);
}

/* From now on mounting fails, until the operator discards the image. */
static void refuse_image(const char *why)
{
	lockdep_assert_held_write(&gmfs.change);
	kfree(gmfs.refused);
	gmfs.refused = kasprintf(GFP_KERNEL | __GFP_NOFAIL,
				 "the last kernel's image is refused: %s; nothing is lost until mounted with -o discard",
				 why);
	pr_err("%s\n", gmfs.refused);
}

static int build_tree(struct super_block *sb)
{
	struct gmfs_image_region region = image_region();
	struct build *b = kzalloc(sizeof(*b), GFP_KERNEL);
	int err = -ENOMEM;

	if (!b)
		return err;
	xa_init(&b->pos);
	err = gmfs_image_check(&b->img, gmfs.image, gmfs.image_size, &region);
	if (err) {
		if (err != -ENOMEM)
			refuse_image(b->img.why);
		goto out;
	}
	err = -ENOMEM;
	b->queue = kvcalloc(b->img.nr_inodes, sizeof(*b->queue), GFP_KERNEL);
	if (!b->queue)
		goto out;
	gmfs_region_reset(&gmfs.region);
	atomic64_set(&gmfs.room, gmfs_image_room(&region));
	err = build_inodes(sb, b);
	if (!err)
		err = build_names(sb, b);
	if (err == -EEXIST)
		refuse_image("a directory has two equal names");
	if (err)
		put_nameless();
	else
		iput(xa_load(&gmfs.inodes, GMFS_ROOT_INO));
	trace_gmfs_restore(b->img.nr_inodes, err);
	atomic64_set(&gmfs.last_ino, b->img.next_ino - 1);
out:
	xa_destroy(&b->pos);
	kvfree(b->queue);
	kfree(b);
	return err;
}

/* --- who has the tree ------------------------------------------------------ */

/* Nobody else has the tree, so the module must stay. */
static void pin(bool on)
{
	if (on && !gmfs.pinned)
		__module_get(THIS_MODULE);
	if (!on && gmfs.pinned)
		module_put(THIS_MODULE);
	gmfs.pinned = on;
}

static void set_image(void *image, size_t size, u32 inodes)
{
	lockdep_assert_held_write(&gmfs.change);
	kvfree(gmfs.image);
	gmfs.image = image;
	gmfs.image_size = size;
	gmfs.image_inodes = inodes;
}

/* The image as KHO gets it. One that was refused keeps its record: it may be damaged. */
static int publish_copy(void)
{
	struct gmfs_copy copy = refused;

	if (!gmfs.refused)
		copy = (struct gmfs_copy){
			.recorded = true,
			.generation = gmfs_slots_generation() + !gmfs.clean,
			.crc = gmfs_crc32c(gmfs.image, gmfs.image_size),
		};
	copy.image = gmfs.image;
	copy.size = gmfs.image_size;
	return gmfs_kho_publish(&copy);
}

/* A mounted tree needs no image but while it is published. */
static void forget_image(void)
{
	if (gmfs.sb)
		set_image(NULL, 0, 0);
}

static int set_empty_image(void)
{
	size_t size;
	void *image;

	gmfs_region_reset(&gmfs.region);
	atomic64_set(&gmfs.last_ino, GMFS_ROOT_INO);
	image = make_image(&size, GFP_KERNEL);
	if (!image)
		return -ENOMEM;
	kfree(gmfs.refused);
	gmfs.refused = NULL;
	refused = (struct gmfs_copy){ 0 };
	set_image(image, size, 1);
	pin(false);
	return 0;
}

/* Leave an image in the head, unless the head has it. */
static int seal(const void *image, size_t size)
{
	int err = 0;

	lockdep_assert_held_write(&gmfs.change);
	if (forgotten)
		return 0;
	if (!gmfs.clean)
		err = gmfs_slots_publish(image, size);
	else if (gmfs_slots_date())
		pr_warn("out of memory: the sealed image keeps its earlier date\n");
	gmfs.clean = !err;
	pin(err);
	return err;
}

/**
 * gmfs_tree_attach - the image becomes the tree of a superblock
 * @sb: the superblock
 * @discard: drop an image that was refused
 * @why: what is wrong, set on failure
 *
 * Context: being mounted for the first time; may sleep.
 * Return: 0; -EUCLEAN if the image was refused; -EBUSY for discarding it while
 * it is published; -ENOMEM; -EINTR if killed while waiting.
 */
int gmfs_tree_attach(struct super_block *sb, bool discard, const char **why)
{
	int err = 0;

	*why = "interrupted";
	if (down_write_killable(&gmfs.change))
		return -EINTR;
	*why = "out of memory";
	if (gmfs.refused && discard && gmfs.frozen) {
		*why = "the image to discard is published: write 0 to active first";
		err = -EBUSY;
	} else if (gmfs.refused && discard) {
		pr_info("dropping an image as asked: %s\n", gmfs.refused);
		err = gmfs_slots_wipe();
		gmfs.clean = !err;
		if (!err)
			err = set_empty_image();
	}
	if (!err && !gmfs.refused)
		err = build_tree(sb);
	if (!err && !gmfs.refused) {
		gmfs.sb = sb;
		pin(false);
		if (!gmfs.frozen)
			forget_image();
	} else if (gmfs.refused && err != -EBUSY) {
		*why = gmfs.refused;
		err = -EUCLEAN;
	}
	up_write(&gmfs.change);
	return err;
}

/**
 * gmfs_tree_detach - the tree of a superblock becomes an image
 * @sb: the superblock
 *
 * Cannot fail, and waits for memory if it must: otherwise files were lost. If
 * the head does not get it, the module must stay.
 *
 * Context: unmounted for the last time; may sleep.
 */
void gmfs_tree_detach(struct super_block *sb)
{
	u32 inodes = atomic_read(&gmfs.nr_inodes);
	size_t size;
	void *image;

	/* Only gmfs_tree_attach() of @sb sets it, so a mount that was killed need not wait. */
	if (READ_ONCE(gmfs.sb) != sb)
		return;
	down_write(&gmfs.change);
	image = make_image(&size, GFP_KERNEL | __GFP_NOFAIL);
	gmfs.sb = NULL;
	set_image(image, size, inodes);
	seal(image, size);
	up_write(&gmfs.change);
}

/* --- freeze and publish, withdraw and thaw --------------------------------- */

/*
 * The head is what every kernel can read, so it must have the image. Where there
 * is KHO the next kernel will look there first; without it, in the head.
 */
static int publish(gfp_t gfp)
{
	bool last = gfp & __GFP_NOFAIL;
	int err = 0, kho_err;
	size_t size;
	void *image;

	if (forgotten)
		return -ESHUTDOWN;
	if (gmfs.sb) {
		image = make_image(&size, gfp);
		if (!image)
			return -ENOMEM;
		set_image(image, size, atomic_read(&gmfs.nr_inodes));
	}
	if (!gmfs.image)
		return 0;	/* the head has what there is */
	if (!gmfs.refused)
		err = seal(gmfs.image, gmfs.image_size);
	if (gmfs_kho_is_on() && (!err || last)) {
		kho_err = publish_copy();
		if (err || (gmfs.refused && !gmfs.clean))
			err = kho_err;	/* the head does not have it */
		else if (kho_err)
			pr_warn("KHO does not take the image (%pe): the next kernel finds it in the region\n",
				ERR_PTR(kho_err));
	}
	trace_gmfs_publish(gmfs.image_size, gmfs_slots_generation(), err);
	if (err)
		forget_image();
	else
		pr_info("published an image of %zu bytes\n", gmfs.image_size);
	return err;
}

static int switch_active(bool on, gfp_t gfp)
{
	int err = 0;

	if (gfp & __GFP_NOFAIL)
		down_write(&gmfs.change);
	else if (down_write_killable(&gmfs.change))
		return -EINTR;
	if (on && !gmfs.frozen) {
		err = publish(gfp);
		if (!err)
			WRITE_ONCE(gmfs.frozen, true);
	} else if (!on && gmfs.frozen) {
		gmfs_kho_withdraw();
		forget_image();
		WRITE_ONCE(gmfs.frozen, false);
		wake_up_all(&gmfs.thawed);
	}
	trace_gmfs_freeze(on, err);
	up_write(&gmfs.change);
	if (err)
		pr_err("cannot hand over: %pe\n", ERR_PTR(err));
	return err;
}

static int set_active(bool on)
{
	return switch_active(on, GFP_KERNEL);
}

static bool get_active(void)
{
	return READ_ONCE(gmfs.frozen);
}

static const struct gmfs_active_ops active_ops = {
	.set	= set_active,
	.get	= get_active,
};

/*
 * Memory does not last. If some of it does, a kernel that comes later by kexec
 * shall not take what is sealed for what is there.
 */
static void forget_all(void)
{
	int err;

	down_write(&gmfs.change);
	err = gmfs_slots_wipe();
	if (!err)
		gmfs.clean = false;	/* nor does a change say that there was something */
	forgotten = true;
	up_write(&gmfs.change);
	if (err)
		pr_warn("cannot forget what is in the region's head: %pe\n", ERR_PTR(err));
}

/*
 * kernel_kexec() (kernel/kexec_core.c) restarts with a literal. reboot(2) can pass the same
 * text, in a buffer on the stack of the task that called it, which is the one that runs
 * the notifiers. kexec_in_progress is not exported.
 */
static bool is_kexec(unsigned long code, const void *cmd)
{
	return code == SYS_RESTART && cmd && !object_is_on_stack(cmd) &&
	       !strcmp(cmd, "kexec reboot");
}

/* A kexec that was not prepared loses nothing either: there is no later chance. */
static int on_reboot(struct notifier_block *nb, unsigned long code, void *cmd)
{
	if (is_kexec(code, cmd))
		switch_active(true, GFP_KERNEL | __GFP_NOFAIL);
	else
		forget_all();
	return NOTIFY_DONE;
}

static struct notifier_block reboot_notifier = {
	.notifier_call	= on_reboot,
};

/*
 * Hibernation would bring the tree back, but no contents: they have no pages. In
 * suspend the time-stamp counter may begin anew, and then what is sealed looks as if
 * it was from before a reset.
 */
static int on_sleep(struct notifier_block *nb, unsigned long event, void *unused)
{
	if (event != PM_HIBERNATION_PREPARE && event != PM_SUSPEND_PREPARE)
		return NOTIFY_DONE;
	pr_err("no suspend or hibernation while the module is loaded: the files would be lost\n");
	return NOTIFY_BAD;
}

static struct notifier_block sleep_notifier = {
	.notifier_call	= on_sleep,
};

/* The blocks of an image are in use before it is mounted, too. */
static void take_blocks(const struct gmfs_image *img)
{
	u32 pos = gmfs_image_first(img), n;
	struct gmfs_image_inode i;
	struct gmfs_extent e;

	while (gmfs_image_next(img, &pos, &i) > 0)
		for (n = 0; n < i.nr_extents; n++) {
			e = gmfs_image_extent(&i, n);
			gmfs_blocks_take(&gmfs.region.blocks, e.start, e.nr);
		}
}

/* @other: it is refused for that reason, if its check finds no better one. */
static void take_image(void *image, size_t size, const char *from, const char *other)
{
	struct gmfs_image_region region = image_region();
	struct gmfs_image img;
	int err;

	err = gmfs_image_check(&img, image, size, &region);
	/* For want of memory it is checked when it is mounted. */
	if (other || (err && err != -ENOMEM))
		refuse_image(err && err != -ENOMEM ? img.why : other);
	set_image(image, size, img.nr_inodes);
	pin(!gmfs.clean);
	if (err || other)
		return;
	take_blocks(&img);
	pr_info("took over %u inodes from %s\n", img.nr_inodes, from);
	/* No crash from here on may bring back what the head has had before. */
	if (!gmfs.clean && gmfs_slots_open())
		pr_warn("out of memory: until the files are unmounted, a crash can bring back an earlier tree\n");
	seal(image, size);
}

/**
 * struct left - what the last kernel left in the head
 * @err: 0 or -errno, as from gmfs_slots_retrieve()
 * @image: for kvfree(), or NULL
 * @size: bytes at @image
 * @why: why the head is refused
 */
struct left {
	int err;
	void *image;
	size_t size;
	char why[160];
};

static bool is_bad(const struct gmfs_copy *copy)
{
	struct gmfs_image_region region = image_region();
	struct gmfs_image img;
	int err = gmfs_image_check(&img, copy->image, copy->size, &region);

	return err && err != -ENOMEM;
}

static void take_copy(struct left *head, struct gmfs_copy *copy)
{
	const char *why = NULL;
	int choice;

	/* That KHO has brought an image shows that memory has lasted. */
	choice = gmfs_copy_choose(copy, head->image ? 0 : head->err, head->image, head->size,
				  gmfs_slots_generation(), &why);
	/* A copy without a record may be damaged: one that is bad must be seen. */
	if (!choice && !copy->recorded)
		choice = is_bad(copy);
	gmfs.clean = !choice;
	if (!choice) {
		if (copy->recorded && gmfs_crc32c(copy->image, copy->size) != copy->crc)
			pr_warn("KHO's copy of the image is damaged: taking the region's\n");
		else if (copy->recorded && copy->generation < gmfs_slots_generation())
			pr_info("KHO's copy of the image is not later than the region's: taking the region's\n");
		kvfree(copy->image);
		take_image(head->image, head->size, "KHO", NULL);
		return;
	}
	refused = *copy;
	kvfree(head->image);
	take_image(copy->image, copy->size, "KHO", why);
}

static int take_head(struct left *head, bool kho_is_bad)
{
	gmfs.clean = !head->err;
	if (!head->err) {
		take_image(head->image, head->size, "the region", NULL);
		return 0;
	}
	kvfree(head->image);
	if (head->err == -ENOENT && !kho_is_bad) {
		gmfs.clean = true;
		return set_empty_image();
	}
	refuse_image(kho_is_bad ? "KHO's record of it makes no sense" : head->why);
	/* So that no later kernel believes it, or knows that there were files. */
	if (head->err == -ETIME || head->err == -ENOENT)
		gmfs_slots_open();
	set_image(NULL, 0, 0);
	return 0;
}

/* Begin with what the last kernel left, or with an empty tree. */
static int take_over(void)
{
	struct left head = { 0 };
	struct gmfs_copy copy;
	int err;

	head.err = gmfs_slots_retrieve(&head.image, &head.size, head.why);
	err = head.err == -ENOMEM ? -ENOMEM : gmfs_kho_retrieve(&copy);
	if (!err) {
		take_copy(&head, &copy);
		return 0;
	}
	if (err == -ENOENT || err == -EIO)
		return take_head(&head, err == -EIO);
	kvfree(head.image);
	pr_err("cannot take over what the last kernel left: %pe\n", ERR_PTR(err));
	return err;
}

/* Where a region may have begun before: all the places are in the region's memory. */
static int know_places(void)
{
	const size_t max = 64 << 10;
	u64 places[GMFS_NR_PLACES];
	char *cmdline = kvmalloc(max, GFP_KERNEL);
	unsigned int nr;
	ssize_t len;

	if (!cmdline)
		return -ENOMEM;
	len = gmfs_read_file("/proc/cmdline", cmdline, max);
	nr = gmfs_find_places(len < 0 ? "" : cmdline, GMFS_BLOCK_SIZE, gmfs.region.base,
			      gmfs.region.size, places);
	gmfs_slots_expect(places, nr);
	kvfree(cmdline);
	return 0;
}

/* Which boot this is, and whether kexec began it. */
static int know_boot(void)
{
	struct gmfs_image_region region = image_region();
	char buf[UUID_STRING_LEN + 2];
	unsigned int loader;
	uuid_t boot_id;
	ssize_t len;

	len = gmfs_read_file(BOOT_ID, buf, sizeof(buf));
	if (len >= 0 && uuid_parse(strim(buf), &boot_id))
		len = -EIO;
	if (len >= 0)
		len = gmfs_read_file(LOADER_TYPE, buf, sizeof(buf));
	if (len >= 0 && kstrtouint(strim(buf), 10, &loader))
		len = -EIO;
	if (len < 0) {
		pr_err("cannot tell how this kernel was started (%pe): is /proc mounted, with "
		       BOOT_ID " and " LOADER_TYPE "?\n", ERR_PTR(len));
		return len;
	}
	gmfs_slots_init(&region, &boot_id, loader == LOADER_KEXEC);
	return know_places();
}

/**
 * gmfs_handover_init - begin with a tree, and make the switch
 *
 * Context: loading; may sleep.
 * Return: 0; -ENOMEM, with what the last kernel left where it was; what reading
 * /proc returned.
 */
int gmfs_handover_init(void)
{
	struct kobject *dir;
	int err;

	err = know_boot();
	if (err)
		return err;
	down_write(&gmfs.change);
	dir = gmfs_status_init();
	err = dir ? gmfs_active_init(&active_ops, dir) : -ENOMEM;
	if (!err)
		err = take_over();
	up_write(&gmfs.change);
	/* Outside: they wait for who reads and writes there, and those for the lock. */
	if (err) {
		gmfs_active_exit();
		gmfs_status_exit();
	} else {
		register_reboot_notifier(&reboot_notifier);
		register_pm_notifier(&sleep_notifier);
	}
	return err;
}

/**
 * gmfs_handover_exit - undo gmfs_handover_init(); the region's head keeps the image
 *
 * Context: module exit, with no tree. May sleep.
 */
void gmfs_handover_exit(void)
{
	unregister_pm_notifier(&sleep_notifier);
	unregister_reboot_notifier(&reboot_notifier);
	gmfs_active_exit();
	gmfs_status_exit();
	gmfs_kho_withdraw();
	kvfree(gmfs.image);
	kfree(gmfs.refused);
}
