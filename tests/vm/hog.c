// SPDX-License-Identifier: GPL-2.0-only
/* hog MIB - use that much memory for a moment. */
#include <stdlib.h>
#include <sys/mman.h>

int main(int argc, char **argv)
{
	size_t len = (argc == 2 ? strtoull(argv[1], NULL, 0) : 0) << 20, i;
	volatile char *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return 1;
	for (i = 0; i < len; i += 4096)
		p[i] = 1;
	return 0;
}
