/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _GMFS_SEAL_H
#define _GMFS_SEAL_H

#include "image.h"

/**
 * struct gmfs_head - the heads of a pool's windows, mapped
 * @layout: the windows
 * @maps: where the head of each is, gmfs_head_size() bytes
 * @main: which of them is the main window; gmfs_head_find() finds it
 */
struct gmfs_head {
	const struct gmfs_layout *layout;
	void **maps;
	u32 main;
};

/**
 * struct gmfs_stamp - who sealed and when, or who asks
 * @tsc: the time-stamp counter
 * @boot_id: the kernel's boot
 * @tsc_khz: how fast it counts; 0 if unknown, or if the seal has no date record
 * @wall: nanoseconds since 1970; only together with @tsc_khz
 */
struct gmfs_stamp {
	u64 tsc;
	u8 boot_id[16];
	u64 tsc_khz;
	u64 wall;
};

/**
 * enum gmfs_belief - whether memory has lasted since a head was written
 * @GMFS_BELIEVED: it has
 * @GMFS_FIRMWARE: firmware began this kernel: it has not
 * @GMFS_TSC_BACK: the time-stamp counter went back, so the machine was reset
 * @GMFS_CLOCKS_DIFFER: the wall clock and the counter do not agree: a reset that no
 *	kernel noticed, or a wrong wall clock
 */
enum gmfs_belief {
	GMFS_BELIEVED,
	GMFS_FIRMWARE,
	GMFS_TSC_BACK,
	GMFS_CLOCKS_DIFFER,
};

/**
 * struct gmfs_found - what is in the heads
 * @generation: the highest of those that make sense, or 0
 * @version: of the main window's head; 0 without one
 * @known: the windows that belong to the pool, a bit each
 * @disputed: a window belongs to another pool, or to this one without its main window
 * @slot: the newest sealed slot
 * @size: bytes of its image, or of that which an open slot has had
 * @stamp: of the newest slot, or of the one that is wrong
 * @dated: the slot that @stamp is of is whole
 * @why: why heads that are not empty have no sealed image
 */
struct gmfs_found {
	u64 generation;
	u32 version;
	u64 known;
	bool disputed;
	int slot;
	size_t size;
	struct gmfs_stamp stamp;
	bool dated;
	char why[160];
};

/**
 * struct gmfs_copy - an image that came by another way than the head
 * @image: the image
 * @size: bytes
 * @recorded: the next two are known; a module of 0.1 does not record them
 * @generation: of the seal that the same image has in the head
 * @crc: CRC32C of the image when it was published
 */
struct gmfs_copy {
	void *image;
	size_t size;
	bool recorded;
	u64 generation;
	u32 crc;
};

size_t gmfs_head_size(const struct gmfs_layout *layout, u32 window);
bool gmfs_seal_is_at(const void *map, u64 addr, struct gmfs_found *found);
int gmfs_head_find(struct gmfs_head *head, struct gmfs_found *found);
void gmfs_head_copy(const struct gmfs_head *head, const struct gmfs_found *found, void *image);
enum gmfs_belief gmfs_head_belief(struct gmfs_found *found,
				  const struct gmfs_stamp *now, bool kexec);
int gmfs_copy_choose(const struct gmfs_copy *copy, int err, const void *image,
		     size_t size, u64 generation, const char **why);
void gmfs_head_date(const struct gmfs_head *head, const struct gmfs_stamp *now);
int gmfs_head_seal(const struct gmfs_head *head, const void *image, size_t size,
		   const struct gmfs_stamp *now, u64 *generation);
void gmfs_head_open(const struct gmfs_head *head, const struct gmfs_stamp *now);
void gmfs_head_wipe(const struct gmfs_head *head);
bool gmfs_head_wipe_old(const struct gmfs_head *head, const u8 boot_id[16]);

/*
 * The user of this file defines these. gmfs_seal_store() copies into the head, and no later
 * store gets there before it; gmfs_crc32c() is as RFC 3720 has it, of what follows the
 * bytes that have @crc, 0 to begin with.
 */
void gmfs_seal_store(void *to, const void *from, size_t len);
u32 gmfs_crc32c(u32 crc, const void *data, size_t len);

#endif /* _GMFS_SEAL_H */
