/* SPDX-License-Identifier: GPL-2.0-only */
/* What the module's pure files take from the kernel, for a program. */
#ifndef _TOOL_LINUX_KERNEL_H
#define _TOOL_LINUX_KERNEL_H

#include <ctype.h>
#include <linux/types.h>
#include <stdio.h>
#include <stdlib.h>

#define __noreturn		__attribute__((noreturn))
#define __printf(a, b)		__attribute__((format(printf, a, b)))
#define U32_MAX			((u32)~0U)
#define S64_MAX			((s64)(~0ULL >> 1))
#define ALIGN_DOWN(x, a)	((x) & ~((__typeof__(x))(a) - 1))
#define ALIGN(x, a)		ALIGN_DOWN((x) + (a) - 1, a)
#define DIV_ROUND_UP(n, d)	(((n) + (d) - 1) / (d))
#define ARRAY_SIZE(a)		(sizeof(a) / sizeof((a)[0]))
#define min(a, b)		((a) < (b) ? (a) : (b))
#define max(a, b)		((a) > (b) ? (a) : (b))
#define min_t(type, a, b)	((type)(a) < (type)(b) ? (type)(a) : (type)(b))
#define max_t(type, a, b)	((type)(a) > (type)(b) ? (type)(a) : (type)(b))
/* Where what it returns is not used. */
#define scnprintf		snprintf

/* A number as on the kernel command line: 0x, K, M, G, T, P, E. */
static inline unsigned long long memparse(const char *p, char **end)
{
	static const char suffix[] = "kmgtpe";
	unsigned long long n = strtoull(p, end, 0);
	const char *s;

	for (s = suffix; **end && *s; s++) {
		if (tolower((unsigned char)**end) == *s) {
			n <<= 10 * (s - suffix + 1);
			++*end;
			break;
		}
	}
	return n;
}

#endif
