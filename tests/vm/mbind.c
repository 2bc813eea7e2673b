// SPDX-License-Identifier: GPL-2.0-only
/*
 * mbind FILE [UID] - map a file, write to all of it, print how many faults that took, and
 * let mbind(MPOL_MF_STRICT) look at every entry. As UID, if given, without capabilities.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MPOL_BIND	2
#define MPOL_MF_STRICT	1
#define BLOCK		(2UL << 20)

static void must(int ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "mbind: %s: %s\n", what, strerror(errno));
	exit(1);
}

int main(int argc, char **argv)
{
	unsigned long node = 1;
	struct rusage r;
	volatile char *p;
	struct stat st;
	long before;
	off_t i;
	int fd;

	must(argc >= 2, "a file");
	if (argc > 2)
		must(!setgid(atoi(argv[2])) && !setuid(atoi(argv[2])), "setuid");
	fd = open(argv[1], O_RDWR);
	must(fd >= 0 && !fstat(fd, &st), argv[1]);
	p = mmap(NULL, st.st_size + BLOCK, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	p = (char *)(((uintptr_t)p + BLOCK - 1) & ~(BLOCK - 1));
	p = mmap((void *)p, st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
	must(p != MAP_FAILED, "mmap");
	memset(&r, 0, sizeof(r));
	getrusage(RUSAGE_SELF, &r);
	before = r.ru_minflt;
	for (i = 0; i < st.st_size; i += 4096)
		p[i] = 1;
	getrusage(RUSAGE_SELF, &r);
	printf("%ld\n", r.ru_minflt - before);
	must(!syscall(SYS_mbind, p, st.st_size, MPOL_BIND, &node, 8, MPOL_MF_STRICT), "mbind");
	must(!munmap((void *)p, st.st_size), "munmap");
	return 0;
}
