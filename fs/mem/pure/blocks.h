/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _GMFS_BLOCKS_H
#define _GMFS_BLOCKS_H

#include <guestmemfs/abi.h>
#include <linux/types.h>

/**
 * struct gmfs_blocks_window - blocks that are one piece of memory
 * @start: number of its first block
 * @nr: number of blocks, constant
 * @nr_free: how many of them are free
 * @first: number of its first block counted from physical address 0, modulo @group of
 *	struct gmfs_blocks: alignment is that of memory, not of the window
 */
struct gmfs_blocks_window {
	u32 start;
	u32 nr;
	u32 nr_free;
	u32 first;
};

/**
 * struct gmfs_blocks - which blocks of a pool are in use
 * @used:     one bit a block
 * @nr:       number of blocks of all windows
 * @nr_free:  clear bits of @used
 * @nr_reserved: how many of them are promised; see gmfs_blocks_reserve()
 * @group:    blocks in a PUD; placement aims at its multiples
 * @windows:  in the order of their blocks' numbers, which go on from one to the next
 * @nr_windows: at least 1
 *
 * No run of blocks lies in two windows. Pure bookkeeping without a lock: the owner
 * serialises.
 */
struct gmfs_blocks {
	unsigned long *used;
	u32 nr;
	u32 nr_free;
	u32 nr_reserved;
	u32 group;
	struct gmfs_blocks_window *windows;
	u32 nr_windows;
};

/* A set of windows, a bit each. */
typedef u64 gmfs_windows_t;

#define GMFS_ALL_WINDOWS	(~0ULL)

/**
 * struct gmfs_sweep - a pass over the free runs that takes some as it goes
 * @set: windows that it looks at
 * @shortest: shorter runs are left
 * @pos: what is before has been looked at, 0 to begin with
 * @end: of the run that @pos is in, 0 to begin with
 */
struct gmfs_sweep {
	gmfs_windows_t set;
	u32 shortest;
	u32 pos;
	u32 end;
};

/**
 * struct gmfs_wish - where blocks shall come from, as a NUMA policy has it
 * @turns: block n of a file is wished from the windows of set n % @nr_turns
 * @nr_turns: at least 1
 * @allowed: where they may come from when the wished windows are full
 */
struct gmfs_wish {
	gmfs_windows_t turns[GMFS_MAX_WINDOWS];
	u32 nr_turns;
	gmfs_windows_t allowed;
};

int gmfs_blocks_init(struct gmfs_blocks *b, u32 nr, u32 group, u32 first);
int gmfs_blocks_add(struct gmfs_blocks *b, u32 nr, u32 first);
void gmfs_blocks_destroy(struct gmfs_blocks *b);
void gmfs_blocks_reset(struct gmfs_blocks *b);
u32 gmfs_blocks_alloc(struct gmfs_blocks *b, gmfs_windows_t set, u32 want, u32 at,
		      u32 goal, u32 *start);
u32 gmfs_blocks_cutoff(const struct gmfs_blocks *b, gmfs_windows_t set, u32 want);
u32 gmfs_blocks_free_in(const struct gmfs_blocks *b, gmfs_windows_t set);
u32 gmfs_blocks_window(const struct gmfs_blocks *b, u32 block);
u32 gmfs_blocks_sweep(struct gmfs_blocks *b, struct gmfs_sweep *s, u32 want, u32 goal,
		      u32 *start);
int gmfs_blocks_reserve(struct gmfs_blocks *b, u32 nr);
void gmfs_blocks_unreserve(struct gmfs_blocks *b, u32 nr);
void gmfs_blocks_free(struct gmfs_blocks *b, u32 start, u32 nr);
int gmfs_blocks_take(struct gmfs_blocks *b, u32 start, u32 nr);
u32 gmfs_blocks_largest(const struct gmfs_blocks *b);

#define GMFS_NO_GOAL	U32_MAX

#endif /* _GMFS_BLOCKS_H */
