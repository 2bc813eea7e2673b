// SPDX-License-Identifier: GPL-2.0-only
/*
 * Trees: their list, their life, and how one becomes that of a superblock and an image
 * again. A tree belongs to its pool and not to a mount.
 */
#define pr_fmt(fmt) "guestmemfs: " fmt

#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/wait.h>

#include "guestmemfs.h"

/*
 * All trees. Each is added before the filesystem is registered and removed after it is
 * unregistered, so mounts read the list without a lock.
 */
static LIST_HEAD(trees);
static DECLARE_WAIT_QUEUE_HEAD(loaded);	/* woken when one is loaded, or not */

static u32 gmfs_count_inodes(struct gmfs_handover *h)
{
	return atomic_read(&container_of(h, struct gmfs_tree, handover)->nr_inodes);
}

static const struct gmfs_tree_ops tree_ops = {
	.write_inodes	= gmfs_write_inodes,
	.count_inodes	= gmfs_count_inodes,
	.add_status	= gmfs_status_add,
	.remove_status	= gmfs_status_remove,
};

static int gmfs_tree_claim(struct gmfs_tree *tree, const struct gmfs_pool_arg *pool)
{
	u32 i;
	int err;

	if (pool->why)
		return -EINVAL;
	err = gmfs_pool_claim(&tree->pool, pool->windows, pool->nr_windows);
	if (err)
		return err;
	err = gmfs_handover_setup(&tree->handover, &tree->pool, &tree_ops, tree->name);
	if (err)
		return err;
	xa_init(&tree->inodes);
	init_rwsem(&tree->xattr_lock);
	gmfs_status_setup(tree);
	for (i = 0; i < pool->nr_windows; i++)
		gmfs_log(&tree->handover, pr_info, "window of %llu MiB at 0x%llx\n",
			 pool->windows[i].size >> 20, pool->windows[i].base);
	tree->loading = GMFS_LOADING;
	return 0;
}

/**
 * gmfs_tree_create - claim a pool's windows for a tree; mounts of it wait until it is loaded
 * @pool: what the command line says
 *
 * A tree whose pool cannot be claimed is kept by its name alone: a mount of it shall
 * fail, and not mount another one.
 *
 * Context: before the filesystem is registered; may sleep.
 * Return: 0; -ENOMEM; -EINVAL if @pool says why; as gmfs_pool_claim().
 */
int gmfs_tree_create(const struct gmfs_pool_arg *pool)
{
	struct gmfs_tree *tree = kzalloc(sizeof(*tree), GFP_KERNEL);

	if (!tree)
		return -ENOMEM;
	tree->name = kmemdup_nul(pool->name, pool->name_len, GFP_KERNEL);
	if (!tree->name) {
		kfree(tree);
		return -ENOMEM;
	}
	list_add_tail(&tree->list, &trees);
	return gmfs_tree_claim(tree, pool);
}

/**
 * gmfs_trees_load - take over what the last kernel left, and let mounts go on, or fail
 *
 * A tree that cannot be loaded stays as the last kernel left it, and mounts of it fail.
 *
 * Context: loading, with the filesystem registered; may sleep.
 * Return: 0 if a tree is loaded; else as gmfs_handover_init() of the last one.
 */
int gmfs_trees_load(void)
{
	struct gmfs_tree *tree;
	bool any = false;
	int err = -ENODEV, ret;

	list_for_each_entry(tree, &trees, list) {
		if (tree->loading != GMFS_LOADING)
			continue;
		ret = gmfs_handover_init(&tree->handover);
		any |= !ret;
		err = ret ?: err;
		if (ret)
			WRITE_ONCE(tree->loading, GMFS_NOT_LOADED);
	}
	/* All at once: the switch for all switches none before it can switch the last one. */
	gmfs_active_lock();
	list_for_each_entry(tree, &trees, list)
		if (tree->loading == GMFS_LOADING) {
			gmfs_active_add(&tree->handover);
			WRITE_ONCE(tree->loading, GMFS_LOADED);
		}
	gmfs_active_unlock();
	wake_up_all(&loaded);
	return any ? 0 : err;
}

/* Undoes gmfs_trees_load(). Nothing is mounted. */
void gmfs_trees_unload(void)
{
	struct gmfs_tree *tree;

	list_for_each_entry(tree, &trees, list)
		if (tree->loading == GMFS_LOADED)
			gmfs_handover_exit(&tree->handover);
}

/* Undoes each gmfs_tree_create(). The filesystem is not registered. */
void gmfs_trees_destroy(void)
{
	struct gmfs_tree *tree, *next;

	list_for_each_entry_safe(tree, next, &trees, list) {
		list_del(&tree->list);
		gmfs_handover_destroy(&tree->handover);
		if (tree->pool.nr_windows)
			gmfs_pool_release(&tree->pool);
		kfree(tree->name);
		kfree(tree);
	}
}

static bool gmfs_trees_loaded(void)
{
	struct gmfs_tree *tree;

	list_for_each_entry(tree, &trees, list)
		if (READ_ONCE(tree->loading) == GMFS_LOADING)
			return false;
	return true;
}

/**
 * gmfs_trees_wait - wait until all trees are loaded, or not
 *
 * The filesystem is registered before that: see gmfs_super_register().
 *
 * Context: mounting; may sleep.
 * Return: 0; -EINTR if killed.
 */
int gmfs_trees_wait(void)
{
	if (wait_event_killable(loaded, gmfs_trees_loaded()))
		return -EINTR;
	return 0;
}

/**
 * gmfs_tree_find - find the tree to mount
 * @name: what to mount, or NULL
 *
 * Context: mounting, after gmfs_trees_wait().
 * Return: the tree of that name; if no tree has it the first one. It may be one that is
 * not loaded.
 */
struct gmfs_tree *gmfs_tree_find(const char *name)
{
	struct gmfs_tree *tree;

	list_for_each_entry(tree, &trees, list)
		if (name && !strcmp(name, tree->name))
			return tree;
	return list_first_entry(&trees, struct gmfs_tree, list);
}

/**
 * gmfs_tree_at - find the tree whose pool has some memory
 * @phys: physical address
 *
 * Context: the module is loaded.
 * Return: the tree, or NULL if none that is loaded has it.
 */
struct gmfs_tree *gmfs_tree_at(phys_addr_t phys)
{
	struct gmfs_tree *tree;

	list_for_each_entry(tree, &trees, list)
		if (tree->loading == GMFS_LOADED &&
		    gmfs_pool_block(&tree->pool, phys) != GMFS_HOLE)
			return tree;
	return NULL;
}

/**
 * gmfs_charge - take room that an inode, a name or an attribute has in an image
 * @tree: the tree
 * @bytes: how much, at most; gmfs_uncharge() gives it back
 *
 * Context: inside gmfs_change_begin(), or for an inode that has no link yet.
 * Return: 0, or -ENOSPC if the windows' heads could not hold such an image.
 */
int gmfs_charge(struct gmfs_tree *tree, u32 bytes)
{
	if (!bytes)
		return 0;	/* allowed even if the room is below zero */
	if (atomic64_sub_return(bytes, &tree->room) >= 0)
		return 0;
	gmfs_uncharge(tree, bytes);
	return -ENOSPC;
}

/**
 * gmfs_uncharge - give back what gmfs_charge() took
 * @tree: the tree
 * @bytes: how much
 *
 * Context: any.
 */
void gmfs_uncharge(struct gmfs_tree *tree, u32 bytes)
{
	atomic64_add(bytes, &tree->room);
}

/**
 * gmfs_tree_attach - the image becomes the tree of a superblock
 * @sb: the superblock
 * @discard: drop an image in quarantine
 * @why: what is wrong, set on failure
 *
 * Context: being mounted for the first time; may sleep.
 * Return: 0; -EUCLEAN if the image is in quarantine; -EBUSY for discarding it while
 * it is published; -ENOMEM; -EINTR if killed while waiting.
 */
int gmfs_tree_attach(struct super_block *sb, bool discard, const char **why)
{
	struct gmfs_tree *tree = gmfs_tree(sb);
	struct gmfs_handover *h = &tree->handover;
	int err = 0;

	*why = "interrupted";
	if (down_write_killable(&h->change))
		return -EINTR;
	*why = "out of memory";
	if (h->quarantine && discard && h->frozen) {
		*why = "the image to discard is published: write 0 to active first";
		err = -EBUSY;
	} else if (h->quarantine && discard) {
		gmfs_log(h, pr_info, "dropping an image as asked: %s\n", h->quarantine);
		err = gmfs_slots_wipe(&h->slots);
		if (!err) {
			h->sealed = true;
			err = gmfs_set_empty_image(h);
		}
		/* It was wiped, and the empty tree's has the bad pages. */
		if (!err)
			gmfs_publish_bad(h);
	}
	if (!err && !h->quarantine)
		err = gmfs_build_tree(sb);
	if (!err && !h->quarantine) {
		gmfs_pool_withhold_free(&tree->pool);
		WRITE_ONCE(tree->sb, sb);
		h->mounted = true;
		gmfs_pin(h, false);
		if (!h->frozen)
			gmfs_drop_image(h);
	} else if (h->quarantine && err != -EBUSY && err != -ENOMEM) {
		*why = h->quarantine;
		err = -EUCLEAN;
	}
	up_write(&h->change);
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
	struct gmfs_tree *tree = gmfs_tree(sb);
	struct gmfs_handover *h = &tree->handover;
	u32 inodes = atomic_read(&tree->nr_inodes);
	size_t size;
	void *image;

	/* Only gmfs_tree_attach() of @sb sets it, so a mount that was killed need not wait. */
	if (READ_ONCE(tree->sb) != sb)
		return;
	down_write(&h->change);
	image = gmfs_make_image(h, &size, GFP_KERNEL | __GFP_NOFAIL);
	WRITE_ONCE(tree->sb, NULL);
	h->mounted = false;
	gmfs_set_image(h, image, size, inodes);
	gmfs_seal_image(h, image, size);
	up_write(&h->change);
}
