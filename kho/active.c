// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: the switch
 *
 * /sys/fs/guestmemfs/active is always there. /sys/kernel/kho/active is the same
 * attribute in the place where operators look for a handover; kernels up to 7.3
 * have no /sys/kernel/kho, so it is made here, unless a kernel has its own.
 */
#define pr_fmt(fmt) "guestmemfs: " fmt

#include <linux/kernfs.h>
#include <linux/kobject.h>
#include <linux/kstrtox.h>
#include <linux/sysfs.h>

#include "kho.h"

static const struct gmfs_active_ops *active_ops;
static struct kobject *kho_dir;

static ssize_t active_show(struct kobject *kobj, struct kobj_attribute *attr,
			   char *buf)
{
	return sysfs_emit(buf, "%d\n", active_ops->get());
}

static ssize_t active_store(struct kobject *kobj, struct kobj_attribute *attr,
			    const char *buf, size_t count)
{
	unsigned int on;
	int err;

	if (kstrtouint(buf, 10, &on) || on > 1)
		return -EINVAL;
	err = active_ops->set(on);
	return err ? err : count;
}

static struct kobj_attribute active_attr = __ATTR_RW(active);

static bool kernel_has_kho_dir(void)
{
	struct kernfs_node *kn = kernfs_find_and_get(kernel_kobj->sd, "kho");

	kernfs_put(kn);
	return kn;
}

/**
 * gmfs_active_init - make the switch
 * @ops: what it does; must stay
 * @dir: where the filesystem's attributes are
 *
 * Context: may sleep.
 * Return: 0, or -ENOMEM, and gmfs_active_exit() must follow.
 */
int gmfs_active_init(const struct gmfs_active_ops *ops, struct kobject *dir)
{
	active_ops = ops;
	if (sysfs_create_file(dir, &active_attr.attr))
		return -ENOMEM;
	if (kernel_has_kho_dir()) {
		pr_info("this kernel has its own /sys/kernel/kho: use /sys/fs/guestmemfs/active\n");
		return 0;
	}
	kho_dir = kobject_create_and_add("kho", kernel_kobj);
	return kho_dir ? sysfs_create_file(kho_dir, &active_attr.attr) : -ENOMEM;
}

/* The switch in @dir goes with it. Waits for whoever is writing to it. */
void gmfs_active_exit(void)
{
	kobject_del(kho_dir);
	kobject_put(kho_dir);
}
