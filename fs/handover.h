/* SPDX-License-Identifier: GPL-2.0-only */
/* What the parts of the handover use of each other. */
#ifndef _GMFS_HANDOVER_H
#define _GMFS_HANDOVER_H

#include "../kho/kho.h"

/* In serialize.c */
struct gmfs_image_region gmfs_image_region(void);
void *gmfs_make_image(size_t *size, gfp_t gfp);

/* In restore.c */
int gmfs_build_tree(struct super_block *sb);

/* In owner.c */
extern struct gmfs_copy gmfs_refused_copy;	/* the record of KHO's image, if refused */
extern bool gmfs_forgotten;	/* the machine goes down: nothing is sealed any more */
void gmfs_refuse_image(const char *why);
void gmfs_pin(bool on);
void gmfs_set_image(void *image, size_t size, u32 inodes);
void gmfs_drop_image(void);
int gmfs_set_empty_image(void);
int gmfs_seal_image(const void *image, size_t size);

/* In publish.c */
extern const struct gmfs_active_ops gmfs_switch_ops;
void gmfs_publish_init(void);
void gmfs_publish_exit(void);

#endif /* _GMFS_HANDOVER_H */
