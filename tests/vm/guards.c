// SPDX-License-Identifier: GPL-2.0-only
/*
 * guards FILE SECONDS - one thread installs a guard in a page of a new shared mapping of FILE, which
 * has 2 MiB, while another one touches the next page, again and again: each wants
 * the same entry, one as a table and one as a huge one.
 *
 * Prints how often, or "skip: REASON".
 */
#include <pthread.h>
#include <time.h>

#include "mapping.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102	/* 6.13 */
#endif

static char *p;
static pthread_barrier_t begin, end;

static void *guard(void *unused)
{
	for (;;) {
		pthread_barrier_wait(&begin);
		if (madvise(p, 4096, MADV_GUARD_INSTALL))
			die("MADV_GUARD_INSTALL");
		pthread_barrier_wait(&end);
	}
	return unused;
}

int main(int argc, char **argv)
{
	unsigned long n = 0;
	pthread_t thread;
	time_t until;
	char *place;
	int fd;

	if (argc != 3)
		return 1;
	fd = open_or_die(argv[1], O_RDWR);
	place = reserve(2 * MIB, 2 * MIB);
	p = map_at(place, fd, 2 * MIB, 0);
	if (madvise(p, 4096, MADV_GUARD_INSTALL))
		return puts("skip: no MADV_GUARD_INSTALL"), 0;
	pthread_barrier_init(&begin, NULL, 2);
	pthread_barrier_init(&end, NULL, 2);
	if (pthread_create(&thread, NULL, guard, NULL))
		die("pthread_create");
	for (until = time(NULL) + atoi(argv[2]); time(NULL) < until; n++) {
		munmap(place, 2 * MIB);
		p = map_at(place, fd, 2 * MIB, 0);
		pthread_barrier_wait(&begin);
		for (volatile unsigned int i = n % 64 * 32; i; i--)
			;
		p[4096] = 1;
		pthread_barrier_wait(&end);
	}
	printf("%lu\n", n);
	return 0;
}
