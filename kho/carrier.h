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
 * struct gmfs_slots - the region carrier: what is known of the head
 * @region: whose head it is
 * @stamp: of this kernel; the time when the head was last read
 * @kexec: this kernel was started by kexec
 * @generation: of the image that was found or written last
 * @moved: where the head of another region was found, or 0
 * @places: where to look for such a head
 * @nr_places: how many
 */
struct gmfs_slots {
	struct gmfs_image_region region;
	struct gmfs_stamp stamp;
	bool kexec;
	u64 generation;
	phys_addr_t moved;
	u64 places[8];
	unsigned int nr_places;
};

/* In carrier_region.c */
void gmfs_slots_init(struct gmfs_slots *s, const struct gmfs_image_region *region,
		     const uuid_t *boot_id, bool kexec);
void gmfs_slots_expect(struct gmfs_slots *s, const u64 *places, unsigned int nr);
int gmfs_slots_publish(struct gmfs_slots *s, const void *image, size_t size);
int gmfs_slots_open(struct gmfs_slots *s);
int gmfs_slots_wipe(struct gmfs_slots *s);
int gmfs_slots_date(struct gmfs_slots *s);
int gmfs_slots_retrieve(struct gmfs_slots *s, void **image, size_t *size, char *why);
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
