/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _GMFS_BADPAGES_H
#define _GMFS_BADPAGES_H

#include <guestmemfs/abi.h>
#include <linux/types.h>

/**
 * struct gmfs_bad_page - a page whose memory has failed
 * @at: its physical address
 * @when: CLOCK_REALTIME, seconds
 */
struct gmfs_bad_page {
	u64 at;
	u64 when;
};

u32 gmfs_bad_find(const struct gmfs_bad_page *bad, u32 nr, u64 at);
u32 gmfs_bad_insert(struct gmfs_bad_page *bad, u32 nr, const struct gmfs_bad_page *page);

#endif /* _GMFS_BADPAGES_H */
