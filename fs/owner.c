// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: the tree and its image
 *
 * A tree is either mounted, and then it is dentries and inodes, or it is an image.
 * Mounting builds the tree from the image, the last unmount writes the image, and so does
 * publishing for the next kernel, whose module begins with what it finds. Umount and kexec
 * thus share one way to write a tree and one way to build it.
 *
 * 1. Unmounting and publishing seal the image in the region's head. The first change
 *    afterwards marks the seal stale, so a kernel that crashes leaves a head that says so.
 * 2. While only gmfs.image holds the tree, the module cannot be unloaded.
 * 3. An image that fails its check is kept untouched. Mounting it fails and says why, a
 *    kexec passes it on, and "-o discard" drops it.
 *
 * All of it is protected by gmfs.change, held for writing.
 */
#define pr_fmt(fmt) "guestmemfs: " fmt

#include <linux/module.h>
#include <linux/slab.h>

#include "guestmemfs.h"
#include "handover.h"
#include "../kho/kho.h"

struct gmfs_copy gmfs_refused_copy;
bool gmfs_forgotten;

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

/**
 * gmfs_refuse_image - make mounting fail until the operator discards the image
 * @why: what is wrong with the image
 *
 * Context: gmfs.change is held for writing.
 */
void gmfs_refuse_image(const char *why)
{
	lockdep_assert_held_write(&gmfs.change);
	kfree(gmfs.refused);
	gmfs.refused = kasprintf(GFP_KERNEL | __GFP_NOFAIL,
				 "the last kernel's image is refused: %s; nothing is lost until mounted with -o discard",
				 why);
	pr_err("%s\n", gmfs.refused);
}

/**
 * gmfs_pin - keep the module from being unloaded, or no longer
 * @on: nothing else has the tree
 *
 * Context: gmfs.change is held for writing.
 */
void gmfs_pin(bool on)
{
	if (on && !gmfs.pinned)
		__module_get(THIS_MODULE);
	if (!on && gmfs.pinned)
		module_put(THIS_MODULE);
	gmfs.pinned = on;
}

/**
 * gmfs_set_image - replace gmfs.image
 * @image: for kvfree(), or NULL
 * @size: bytes at @image
 * @inodes: inodes in @image
 *
 * Context: gmfs.change is held for writing.
 */
void gmfs_set_image(void *image, size_t size, u32 inodes)
{
	lockdep_assert_held_write(&gmfs.change);
	kvfree(gmfs.image);
	gmfs.image = image;
	gmfs.image_size = size;
	gmfs.image_inodes = inodes;
}

/**
 * gmfs_drop_image - free the image of a mounted tree that is not published
 *
 * Context: gmfs.change is held for writing.
 */
void gmfs_drop_image(void)
{
	if (gmfs.sb)
		gmfs_set_image(NULL, 0, 0);
}

/**
 * gmfs_set_empty_image - begin with a root directory alone
 *
 * Context: gmfs.change is held for writing, nothing is mounted; may sleep.
 * Return: 0, or -ENOMEM.
 */
int gmfs_set_empty_image(void)
{
	size_t size;
	void *image;

	gmfs_region_reset(&gmfs.region);
	atomic64_set(&gmfs.last_ino, GMFS_ROOT_INO);
	image = gmfs_make_image(&size, GFP_KERNEL);
	if (!image)
		return -ENOMEM;
	kfree(gmfs.refused);
	gmfs.refused = NULL;
	gmfs_refused_copy = (struct gmfs_copy){ 0 };
	gmfs_set_image(image, size, 1);
	gmfs_pin(false);
	return 0;
}

/**
 * gmfs_seal_image - seal an image in the head, unless the head has it
 * @image: the image
 * @size: bytes at @image
 *
 * Context: gmfs.change is held for writing; may sleep.
 * Return: 0; -ENOMEM and the module stays.
 */
int gmfs_seal_image(const void *image, size_t size)
{
	int err = 0;

	lockdep_assert_held_write(&gmfs.change);
	if (gmfs_forgotten)
		return 0;
	if (!gmfs.clean)
		err = gmfs_slots_publish(image, size);
	else if (gmfs_slots_date())
		pr_warn("out of memory: the sealed image keeps its earlier date\n");
	gmfs.clean = !err;
	gmfs_pin(err);
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
			err = gmfs_set_empty_image();
	}
	if (!err && !gmfs.refused)
		err = gmfs_build_tree(sb);
	if (!err && !gmfs.refused) {
		gmfs.sb = sb;
		gmfs_pin(false);
		if (!gmfs.frozen)
			gmfs_drop_image();
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
	image = gmfs_make_image(&size, GFP_KERNEL | __GFP_NOFAIL);
	gmfs.sb = NULL;
	gmfs_set_image(image, size, inodes);
	gmfs_seal_image(image, size);
	up_write(&gmfs.change);
}
