// SPDX-License-Identifier: GPL-2.0-only
/*
 * /sys/fs/guestmemfs: what the region and its tree are up to. One value a file;
 * Documentation/ABI/testing/sysfs-fs-guestmemfs has them all.
 */
#include <linux/kobject.h>
#include <linux/string.h>
#include <linux/sysfs.h>

#include "guestmemfs.h"
#include "../kho/kho.h"

static struct kobject *dir;

#define SHOW(name, ...) \
static ssize_t name##_show(struct kobject *kobj, struct kobj_attribute *attr, \
			   char *buf) \
{ \
	ssize_t len; \
	\
	if (down_read_killable(&gmfs.change)) \
		return -EINTR; \
	len = sysfs_emit(buf, __VA_ARGS__); \
	up_read(&gmfs.change); \
	return len; \
} \
static struct kobj_attribute name##_attr = __ATTR_RO(name)

static const char *state(void)
{
	if (gmfs.refused)
		return "quarantined";
	if (gmfs.frozen)
		return "frozen";
	return gmfs.sb ? "mounted" : "unmounted";
}

/* Without the head. */
static u32 blocks(void)
{
	return gmfs.region.blocks.nr - GMFS_HEAD_BLOCKS(gmfs.region.blocks.nr);
}

/* Beside the root directory. */
static u32 files(void)
{
	u32 nr = gmfs.sb ? atomic_read(&gmfs.nr_inodes) : gmfs.image_inodes;

	return nr ? nr - 1 : 0;
}

SHOW(region, "0x%llx@0x%llx\n", gmfs.region.size, gmfs.region.base);
SHOW(block_size, "%lu\n", GMFS_BLOCK_SIZE);
SHOW(state, "%s\n", state());
SHOW(carriers, "region%s\n", gmfs_kho_is_on() ? " kho" : "");
SHOW(generation, "%llu\n", gmfs_slots_generation());
SHOW(image_size, "%zu\n", gmfs.image_size);
SHOW(files, "%u\n", files());
SHOW(blocks, "%u\n", blocks());
SHOW(blocks_used, "%u\n", blocks() - READ_ONCE(gmfs.region.blocks.nr_free));
SHOW(blocks_free, "%u\n", READ_ONCE(gmfs.region.blocks.nr_free));
SHOW(quarantine, "%s\n", gmfs.refused ?: "");

/* Looks at all free runs with the allocator's lock held, so it is for root alone. */
static ssize_t largest_free_show(struct kobject *kobj, struct kobj_attribute *attr,
				 char *buf)
{
	u32 nr;

	if (down_read_killable(&gmfs.change))
		return -EINTR;
	if (mutex_lock_killable(&gmfs.region.lock)) {
		up_read(&gmfs.change);
		return -EINTR;
	}
	nr = gmfs_blocks_largest(&gmfs.region.blocks);
	mutex_unlock(&gmfs.region.lock);
	up_read(&gmfs.change);
	return sysfs_emit(buf, "%u\n", nr);
}

static struct kobj_attribute largest_free_attr = __ATTR(largest_free, 0400, largest_free_show,
							NULL);

/* What is published, kept while nothing is mounted, or refused. */
static ssize_t image_read(struct file *file, struct kobject *kobj,
			  GMFS_BIN_ATTRIBUTE *attr, char *buf, loff_t pos,
			  size_t count)
{
	ssize_t len = -ENODATA;

	if (down_read_killable(&gmfs.change))
		return -EINTR;
	if (gmfs.image)
		len = memory_read_from_buffer(buf, count, &pos, gmfs.image,
					      gmfs.image_size);
	up_read(&gmfs.change);
	return len;
}

static const struct bin_attribute image_attr = {
	.attr	= { .name = "image", .mode = 0400 },
	.read	= image_read,
};

static struct attribute *attrs[] = {
	&region_attr.attr,
	&block_size_attr.attr,
	&state_attr.attr,
	&carriers_attr.attr,
	&generation_attr.attr,
	&image_size_attr.attr,
	&files_attr.attr,
	&blocks_attr.attr,
	&blocks_used_attr.attr,
	&blocks_free_attr.attr,
	&largest_free_attr.attr,
	&quarantine_attr.attr,
	NULL
};

static const struct attribute_group group = { .attrs = attrs };

/**
 * gmfs_status_init - make /sys/fs/guestmemfs
 *
 * Context: may sleep.
 * Return: the directory, or NULL; then gmfs_status_exit() removes what there is.
 */
struct kobject *gmfs_status_init(void)
{
	dir = kobject_create_and_add("guestmemfs", fs_kobj);
	if (dir && (sysfs_create_group(dir, &group) ||
		    sysfs_create_bin_file(dir, &image_attr)))
		return NULL;
	return dir;
}

/* Waits for whoever reads there. */
void gmfs_status_exit(void)
{
	kobject_del(dir);
	kobject_put(dir);
}
