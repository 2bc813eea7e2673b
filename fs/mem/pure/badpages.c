// SPDX-License-Identifier: GPL-2.0-only
/*
 * A list of bad pages, by ascending addresses.
 *
 * Pure code: compiled into the module, into KUnit and into userspace tests.
 */
#include <linux/kernel.h>
#include <linux/string.h>

#include "badpages.h"

/**
 * gmfs_bad_find - the first bad page at an address or behind
 * @bad: the list
 * @nr: how many it has
 * @at: the address
 *
 * Return: its index, or @nr.
 */
u32 gmfs_bad_find(const struct gmfs_bad_page *bad, u32 nr, u64 at)
{
	u32 from = 0, to = nr, mid;

	while (from < to) {
		mid = from + (to - from) / 2;
		if (bad[mid].at < at)
			from = mid + 1;
		else
			to = mid;
	}
	return from;
}

/**
 * gmfs_bad_insert - add a page, unless it is there
 * @bad: the list, with room for one more
 * @nr: how many it has
 * @page: the page
 *
 * Return: how many it has then.
 */
u32 gmfs_bad_insert(struct gmfs_bad_page *bad, u32 nr, const struct gmfs_bad_page *page)
{
	u32 i = gmfs_bad_find(bad, nr, page->at);

	if (i < nr && bad[i].at == page->at)
		return nr;
	memmove(bad + i + 1, bad + i, (nr - i) * sizeof(*bad));
	bad[i] = *page;
	return nr + 1;
}
