/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _GMFS_IMAGE_H
#define _GMFS_IMAGE_H

#include <guestmemfs/abi.h>

#include "../../fs/mem/pure/badpages.h"
#include "../../fs/mem/pure/cmdline.h"
#include "../../fs/mem/pure/extents.h"
#include "fdt.h"

struct gmfs_image_time {
	s64 sec;
	u32 nsec;
};

enum { GMFS_ATIME, GMFS_MTIME, GMFS_CTIME, GMFS_BTIME, GMFS_NR_TIMES };

/**
 * struct gmfs_image_inode - one inode as the image describes it
 * @ino: its number
 * @mode: type and permissions
 * @uid: owner
 * @gid: group
 * @major: of a device node
 * @minor: of a device node
 * @times: see GMFS_ATIME and the others
 * @size: regular files: bytes
 * @extents: regular files: @nr_extents times three cells; see gmfs_image_extent()
 * @nr_extents: how many
 * @target: symbolic links: ends in NUL
 * @names: directories: @nr_entries strings, each ends in NUL
 * @inodes: directories: @nr_entries times two cells
 * @nr_entries: how many
 * @flags: GMFS_FLAG_IMMUTABLE and the others
 * @xattrs: extended attributes, packed as for struct gmfs_xattrs
 * @xattrs_size: bytes at @xattrs
 *
 * The pointers lead into the image. When writing, only @ino to @size, @flags and
 * the extended attributes are used; the caller adds the properties of the inode's
 * type itself.
 */
struct gmfs_image_inode {
	u64 ino;
	u32 mode, uid, gid, major, minor;
	struct gmfs_image_time times[GMFS_NR_TIMES];
	u64 size;
	const u8 *extents;
	u32 nr_extents;
	const char *target;
	const char *names;
	const u8 *inodes;
	u32 nr_entries;
	u32 flags;
	const void *xattrs;
	u32 xattrs_size;
};

/**
 * struct gmfs_layout - the windows of a pool, and their bad pages
 * @windows: constant, in the order of their blocks' numbers
 * @nr_windows: how many, 1 to GMFS_MAX_WINDOWS
 * @block_size: bytes
 * @known: those in which files of the last kernel's can lie, a bit each; another one counts as
 *	absent to an image
 * @bad: for an image that is written: the bad pages, by ascending addresses
 * @nr_bad: how many
 */
struct gmfs_layout {
	const struct gmfs_range *windows;
	u32 nr_windows;
	u64 block_size;
	u64 known;
	const struct gmfs_bad_page *bad;
	u32 nr_bad;
};

/*
 * What of an image an inode and a name of @len bytes take at most, beside the bytes of a
 * target with its NUL, of attributes and of extents; see gmfs_image_room().
 */
#define GMFS_IMAGE_INODE	192
#define GMFS_IMAGE_NAME(len)	((len) + 1 + 8)
#define GMFS_IMAGE_EXTENT	12	/* three cells */
#define GMFS_IMAGE_BAD_PAGE	16	/* four */

/*
 * The largest next inode number that an image may have. Far below S64_MAX, which is the
 * largest that 0.1 accepts: it creates inodes without a look at this limit.
 */
#define GMFS_MAX_NEXT_INO	((u64)S64_MAX - U32_MAX)

u32 gmfs_layout_blocks(const struct gmfs_layout *layout);
u64 gmfs_image_max(const struct gmfs_layout *layout);
u64 gmfs_image_room(const struct gmfs_layout *layout);

/**
 * struct gmfs_image_window - a window that an image lists
 * @start: number of its first block in the image
 * @nr: number of blocks
 * @to: number of its first block in the pool, or GMFS_ABSENT
 */
struct gmfs_image_window {
	u32 start, nr, to;
};

#define GMFS_ABSENT	U32_MAX

/**
 * struct gmfs_image - an image that has been checked
 * @version: 1 or 2
 * @windows: those that it lists
 * @nr_windows: how many
 * @nr_blocks: of all of them
 * @block_size: bytes
 * @next_ino: above every inode number in use
 * @written: bitmap of the blocks that were touched, one bit each, LSB first
 * @nr_inodes: how many there are
 * @bad: its bad pages; see gmfs_image_bad_page(); also of one that was refused
 * @nr_bad: how many
 * @why: if it was refused: the reason
 */
struct gmfs_image {
	u32 version;
	struct gmfs_image_window windows[GMFS_MAX_WINDOWS];
	u32 nr_windows;
	u32 nr_blocks;
	u64 block_size;
	u64 next_ino;
	const u8 *written;
	u32 nr_inodes;
	const u8 *bad;
	u32 nr_bad;
	char why[120];
	/* private: */
	struct gmfs_fdt_reader fdt;
	u32 first;
	const u8 *ranges;
	u64 need;
};

void gmfs_image_begin(struct gmfs_fdt_writer *w, void *buf, size_t max,
		      const struct gmfs_layout *layout, u64 next_ino);
void gmfs_image_begin_inode(struct gmfs_fdt_writer *w,
			    const struct gmfs_image_inode *inode);
size_t gmfs_image_end(struct gmfs_fdt_writer *w);

int gmfs_image_check(struct gmfs_image *img, const void *buf, size_t size,
		     const struct gmfs_layout *layout);
struct gmfs_range gmfs_image_range(const struct gmfs_image *img, u32 n);
int gmfs_image_next(const struct gmfs_image *img, u32 *pos,
		    struct gmfs_image_inode *inode);
struct gmfs_extent gmfs_image_extent(const struct gmfs_image_inode *inode, u32 n);
u32 gmfs_image_block(const struct gmfs_image *img, u32 block);
u32 gmfs_image_first(const struct gmfs_image *img);
struct gmfs_bad_page gmfs_image_bad_page(const struct gmfs_image *img, u32 n);
size_t gmfs_image_renew(const void *image, size_t size, void *buf, size_t max,
			const struct gmfs_bad_page *bad, u32 nr_bad);

#endif /* _GMFS_IMAGE_H */
