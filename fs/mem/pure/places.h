/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _GMFS_PLACES_H
#define _GMFS_PLACES_H

#include <linux/types.h>

#define GMFS_NR_PLACES	8

unsigned int gmfs_find_places(const char *cmdline, u64 align, u64 base, u64 size,
			      u64 places[GMFS_NR_PLACES]);

#endif /* _GMFS_PLACES_H */
