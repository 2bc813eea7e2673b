// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: bad pages
 *
 * A page whose memory has failed is recorded, and the image takes the record along. No fault
 * enters the page. The file that has its block keeps the other pages; once no file has the
 * block, it is withheld.
 *
 * The pages' descriptors, if there are any, cannot hold this: the tail pages of a block share
 * theirs.
 */
#define pr_fmt(fmt) "guestmemfs: " fmt

#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "mem.h"

/**
 * struct gmfs_bad_list - the bad pages of a pool
 * @rcu: frees it when no reader is left
 * @nr: how many
 * @e: by ascending addresses; some may be in no window of the pool
 */
struct gmfs_bad_list {
	struct rcu_head rcu;
	u32 nr;
	struct gmfs_bad_page e[] __counted_by(nr);
};

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
	const struct gmfs_bad_list *bad;
	u32 i;

	rcu_read_lock();
	bad = rcu_dereference(p->bad);
	if (bad) {
		i = gmfs_bad_find(bad->e, bad->nr, ALIGN_DOWN(at, PAGE_SIZE));
		if (i < bad->nr && bad->e[i].at < at + len)
			len = max(bad->e[i].at, at) - at;
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

/**
 * gmfs_pool_bad - the bad pages of a pool
 * @p: the pool
 * @nr: set to how many there are
 *
 * Context: gmfs_pool_record_bad() is not called meanwhile.
 * Return: the first of them.
 */
const struct gmfs_bad_page *gmfs_pool_bad(const struct gmfs_pool *p, u32 *nr)
{
	const struct gmfs_bad_list *bad = rcu_dereference_protected(p->bad, true);

	*nr = bad ? bad->nr : 0;
	return bad ? bad->e : NULL;
}

/**
 * gmfs_pool_record_bad - a page has failed
 * @p: the pool
 * @page: the page; if it is in no window of the pool, it may be in one of a later kernel's
 *
 * Context: the callers exclude each other and allocations. If a file has the block, its
 * invalidate_lock is held for writing. May sleep.
 * Return: 0; -EEXIST if that is known; -ENOMEM, or -ENOSPC after GMFS_MAX_BAD_PAGES, and it is not
 * recorded.
 */
int gmfs_pool_record_bad(struct gmfs_pool *p, const struct gmfs_bad_page *page)
{
	struct gmfs_bad_list *old = rcu_dereference_protected(p->bad, true), *bad;
	u32 nr = old ? old->nr : 0, block = gmfs_pool_block(p, page->at);

	if (gmfs_pool_until_bad(p, page->at, 1) < 1)
		return -EEXIST;
	if (nr == GMFS_MAX_BAD_PAGES)
		return -ENOSPC;
	bad = kmalloc(struct_size(bad, e, nr + 1), GFP_KERNEL);
	if (!bad)
		return -ENOMEM;
	bad->nr = nr + 1;
	if (nr)
		memcpy(bad->e, old->e, nr * sizeof(*bad->e));
	gmfs_bad_insert(bad->e, nr, page);
	rcu_assign_pointer(p->bad, bad);
	if (old)
		kfree_rcu(old, rcu);
	if (block != GMFS_HOLE)
		gmfs_pool_withhold_bad(p, block);
	return 0;
}

/* All of a block but its bad pages, which are zero in the copy. */
static int gmfs_copy_good(struct gmfs_pool *p, u32 from, u32 to)
{
	void *source, *target;
	u32 at, len;
	int err = 0;

	err = gmfs_pool_zero(p, to, 0, GMFS_BLOCK_SIZE);
	for (at = 0; at < GMFS_BLOCK_SIZE && !err; at += len + PAGE_SIZE) {
		len = gmfs_pool_until_bad(p, gmfs_pool_phys(p, from) + at, GMFS_BLOCK_SIZE - at);
		if (!len)
			continue;
		source = gmfs_pool_map(p, from, at, len);
		target = gmfs_pool_map(p, to, at, len);
		if (!source || !target)
			err = -ENOMEM;
		else if (copy_mc_to_kernel(target, source, len))
			err = -EIO;
		if (source)
			gmfs_pool_unmap(p, source);
		if (target)
			gmfs_pool_unmap(p, target);
	}
	return err;
}

/**
 * gmfs_pool_replace - give a file another block for one that has bad pages
 * @p: the pool
 * @x: the file's extents, with room for two more
 * @at: block of the file, which it has
 * @other: one extent of one block, for @at, which gmfs_pool_alloc() has found; it is used or freed
 *
 * It holds the same, if the old one is written; bad pages are zero in it. The old one is
 * withheld.
 *
 * Context: nothing maps it; inside gmfs_change_begin(), with the file's invalidate_lock held for
 * writing; may sleep.
 * Return: 0; -EBUSY if a device may reach it; -ENOMEM; -EIO if another page turned out to be bad;
 * and the file has what it had.
 */
int gmfs_pool_replace(struct gmfs_pool *p, struct gmfs_extents *x, u32 at,
		      struct gmfs_extents *other)
{
	bool devices = gmfs_devices_have_users();
	u32 block = other->e[0].start;
	struct gmfs_extent old;
	int err = 0;

	gmfs_extents_part(x, gmfs_extents_find(x, at), at, at + 1, &old);
	if (gmfs_pool_is_reached(p, old.start, devices))
		err = -EBUSY;
	if (!err && gmfs_pool_is_written(p, old.start, 1)) {
		err = gmfs_copy_good(p, old.start, block);
		/* First the contents: see gmfs_pool_init_block(). Freeing looks at it, too. */
		smp_mb__before_atomic();
		set_bit(block, p->written);
	}
	if (err) {
		gmfs_pool_free(p, other, at, at + 1);
		return err;
	}
	if (READ_ONCE(p->scrub) && gmfs_pool_zero(p, old.start, 0, GMFS_BLOCK_SIZE))
		pr_warn_ratelimited("no memory to scrub a block with bad pages: it keeps its contents\n");
	gmfs_pool_detach_folios(p, x, at, at + 1);
	gmfs_extents_replace(x, other);
	gmfs_extents_trim(x);
	mutex_lock(&p->lock);
	gmfs_pool_give_back(p, &old, devices);
	mutex_unlock(&p->lock);
	return 0;
}

/* The pool's memory is released. */
void gmfs_pool_forget_bad(struct gmfs_pool *p)
{
	kfree(rcu_dereference_protected(p->bad, true));
	RCU_INIT_POINTER(p->bad, NULL);
}
