/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _UNIT_LINUX_KERNEL_H
#define _UNIT_LINUX_KERNEL_H

#include <linux/align.h>
#include_next <linux/kernel.h>

#define U32_MAX	((u32)~0U)
#define S64_MAX	((s64)(~0ULL >> 1))

#endif
