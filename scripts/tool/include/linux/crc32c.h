/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _TOOL_LINUX_CRC32C_H
#define _TOOL_LINUX_CRC32C_H

#include <linux/types.h>

/* As the kernel's: the caller inverts, before and after. */
static inline u32 crc32c(u32 crc, const void *data, size_t len)
{
	const u8 *p = data;
	int i;

	while (len--) {
		crc ^= *p++;
		for (i = 0; i < 8; i++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	return crc;
}

#endif
