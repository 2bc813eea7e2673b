// SPDX-License-Identifier: GPL-2.0-only
/*
 * Beginning with what the last kernel left: in the region's head, by KHO, or nothing.
 *
 * The head counts unless KHO's copy is recorded to be later. What cannot be believed is
 * kept and refused; see gmfs_copy_choose() and gmfs_slots_retrieve().
 */
#define pr_fmt(fmt) "guestmemfs: " fmt

#include <guestmemfs/abi.h>
#include <linux/kstrtox.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uuid.h>

#include "guestmemfs.h"
#include "handover.h"
#include "mem/pure/places.h"
#include "../kho/kho.h"

#define BOOT_ID		"/proc/sys/kernel/random/boot_id"
#define LOADER_TYPE	"/proc/sys/kernel/bootloader_type"
#define LOADER_KEXEC	0xd0	/* Documentation/arch/x86/boot.rst, type_of_loader */

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
static void gmfs_take_image(void *image, size_t size, const char *from, const char *other)
{
	struct gmfs_image_region region = gmfs_image_region();
	struct gmfs_image img;
	int err;

	err = gmfs_image_check(&img, image, size, &region);
	/* For want of memory it is checked when it is mounted. */
	if (other || (err && err != -ENOMEM))
		gmfs_refuse_image(err && err != -ENOMEM ? img.why : other);
	gmfs_set_image(image, size, img.nr_inodes);
	gmfs_pin(!gmfs.clean);
	if (err || other)
		return;
	take_blocks(&img);
	pr_info("took over %u inodes from %s\n", img.nr_inodes, from);
	/* No crash from here on may bring back what the head has had before. */
	if (!gmfs.clean && gmfs_slots_open())
		pr_warn("out of memory: until the files are unmounted, a crash can bring back an earlier tree\n");
	gmfs_seal_image(image, size);
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
	struct gmfs_image_region region = gmfs_image_region();
	struct gmfs_image img;
	int err = gmfs_image_check(&img, copy->image, copy->size, &region);

	return err && err != -ENOMEM;
}

static void gmfs_take_copy(struct left *head, struct gmfs_copy *copy)
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
		gmfs_take_image(head->image, head->size, "KHO", NULL);
		return;
	}
	gmfs_refused_copy = *copy;
	kvfree(head->image);
	gmfs_take_image(copy->image, copy->size, "KHO", why);
}

static int gmfs_take_head(struct left *head, bool kho_is_bad)
{
	gmfs.clean = !head->err;
	if (!head->err) {
		gmfs_take_image(head->image, head->size, "the region", NULL);
		return 0;
	}
	kvfree(head->image);
	if (head->err == -ENOENT && !kho_is_bad) {
		gmfs.clean = true;
		return gmfs_set_empty_image();
	}
	gmfs_refuse_image(kho_is_bad ? "KHO's record of it makes no sense" : head->why);
	/* So that no later kernel believes it, or knows that there were files. */
	if (head->err == -ETIME || head->err == -ENOENT)
		gmfs_slots_open();
	gmfs_set_image(NULL, 0, 0);
	return 0;
}

/* Begin with what the last kernel left, or with an empty tree. */
static int gmfs_take_over(void)
{
	struct left head = { 0 };
	struct gmfs_copy copy;
	int err;

	head.err = gmfs_slots_retrieve(&head.image, &head.size, head.why);
	err = head.err == -ENOMEM ? -ENOMEM : gmfs_kho_retrieve(&copy);
	if (!err) {
		gmfs_take_copy(&head, &copy);
		return 0;
	}
	if (err == -ENOENT || err == -EIO)
		return gmfs_take_head(&head, err == -EIO);
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
	struct gmfs_image_region region = gmfs_image_region();
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
	err = dir ? gmfs_active_init(&gmfs_switch_ops, dir) : -ENOMEM;
	if (!err)
		err = gmfs_take_over();
	up_write(&gmfs.change);
	/* Outside: they wait for who reads and writes there, and those for the lock. */
	if (err) {
		gmfs_active_exit();
		gmfs_status_exit();
	} else {
		gmfs_publish_init();
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
	gmfs_publish_exit();
	gmfs_active_exit();
	gmfs_status_exit();
	gmfs_kho_withdraw();
	kvfree(gmfs.image);
	kfree(gmfs.refused);
}
