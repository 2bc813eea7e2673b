// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: the gate
 *
 * The gate is @change of struct gmfs_handover. Each change of what an image describes is
 * made between gmfs_change_begin() and gmfs_change_end(), which hold it for reading.
 * Publishing, withdrawing, mounting and unmounting hold it for writing, so no image
 * describes half a change. So does the failure of a page, for which files must not change.
 *
 * 1. A change enters, marks the sealed image stale if it is the first one after a
 *    seal, is made, and leaves.
 * 2. While the tree is frozen a system call fails with EBUSY. A page fault waits until
 *    thaw, without a lock of mm if it can begin anew.
 * 3. If the head cannot be mapped to mark the image stale, the change fails with ENOMEM
 *    and nothing is changed.
 *
 * The gate comes after mmap_lock and inode locks, before a mapping's invalidate_lock;
 * Documentation/locking.rst has the whole order.
 */
#include <linux/mutex.h>
#include <linux/rwsem.h>
#include <linux/wait.h>

#include "kho.h"

/* Mark the sealed image stale before the first change; concurrent callers wait. */
static int gmfs_unseal(struct gmfs_handover *h)
{
	int err = 0;

	mutex_lock(&h->unseal_lock);
	if (h->sealed) {
		err = gmfs_slots_open(&h->slots);
		if (!err)
			/* After the store to the head; pairs with gmfs_enter(). */
			smp_store_release(&h->sealed, false);
	}
	mutex_unlock(&h->unseal_lock);
	if (err)
		up_read(&h->change);
	return err;
}

static int gmfs_enter(struct gmfs_handover *h)
{
	/* A caller that reads false may change the tree: see gmfs_unseal(). */
	return smp_load_acquire(&h->sealed) ? gmfs_unseal(h) : 0;
}

/**
 * gmfs_change_begin - about to change what an image describes
 * @h: the tree
 *
 * Context: may sleep; gmfs_change_end() follows.
 * Return: 0; -EBUSY while the tree is frozen; -ENOMEM; -EINTR if killed while
 * waiting for it to be published, mounted or unmounted.
 */
int gmfs_change_begin(struct gmfs_handover *h)
{
	int err = down_read_killable(&h->change);

	if (err)
		return err;
	if (!h->frozen)
		return gmfs_enter(h);
	up_read(&h->change);
	return -EBUSY;
}

/**
 * gmfs_change_try_begin - as gmfs_change_begin(), but do not wait for freeze or thaw
 * @h: the tree
 *
 * For a page fault, which has a lock of mm that other threads need.
 *
 * Return: 0; -EAGAIN while the tree is frozen, or is published, mounted or
 * unmounted; -ENOMEM.
 */
int gmfs_change_try_begin(struct gmfs_handover *h)
{
	if (!down_read_trylock(&h->change))
		return -EAGAIN;
	if (!h->frozen)
		return gmfs_enter(h);
	up_read(&h->change);
	return -EAGAIN;
}

/**
 * gmfs_change_wait - wait until gmfs_change_try_begin() can succeed
 * @h: the tree
 * @interruptible: any signal ends the wait, and not only one that kills
 *
 * Context: sleeps until thaw, so the caller holds no lock of mm.
 * Return: 0, though it may be frozen again by then; -EINTR or -ERESTARTSYS if a signal
 * came first.
 */
int gmfs_change_wait(struct gmfs_handover *h, bool interruptible)
{
	bool frozen;
	int err;

	do {
		err = interruptible ?
			wait_event_interruptible(h->thawed, !READ_ONCE(h->frozen)) :
			wait_event_killable(h->thawed, !READ_ONCE(h->frozen));
		if (!err)
			err = interruptible ? down_read_interruptible(&h->change) :
					      down_read_killable(&h->change);
		if (err)
			return err;
		frozen = h->frozen;
		up_read(&h->change);
	} while (frozen);
	return 0;
}

/**
 * gmfs_change_begin_wait - as gmfs_change_begin(), but wait until thaw
 * @h: the tree
 *
 * For a page fault that cannot be begun anew, and so keeps a lock of mm meanwhile.
 *
 * Return: 0; -ENOMEM; -EINTR or -ERESTARTSYS if a signal that kills came first.
 */
int gmfs_change_begin_wait(struct gmfs_handover *h)
{
	int err;

	for (;;) {
		err = down_read_killable(&h->change);
		if (err)
			return err;
		if (!h->frozen)
			return gmfs_enter(h);
		up_read(&h->change);
		err = wait_event_killable(h->thawed, !READ_ONCE(h->frozen));
		if (err)
			return err;
	}
}

/**
 * gmfs_change_end - the change is made
 * @h: the tree
 *
 * Context: does not sleep.
 */
void gmfs_change_end(struct gmfs_handover *h)
{
	up_read(&h->change);
}
