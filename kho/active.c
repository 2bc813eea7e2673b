// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: the switch
 *
 * /sys/fs/guestmemfs/active is always there. /sys/kernel/kho/active is the same
 * attribute in the place where operators look for a handover; kernels up to 7.3
 * have no /sys/kernel/kho, so it is made here, unless a kernel has its own.
 *
 * 1. It switches all trees, one after the other, and shows 1 if all are active.
 * 2. If one cannot be frozen, those that this write has frozen are thawed, and the write
 *    fails with its errno.
 */
#define pr_fmt(fmt) "guestmemfs: " fmt

#include <linux/kernfs.h>
#include <linux/kobject.h>
#include <linux/kstrtox.h>
#include <linux/mutex.h>
#include <linux/rculist.h>
#include <linux/sysfs.h>

#include "kho.h"

/**
 * struct switches - all trees that there are
 * @lock: taken before the gate of any of them; held while one is added or removed, and
 *	while all are switched
 * @list: written under @lock, read under RCU
 * @dir: /sys/kernel/kho, if this module has made it; constant while loaded
 */
struct switches {
	struct mutex lock;
	struct list_head list;
	struct kobject *dir;
};

static struct switches all = {
	.lock = __MUTEX_INITIALIZER(all.lock),
	.list = LIST_HEAD_INIT(all.list),
};

/**
 * gmfs_active_parse - read what was written to a switch
 * @buf: the text
 * @on: set on success
 *
 * Return: 0, or -EINVAL for anything except 0 and 1.
 */
int gmfs_active_parse(const char *buf, bool *on)
{
	unsigned int n;

	if (kstrtouint(buf, 10, &n) || n > 1)
		return -EINVAL;
	*on = n;
	return 0;
}

/**
 * gmfs_active_set - freeze and publish one tree, or withdraw and thaw it
 * @h: the tree
 * @on: which
 *
 * Not while the switch for all trees is written, which may undo what it has done.
 *
 * Context: may sleep.
 * Return: as gmfs_set_active().
 */
int gmfs_active_set(struct gmfs_handover *h, bool on)
{
	int ret;

	if (mutex_lock_killable(&all.lock))
		return -EINTR;
	ret = gmfs_set_active(h, on);
	mutex_unlock(&all.lock);
	return ret;
}

static ssize_t gmfs_all_active_show(struct kobject *kobj, struct kobj_attribute *attr,
				    char *buf)
{
	struct gmfs_handover *h;
	bool on;

	rcu_read_lock();
	on = !list_empty(&all.list);
	list_for_each_entry_rcu(h, &all.list, switches)
		on = on && gmfs_is_active(h);
	rcu_read_unlock();
	return sysfs_emit(buf, "%d\n", on);
}

static int gmfs_switch_all(bool on)
{
	struct gmfs_handover *h;
	int ret = -ENODEV;

	lockdep_assert_held(&all.lock);
	list_for_each_entry(h, &all.list, switches) {
		ret = gmfs_set_active(h, on);
		if (ret < 0)
			break;
		h->was_frozen = on != ret;
	}
	/* Thawing fails only in a task that is killed, and what is thawed stays so. */
	if (ret >= 0 || !on || list_empty(&all.list))
		return ret;
	list_for_each_entry_continue_reverse(h, &all.list, switches)
		if (!h->was_frozen)
			gmfs_thaw(h);
	return ret;
}

static ssize_t gmfs_all_active_store(struct kobject *kobj, struct kobj_attribute *attr,
				     const char *buf, size_t count)
{
	bool on;
	int err;

	err = gmfs_active_parse(buf, &on);
	if (err)
		return err;
	if (mutex_lock_killable(&all.lock))
		return -EINTR;
	err = gmfs_switch_all(on);
	mutex_unlock(&all.lock);
	return err < 0 ? err : count;
}

/* In two directories: neither handler looks at its kobject. */
static struct kobj_attribute active_attr = __ATTR(active, 0644, gmfs_all_active_show,
						  gmfs_all_active_store);

static bool gmfs_kernel_has_kho_dir(void)
{
	struct kernfs_node *kn = kernfs_find_and_get(kernel_kobj->sd, "kho");

	kernfs_put(kn);
	return kn;
}

/**
 * gmfs_active_init - make the switch for all trees
 * @dir: /sys/fs/guestmemfs
 *
 * Context: loading; may sleep.
 * Return: 0, or -ENOMEM.
 */
int gmfs_active_init(struct kobject *dir)
{
	int err;

	err = sysfs_create_file(dir, &active_attr.attr);
	if (err)
		return err;
	if (gmfs_kernel_has_kho_dir()) {
		pr_info("this kernel has its own /sys/kernel/kho: use /sys/fs/guestmemfs/active\n");
		return 0;
	}
	all.dir = kobject_create_and_add("kho", kernel_kobj);
	err = all.dir ? sysfs_create_file(all.dir, &active_attr.attr) : -ENOMEM;
	if (err)
		gmfs_active_exit(dir);
	return err;
}

/**
 * gmfs_active_exit - undo gmfs_active_init()
 * @dir: /sys/fs/guestmemfs
 *
 * Context: no lock is held, as it waits for a writer to the switch; may sleep.
 */
void gmfs_active_exit(struct kobject *dir)
{
	kobject_put(all.dir);
	all.dir = NULL;
	sysfs_remove_file(dir, &active_attr.attr);
}

/* Around gmfs_active_add(). */
void gmfs_active_lock(void)
{
	mutex_lock(&all.lock);
}

void gmfs_active_unlock(void)
{
	mutex_unlock(&all.lock);
}

/**
 * gmfs_active_add - let the switch for all trees switch this one
 * @h: the tree
 *
 * Context: inside gmfs_active_lock().
 */
void gmfs_active_add(struct gmfs_handover *h)
{
	lockdep_assert_held(&all.lock);
	list_add_tail_rcu(&h->switches, &all.list);
}

/**
 * gmfs_active_remove - undo gmfs_active_add()
 * @h: the tree
 *
 * Context: no gate is held, as it waits for a writer to the switch; may sleep.
 */
void gmfs_active_remove(struct gmfs_handover *h)
{
	gmfs_active_lock();
	list_del_rcu(&h->switches);
	gmfs_active_unlock();
	synchronize_rcu();
}
