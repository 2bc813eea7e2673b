// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: bad pages
 *
 * A page whose memory has failed is recorded for as long as the module is loaded. No fault
 * enters it. The file that has its block keeps the other pages; once no file has the block, it
 * is withheld.
 *
 * The pages' descriptors cannot hold this: the tail pages of a block share theirs.
 */
#define pr_fmt(fmt) "guestmemfs: " fmt

#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>

#include "mem.h"

/**
 * struct gmfs_bad_pages - the bad pages of a pool
 * @rcu: frees it when no reader is left
 * @nr: how many
 * @at: their physical addresses, ascending
 */
struct gmfs_bad_pages {
	struct rcu_head rcu;
	u32 nr;
	phys_addr_t at[] __counted_by(nr);
};

/* The index of the first one at @at or behind. */
static u32 gmfs_bad_find(const struct gmfs_bad_pages *bad, phys_addr_t at)
{
	u32 from = 0, to = bad->nr, mid;

	while (from < to) {
		mid = from + (to - from) / 2;
		if (bad->at[mid] < at)
			from = mid + 1;
		else
			to = mid;
	}
	return from;
}

/**
 * gmfs_pool_until_bad - how much of a piece of memory comes before its first bad page
 * @p: the pool
 * @at: its physical address
 * @len: bytes
 *
 * Context: any.
 * Return: bytes; @len if none is bad.
 */
u64 gmfs_pool_until_bad(const struct gmfs_pool *p, phys_addr_t at, u64 len)
{
	const struct gmfs_bad_pages *bad;
	u32 i;

	rcu_read_lock();
	bad = rcu_dereference(p->bad);
	if (bad) {
		i = gmfs_bad_find(bad, ALIGN_DOWN(at, PAGE_SIZE));
		if (i < bad->nr && bad->at[i] < at + len)
			len = max(bad->at[i], at) - at;
	}
	rcu_read_unlock();
	return len;
}

/* Whether a block has a bad page. */
bool gmfs_pool_is_bad(const struct gmfs_pool *p, u32 block)
{
	return gmfs_pool_until_bad(p, gmfs_pool_phys(p, block), GMFS_BLOCK_SIZE) <
	       GMFS_BLOCK_SIZE;
}

static int gmfs_record(struct gmfs_pool *p, phys_addr_t at)
{
	struct gmfs_bad_pages *old = rcu_dereference_protected(p->bad, true);
	struct gmfs_bad_pages *bad;
	u32 nr = old ? old->nr : 0, i = old ? gmfs_bad_find(old, at) : 0;

	if (i < nr && old->at[i] == at)
		return -EEXIST;
	bad = kmalloc(struct_size(bad, at, nr + 1), GFP_KERNEL);
	if (!bad)
		return -ENOMEM;
	bad->nr = nr + 1;
	if (i)
		memcpy(bad->at, old->at, i * sizeof(*bad->at));
	bad->at[i] = at;
	if (i < nr)
		memcpy(bad->at + i + 1, old->at + i, (nr - i) * sizeof(*bad->at));
	rcu_assign_pointer(p->bad, bad);
	if (old)
		kfree_rcu(old, rcu);
	return 0;
}

/**
 * gmfs_pool_record_bad - a page of the pool has failed
 * @p: the pool
 * @block: the block that it is in
 * @at: its physical address
 *
 * Context: one call at a time, and nobody allocates blocks; the invalidate_lock of the block's
 * file, if one has it, is held for writing; may sleep.
 * Return: 0, also if that is known; -ENOMEM, and it is not recorded.
 */
int gmfs_pool_record_bad(struct gmfs_pool *p, u32 block, phys_addr_t at)
{
	int err = gmfs_record(p, at);

	if (err)
		return err == -EEXIST ? 0 : err;
	pr_err("the page at 0x%llx is bad: whoever touches it gets SIGBUS, and its block gets to no other file\n",
	       (u64)at);
	gmfs_pool_withhold_bad(p, block);
	return 0;
}

/* The pool's memory is released. */
void gmfs_pool_forget_bad(struct gmfs_pool *p)
{
	kfree(rcu_dereference_protected(p->bad, true));
	RCU_INIT_POINTER(p->bad, NULL);
}
