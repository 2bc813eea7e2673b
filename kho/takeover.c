// SPDX-License-Identifier: GPL-2.0-only
/*
 * Beginning with what the last kernel left: in the region's head, by KHO, or nothing.
 *
 * The head counts unless KHO's copy is recorded to be later. What cannot be believed is
 * kept in quarantine; see gmfs_copy_choose() and gmfs_slots_retrieve().
 */
#define pr_fmt(fmt) "guestmemfs: " fmt

#include <guestmemfs/abi.h>
#include <linux/kstrtox.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uuid.h>

#include "kho.h"
#include "../fs/mem/pure/places.h"

#define BOOT_ID		"/proc/sys/kernel/random/boot_id"
#define LOADER_TYPE	"/proc/sys/kernel/bootloader_type"
#define LOADER_KEXEC	0xd0	/* Documentation/arch/x86/boot.rst, type_of_loader */

/* The blocks of an image are in use before it is mounted, too. */
static void gmfs_take_blocks(struct gmfs_handover *h, const struct gmfs_image *img)
{
	u32 pos = gmfs_image_first(img), n;
	struct gmfs_image_inode i;
	struct gmfs_extent e;

	while (gmfs_image_next(img, &pos, &i) > 0)
		for (n = 0; n < i.nr_extents; n++) {
			e = gmfs_image_extent(&i, n);
			gmfs_blocks_take(&h->pool->blocks, gmfs_image_block(img, e.start), e.nr);
		}
}

/* Windows that the last kernel had, and no file a block in: see gmfs_image_check(). */
static void gmfs_report_absent(struct gmfs_handover *h, const struct gmfs_image *img)
{
	struct gmfs_range range;
	u32 i;

	for (i = 0; i < img->nr_windows; i++) {
		if (img->windows[i].to != GMFS_ABSENT)
			continue;
		range = gmfs_image_range(img, i);
		gmfs_log(h, pr_info, "window 0x%llx@0x%llx, which had no file, is dropped\n",
			 range.size, range.base);
	}
}

/* Those of an image that is refused, too: they are a property of the memory. */
static void gmfs_take_bad_pages(struct gmfs_handover *h, const struct gmfs_image *img)
{
	struct gmfs_bad_page page;
	u32 i;

	for (i = 0; i < img->nr_bad; i++) {
		page = gmfs_image_bad_page(img, i);
		if (gmfs_pool_record_bad(h->pool, &page) == -ENOMEM)
			gmfs_log(h, pr_warn, "out of memory: that the page at 0x%llx is bad is forgotten\n",
				 page.at);
	}
	if (img->nr_bad)
		gmfs_log(h, pr_info, "%u pages are bad: see bad_pages in sysfs\n", img->nr_bad);
}

/* @other: why it goes to quarantine, if its check finds no better reason; or NULL. */
static void gmfs_take_image(struct gmfs_handover *h, void *image, size_t size,
			    const char *from, const char *other)
{
	struct gmfs_image *img = kmalloc(sizeof(*img), GFP_KERNEL | __GFP_NOFAIL);
	int err;

	err = gmfs_image_check(img, image, size, &h->layout);
	/* For want of memory it is checked when it is mounted. */
	if (other || (err && err != -ENOMEM))
		gmfs_quarantine(h, err && err != -ENOMEM ? img->why : other);
	gmfs_set_image(h, image, size, img->nr_inodes);
	gmfs_pin(h, !h->sealed);
	if (!err && !other) {
		gmfs_take_blocks(h, img);
		gmfs_report_absent(h, img);
		gmfs_log(h, pr_info, "took over %u inodes from %s\n", img->nr_inodes, from);
	}
	gmfs_take_bad_pages(h, img);
	kfree(img);
	if (err || other)
		return;
	/* No crash from here on may bring back what the head has had before. */
	if (!h->sealed && gmfs_slots_open(&h->slots))
		gmfs_log(h, pr_warn, "out of memory: until the files are unmounted, a crash can bring back an earlier tree\n");
	gmfs_seal_image(h, image, size);
}

/* A head of version 1 is replaced as soon as its image is taken over. */
static bool is_current(const struct gmfs_left *head)
{
	return head->version == GMFS_SEAL_VERSION;
}

static bool gmfs_is_bad(struct gmfs_handover *h, const struct gmfs_copy *copy)
{
	struct gmfs_image *img = kmalloc(sizeof(*img), GFP_KERNEL | __GFP_NOFAIL);
	int err = gmfs_image_check(img, copy->image, copy->size, &h->layout);

	kfree(img);
	return err && err != -ENOMEM;
}

static void gmfs_take_copy(struct gmfs_handover *h, struct gmfs_left *head, struct gmfs_copy *copy)
{
	const char *why = NULL;
	int choice;

	/* That KHO has brought an image shows that memory has lasted. */
	choice = gmfs_copy_choose(copy, head->image ? 0 : head->err, head->image, head->size,
				  gmfs_slots_generation(&h->slots), &why);
	/* Taking it would overwrite heads that are another pool's, or of another main window. */
	if (choice == 1 && head->disputed)
		why = head->why;
	/* A copy without a record may be damaged: one that is bad must be seen. */
	if (!choice && !copy->recorded)
		choice = gmfs_is_bad(h, copy);
	h->sealed = !choice && is_current(head);
	if (!choice) {
		if (copy->recorded && gmfs_crc32c(0, copy->image, copy->size) != copy->crc)
			gmfs_log(h, pr_warn, "KHO's copy of the image is damaged: taking the region's\n");
		else if (copy->recorded && copy->generation < gmfs_slots_generation(&h->slots))
			gmfs_log(h, pr_info, "KHO's copy of the image is not later than the region's: taking the region's\n");
		kvfree(copy->image);
		gmfs_take_image(h, head->image, head->size, "KHO", NULL);
		return;
	}
	h->quarantine_record = *copy;
	kvfree(head->image);
	gmfs_take_image(h, copy->image, copy->size, "KHO", why);
}

/* Of an image that is not believed, or of a head that a crash left open, nothing else counts. */
static void gmfs_take_bad_of(struct gmfs_handover *h, const void *image, size_t size)
{
	struct gmfs_image *img = kmalloc(sizeof(*img), GFP_KERNEL | __GFP_NOFAIL);

	if (image) {
		gmfs_image_check(img, image, size, &h->layout);
		gmfs_take_bad_pages(h, img);
	}
	kfree(img);
}

static int gmfs_take_head(struct gmfs_handover *h, struct gmfs_left *head, bool kho_is_bad)
{
	h->sealed = !head->err && is_current(head);
	if (!head->err) {
		gmfs_take_image(h, head->image, head->size, "the region", NULL);
		return 0;
	}
	gmfs_take_bad_of(h, head->image, head->size);
	kvfree(head->image);
	if (head->err == -ENOENT && !kho_is_bad) {
		h->sealed = true;
		return gmfs_set_empty_image(h);
	}
	gmfs_quarantine(h, kho_is_bad ? "KHO's record of it makes no sense" : head->why);
	/* So that no later kernel believes it, or knows that there were files. */
	if (head->err == -ETIME || head->err == -ENOENT)
		gmfs_slots_open(&h->slots);
	gmfs_set_image(h, NULL, 0, 0);
	return 0;
}

static int gmfs_take_found(struct gmfs_handover *h, struct gmfs_left *head)
{
	struct gmfs_copy copy;
	int err;

	err = head->err == -ENOMEM ? -ENOMEM : gmfs_kho_retrieve(&h->kho, &copy);
	if (!err) {
		gmfs_take_copy(h, head, &copy);
		return 0;
	}
	if (err == -ENOENT || err == -EIO)
		return gmfs_take_head(h, head, err == -EIO);
	kvfree(head->image);
	gmfs_log(h, pr_err, "cannot take over what the last kernel left: %pe\n", ERR_PTR(err));
	return err;
}

/* Begin with what the last kernel left, or with an empty tree. */
static int gmfs_take_over(struct gmfs_handover *h)
{
	struct gmfs_left head = { 0 };
	int err;

	gmfs_slots_retrieve(&h->slots, &head);
	err = gmfs_take_found(h, &head);
	if (!err && head.opened) {
		gmfs_take_bad_of(h, head.opened, head.opened_size);
		gmfs_publish_bad(h);
	}
	kvfree(head.opened);
	return err;
}

/* Where a window may have begun before: all the places are in the pool's memory. */
static int gmfs_know_places(struct gmfs_handover *h)
{
	const size_t max = 64 << 10;
	struct gmfs_slots *s = &h->slots;
	char *cmdline = kvmalloc(max, GFP_KERNEL);
	const struct gmfs_range *w;
	ssize_t len;

	s->places = kcalloc(h->layout.nr_windows * GMFS_NR_PLACES, sizeof(*s->places),
			    GFP_KERNEL);
	if (!cmdline || !s->places) {
		kvfree(cmdline);
		return -ENOMEM;
	}
	len = gmfs_read_file("/proc/cmdline", cmdline, max);
	for (w = h->layout.windows; w < h->layout.windows + h->layout.nr_windows; w++)
		s->nr_places += gmfs_find_places(len < 0 ? "" : cmdline, GMFS_BLOCK_SIZE,
						 w->base, w->size, s->places + s->nr_places);
	kvfree(cmdline);
	return 0;
}

/* Which boot this is, and whether kexec began it. */
static int gmfs_know_boot(struct gmfs_handover *h)
{
	char buf[UUID_STRING_LEN + 2];
	unsigned int loader;
	uuid_t boot_id;
	ssize_t len;
	int err;

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
	err = gmfs_slots_init(&h->slots, &h->layout, &boot_id, loader == LOADER_KEXEC);
	return err ?: gmfs_know_places(h);
}

/**
 * gmfs_handover_setup - prepare a tree for gmfs_handover_init()
 * @h: zeroed
 * @pool: its memory, claimed
 * @ops: what the handover asks of the filesystem
 * @name: of the tree; must stay
 *
 * Context: may sleep; gmfs_handover_destroy() follows.
 * Return: 0, or -ENOMEM.
 */
int gmfs_handover_setup(struct gmfs_handover *h, struct gmfs_pool *pool,
			const struct gmfs_tree_ops *ops, const char *name)
{
	struct gmfs_range *ranges;
	u32 i;

	ranges = kcalloc(pool->nr_windows, sizeof(*ranges), GFP_KERNEL);
	if (!ranges)
		return -ENOMEM;
	for (i = 0; i < pool->nr_windows; i++)
		ranges[i] = (struct gmfs_range){ pool->windows[i].base, pool->windows[i].size };
	h->layout = (struct gmfs_layout){
		.windows = ranges,
		.nr_windows = pool->nr_windows,
		.block_size = GMFS_BLOCK_SIZE,
		.known = ~0ULL,
	};
	h->name = name;
	h->pool = pool;
	h->ops = ops;
	init_rwsem(&h->change);
	init_waitqueue_head(&h->thawed);
	mutex_init(&h->unseal_lock);
	INIT_LIST_HEAD(&h->switches);
	gmfs_kho_init(&h->kho, name);
	return 0;
}

/* Undoes gmfs_handover_setup(), whether it succeeded or not. */
void gmfs_handover_destroy(struct gmfs_handover *h)
{
	gmfs_slots_destroy(&h->slots);
	kfree(h->layout.windows);
}

/**
 * gmfs_handover_init - begin with a tree
 * @h: the tree, as gmfs_handover_setup() left it
 *
 * Context: loading; may sleep. gmfs_active_add() follows.
 * Return: 0; -ENOMEM, with what the last kernel left where it was; what reading
 * /proc returned.
 */
int gmfs_handover_init(struct gmfs_handover *h)
{
	int err;

	err = gmfs_know_boot(h);
	if (err)
		return err;
	down_write(&h->change);
	err = h->ops->add_status(h);
	if (!err)
		err = gmfs_take_over(h);
	up_write(&h->change);
	/* Outside: it waits for readers there, and they wait for the gate. */
	if (err)
		h->ops->remove_status(h);
	else
		gmfs_publish_init(h);
	return err;
}

/**
 * gmfs_handover_exit - undo gmfs_handover_init(); the region's head keeps the image
 * @h: the tree
 *
 * Context: module exit, with no tree mounted. May sleep.
 */
void gmfs_handover_exit(struct gmfs_handover *h)
{
	gmfs_publish_exit(h);
	gmfs_active_remove(h);
	h->ops->remove_status(h);
	gmfs_kho_withdraw(&h->kho);
	kvfree(h->image);
	kfree(h->quarantine);
}
