// SPDX-License-Identifier: GPL-2.0-only
/*
 * churn DIR NR SECONDS - make, fill, rename and remove the files aNR and bNR in DIR and a
 * directory, whether that succeeds or not, until SIGALRM ends it.
 */
#include "mapping.h"

static void make_file(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT, 0600);
	char *p;

	if (fd < 0)
		return;
	if (!ftruncate(fd, 4 * MIB)) {
		p = map(fd, 4 * MIB, 0, 2 * MIB);
		*(volatile char *)p = 1;
		munmap(p, 4 * MIB);
	}
	close(fd);
}

int main(int argc, char **argv)
{
	char a[256], b[256];

	if (argc != 4)
		return 2;
	snprintf(a, sizeof(a), "%s/a%s", argv[1], argv[2]);
	snprintf(b, sizeof(b), "%s/b%s", argv[1], argv[2]);
	alarm(atoi(argv[3]));
	for (;;) {
		make_file(a);
		rename(a, b);
		unlink(b);
		mkdir(a, 0700);
		rmdir(a);
	}
}
