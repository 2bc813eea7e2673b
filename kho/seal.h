/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _GMFS_SEAL_H
#define _GMFS_SEAL_H

#include "image.h"

/**
 * struct gmfs_head - the head of a region, mapped
 * @map: where it is
 * @region: the region it must be bound to
 */
struct gmfs_head {
	void *map;
	struct gmfs_image_region region;
};

/**
 * struct gmfs_stamp - who sealed and when, or who asks
 * @tsc: the time-stamp counter
 * @boot_id: the kernel's boot
 */
struct gmfs_stamp {
	u64 tsc;
	u8 boot_id[16];
};

/**
 * struct gmfs_found - what is in a head
 * @generation: the highest of those that make sense, or 0
 * @image: of the newest sealed slot
 * @size: bytes at @image
 * @stamp: of the newest slot, or of the one that is wrong
 * @dated: the slot that @stamp is of is whole
 * @why: if there is something and it is no sealed image: what is wrong
 */
struct gmfs_found {
	u64 generation;
	const void *image;
	size_t size;
	struct gmfs_stamp stamp;
	bool dated;
	char why[120];
};

size_t gmfs_slot_size(const struct gmfs_image_region *region);
bool gmfs_seal_is_at(const void *map, u64 addr, struct gmfs_found *found);
int gmfs_head_find(const struct gmfs_head *head, struct gmfs_found *found);
bool gmfs_head_is_believed(const struct gmfs_found *found,
			   const struct gmfs_stamp *now, bool kexec);
int gmfs_head_seal(const struct gmfs_head *head, const void *image, size_t size,
		   const struct gmfs_stamp *now, u64 *generation);
void gmfs_head_open(const struct gmfs_head *head, const struct gmfs_stamp *now);
void gmfs_head_wipe(const struct gmfs_head *head);

/*
 * From whoever uses this. gmfs_seal_store() copies into the head, and no later
 * store gets there before it; gmfs_crc32c() is as RFC 3720 has it.
 */
void gmfs_seal_store(void *to, const void *from, size_t len);
u32 gmfs_crc32c(const void *data, size_t len);

#endif /* _GMFS_SEAL_H */
