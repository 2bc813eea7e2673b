// SPDX-License-Identifier: GPL-2.0-only
/*
 * A rival for the region: shows the first word at a physical address in the log;
 * or, with set=VALUE, changes the 32 bits there, big-endian; or, with
 * claim=BYTES, holds that range so that no other driver can claim it; or, with rival=1,
 * holds the filesystem's name; or, with fail=1, calls memory_failure() for the page there.
 */
#include <linux/fs.h>
#include <linux/io.h>
#include <linux/ioport.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/unaligned.h>

static unsigned long at;
module_param(at, ulong, 0);
static unsigned long claim;
module_param(claim, ulong, 0);
static long set = -1;
module_param(set, long, 0);

static bool fail;
module_param(fail, bool, 0);

static bool rival;
module_param(rival, bool, 0);

static struct file_system_type rival_type = {
	.owner	= THIS_MODULE,
	.name	= "guestmemfs",
};

static int __init peek_init(void)
{
	u64 *p;

	if (rival)
		return register_filesystem(&rival_type);
	if (fail)
		return memory_failure(PHYS_PFN(at), 0);
	if (claim)
		return request_mem_region(at, claim, "peek") ? 0 : -EBUSY;
	p = memremap(at, PAGE_SIZE, MEMREMAP_WB);
	if (!p)
		return -ENOMEM;
	if (set >= 0)
		put_unaligned_be32(set, p);
	pr_info("peek %016llx\n", *p);
	memunmap(p);
	return 0;
}

static void __exit peek_exit(void)
{
	if (claim)
		release_mem_region(at, claim);
	if (rival)
		unregister_filesystem(&rival_type);
}

module_init(peek_init);
module_exit(peek_exit);
MODULE_DESCRIPTION("Look at guestmemfs' region, or hold it");
MODULE_LICENSE("GPL");
