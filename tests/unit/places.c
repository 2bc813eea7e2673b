// SPDX-License-Identifier: GPL-2.0-only
#include "places.h"
#include "unit.h"

#define M	0x100000ULL
#define G	0x40000000ULL

static const struct place {
	const char *name, *cmdline;
	u64 base, size, want[GMFS_NR_PLACES];
} places[] = {
	{ "round addresses, the roundest first", "", 5056 * M, G, { 5 * G, 5632 * M } },
	{ "a region of 1 TiB: two round addresses, whatever its size", "memmap=1T$4G guestmemfs=1T",
	  4 * G, 1024 * G, { 1024 * G, 512 * G } },
	{ "4 GiB", "", 3 * G, 2 * G, { 4 * G, 3584 * M } },
	{ "memmap=", "ro memmap=1G$4992M memmap=1G$5200M quiet", 4992 * M, G,
	  { 5200 * M, 5 * G, 5632 * M } },
	{ "a memmap= list", "memmap=1G@5250M,1G$5200M,2G#5300M,64M$5400M", 4992 * M, G,
	  { 5200 * M, 5400 * M, 5 * G, 5632 * M } },
	{ "guestmemfs=, all of them", "guestmemfs=1G@5200M guestmemfs=p:1G@5300M,1G@5400M",
	  4992 * M, G, { 5200 * M, 5300 * M, 5400 * M, 5 * G, 5632 * M } },
	{ "rounded up to a block", "memmap=1G$0x145000001", 4992 * M, G,
	  { 5202 * M, 5 * G, 5632 * M } },
	{ "each once", "memmap=1G$5G guestmemfs=1G@5G", 4992 * M, G, { 5 * G, 5632 * M, 5376 * M } },
	{ "not the base, nor outside", "memmap=1G$4992M memmap=1G$6016M memmap=1G$1G", 4992 * M, G,
	  { 5 * G, 5632 * M } },
	{ "the last block", "memmap=1G$6014M", 4992 * M, G, { 6014 * M, 5 * G, 5632 * M } },
	{ "other parameters", "xmemmap=1G$5200M guestmemfs.region=1G@5300M", 4992 * M, G,
	  { 5 * G, 5632 * M } },
	{ "no addresses", "memmap=1G$ memmap=$ guestmemfs=1G@ memmap=1G$-5G", 4992 * M, G,
	  { 5 * G, 5632 * M } },
	{ "an address that wraps around", "memmap=1G$0xffffffffffffffff", 4992 * M, G,
	  { 5 * G, 5632 * M } },
	{ "no more than eight",
	  "memmap=1M$4994M,1M$4996M,1M$4998M,1M$5000M,1M$5002M,1M$5004M,1M$5006M,1M$5008M,1M$5010M",
	  4992 * M, G, { 4994 * M, 4996 * M, 4998 * M, 5000 * M, 5002 * M, 5004 * M, 5006 * M,
	  5008 * M } },
	{ "a region of two blocks", "", 4 * G, 4 * M, { 0 } },
	{ "from 0 on", "", 0, 8 * M, { 4 * M } },
	{ "a file system's largest region, at the top", "", (1ULL << 52) - 65536 * G, 65536 * G,
	  { (1ULL << 52) - 32768 * G, (1ULL << 52) - 49152 * G } },
};

static void place(const void *arg)
{
	const struct place *p = arg;
	u64 got[GMFS_NR_PLACES];
	unsigned int nr, i;

	nr = gmfs_find_places(p->cmdline, 2 * M, p->base, p->size, got);
	for (i = 0; i < nr; i++)
		expect(got[i] == p->want[i], "place %u: 0x%llx", i, (unsigned long long)got[i]);
	expect(nr == GMFS_NR_PLACES || !p->want[nr], "only %u", nr);
}

void places_tests(void)
{
	run_table("places", place, places);
}
