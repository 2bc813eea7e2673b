/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _TOOL_LINUX_BITMAP_H
#define _TOOL_LINUX_BITMAP_H

#define BITS_PER_LONG		(8 * sizeof(long))
#define BITS_TO_LONGS(n)	(((n) + BITS_PER_LONG - 1) / BITS_PER_LONG)

static inline void bitmap_set(unsigned long *map, unsigned long start, unsigned long nr)
{
	for (; nr--; start++)
		map[start / BITS_PER_LONG] |= 1UL << start % BITS_PER_LONG;
}

static inline unsigned long find_next_bit(const unsigned long *map, unsigned long end,
					  unsigned long at)
{
	while (at < end && !(map[at / BITS_PER_LONG] >> at % BITS_PER_LONG & 1))
		at++;
	return at;
}

#endif
