// SPDX-License-Identifier: GPL-2.0-only
/*
 * collapse FILE SECONDS: again and again one thread has the page cache of a private mapping made
 * one huge folio, which locks its folios and reads those that are missing, while another unmaps it
 * and punches the file, which drops the page cache. Says how often.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25
#endif

enum { LEN = 2 << 20, PAGE = 4096, CACHED = 300 };

static char *map;

static void *collapse(void *nothing)
{
	madvise(map, LEN, MADV_COLLAPSE);
	return nothing;
}

int main(int argc, char **argv)
{
	int fd, reader, i, rounds = 0;
	volatile char sum = 0;
	pthread_t thread;
	time_t end;

	if (argc != 3)
		return 2;
	fd = open(argv[1], O_RDWR);
	reader = open(argv[1], O_RDONLY);
	end = time(NULL) + atoi(argv[2]);
	if (fd < 0 || reader < 0) {
		perror(argv[1]);
		return 1;
	}
	srand(1);
	for (; time(NULL) < end; rounds++) {
		/* At a multiple of 2 MiB, as get_unmapped_area() has it for this file. */
		map = mmap(NULL, LEN, PROT_READ, MAP_PRIVATE, reader, 0);
		if (map == MAP_FAILED) {
			perror("mmap");
			return 1;
		}
		madvise(map, LEN, MADV_RANDOM);
		for (i = 0; i < CACHED; i++)
			sum += map[i * PAGE];
		pthread_create(&thread, NULL, collapse, NULL);
		usleep(rand() % 20000);
		munmap(map, LEN);
		if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, LEN, LEN)) {
			perror("fallocate");
			return 1;
		}
		pthread_join(thread, NULL);
	}
	printf("%d rounds\n", rounds);
	return 0;
}
