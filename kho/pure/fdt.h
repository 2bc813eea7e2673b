/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _GMFS_FDT_H
#define _GMFS_FDT_H

#include <linux/types.h>

#define GMFS_FDT_MAX_NAMES	32	/* different property names in a tree */
/* Longest names that are read: Devicetree Specification v0.4, 2.2.4.1 and 2.2.1. */
#define GMFS_FDT_PROP_NAME	31
#define GMFS_FDT_NODE_NAME	63	/* a name of 31, @, and as long an address */

/**
 * struct gmfs_fdt_writer - a tree being written
 * @buf: where to, or NULL to find out how long the tree will be
 * @max: bytes at @buf
 * @pos: bytes written, or that would have been
 * @names: property names so far, in the order of the strings block
 * @nr_names: how many
 */
struct gmfs_fdt_writer {
	u8 *buf;
	size_t max;
	size_t pos;
	const char *names[GMFS_FDT_MAX_NAMES];
	u32 nr_names;
};

void gmfs_fdt_start(struct gmfs_fdt_writer *w, void *buf, size_t max);
void gmfs_fdt_begin_node(struct gmfs_fdt_writer *w, const char *name);
void gmfs_fdt_end_node(struct gmfs_fdt_writer *w);
size_t gmfs_fdt_open_prop(struct gmfs_fdt_writer *w, const char *name);
void gmfs_fdt_append(struct gmfs_fdt_writer *w, const void *data, size_t len);
void gmfs_fdt_append_u32(struct gmfs_fdt_writer *w, u32 value);
void gmfs_fdt_append_u64(struct gmfs_fdt_writer *w, u64 value);
void gmfs_fdt_close_prop(struct gmfs_fdt_writer *w, size_t prop);
size_t gmfs_fdt_finish(struct gmfs_fdt_writer *w);

enum gmfs_fdt_kind {
	GMFS_FDT_BEGIN_NODE	= 1,
	GMFS_FDT_END_NODE	= 2,
	GMFS_FDT_PROP		= 3,
	GMFS_FDT_NOP		= 4,
	GMFS_FDT_END		= 9,
};

/**
 * struct gmfs_fdt_reader - a tree whose header has been checked
 * @structs: the structure block
 * @nr_structs: its size in bytes
 * @strings: the strings block
 * @nr_strings: its size in bytes
 */
struct gmfs_fdt_reader {
	const u8 *structs;
	u32 nr_structs;
	const char *strings;
	u32 nr_strings;
};

/**
 * struct gmfs_fdt_token - one token of the structure block
 * @kind: what it is, never GMFS_FDT_NOP
 * @name: of a node or property, ends in NUL inside the tree
 * @data: a property's value, aligned to 4 bytes within the tree
 * @len: bytes at @data
 */
struct gmfs_fdt_token {
	enum gmfs_fdt_kind kind;
	const char *name;
	const u8 *data;
	u32 len;
};

int gmfs_fdt_open(struct gmfs_fdt_reader *r, const void *buf, size_t size);
int gmfs_fdt_next(const struct gmfs_fdt_reader *r, u32 *pos,
		  struct gmfs_fdt_token *t);

#endif /* _GMFS_FDT_H */
