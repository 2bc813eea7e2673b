// SPDX-License-Identifier: GPL-2.0-only
/* What the kernel shows of a physical address that is in the region: ADDRESS. */
#include <elf.h>

#include "harness.h"

/* In the PCI hole, which surely has no page descriptors. */
#define HOLE	0xe0000000

FIXTURE(region) {
	off_t at;
};

FIXTURE_SETUP(region)
{
	holds("ADDRESS: is set", getenv("ADDRESS") != NULL);
	self->at = strtoull(getenv("ADDRESS"), NULL, 0);
}

FIXTURE_TEARDOWN(region)
{
}

/* KPF_NOPAGE, or 0 on newer kernels. */
TEST_F(region, has_no_page_descriptors_in_kpageflags)
{
	int fd = open("/proc/kpageflags", O_RDONLY);
	uint64_t flags, hole;

	holds("kpageflags: can be read",
	      pread(fd, &flags, 8, (self->at >> 12) * 8) == 8 &&
	      pread(fd, &hole, 8, (HOLE >> 12) * 8) == 8);
	holds("kpageflags: the PCI hole has no page", !hole || hole == 1 << 20);
	ASSERT_EQ(hole, flags)
		TH_LOG("kpageflags: says of it what it says of the PCI hole");
}

TEST_F(region, is_not_in_dev_mem)
{
	int fd = open("/dev/mem", O_RDONLY);
	char buf[16];

	holds("/dev/mem: can be opened", fd >= 0);
	holds("/dev/mem: does not read it", pread(fd, buf, sizeof(buf), self->at) <= 0);
	holds("/dev/mem: does not map it",
	      mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, self->at) == MAP_FAILED);
}

TEST_F(region, is_in_no_segment_of_kcore)
{
	int fd = open("/proc/kcore", O_RDONLY), i;
	uint64_t at = self->at;
	Elf64_Ehdr eh;
	Elf64_Phdr ph;

	holds("kcore: has segments", pread(fd, &eh, sizeof(eh), 0) == sizeof(eh) && eh.e_phnum);
	for (i = 0; i < eh.e_phnum; i++) {
		holds("kcore: segments can be read",
		      pread(fd, &ph, sizeof(ph), eh.e_phoff + i * sizeof(ph)) == sizeof(ph));
		holds("kcore: none holds it",
		      ph.p_type != PT_LOAD || ph.p_paddr == -1UL || at < ph.p_paddr ||
		      at - ph.p_paddr >= ph.p_memsz);
	}
}

TEST_HARNESS_MAIN
