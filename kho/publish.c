// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: publishing
 *
 * 1. Writing 1 to "active" freezes the tree and publishes its image: sealed in the
 *    region's head, and given to KHO where there is KHO. Writing 0 withdraws and thaws.
 * 2. A kexec without it publishes in the reboot notifier and waits for memory, as there
 *    is no later chance.
 * 3. A reboot through firmware loses memory. Its notifier wipes the head, so that a later
 *    kexec cannot trust a seal that survived by chance.
 * 4. If the image cannot be sealed, publishing fails and the tree is not frozen. If only
 *    KHO refuses it, the next kernel finds it in the region.
 *
 * @change of struct gmfs_handover is held for writing around each of these.
 */
#define pr_fmt(fmt) "guestmemfs: " fmt

#include <linux/notifier.h>
#include <linux/reboot.h>
#include <linux/sched/task_stack.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/suspend.h>

#include "kho.h"
#define CREATE_TRACE_POINTS
#include "trace.h"

/* The image as KHO gets it. One in quarantine keeps its record: it may be damaged. */
static int gmfs_publish_copy(struct gmfs_handover *h)
{
	struct gmfs_copy copy = h->quarantine_record;

	if (!h->quarantine)
		copy = (struct gmfs_copy){
			.recorded = true,
			.generation = gmfs_slots_generation(&h->slots) + !h->sealed,
			.crc = gmfs_crc32c(0, h->image, h->image_size),
		};
	copy.image = h->image;
	copy.size = h->image_size;
	return gmfs_kho_publish(&h->kho, &copy);
}

/*
 * The head is what every kernel can read, so it must have the image. Where there
 * is KHO the next kernel will look there first; without it, in the head.
 */
static int gmfs_publish(struct gmfs_handover *h, gfp_t gfp)
{
	bool last = gfp & __GFP_NOFAIL;
	int err = 0, kho_err;
	size_t size;
	void *image;

	if (h->wiped)
		return -ESHUTDOWN;
	if (h->mounted) {
		image = gmfs_make_image(h, &size, gfp);
		if (!image)
			return -ENOMEM;
		gmfs_set_image(h, image, size, h->ops->count_inodes(h));
	}
	if (!h->image)
		return 0;	/* the head has the image */
	if (!h->quarantine)
		err = gmfs_seal_image(h, h->image, h->image_size);
	if (gmfs_kho_is_on() && (!err || last)) {
		kho_err = gmfs_publish_copy(h);
		if (err || (h->quarantine && !h->sealed))
			err = kho_err;	/* the head does not have it */
		else if (kho_err)
			gmfs_log(h, pr_warn, "KHO does not take the image (%pe): the next kernel finds it in the region\n",
				 ERR_PTR(kho_err));
	}
	trace_gmfs_publish(h->image_size, gmfs_slots_generation(&h->slots), err);
	if (err)
		gmfs_drop_image(h);
	else
		gmfs_log(h, pr_info, "published an image of %zu bytes\n", h->image_size);
	return err;
}

/* Returns whether that changed anything, or an error. */
static int gmfs_switch_active(struct gmfs_handover *h, bool on, gfp_t gfp)
{
	bool changes;
	int err = 0;

	if (gfp & __GFP_NOFAIL)
		down_write(&h->change);
	else if (down_write_killable(&h->change))
		return -EINTR;
	changes = h->frozen != on;
	if (changes && on) {
		err = gmfs_publish(h, gfp);
		if (!err)
			WRITE_ONCE(h->frozen, true);
	} else if (changes) {
		gmfs_kho_withdraw(&h->kho);
		gmfs_drop_image(h);
		WRITE_ONCE(h->frozen, false);
		wake_up_all(&h->thawed);
	}
	trace_gmfs_freeze(on, err);
	up_write(&h->change);
	if (err)
		gmfs_log(h, pr_err, "cannot hand over: %pe\n", ERR_PTR(err));
	return err ?: changes;
}

/**
 * gmfs_set_active - freeze and publish, or withdraw and thaw
 * @h: the tree
 * @on: which
 *
 * Context: may sleep.
 * Return: 1; 0 if it is so already; -EINTR; -ENOMEM; -EFBIG if the image does not fit
 * into the head, which charging for inodes and names prevents; -ESHUTDOWN if firmware is
 * about to take over; what publishing by KHO returned, if the image is in no head.
 */
int gmfs_set_active(struct gmfs_handover *h, bool on)
{
	return gmfs_switch_active(h, on, GFP_KERNEL);
}

/**
 * gmfs_thaw - withdraw and thaw
 * @h: the tree
 *
 * Context: may sleep, and cannot be killed.
 */
void gmfs_thaw(struct gmfs_handover *h)
{
	gmfs_switch_active(h, false, GFP_KERNEL | __GFP_NOFAIL);
}

/* The image anew, with the bad pages that are known now; or NULL. */
static void *gmfs_renew_image(struct gmfs_handover *h, size_t *size)
{
	const struct gmfs_bad_page *bad;
	void *image;
	u32 nr;

	/* The head has the mounted tree's, as nothing has changed since. */
	if (!h->image)
		return gmfs_make_image(h, size, GFP_KERNEL);
	bad = gmfs_pool_bad(h->pool, &nr);
	*size = gmfs_image_renew(h->image, h->image_size, NULL, 0, bad, nr);
	image = kvmalloc(*size, GFP_KERNEL);
	if (image && (!*size || gmfs_image_renew(h->image, h->image_size, image, *size, bad,
						 nr) != *size)) {
		kvfree(image);
		return NULL;
	}
	return image;
}

/**
 * gmfs_publish_bad - the image that there is gets the bad pages that are known now
 * @h: the tree
 *
 * The one that is published, waits for a mount, or is sealed in the head of a tree that has not
 * changed since. One in quarantine stays as it is. If there is no memory the image stays as it
 * was, which the log tells: it describes the files still.
 *
 * Context: @h->change is held for writing; may sleep.
 */
void gmfs_publish_bad(struct gmfs_handover *h)
{
	size_t size;
	void *image;
	int err;
	u32 nr;

	lockdep_assert_held_write(&h->change);
	gmfs_pool_bad(h->pool, &nr);
	if (!nr || h->quarantine || h->wiped || (!h->image && !(h->mounted && h->sealed)))
		return;
	image = gmfs_renew_image(h, &size);
	/* Into the other slot, with a higher generation. */
	err = image ? gmfs_slots_publish(&h->slots, image, size) : -ENOMEM;
	if (err) {
		kvfree(image);
		gmfs_log(h, pr_err, "until the tree changes, a kexec forgets that a page is bad: %pe\n",
			 ERR_PTR(err));
		return;
	}
	h->sealed = true;
	gmfs_pin(h, false);
	if (!h->image) {
		kvfree(image);
		return;
	}
	gmfs_set_image(h, image, size, h->image_inodes);
	if (h->frozen && gmfs_kho_is_on()) {
		gmfs_kho_withdraw(&h->kho);
		err = gmfs_publish_copy(h);
	}
	if (err)
		gmfs_log(h, pr_warn, "KHO does not take the image (%pe): the next kernel finds it in the region\n",
			 ERR_PTR(err));
}

static void gmfs_wipe(struct gmfs_handover *h)
{
	int err;

	down_write(&h->change);
	err = gmfs_slots_wipe(&h->slots);
	if (!err)
		h->sealed = false;	/* a change does not unseal what is wiped */
	h->wiped = true;
	up_write(&h->change);
	if (err)
		gmfs_log(h, pr_warn, "cannot wipe the region's head: %pe\n", ERR_PTR(err));
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

/* Publish for a kexec that was not prepared: this is the last chance. */
static int gmfs_on_reboot(struct notifier_block *nb, unsigned long code, void *cmd)
{
	struct gmfs_handover *h = container_of(nb, struct gmfs_handover, on_reboot);

	if (is_kexec(code, cmd))
		gmfs_switch_active(h, true, GFP_KERNEL | __GFP_NOFAIL);
	else
		gmfs_wipe(h);
	return NOTIFY_DONE;
}

/*
 * Hibernation would bring the tree back, but no contents: they have no pages. In
 * suspend the time-stamp counter may begin anew, and then what is sealed looks as if
 * it was from before a reset.
 */
static int gmfs_on_sleep(struct notifier_block *nb, unsigned long event, void *unused)
{
	if (event != PM_HIBERNATION_PREPARE && event != PM_SUSPEND_PREPARE)
		return NOTIFY_DONE;
	pr_err("no suspend or hibernation while the module is loaded: the files would be lost\n");
	return NOTIFY_BAD;
}

/**
 * gmfs_publish_init - publish at a kexec without preparation, and prevent suspend
 * @h: the tree
 *
 * Context: loading, when there is a tree.
 */
void gmfs_publish_init(struct gmfs_handover *h)
{
	h->on_reboot.notifier_call = gmfs_on_reboot;
	h->on_sleep.notifier_call = gmfs_on_sleep;
	register_reboot_notifier(&h->on_reboot);
	register_pm_notifier(&h->on_sleep);
}

/* Undoes gmfs_publish_init(). */
void gmfs_publish_exit(struct gmfs_handover *h)
{
	unregister_pm_notifier(&h->on_sleep);
	unregister_reboot_notifier(&h->on_reboot);
}
