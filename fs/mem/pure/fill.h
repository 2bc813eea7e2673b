/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _GMFS_FILL_H
#define _GMFS_FILL_H

#include "blocks.h"
#include "extents.h"

#define GMFS_FILL_BATCH		1024U	/* runs that one step takes at most */

/**
 * struct gmfs_fill - filling the holes of a range of a file
 * @x: the file's extents, which do not change meanwhile
 * @wish: where the blocks shall come from; must stay
 * @got: runs for the holes so far, in the order of the file
 * @left: blocks that are still to be found, reserved in the allocator
 */
struct gmfs_fill {
	const struct gmfs_extents *x;
	const struct gmfs_wish *wish;
	struct gmfs_extents got;
	u32 left;
	/* private: */
	gmfs_windows_t set;
	u32 at, to, i, careful, cutoff;
	struct gmfs_sweep sweep;
};

gmfs_windows_t gmfs_wish_windows(const struct gmfs_wish *wish);
int gmfs_fill_begin(struct gmfs_fill *f, struct gmfs_blocks *b,
		    const struct gmfs_extents *x, u32 from, u32 to,
		    const struct gmfs_wish *wish);
int gmfs_fill_step(struct gmfs_fill *f, struct gmfs_blocks *b);
void gmfs_fill_undo(struct gmfs_fill *f, struct gmfs_blocks *b);

#endif /* _GMFS_FILL_H */
