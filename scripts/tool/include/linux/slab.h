/* SPDX-License-Identifier: GPL-2.0-only */
#include <stdlib.h>

#define kvcalloc(n, size, gfp)	calloc(n, size)
#define kvmalloc_array(n, size, gfp)	reallocarray(NULL, n, size)
#define kvmalloc(size, gfp)	malloc(size)
#define kvfree(p)		free(p)
