// SPDX-License-Identifier: GPL-2.0-only
/*
 * zeroing FILE OFFSET LENGTH [ROUNDS]: fallocate() it; prints the CPU time that took, in
 * ms. In between rounds the range becomes unwritten.
 */
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

static long used_ms(void)
{
	struct rusage r;

	getrusage(RUSAGE_SELF, &r);
	return (r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1000 +
	       (r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1000;
}

int main(int argc, char **argv)
{
	int fd, rounds = argc > 4 ? atoi(argv[4]) : 1;
	off_t from, len;
	long before;

	if (argc < 4)
		errx(1, "usage");
	from = strtoull(argv[2], NULL, 0);
	len = strtoull(argv[3], NULL, 0);
	fd = open(argv[1], O_RDWR | O_CREAT, 0600);
	if (fd < 0)
		err(1, "%s", argv[1]);
	before = used_ms();
	while (rounds--) {
		if (fallocate(fd, 0, from, len))
			err(1, "fallocate");
		if (rounds && fallocate(fd, FALLOC_FL_ZERO_RANGE, from, len))
			err(1, "FALLOC_FL_ZERO_RANGE");
	}
	printf("%ld\n", used_ms() - before);
	return 0;
}
