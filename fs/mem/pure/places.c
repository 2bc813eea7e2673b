// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where inside a region another region may have begun before: an operator who moves
 * a region downwards leaves the old head in the midst of the new one.
 *
 * Reading a word of each block would find every such head, but it makes a hypervisor
 * below this kernel allocate all of the region, and takes long on large hosts. So
 * only the likely addresses are looked at: those that the command line still names,
 * and the roundest ones, since people choose round addresses.
 *
 * Pure code: compiled into the module and into userspace tests.
 */
#include <linux/ctype.h>
#include <linux/kernel.h>
#include <linux/string.h>

#include "places.h"

/* Each costs the memory of a block below a hypervisor that uses huge pages. */
#define NR_ROUND	2

struct search {
	u64 align, first, last;	/* multiples of @align; the region's base is not one */
	u64 *places;
	unsigned int nr;
};

static void add(struct search *s, u64 at)
{
	unsigned int i;

	if (at > ~0ULL - s->align)
		return;
	at = ALIGN(at, s->align);
	if (at < s->first || at > s->last || s->nr == GMFS_NR_PLACES)
		return;
	for (i = 0; i < s->nr; i++)
		if (s->places[i] == at)
			return;
	s->places[s->nr++] = at;
}

/* Each address that follows a @sep in a parameter @key of the command line. */
static void add_named(struct search *s, const char *cmdline, const char *key, char sep)
{
	const char *p = cmdline;
	char *next;

	while ((p = strstr(p, key))) {
		if (p != cmdline && !isspace(p[-1])) {
			p++;
			continue;
		}
		for (p += strlen(key); *p && !isspace(*p); p++)
			if (*p == sep && isdigit(p[1]))
				add(s, memparse(p + 1, &next));
	}
}

/* The multiples of the largest powers of two. */
static void add_round(struct search *s)
{
	unsigned int nr = s->nr + NR_ROUND;
	u64 step, at;

	for (step = 1ULL << 62; step > s->align && s->nr < nr; step >>= 1)
		for (at = ALIGN(s->first, step); at <= s->last && s->nr < nr; at += step)
			add(s, at);
}

/**
 * gmfs_find_places - list where in a region another one most likely began
 * @cmdline: the kernel's command line
 * @align: size of a block in bytes, a power of two
 * @base: the region's physical address in bytes, a multiple of @align
 * @size: bytes, a multiple of @align; at most 2^62 from 0 to the region's end
 * @places: physical addresses, multiples of @align, each in the region and above @base
 *
 * Return: how many @places are set.
 */
unsigned int gmfs_find_places(const char *cmdline, u64 align, u64 base, u64 size,
			      u64 places[GMFS_NR_PLACES])
{
	struct search s = {
		.align = align,
		.first = base + align,
		.last = base + size - align,
		.places = places,
	};

	add_named(&s, cmdline, "memmap=", '$');
	add_named(&s, cmdline, "guestmemfs=", '@');
	add_round(&s);
	return s.nr;
}
