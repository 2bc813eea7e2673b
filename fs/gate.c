// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: the gate
 *
 * Each change of what an image describes is made between gmfs_change_begin() and
 * gmfs_change_end(), with gmfs.change held for reading. Publishing, withdrawing,
 * mounting and unmounting hold it for writing, so no image describes half a change.
 *
 * 1. A change enters, marks the sealed image stale if it is the first one after a
 *    seal, is made, and leaves.
 * 2. While the tree is frozen a system call fails with EBUSY. A page fault waits until
 *    thaw, without a lock of mm if it can begin anew.
 * 3. If the head cannot be mapped to mark the image stale, the change fails with ENOMEM
 *    and nothing is changed.
 *
 * gmfs.change comes after mmap_lock and inode locks, before a mapping's
 * invalidate_lock; Documentation/locking.rst has the whole order.
 */
#include <linux/mutex.h>
#include <linux/rwsem.h>
#include <linux/wait.h>

#include "guestmemfs.h"
#include "../kho/kho.h"

static DEFINE_MUTEX(unseal_lock);

/* Mark the sealed image stale before the first change; concurrent callers wait. */
static int gmfs_unseal(void)
{
	int err = 0;

	mutex_lock(&unseal_lock);
	if (gmfs.clean) {
		err = gmfs_slots_open();
		if (!err)
			/* After the store to the head; pairs with enter(). */
			smp_store_release(&gmfs.clean, false);
	}
	mutex_unlock(&unseal_lock);
	if (err)
		up_read(&gmfs.change);
	return err;
}

static int enter(void)
{
	/* A caller that reads false may change the tree: see gmfs_unseal(). */
	return smp_load_acquire(&gmfs.clean) ? gmfs_unseal() : 0;
}

/**
 * gmfs_change_begin - about to change what an image tells
 *
 * Context: may sleep; gmfs_change_end() follows.
 * Return: 0; -EBUSY while the tree is frozen; -ENOMEM; -EINTR if killed while
 * waiting for it to be published, mounted or unmounted.
 */
int gmfs_change_begin(void)
{
	int err = down_read_killable(&gmfs.change);

	if (err)
		return err;
	if (!gmfs.frozen)
		return enter();
	up_read(&gmfs.change);
	return -EBUSY;
}

/**
 * gmfs_change_try_begin - as gmfs_change_begin(), but do not wait for freeze or thaw
 *
 * For a page fault, which has a lock of mm that other threads need.
 *
 * Return: 0; -EAGAIN while the tree is frozen, or is published, mounted or
 * unmounted; -ENOMEM.
 */
int gmfs_change_try_begin(void)
{
	if (!down_read_trylock(&gmfs.change))
		return -EAGAIN;
	if (!gmfs.frozen)
		return enter();
	up_read(&gmfs.change);
	return -EAGAIN;
}

/**
 * gmfs_change_wait - wait until gmfs_change_try_begin() can succeed
 * @interruptible: any signal ends the wait, and not only one that kills
 *
 * Context: sleeps until thaw, so the caller holds no lock of mm.
 * Return: 0, though it may be frozen again by then; -EINTR or -ERESTARTSYS if a signal
 * came first.
 */
int gmfs_change_wait(bool interruptible)
{
	bool frozen;
	int err;

	do {
		err = interruptible ?
			wait_event_interruptible(gmfs.thawed, !READ_ONCE(gmfs.frozen)) :
			wait_event_killable(gmfs.thawed, !READ_ONCE(gmfs.frozen));
		if (!err)
			err = interruptible ? down_read_interruptible(&gmfs.change) :
					      down_read_killable(&gmfs.change);
		if (err)
			return err;
		frozen = gmfs.frozen;
		up_read(&gmfs.change);
	} while (frozen);
	return 0;
}

/**
 * gmfs_change_begin_wait - as gmfs_change_begin(), but wait until thaw
 *
 * For a page fault that cannot be begun anew, and so keeps a lock of mm meanwhile.
 *
 * Return: 0; -ENOMEM; -EINTR or -ERESTARTSYS if a signal that kills came first.
 */
int gmfs_change_begin_wait(void)
{
	int err;

	for (;;) {
		err = down_read_killable(&gmfs.change);
		if (err)
			return err;
		if (!gmfs.frozen)
			return enter();
		up_read(&gmfs.change);
		err = wait_event_killable(gmfs.thawed, !READ_ONCE(gmfs.frozen));
		if (err)
			return err;
	}
}

/**
 * gmfs_change_end - what gmfs_change_begin() or gmfs_change_begin_wait() began is done
 *
 * Context: does not sleep.
 */
void gmfs_change_end(void)
{
	up_read(&gmfs.change);
}
