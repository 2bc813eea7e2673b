// SPDX-License-Identifier: GPL-2.0-only
/*
 * /sys/fs/guestmemfs: a directory for each pool, with the state of its windows and its tree,
 * and the switch for all. One value a file; Documentation/ABI/testing/sysfs-fs-guestmemfs
 * has them all.
 */
#include <linux/kobject.h>
#include <linux/nodemask.h>
#include <linux/string.h>
#include <linux/sysfs.h>

#include "guestmemfs.h"

static struct kobject *dir;	/* /sys/fs/guestmemfs */

static struct gmfs_tree *tree_of(struct kobject *kobj)
{
	return container_of(kobj, struct gmfs_tree, kobj);
}

#define SHOW(name, ...) \
static ssize_t name##_show(struct kobject *kobj, struct kobj_attribute *attr, \
			   char *buf) \
{ \
	struct gmfs_tree *tree = tree_of(kobj); \
	struct gmfs_handover *h = &tree->handover; \
	ssize_t len; \
	\
	if (down_read_killable(&h->change)) \
		return -EINTR; \
	len = sysfs_emit(buf, __VA_ARGS__); \
	up_read(&h->change); \
	return len; \
} \
static struct kobj_attribute name##_attr = __ATTR_RO(name)

static const char *state(const struct gmfs_handover *h)
{
	if (h->quarantine)
		return "quarantined";
	if (h->frozen)
		return "frozen";
	return h->mounted ? "mounted" : "unmounted";
}

/* Without the heads. */
static u32 blocks(const struct gmfs_tree *tree)
{
	return gmfs_pool_nr_usable(&tree->pool);
}

static u32 blocks_free(const struct gmfs_tree *tree)
{
	return READ_ONCE(tree->pool.blocks.nr_free);
}

static u32 blocks_used(struct gmfs_tree *tree)
{
	struct gmfs_pool *p = &tree->pool;
	u32 nr;

	mutex_lock(&p->lock);
	nr = blocks(tree) - p->blocks.nr_free - p->nr_withheld;
	mutex_unlock(&p->lock);
	return nr;
}

/* Beside the root directory. */
static u32 files(const struct gmfs_tree *tree)
{
	u32 nr = tree->sb ? atomic_read(&tree->nr_inodes) : tree->handover.image_inodes;

	return nr ? nr - 1 : 0;
}

SHOW(block_size, "%lu\n", GMFS_BLOCK_SIZE);
SHOW(state, "%s\n", state(h));
SHOW(carriers, "region%s\n", gmfs_kho_is_on() ? " kho" : "");
SHOW(generation, "%llu\n", gmfs_slots_generation(&h->slots));
SHOW(image_size, "%zu\n", h->image_size);
SHOW(files, "%u\n", files(tree));
SHOW(blocks, "%u\n", blocks(tree));
SHOW(blocks_used, "%u\n", blocks_used(tree));
SHOW(blocks_free, "%u\n", blocks_free(tree));
SHOW(pages, "%d\n", tree->pool.has_pages);
SHOW(quarantine, "%s\n", h->quarantine ?: "");

static u32 window_blocks(const struct gmfs_pool *p, u32 i)
{
	u32 nr = p->windows[i].size >> GMFS_BLOCK_SHIFT;

	return nr - GMFS_HEAD_BLOCKS(nr);
}

static u32 window_free(const struct gmfs_pool *p, u32 i)
{
	return READ_ONCE(p->blocks.windows[i].nr_free);
}

/* GMFS_MAX_WINDOWS lines fit into the page that sysfs gives. */
static ssize_t emit_windows(const struct gmfs_tree *tree, char *buf)
{
	const struct gmfs_pool *p = &tree->pool;
	const struct gmfs_window *w;
	ssize_t len = 0;
	u32 i;

	for (i = 0; i < p->nr_windows; i++) {
		w = &p->windows[i];
		len += sysfs_emit_at(buf, len, "0x%llx@0x%llx %d %u %u%s\n",
				     w->size, w->base, w->node, window_blocks(p, i),
				     window_free(p, i),
				     i == tree->handover.slots.head.main ? " main" : "");
	}
	return len;
}

static ssize_t emit_nodes(const struct gmfs_tree *tree, char *buf)
{
	const struct gmfs_pool *p = &tree->pool;
	u32 i, blocks, nr_free;
	ssize_t len = 0;
	int node;

	for_each_node(node) {
		blocks = 0;
		nr_free = 0;
		for (i = 0; i < p->nr_windows; i++) {
			if (p->windows[i].node != node)
				continue;
			blocks += window_blocks(p, i);
			nr_free += window_free(p, i);
		}
		if (blocks)
			len += sysfs_emit_at(buf, len, "%d %u %u\n", node, blocks,
					     nr_free);
	}
	return len;
}

#define SHOW_LIST(name) \
static ssize_t name##_show(struct kobject *kobj, struct kobj_attribute *attr, \
			   char *buf) \
{ \
	struct gmfs_tree *tree = tree_of(kobj); \
	ssize_t len; \
	\
	if (down_read_killable(&tree->handover.change)) \
		return -EINTR; \
	len = emit_##name(tree, buf); \
	up_read(&tree->handover.change); \
	return len; \
} \
static struct kobj_attribute name##_attr = __ATTR_RO(name)

SHOW_LIST(windows);
SHOW_LIST(nodes);

/* Looks at all free runs with the allocator's lock held, so it is for root alone. */
static ssize_t largest_free_show(struct kobject *kobj, struct kobj_attribute *attr,
				 char *buf)
{
	struct gmfs_tree *tree = tree_of(kobj);
	u32 nr;

	if (down_read_killable(&tree->handover.change))
		return -EINTR;
	if (mutex_lock_killable(&tree->pool.lock)) {
		up_read(&tree->handover.change);
		return -EINTR;
	}
	nr = gmfs_blocks_largest(&tree->pool.blocks);
	mutex_unlock(&tree->pool.lock);
	up_read(&tree->handover.change);
	return sysfs_emit(buf, "%u\n", nr);
}

static struct kobj_attribute largest_free_attr = __ATTR(largest_free, 0400, largest_free_show,
							NULL);

static ssize_t blocks_withheld_show(struct kobject *kobj, struct kobj_attribute *attr,
				    char *buf)
{
	struct gmfs_tree *tree = tree_of(kobj);
	ssize_t len;

	if (down_read_killable(&tree->handover.change))
		return -EINTR;
	/* Pages, by which pins are told, come before a mount and go after it. */
	if (tree->handover.mounted)
		gmfs_pool_reclaim(&tree->pool, gmfs_devices_have_users());
	len = sysfs_emit(buf, "%u\n", READ_ONCE(tree->pool.nr_withheld));
	up_read(&tree->handover.change);
	return len;
}

/* "0": no device reaches what nobody pins; the administrator answers for it. */
static ssize_t blocks_withheld_store(struct kobject *kobj, struct kobj_attribute *attr,
				     const char *buf, size_t count)
{
	struct gmfs_tree *tree = tree_of(kobj);
	u32 nr;

	if (kstrtou32(buf, 0, &nr) || nr)
		return -EINVAL;
	if (down_read_killable(&tree->handover.change))
		return -EINTR;
	if (tree->handover.mounted)
		gmfs_pool_reclaim(&tree->pool, false);
	up_read(&tree->handover.change);
	return count;
}

static struct kobj_attribute blocks_withheld_attr = __ATTR(blocks_withheld, 0600,
							   blocks_withheld_show,
							   blocks_withheld_store);

static ssize_t active_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%d\n", gmfs_is_active(&tree_of(kobj)->handover));
}

static ssize_t active_store(struct kobject *kobj, struct kobj_attribute *attr,
			    const char *buf, size_t count)
{
	bool on;
	int err;

	err = gmfs_active_parse(buf, &on);
	if (!err)
		err = gmfs_active_set(&tree_of(kobj)->handover, on);
	return err < 0 ? err : count;
}

static struct kobj_attribute active_attr = __ATTR_RW(active);

/* What is published, kept while nothing is mounted, or in quarantine. */
static ssize_t gmfs_image_read(struct file *file, struct kobject *kobj,
			       GMFS_BIN_ATTRIBUTE *attr, char *buf, loff_t pos,
			       size_t count)
{
	struct gmfs_handover *h = &tree_of(kobj)->handover;
	ssize_t len = -ENODATA;

	if (down_read_killable(&h->change))
		return -EINTR;
	if (h->image)
		len = memory_read_from_buffer(buf, count, &pos, h->image, h->image_size);
	up_read(&h->change);
	return len;
}

#define BAD_LIST	(GMFS_MAX_BAD_PAGES * 80)	/* bytes at most */

static ssize_t gmfs_bad_read(struct file *file, struct kobject *kobj, GMFS_BIN_ATTRIBUTE *attr,
			     char *buf, loff_t pos, size_t count)
{
	struct gmfs_tree *tree = tree_of(kobj);
	char *list = kvmalloc(BAD_LIST, GFP_KERNEL);
	ssize_t len;

	if (!list)
		return -ENOMEM;
	if (down_read_killable(&tree->handover.change)) {
		kvfree(list);
		return -EINTR;
	}
	len = gmfs_bad_list(tree, list, BAD_LIST);
	up_read(&tree->handover.change);
	len = memory_read_from_buffer(buf, count, &pos, list, len);
	kvfree(list);
	return len;
}

static const struct bin_attribute bad_attr = {
	.attr	= { .name = "bad_pages", .mode = 0400 },
	.read	= gmfs_bad_read,
};

static const struct bin_attribute image_attr = {
	.attr	= { .name = "image", .mode = 0400 },
	.read	= gmfs_image_read,
};

static struct attribute *attrs[] = {
	&windows_attr.attr,
	&nodes_attr.attr,
	&block_size_attr.attr,
	&state_attr.attr,
	&carriers_attr.attr,
	&generation_attr.attr,
	&image_size_attr.attr,
	&files_attr.attr,
	&blocks_attr.attr,
	&blocks_used_attr.attr,
	&blocks_free_attr.attr,
	&blocks_withheld_attr.attr,
	&pages_attr.attr,
	&largest_free_attr.attr,
	&quarantine_attr.attr,
	&active_attr.attr,
	NULL
};

static const struct attribute_group group = { .attrs = attrs };

static void gmfs_status_release(struct kobject *kobj)
{
	complete(&tree_of(kobj)->kobj_released);
}

static const struct kobj_type status_type = {
	.sysfs_ops	= &kobj_sysfs_ops,
	.release	= gmfs_status_release,
};

/**
 * gmfs_status_init - make /sys/fs/guestmemfs and the switches for all pools
 *
 * Context: loading; may sleep.
 * Return: 0; -ENOMEM; -EEXIST if the name is taken.
 */
int gmfs_status_init(void)
{
	int err;

	dir = kobject_create_and_add("guestmemfs", fs_kobj);
	if (!dir)
		return -ENOMEM;
	err = gmfs_active_init(dir);
	if (err)
		kobject_put(dir);
	return err;
}

/* Undoes gmfs_status_init(). No pool has a directory. */
void gmfs_status_exit(void)
{
	gmfs_active_exit(dir);
	kobject_put(dir);
}

/**
 * gmfs_status_setup - prepare a tree for gmfs_status_add()
 * @tree: the tree
 */
void gmfs_status_setup(struct gmfs_tree *tree)
{
	init_completion(&tree->kobj_released);
	kobject_init(&tree->kobj, &status_type);
}

/**
 * gmfs_status_add - make the directory of a pool in /sys/fs/guestmemfs
 * @h: the tree
 *
 * Context: may sleep.
 * Return: 0, -ENOMEM, or -EEXIST if the name is taken; gmfs_status_remove() must follow.
 */
int gmfs_status_add(struct gmfs_handover *h)
{
	struct gmfs_tree *tree = container_of(h, struct gmfs_tree, handover);
	int err;

	err = kobject_add(&tree->kobj, dir, "%s", tree->name);
	if (!err)
		err = sysfs_create_group(&tree->kobj, &group);
	if (!err)
		err = sysfs_create_bin_file(&tree->kobj, &image_attr);
	if (!err)
		err = sysfs_create_bin_file(&tree->kobj, &bad_attr);
	return err;
}

/**
 * gmfs_status_remove - remove the directory, or the part that was made
 * @h: the tree
 *
 * Context: the gate is not held, as it waits for readers; may sleep.
 */
void gmfs_status_remove(struct gmfs_handover *h)
{
	struct gmfs_tree *tree = container_of(h, struct gmfs_tree, handover);

	kobject_del(&tree->kobj);
	kobject_put(&tree->kobj);
	wait_for_completion(&tree->kobj_released);
}
