/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A lock for each block, one bit of a bitmap. Tasks that want other blocks do not wait
 * for one that is slow with its own.
 */
#ifndef _GMFS_BLOCKLOCK_H
#define _GMFS_BLOCKLOCK_H

#include <linux/bitops.h>
#include <linux/sched.h>
#include <linux/wait_bit.h>

/* Context: may sleep. Acquire semantics. */
static inline void gmfs_block_lock(unsigned long *locks, u32 block)
{
	wait_on_bit_lock(locks + BIT_WORD(block), block % BITS_PER_LONG,
			 TASK_UNINTERRUPTIBLE);
}

/* Release semantics. */
static inline void gmfs_block_unlock(unsigned long *locks, u32 block)
{
	clear_and_wake_up_bit(block % BITS_PER_LONG, locks + BIT_WORD(block));
}

#endif /* _GMFS_BLOCKLOCK_H */
