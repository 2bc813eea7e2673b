/* SPDX-License-Identifier: GPL-2.0-only */
/* How an image reaches the next kernel: in the region's head, or by KHO. */
#ifndef _GMFS_CARRIER_H
#define _GMFS_CARRIER_H

#include <compat.h>
#include <linux/uuid.h>

#include "pure/image.h"
#include "pure/seal.h"

#if GMFS_HAVE_KHO
#include <linux/kho/abi/kexec_handover.h>
#endif

/**
 * struct gmfs_slots - the region carrier: what is known of the heads
 * @layout: the windows whose heads they are
 * @head: the heads; mapped while they are read or written
 * @stamp: of this kernel; the time when the heads were last read
 * @kexec: this kernel was started by kexec
 * @generation: of the image that was found or written last
 * @moved: where the head of another window was found, or 0
 * @places: where to look for such a head, for kfree()
 * @nr_places: how many
 */
struct gmfs_slots {
	struct gmfs_layout *layout;
	struct gmfs_head head;
	struct gmfs_stamp stamp;
	bool kexec;
	u64 generation;
	phys_addr_t moved;
	u64 *places;
	unsigned int nr_places;
};

/**
 * struct gmfs_left - what the last kernel left in the heads
 * @err: 0 or -errno, as from gmfs_slots_retrieve()
 * @image: for kvfree(), or NULL
 * @size: bytes at @image
 * @opened: the image before changes that were never sealed, for kvfree(), or NULL
 * @opened_size: bytes at @opened
 * @version: of the main window's head, 0 without one
 * @disputed: a window belongs to another pool, or the main window is absent
 * @why: why the heads are not accepted
 */
struct gmfs_left {
	int err;
	void *image;
	size_t size;
	void *opened;
	size_t opened_size;
	u32 version;
	bool disputed;
	char why[160];
};

/* In carrier_region.c */
int gmfs_slots_init(struct gmfs_slots *s, struct gmfs_layout *layout,
		    const uuid_t *boot_id, bool kexec);
void gmfs_slots_destroy(struct gmfs_slots *s);
int gmfs_slots_publish(struct gmfs_slots *s, const void *image, size_t size);
int gmfs_slots_open(struct gmfs_slots *s);
int gmfs_slots_wipe(struct gmfs_slots *s);
int gmfs_slots_date(struct gmfs_slots *s);
int gmfs_slots_retrieve(struct gmfs_slots *s, struct gmfs_left *left);
u64 gmfs_slots_generation(const struct gmfs_slots *s);

#if GMFS_HAVE_KHO

/**
 * struct gmfs_kho - the KHO carrier: what the next kernel will find
 * @name: of the image's subtree; constant
 * @record_name: of the record's subtree; constant
 * @subtree: contiguous preserved memory, NULL if nothing is published
 * @size: bytes at @subtree
 * @large: the image, if it did not fit into @subtree
 * @preserved: KHO's handle for @large
 * @record: the subtree with the image's checksum and generation, a page, or NULL
 */
struct gmfs_kho {
	char name[96];
	char record_name[96];
	void *subtree;
	size_t size;
	void *large;
	struct kho_vmalloc preserved;
	void *record;
};

/* In carrier_kho.c */
void gmfs_kho_init(struct gmfs_kho *k, const char *name);
bool gmfs_kho_is_on(void);
int gmfs_kho_publish(struct gmfs_kho *k, const struct gmfs_copy *copy);
void gmfs_kho_withdraw(struct gmfs_kho *k);
int gmfs_kho_retrieve(const struct gmfs_kho *k, struct gmfs_copy *copy);

#else

struct gmfs_kho {
};

static inline void gmfs_kho_init(struct gmfs_kho *k, const char *name)
{
}

static inline bool gmfs_kho_is_on(void)
{
	return false;
}

static inline int gmfs_kho_publish(struct gmfs_kho *k, const struct gmfs_copy *copy)
{
	return -EOPNOTSUPP;
}

static inline void gmfs_kho_withdraw(struct gmfs_kho *k)
{
}

static inline int gmfs_kho_retrieve(const struct gmfs_kho *k, struct gmfs_copy *copy)
{
	return -ENOENT;
}

#endif

#endif /* _GMFS_CARRIER_H */
