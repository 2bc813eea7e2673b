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
static struct kobject *fs_dir;
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

static struct kobject *add_dir(const char *name, struct kobject *parent)
{
	struct kobject *dir = kobject_create_and_add(name, parent);

	if (dir && sysfs_create_file(dir, &active_attr.attr)) {
		kobject_put(dir);
		return NULL;
	}
	return dir;
}

static bool kernel_has_kho_dir(void)
{
	struct kernfs_node *kn = kernfs_find_and_get(kernel_kobj->sd, "kho");

	kernfs_put(kn);
	return kn;
}

/**
 * gmfs_active_init - make the switch
 * @ops: what it does; must stay
 *
 * Context: may sleep.
 * Return: 0, or -ENOMEM, and gmfs_active_exit() must follow.
 */
int gmfs_active_init(const struct gmfs_active_ops *ops)
{
	active_ops = ops;
	fs_dir = add_dir("guestmemfs", fs_kobj);
	if (!fs_dir)
		return -ENOMEM;
	if (kernel_has_kho_dir()) {
		pr_info("this kernel has its own /sys/kernel/kho: use /sys/fs/guestmemfs/active\n");
		return 0;
	}
	kho_dir = add_dir("kho", kernel_kobj);
	return kho_dir ? 0 : -ENOMEM;
}

/* Waits for whoever is writing to the switch. */
void gmfs_active_exit(void)
{
	kobject_del(kho_dir);
	kobject_put(kho_dir);
	kobject_del(fs_dir);
	kobject_put(fs_dir);
}
