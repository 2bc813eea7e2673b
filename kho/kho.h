/* SPDX-License-Identifier: GPL-2.0-only */
/* All that the filesystem needs to know of the handover. */
#ifndef _GMFS_KHO_H
#define _GMFS_KHO_H

#include <compat.h>
#include <linux/uuid.h>

#include "pure/image.h"
#include "pure/seal.h"

/* In active.c */

/**
 * struct gmfs_active_ops - what the switch does
 * @set: freeze and publish (true) or withdraw and thaw (false); 0 or an errno
 * @get: whether it is on
 */
struct gmfs_active_ops {
	int (*set)(bool on);
	bool (*get)(void);
};

int gmfs_active_init(const struct gmfs_active_ops *ops, struct kobject *dir);
void gmfs_active_exit(void);

/* In carrier_region.c */
void gmfs_slots_init(const struct gmfs_image_region *region,
		     const uuid_t *boot_id, bool kexec);
void gmfs_slots_expect(const u64 *places, unsigned int nr);
int gmfs_slots_publish(const void *image, size_t size);
int gmfs_slots_open(void);
int gmfs_slots_wipe(void);
int gmfs_slots_date(void);
int gmfs_slots_retrieve(void **image, size_t *size, char *why);
u64 gmfs_slots_generation(void);

/* In carrier_kho.c */

#if GMFS_HAVE_KHO
bool gmfs_kho_is_on(void);
int gmfs_kho_publish(const struct gmfs_copy *copy);
void gmfs_kho_withdraw(void);
int gmfs_kho_retrieve(struct gmfs_copy *copy);
#else
static inline bool gmfs_kho_is_on(void)
{
	return false;
}

static inline int gmfs_kho_publish(const struct gmfs_copy *copy)
{
	return -EOPNOTSUPP;
}

static inline void gmfs_kho_withdraw(void)
{
}

static inline int gmfs_kho_retrieve(struct gmfs_copy *copy)
{
	return -ENOENT;
}
#endif

#endif /* _GMFS_KHO_H */
