// SPDX-License-Identifier: GPL-2.0-only
#include <linux/kernel.h>
#include <stdlib.h>

#include "badpages.h"
#include "unit.h"

enum { PAGES = 40 };

/* Each order of pages, some of them twice, makes the same list. */
static void any_order(const void *arg)
{
	struct gmfs_bad_page bad[PAGES], page = { 0 };
	u32 nr, i, n, seen;

	for (n = 0; n < 200; n++) {
		bool has[PAGES] = { false };

		for (nr = 0, seen = 0, i = 0; i < 2 * PAGES; i++) {
			u32 k = rnd(PAGES);

			page.at = k * 4096ULL;
			page.when = i + 1;
			seen += !has[k];
			has[k] = true;
			nr = gmfs_bad_insert(bad, nr, &page);
			expect_eq(nr, seen);
		}
		for (i = 0; i + 1 < nr; i++)
			expect(bad[i].at < bad[i + 1].at, "%u of %u", i, nr);
		for (i = 0; i < PAGES; i++) {
			u32 at = gmfs_bad_find(bad, nr, i * 4096ULL);

			expect(at == nr || bad[at].at >= i * 4096ULL, "page %u", i);
			expect(!at || bad[at - 1].at < i * 4096ULL, "page %u", i);
			expect_eq(at < nr && bad[at].at == i * 4096ULL, has[i]);
		}
	}
}

/* The first report counts. */
static void twice(const void *arg)
{
	struct gmfs_bad_page bad[2], first = { 4096, 1 }, again = { 4096, 2 };

	expect_eq(gmfs_bad_insert(bad, 0, &first), 1);
	expect_eq(gmfs_bad_insert(bad, 1, &again), 1);
	expect_eq(bad[0].when, 1);
}

void badpages_tests(void)
{
	unit_run("bad pages", "in any order", any_order, NULL);
	unit_run("bad pages", "one twice", twice, NULL);
}
