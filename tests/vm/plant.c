// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hands over the bytes of a file as if guestmemfs had published them: a test's
 * way to confront the next kernel with an image that no module would write. With
 * record=FILE the image's record as well.
 */
#include <guestmemfs/abi.h>
#include <linux/kernel_read_file.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/vmalloc.h>

#include "../../include/compat.h"

#if GMFS_HAVE_KHO
#include <linux/kexec_handover.h>

static char *file = "/job/planted";
module_param(file, charp, 0);
static char *record;
module_param(record, charp, 0);

static int plant(const char *path, const char *name)
{
	void *data = NULL, *copy;
	ssize_t size;
	int err;

	size = kernel_read_file_from_path(path, 0, &data, 1 << 20, NULL,
					  READING_UNKNOWN);
	if (size < 0)
		return size;
	copy = alloc_pages_exact(size, GFP_KERNEL | __GFP_ZERO);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, data, size);
	vfree(data);
	err = kho_preserve_pages(virt_to_page(copy), PAGE_ALIGN(size) >> PAGE_SHIFT);
	if (!err)
		err = kho_add_subtree(name, copy, size);
	return err;
}

static int __init plant_init(void)
{
	int err = record ? plant(record, GMFS_KHO_RECORD) : 0;

	return err ?: plant(file, GMFS_KHO_SUBTREE);
}
module_init(plant_init);
#endif

MODULE_DESCRIPTION("Hand over a planted guestmemfs image");
MODULE_LICENSE("GPL");
