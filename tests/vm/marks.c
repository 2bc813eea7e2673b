// SPDX-License-Identifier: GPL-2.0-only
/*
 * marks write|check FILE SEED - a word in each MiB of a file, for one that is too large to be
 * filled and summed in a test. Not at the beginning of a page, where "mapped faults" writes.
 */
#include "mapping.h"

int main(int argc, char **argv)
{
	uint64_t seed, *word;
	size_t len, at;
	int fd, write;
	char *p;

	if (argc != 4) {
		fprintf(stderr, "usage: marks write|check FILE SEED\n");
		return 2;
	}
	write = !strcmp(argv[1], "write");
	seed = strtoull(argv[3], NULL, 0);
	fd = open_or_die(argv[2], O_RDWR);
	len = size_of(fd);
	p = map(fd, len, 0, GIB);
	for (at = 0; at + MIB <= len; at += MIB) {
		word = (uint64_t *)(p + at + 8);
		if (write)
			*word = mix(seed + at);
		if (*word != mix(seed + at)) {
			fprintf(stderr, "marks: at %zu is %#lx\n", at + 8, *word);
			return 1;
		}
	}
	return 0;
}
