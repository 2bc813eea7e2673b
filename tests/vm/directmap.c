// SPDX-License-Identifier: GPL-2.0-only
/*
 * directmap ADDRESS BYTES: how many of these bytes of physical memory the kernel's
 * page tables lead to, by the kernel's own dump of them. The dump has
 * no physical addresses, so the direct map's base comes from where the dump
 * says that section begins: physical address p is mapped at base + p.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
	const char *path = "/sys/kernel/debug/page_tables/kernel";
	uint64_t base = 0, target, size, from, to, found = 0, page_offset = 0;
	char line[512], *p;
	int inside = 0;
	FILE *f;

	if (argc != 3)
		return 2;
	target = strtoull(argv[1], NULL, 0);
	size = strtoull(argv[2], NULL, 0);
	f = fopen(path, "r");
	if (!f) {
		perror(path);
		return 1;
	}
	while (fgets(line, sizeof(line), f)) {
		if (!strncmp(line, "---[", 4)) {
			inside = !!strstr(line, "Low Kernel Mapping");
			page_offset = 0;
			continue;
		}
		if (!inside || sscanf(line, "0x%" SCNx64 "-0x%" SCNx64, &from, &to) != 2)
			continue;
		/* It begins at a GiB, the first entry maybe a page later. */
		if (!base)
			base = from & ~((1UL << 30) - 1);
		if (!page_offset)
			page_offset = base;
		/* An entry that is present says RW or ro. */
		p = strstr(line, " RW ");
		if (!p)
			p = strstr(line, " ro ");
		if (!p)
			continue;
		from -= page_offset;
		to -= page_offset;
		if (from < target)
			from = target;
		if (to > target + size)
			to = target + size;
		if (from < to)
			found += to - from;
	}
	fclose(f);
	if (!base) {
		fprintf(stderr, "directmap: no direct map in the dump\n");
		return 1;
	}
	printf("%" PRIu64 "\n", found);
	return 0;
}
