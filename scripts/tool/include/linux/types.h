/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _TOOL_LINUX_TYPES_H
#define _TOOL_LINUX_TYPES_H

#include_next <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

typedef __u8 u8;
typedef __u32 u32;
typedef __s64 s64;
/* As wide as __u64, and what printf()'s %llx takes. */
typedef unsigned long long u64;

#endif
