// SPDX-License-Identifier: GPL-2.0-only
/*
 * Extended attributes as they stand in an image: packed one after the other.
 *
 * There are few and they are small, so an inode keeps them in the same form and
 * makes a new copy when one changes.
 *
 * Pure code: compiled into the module, into KUnit and into userspace tests.
 */
#include <guestmemfs/abi.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/unaligned.h>

#include "xattrs.h"

/**
 * gmfs_xattrs_next - read one attribute
 * @data: packed attributes
 * @size: bytes at @data
 * @pos: where, 0 to begin with; moved past the attribute
 * @x: what was read, set if 1 is returned
 *
 * Return: 1 if there was one, 0 at the end, -EINVAL if they are malformed.
 */
int gmfs_xattrs_next(const void *data, u32 size, u32 *pos, struct gmfs_xattr *x)
{
	const char *name = (const char *)data + *pos;
	u32 left = size - *pos, len, name_len;

	if (!left)
		return 0;
	name_len = strnlen(name, min_t(u32, left, GMFS_MAX_NAME + 1));
	if (!name_len || name_len > GMFS_MAX_NAME || left - name_len < 5)
		return -EINVAL;
	len = get_unaligned_be32(name + name_len + 1);
	if (len > left - name_len - 5)
		return -EINVAL;
	*x = (struct gmfs_xattr){ name, name + name_len + 5, len };
	*pos += name_len + 5 + len;
	return 1;
}

/**
 * gmfs_xattrs_find - look for an attribute
 * @xs: the attributes
 * @name: its name
 * @x: what was found, set if it is found
 *
 * Return: whether it is found.
 */
bool gmfs_xattrs_find(const struct gmfs_xattrs *xs, const char *name,
		      struct gmfs_xattr *x)
{
	struct gmfs_xattr here;
	u32 pos = 0;

	while (gmfs_xattrs_next(xs->data, xs->size, &pos, &here) > 0) {
		if (!strcmp(here.name, name)) {
			*x = here;
			return true;
		}
	}
	return false;
}

static void append(struct gmfs_xattrs *to, const struct gmfs_xattr *x)
{
	size_t name_size = strlen(x->name) + 1;
	u8 *p = (u8 *)to->data + to->size;

	memcpy(p, x->name, name_size);
	put_unaligned_be32(x->len, p + name_size);
	if (x->len)
		memcpy(p + name_size + 4, x->value, x->len);
	to->size += name_size + 4 + x->len;
}

/**
 * gmfs_xattrs_set - add, replace or remove an attribute
 * @xs: the attributes
 * @x: name, of 1 to GMFS_MAX_NAME bytes, and new value; a @value of NULL
 *	removes it
 *
 * Not charged to a memory cgroup, as the extents of a file: see gmfs_extents_reserve().
 * The room in an image bounds all attributes.
 *
 * Context: may sleep.
 * Return: 0; -ENOSPC if they would take more than GMFS_MAX_XATTRS bytes, or
 * -ENOMEM, and nothing is changed.
 */
int gmfs_xattrs_set(struct gmfs_xattrs *xs, const struct gmfs_xattr *x)
{
	struct gmfs_xattrs to = { 0 };
	struct gmfs_xattr old;
	size_t size = 0;
	u32 pos = 0;

	if (x->value)
		size = strlen(x->name) + 5 + x->len;
	while (gmfs_xattrs_next(xs->data, xs->size, &pos, &old) > 0)
		if (strcmp(old.name, x->name))
			size += strlen(old.name) + 5 + old.len;
	if (size > GMFS_MAX_XATTRS)
		return -ENOSPC;
	if (size) {
		to.data = kvmalloc(size, GFP_KERNEL);
		if (!to.data)
			return -ENOMEM;
	}
	pos = 0;
	while (gmfs_xattrs_next(xs->data, xs->size, &pos, &old) > 0)
		if (strcmp(old.name, x->name))
			append(&to, &old);
	if (x->value)
		append(&to, x);
	gmfs_xattrs_destroy(xs);
	*xs = to;
	return 0;
}

void gmfs_xattrs_destroy(struct gmfs_xattrs *xs)
{
	kvfree(xs->data);
	*xs = (struct gmfs_xattrs){ 0 };
}
