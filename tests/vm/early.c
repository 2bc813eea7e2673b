// SPDX-License-Identifier: GPL-2.0-only
/*
 * early FILE OFFSET - maps FILE, which has 8 MiB, reads all of it, and says "held". It has asked
 * to be told of bad memory at once, and says what it is told: "AO", where in the file, and how
 * much is bad, as a shift.
 *
 * early FILE touch OFFSET... - "fine" if they can be read, "sigbus" if one is SIGBUS; or
 * "private" in place of "touch": in a private mapping, with MADV_HUGEPAGE.
 * early FILE sum OFFSET - a sum of what FILE holds, but for the page at OFFSET.
 */
#include <inttypes.h>
#include <sys/prctl.h>

#include "mapping.h"

#define LEN	(8 * MIB)

static volatile char *p;

static void touch_all(void)
{
	size_t i;

	for (i = 0; i < LEN; i += 4096)
		(void)p[i];
}

static int hold(void)
{
	siginfo_t info;
	sigset_t set;

	if (prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_EARLY, 0, 0))
		die("PR_MCE_KILL");
	sigemptyset(&set);
	sigaddset(&set, SIGBUS);
	sigprocmask(SIG_BLOCK, &set, NULL);
	touch_all();
	for (puts("held"); ; ) {
		fflush(stdout);
		if (sigwaitinfo(&set, &info) != SIGBUS)
			return 1;
		printf("%s 0x%lx %d\n", info.si_code == BUS_MCEERR_AO ? "AO" : "other",
		       (unsigned long)((char *)info.si_addr - p), info.si_addr_lsb);
	}
}

static uint64_t sum(size_t but)
{
	uint64_t n = 0;
	size_t i;

	for (i = 0; i < LEN; i += 8)
		if (i / 4096 != but / 4096)
			n = n * 31 + *(volatile uint64_t *)(p + i);
	return n;
}

int main(int argc, char **argv)
{
	int i, bad = 0;

	if (argc < 3)
		return 1;
	p = map(open_or_die(argv[1], O_RDWR), LEN, 0, 2 * MIB);
	if (argc == 3)
		return hold();
	if (!strcmp(argv[2], "sum"))
		return printf("%" PRIx64 "\n", sum(strtoul(argv[3], NULL, 0))) < 0;
	if (!strcmp(argv[2], "private")) {
		munmap((char *)p, LEN);
		p = mmap(NULL, LEN, RW, MAP_PRIVATE, open_or_die(argv[1], O_RDONLY), 0);
		if (p == MAP_FAILED || madvise((char *)p, LEN, MADV_HUGEPAGE))
			die("private mapping");
	}
	catch_touches();
	for (i = 3; i < argc; i++)
		bad |= touch((char *)p + strtoul(argv[i], NULL, 0)) == SIGBUS;
	return puts(bad ? "sigbus" : "fine") < 0;
}
