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
 * gmfs.change is held for writing around each of these.
 */
#define pr_fmt(fmt) "guestmemfs: " fmt

#include <linux/notifier.h>
#include <linux/reboot.h>
#include <linux/sched/task_stack.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/suspend.h>

#include "guestmemfs.h"
#include "handover.h"
#include "trace.h"
#include "../kho/kho.h"

/* The image as KHO gets it. One that was refused keeps its record: it may be damaged. */
static int gmfs_publish_copy(void)
{
	struct gmfs_copy copy = gmfs_refused_copy;

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

/*
 * The head is what every kernel can read, so it must have the image. Where there
 * is KHO the next kernel will look there first; without it, in the head.
 */
static int gmfs_publish(gfp_t gfp)
{
	bool last = gfp & __GFP_NOFAIL;
	int err = 0, kho_err;
	size_t size;
	void *image;

	if (gmfs_forgotten)
		return -ESHUTDOWN;
	if (gmfs.sb) {
		image = gmfs_make_image(&size, gfp);
		if (!image)
			return -ENOMEM;
		gmfs_set_image(image, size, atomic_read(&gmfs.nr_inodes));
	}
	if (!gmfs.image)
		return 0;	/* the head has what there is */
	if (!gmfs.refused)
		err = gmfs_seal_image(gmfs.image, gmfs.image_size);
	if (gmfs_kho_is_on() && (!err || last)) {
		kho_err = gmfs_publish_copy();
		if (err || (gmfs.refused && !gmfs.clean))
			err = kho_err;	/* the head does not have it */
		else if (kho_err)
			pr_warn("KHO does not take the image (%pe): the next kernel finds it in the region\n",
				ERR_PTR(kho_err));
	}
	trace_gmfs_publish(gmfs.image_size, gmfs_slots_generation(), err);
	if (err)
		gmfs_drop_image();
	else
		pr_info("published an image of %zu bytes\n", gmfs.image_size);
	return err;
}

static int gmfs_switch_active(bool on, gfp_t gfp)
{
	int err = 0;

	if (gfp & __GFP_NOFAIL)
		down_write(&gmfs.change);
	else if (down_write_killable(&gmfs.change))
		return -EINTR;
	if (on && !gmfs.frozen) {
		err = gmfs_publish(gfp);
		if (!err)
			WRITE_ONCE(gmfs.frozen, true);
	} else if (!on && gmfs.frozen) {
		gmfs_kho_withdraw();
		gmfs_drop_image();
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
	return gmfs_switch_active(on, GFP_KERNEL);
}

static bool get_active(void)
{
	return READ_ONCE(gmfs.frozen);
}

const struct gmfs_active_ops gmfs_switch_ops = {
	.set	= set_active,
	.get	= get_active,
};

static void gmfs_wipe(void)
{
	int err;

	down_write(&gmfs.change);
	err = gmfs_slots_wipe();
	if (!err)
		gmfs.clean = false;	/* a change does not unseal what is wiped */
	gmfs_forgotten = true;
	up_write(&gmfs.change);
	if (err)
		pr_warn("cannot wipe the region's head: %pe\n", ERR_PTR(err));
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
static int gmfs_on_reboot(struct notifier_block *nb, unsigned long code, void *cmd)
{
	if (is_kexec(code, cmd))
		gmfs_switch_active(true, GFP_KERNEL | __GFP_NOFAIL);
	else
		gmfs_wipe();
	return NOTIFY_DONE;
}

static struct notifier_block reboot_notifier = {
	.notifier_call	= gmfs_on_reboot,
};

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

static struct notifier_block sleep_notifier = {
	.notifier_call	= gmfs_on_sleep,
};

/**
 * gmfs_publish_init - publish on a kexec that nobody prepared, and prevent suspend
 *
 * Context: loading, when there is a tree.
 */
void gmfs_publish_init(void)
{
	register_reboot_notifier(&reboot_notifier);
	register_pm_notifier(&sleep_notifier);
}

/* Undoes gmfs_publish_init(). */
void gmfs_publish_exit(void)
{
	unregister_pm_notifier(&sleep_notifier);
	unregister_reboot_notifier(&reboot_notifier);
}
