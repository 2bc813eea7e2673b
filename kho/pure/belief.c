// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which of the images that a kernel finds it may believe: whether memory has lasted since
 * the head was sealed, and whether the head or KHO's copy is the later.
 *
 * Pure code: compiled into the module, into KUnit and into userspace tests.
 */
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/string.h>

#include "seal.h"

#define NSEC		1000000000ULL
#define MIN_TOLERANCE	(5 * NSEC)
#define MAX_TOLERANCE	(86400 * NSEC)

/* Cycles of a counter in nanoseconds. */
static u64 tsc_to_ns(u64 cycles, u64 khz)
{
	u64 ms = cycles / khz;

	return ms * 1000000 + (cycles - ms * khz) * 1000000 / khz;
}

/*
 * Calibration finds one rate for one machine within 1/64. Where two kernels differ by
 * more, or one knows no rate, the time since cannot be told from the counter.
 */
static bool rates_agree(u64 a, u64 b)
{
	u64 differ = a < b ? b - a : a - b;

	return a && b && differ <= a / 64;
}

/*
 * The wall clock and the counter have gone on alike since @then. A reset that no kernel
 * noticed puts the counter back to 0, so the wall clock gains on it what the counter
 * had by @then or more. Half of that is tolerated: as far from what a reset does as
 * from what good clocks do. Not less than 5 s, for a real-time clock has whole
 * seconds and firmware takes as long; not more than a day, for a real-time clock that is in
 * another time zone's time is off by 14 hours at most. And 1/4096 of the time
 * since, since two kernels can differ by as much about the counter's rate.
 */
static bool clocks_agree(struct gmfs_found *found, const struct gmfs_stamp *now)
{
	const struct gmfs_stamp *then = &found->stamp;
	u64 by_tsc, by_wall, differ, tolerance;

	if (!rates_agree(then->tsc_khz, now->tsc_khz))
		return true;
	by_tsc = tsc_to_ns(now->tsc - then->tsc, now->tsc_khz);
	by_wall = now->wall - then->wall;
	differ = (s64)(by_wall - by_tsc) < 0 ? by_tsc - by_wall : by_wall - by_tsc;
	tolerance = tsc_to_ns(then->tsc, then->tsc_khz) / 2;
	if (tolerance < MIN_TOLERANCE)
		tolerance = MIN_TOLERANCE;
	if (tolerance > MAX_TOLERANCE)
		tolerance = MAX_TOLERANCE;
	if (differ <= tolerance + by_tsc / 4096)
		return true;
	scnprintf(found->why, sizeof(found->why),
		  "since then %lld s by the wall clock, %lld s by the TSC: a reset? if the clock is wrong, set it and load again",
		  (long long)by_wall / (long long)NSEC, (long long)by_tsc / (long long)NSEC);
	return false;
}

/**
 * gmfs_head_belief - decide whether memory has lasted since a head was written
 * @found: what gmfs_head_find() found; @found->why is set if the clocks are the reason,
 *	unless the head is refused for another one
 * @now: of the running kernel
 * @kexec: the running kernel was started by kexec
 *
 * A seal that is damaged or of another version has no clocks to go by, and a kernel that
 * kexec began takes it for one that lasted: it is refused anyway.
 *
 * Return: see enum gmfs_belief.
 */
enum gmfs_belief gmfs_head_belief(struct gmfs_found *found,
				  const struct gmfs_stamp *now, bool kexec)
{
	if (!memcmp(found->stamp.boot_id, now->boot_id, sizeof(now->boot_id)))
		return GMFS_BELIEVED;
	if (!kexec)
		return GMFS_FIRMWARE;
	if (!found->dated || found->why[0])
		return GMFS_BELIEVED;
	if (now->tsc <= found->stamp.tsc) {
		scnprintf(found->why, sizeof(found->why),
			  "the time-stamp counter went back since then: the machine was reset");
		return GMFS_TSC_BACK;
	}
	return clocks_agree(found, now) ? GMFS_BELIEVED : GMFS_CLOCKS_DIFFER;
}

/**
 * gmfs_copy_choose - decide between an image in the head and a copy of KHO's
 * @copy: the copy
 * @err: what the head has: 0 or -errno as from gmfs_head_find()
 * @image: if @err is 0: the image in the head
 * @size: bytes at @image
 * @generation: of what is in the head, or 0
 * @why: what is wrong with @copy, set if it is refused
 *
 * The head was written last and has a checksum, so a whole image in it is taken unless the
 * copy is recorded to be later. The same generation is the same tree,
 * but not always the same bytes: a tree that has not changed since it was sealed is
 * written down for KHO again, with the names of a directory in another order. A module
 * of 0.1 seals what it gives to KHO, so where its head is whole it is as good.
 *
 * Return: 0 to take the head's image; 1 to take the copy; -EBADMSG if the copy is damaged;
 * -EUCLEAN if the head was opened after the copy was made.
 */
int gmfs_copy_choose(const struct gmfs_copy *copy, int err, const void *image,
		     size_t size, u64 generation, const char **why)
{
	bool whole = !err;

	if (whole && size == copy->size && !memcmp(image, copy->image, size))
		return 0;
	if (!copy->recorded)
		return !whole;
	if (whole && copy->generation <= generation)
		return 0;
	if (gmfs_crc32c(0, copy->image, copy->size) != copy->crc) {
		*why = "KHO's copy of it is damaged: its checksum is wrong";
		return -EBADMSG;
	}
	if (copy->generation > generation)
		return 1;
	if (err == -EUCLEAN) {
		*why = "the region was changed after KHO got its copy (a crash?)";
		return -EUCLEAN;
	}
	return 1;
}
