/* SPDX-License-Identifier: GPL-2.0-only */
/* The one switch for all trees: for kho/ alone. */
#ifndef _GMFS_ACTIVE_H
#define _GMFS_ACTIVE_H

struct gmfs_handover;

void gmfs_active_lock(void);
void gmfs_active_unlock(void);
int gmfs_active_add_dir(void);
void gmfs_active_add(struct gmfs_handover *h);
void gmfs_active_remove(struct gmfs_handover *h);

#endif /* _GMFS_ACTIVE_H */
