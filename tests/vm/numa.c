// SPDX-License-Identifier: GPL-2.0-only
/*
 * numa task MODE NODES COMMAND... - run it with that policy of set_mempolicy(2)
 * numa bind MODE NODES FILE [FROM TO] - map all of a file, mbind() the pages of the blocks
 *	FROM up to TO, or all, and say how that went
 * numa touch MODE NODES FILE - the same, and then write to every block
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/mempolicy.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BLOCK	(2UL << 20)

static void must(int ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "numa: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int mode_of(const char *name)
{
	static const char *const modes[] = {
		[MPOL_DEFAULT] = "default", [MPOL_PREFERRED] = "preferred", [MPOL_BIND] = "bind",
		[MPOL_INTERLEAVE] = "interleave", [MPOL_LOCAL] = "local",
		[MPOL_PREFERRED_MANY] = "preferred-many",
	};
	unsigned int i;

	for (i = 0; i < sizeof(modes) / sizeof(*modes); i++)
		if (!strcmp(modes[i], name))
			return i;
	errno = EINVAL;
	must(0, name);
	return -1;
}

/* A mask of nodes, a bit each. */
static int bind_file(char **argv, int touch)
{
	unsigned long nodes = strtoul(argv[1], NULL, 0), from = 0, to, i;
	int fd = open(argv[2], O_RDWR);
	struct stat st;
	char *p;

	must(fd >= 0 && !fstat(fd, &st), argv[2]);
	to = (st.st_size + BLOCK - 1) / BLOCK;
	if (!touch && argv[3]) {
		from = strtoul(argv[3], NULL, 0);
		to = strtoul(argv[4], NULL, 0);
	}
	p = mmap(NULL, st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	must(p != MAP_FAILED, "mmap");
	if (syscall(SYS_mbind, p + from * BLOCK, (to - from) * BLOCK, mode_of(argv[0]),
		    nodes ? &nodes : NULL, 64, 0)) {
		printf("%s\n", strerror(errno));
		return 0;
	}
	for (i = from; touch && i < to; i++)
		p[i * BLOCK] = 1;
	printf("ok\n");
	return 0;
}

int main(int argc, char **argv)
{
	unsigned long nodes;

	if (argc > 4 && !strcmp(argv[1], "task")) {
		nodes = strtoul(argv[3], NULL, 0);
		must(!syscall(SYS_set_mempolicy, mode_of(argv[2]), nodes ? &nodes : NULL, 64),
		     "set_mempolicy");
		execvp(argv[4], argv + 4);
		must(0, argv[4]);
	}
	if (argc > 4 && (!strcmp(argv[1], "bind") || !strcmp(argv[1], "touch")))
		return bind_file(argv + 2, *argv[1] == 't');
	fprintf(stderr, "usage: numa task|bind|touch MODE NODES COMMAND|FILE\n");
	return 1;
}
