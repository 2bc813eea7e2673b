/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A small filesystem of every type, as an image; and a writer of version 1, which this
 * module reads and no longer writes.
 */
#ifndef _UNIT_TREE_H
#define _UNIT_TREE_H

#include "extents.h"
#include "image.h"
#include "seal.h"

/**
 * struct tree_node - an inode and what hangs on its type
 * @i: as for gmfs_image_begin_inode(), and @i.target
 * @e: extents, up to one of no blocks
 * @names: of a directory, up to NULL
 * @inodes: the names' inode numbers
 */
struct tree_node {
	struct gmfs_image_inode i;
	struct gmfs_extent e[5];
	const char *names[8];
	u64 inodes[8];
};

extern const struct gmfs_layout tree_layout;	/* 18 and 14 blocks */
extern const struct gmfs_layout tree_layout_v1;	/* one window of 32 */
extern const struct tree_node tree_nodes[];
extern const u32 tree_nr;
extern const u8 tree_written[4];

size_t tree_write(u32 version, void *buf, size_t max);
void *tree_image_of(u32 version, size_t *size);
void *tree_image(size_t *size);	/* of version 2 */
const struct gmfs_layout *tree_layout_of(u32 version);

/* In each window a page, and one in none. */
extern const struct gmfs_bad_page tree_bad[];
extern const u32 tree_nr_bad;
void *tree_image_with_bad(size_t *size);

/* What slot @nr has that version 1 wrote, but for the date record. */
void seal_v1(const struct gmfs_head *head, int nr, const void *image, size_t size,
	     u64 generation, const struct gmfs_stamp *now, u32 state);

/* A hex dump, as `xxd -r` reads it; returns how far it goes. */
size_t read_hex(const char *path, void *buf, size_t max);

/* Whether what is read of an image that was accepted makes sense. */
bool tree_is_good(const struct gmfs_image *img);

/*
 * The same tree with the structure block last, cut to @nr_structs bytes: then
 * reading on behind it is reading behind the buffer.
 */
void *structs_last(const void *fdt, u32 nr_structs, size_t *size);

#endif
