/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _UNIT_LINUX_SLAB_H
#define _UNIT_LINUX_SLAB_H

#include <linux/types.h>
#include <stdlib.h>

#define GFP_KERNEL	0
#define GFP_KERNEL_ACCOUNT 0
#define __GFP_NOWARN	0

/* Allocations that succeed before one fails; negative: none fails. */
extern int unit_allocations;

static inline bool unit_may_allocate(void)
{
	return unit_allocations < 0 || unit_allocations-- > 0;
}

static inline void *kvcalloc(size_t n, size_t size, int gfp)
{
	return unit_may_allocate() ? calloc(n, size) : NULL;
}

/* Not zeroed: the sanitizer fills it, so that nobody relies on zeroes. */
static inline void *kvmalloc_array(size_t n, size_t size, int gfp)
{
	return unit_may_allocate() ? reallocarray(NULL, n, size) : NULL;
}

static inline void *kvmalloc(size_t size, int gfp)
{
	return kvmalloc_array(1, size, gfp);
}

static inline void kvfree(void *p)
{
	free(p);
}

#endif
