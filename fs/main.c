// SPDX-License-Identifier: GPL-2.0-only
/*
 * Loading and unloading: find the pools, claim their windows, take the filesystem's name,
 * take over what the last kernel left, and only then let mounts go on. What can fail for
 * another reason than want of memory comes before the take-over: KHO gives an image once.
 *
 * A pool that cannot be claimed or loaded leaves the others alone. Loading fails if none
 * can.
 */
#define pr_fmt(fmt) "guestmemfs: " fmt

#include <guestmemfs/abi.h>
#include <linux/delay.h>
#include <linux/init.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/slab.h>
#include <linux/sysfs.h>

#include "guestmemfs.h"
#define CREATE_TRACE_POINTS
#include "trace.h"

/* Each region= as a guestmemfs= argument of a command line, or NULL. */
static char *region_args;

static int gmfs_param_set(const char *value, const struct kernel_param *kp)
{
	char *args = kasprintf(GFP_KERNEL, "%sguestmemfs=\"%s\" ", region_args ?: "", value);

	if (!args)
		return -ENOMEM;
	kfree(region_args);
	region_args = args;
	return 0;
}

static int gmfs_param_get(char *buf, const struct kernel_param *kp)
{
	return sysfs_emit(buf, "%s\n", region_args ?: "");
}

static void gmfs_param_free(void *arg)
{
	kfree(region_args);
}

static const struct kernel_param_ops region_ops = {
	.set	= gmfs_param_set,
	.get	= gmfs_param_get,
	.free	= gmfs_param_free,
};

module_param_cb(region, &region_ops, NULL, 0444);
MODULE_PARM_DESC(region, "[NAME:]SIZE[@ADDR][,SIZE[@ADDR]]... of a pool; once for each pool, instead of guestmemfs= on the kernel command line");

/* The pools of a command line, claimed or not. Returns 0 if one is claimed. */
static int __init gmfs_create_trees(const char *cmdline)
{
	unsigned int nr, i, nr_claimed = 0;
	struct gmfs_pool_arg *pools;
	int err = -ENODEV;

	pools = kvcalloc(GMFS_MAX_POOLS + 1, sizeof(*pools), GFP_KERNEL);
	if (!pools)
		return -ENOMEM;
	nr = gmfs_find_pools(region_args ?: cmdline, cmdline, GMFS_BLOCK_SIZE, pools);
	for (i = 0; i < nr; i++) {
		if (pools[i].why)
			/* A line of the log has 1 KiB, and the reason is at its end. */
			pr_err("%s=%.*s: %s\n", region_args ? "region" : "guestmemfs",
			       (int)min(pools[i].value_len, 200), pools[i].value, pools[i].why);
		err = gmfs_tree_create(&pools[i]);
		if (err == -ENOMEM)
			break;
		nr_claimed += !err;
	}
	if (!nr)
		pr_err("no pool: boot with guestmemfs=SIZE memmap=SIZE$ADDR, or load with region=SIZE@ADDR\n");
	kvfree(pools);
	return nr_claimed && err != -ENOMEM ? 0 : err;
}

static int __init gmfs_read_cmdline(void)
{
	const size_t max = 64 << 10;
	char *cmdline;
	ssize_t len;
	int err;

	cmdline = kvmalloc(max, GFP_KERNEL);
	if (!cmdline)
		return -ENOMEM;
	len = gmfs_read_file("/proc/cmdline", cmdline, max);
	if (len < 0 && !region_args) {
		pr_err("cannot read /proc/cmdline (%pe): load with region=SIZE@ADDR\n",
		       ERR_PTR(len));
		err = len;
	} else {
		err = gmfs_create_trees(len < 0 ? "" : cmdline);
	}
	kvfree(cmdline);
	return err;
}

static int __init gmfs_init(void)
{
	int err;

	err = gmfs_read_cmdline();
	if (err)
		goto err_trees;
	gmfs_mmap_init();
	err = gmfs_status_init();
	if (err)
		goto err_trees;
	err = gmfs_super_init();
	if (err)
		goto err_status;
	err = gmfs_super_register();
	if (err)
		goto err_super;
	err = gmfs_trees_load();
	if (err)
		goto err_register;
	gmfs_failure_init();
	return 0;

err_register:
	gmfs_super_unregister();
	/* A module whose loading fails is freed at once, references or not. */
	while (module_refcount(THIS_MODULE) > 1)
		msleep(20);
err_super:
	gmfs_super_exit();
err_status:
	gmfs_status_exit();
err_trees:
	gmfs_trees_destroy();
	return err;
}

static void __exit gmfs_exit(void)
{
	gmfs_super_unregister();
	gmfs_failure_exit();
	gmfs_trees_unload();
	gmfs_super_exit();
	gmfs_status_exit();
	gmfs_trees_destroy();
}

module_init(gmfs_init);
module_exit(gmfs_exit);
MODULE_DESCRIPTION("Filesystem for guest memory that survives kexec");
MODULE_LICENSE("GPL");
MODULE_ALIAS_FS("guestmemfs");
