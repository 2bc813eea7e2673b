/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _TOOL_LINUX_BITMAP_H
#define _TOOL_LINUX_BITMAP_H

#include <stdbool.h>
#include <string.h>

#define BITS_PER_LONG		(8 * sizeof(long))
#define BITS_TO_LONGS(n)	(((n) + BITS_PER_LONG - 1) / BITS_PER_LONG)

static inline bool test_bit(unsigned long nr, const unsigned long *map)
{
	return map[nr / BITS_PER_LONG] >> nr % BITS_PER_LONG & 1;
}

static inline void bitmap_zero(unsigned long *map, unsigned long nr)
{
	memset(map, 0, BITS_TO_LONGS(nr) * sizeof(long));
}

static inline void bitmap_clear(unsigned long *map, unsigned long start, unsigned long nr)
{
	for (; nr--; start++)
		map[start / BITS_PER_LONG] &= ~(1UL << start % BITS_PER_LONG);
}

static inline void bitmap_set(unsigned long *map, unsigned long start, unsigned long nr)
{
	for (; nr--; start++)
		map[start / BITS_PER_LONG] |= 1UL << start % BITS_PER_LONG;
}

static inline unsigned long find_next_bit(const unsigned long *map, unsigned long end,
					  unsigned long at)
{
	while (at < end && !test_bit(at, map))
		at++;
	return at;
}

static inline unsigned long find_next_zero_bit(const unsigned long *map, unsigned long end,
					       unsigned long at)
{
	while (at < end && test_bit(at, map))
		at++;
	return at;
}

#endif
