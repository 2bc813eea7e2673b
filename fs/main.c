// SPDX-License-Identifier: GPL-2.0-only
/*
 * Loading and unloading: find the region, claim it, take the filesystem's name, take
 * over what the last kernel left, and only then let mounts go on. What can fail for
 * another reason than want of memory comes before the take-over: KHO gives an image once.
 */
#define pr_fmt(fmt) "guestmemfs: " fmt

#include <guestmemfs/abi.h>
#include <linux/delay.h>
#include <linux/init.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "guestmemfs.h"
#include "mem/pure/cmdline.h"
#define CREATE_TRACE_POINTS
#include "trace.h"

static char *region;
module_param(region, charp, 0444);
MODULE_PARM_DESC(region, "SIZE@ADDR of the region, instead of guestmemfs= on the kernel command line");

static int gmfs_region_from_cmdline(u64 *base, u64 *size)
{
	const size_t max = 64 << 10;
	const char *why;
	char *cmdline;
	ssize_t len;
	int err;

	cmdline = kvmalloc(max, GFP_KERNEL);
	if (!cmdline)
		return -ENOMEM;
	len = gmfs_read_file("/proc/cmdline", cmdline, max);
	if (len < 0) {
		pr_err("cannot read /proc/cmdline (%pe): load with region=SIZE@ADDR\n",
		       ERR_PTR(len));
		err = len;
	} else {
		err = gmfs_find_region(cmdline, GMFS_BLOCK_SIZE, base, size, &why);
		if (err)
			pr_err("%s\n", why);
	}
	kvfree(cmdline);
	return err;
}

static int gmfs_which_region(u64 *base, u64 *size)
{
	int err;

	if (!region)
		return gmfs_region_from_cmdline(base, size);
	err = gmfs_parse_region(region, base, size);
	if (err)
		pr_err("region=%s is not SIZE@ADDR, as in region=10G@4G\n", region);
	return err;
}

static int __init gmfs_create_trees(void)
{
	struct gmfs_tree *tree;
	u64 base, size;
	int err;

	err = gmfs_which_region(&base, &size);
	if (err)
		return err;
	/* A tree is known to the next kernel by its name. */
	tree = gmfs_tree_create(GMFS_KHO_SUBTREE, base, size);
	return PTR_ERR_OR_ZERO(tree);
}

static int __init gmfs_init(void)
{
	int err;

	err = gmfs_create_trees();
	if (err)
		goto err_trees;
	gmfs_mmap_init();
	err = gmfs_super_init();
	if (err)
		goto err_trees;
	err = gmfs_super_register();
	if (err)
		goto err_super;
	err = gmfs_trees_load();
	if (err)
		goto err_register;
	return 0;

err_register:
	gmfs_super_unregister();
	/* A module whose loading fails is freed at once, references or not. */
	while (module_refcount(THIS_MODULE) > 1)
		msleep(20);
err_super:
	gmfs_super_exit();
err_trees:
	gmfs_trees_destroy();
	return err;
}

static void __exit gmfs_exit(void)
{
	gmfs_super_unregister();
	gmfs_trees_unload();
	gmfs_super_exit();
	gmfs_trees_destroy();
}

module_init(gmfs_init);
module_exit(gmfs_exit);
MODULE_DESCRIPTION("Filesystem for guest memory that survives kexec");
MODULE_LICENSE("GPL");
MODULE_ALIAS_FS("guestmemfs");
