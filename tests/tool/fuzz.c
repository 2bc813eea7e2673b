// SPDX-License-Identifier: GPL-2.0-only
/*
 * fuzz N SEED SCRATCH FILE...: N times one of the files, cut or with bytes changed,
 * is given to the tool's dump. It may say what it likes; the sanitizers judge.
 */
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int tool_main(int argc, char **argv);

static unsigned long long state;

static unsigned int rnd(unsigned int below)
{
	state = state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (state >> 33) % below;
}

static void mutate(unsigned char *p, size_t size)
{
	/* Where a head has seal and image, and an image its structure. */
	size_t at = rnd(3) ? rnd(size < 6144 ? size : 6144) : rnd(size);

	switch (rnd(3)) {
	case 0:
		p[at] ^= 1 << rnd(8);
		break;
	case 1:
		p[at] = rnd(2) ? 255 : 0;
		break;
	default:
		p[at] = rnd(16);
	}
}

int main(int argc, char **argv)
{
	long n = atol(argv[1]), i;
	unsigned char buf[16384];

	state = atoll(argv[2]);
	if (!freopen("/dev/null", "w", stdout))
		return 1;
	for (i = 0; i < n; i++) {
		char *args[] = { "guestmemfs", "dump", argv[3], NULL };
		int from = open(argv[4 + i % (argc - 4)], O_RDONLY);
		int to = open(argv[3], O_WRONLY | O_CREAT | O_TRUNC, 0600);
		ssize_t size = read(from, buf, sizeof(buf));
		int changes = 1 + rnd(8);

		if (size <= 0 || to < 0)
			return 1;
		while (changes--)
			mutate(buf, size);
		if (!rnd(8))
			size = rnd(size);
		if (write(to, buf, size) != size)
			return 1;
		/* A head is as long as this, or not looked at; here is its second slot. */
		if (!rnd(16) && ftruncate(to, 2 << 20))
			return 1;
		if (!rnd(32) && (pwrite(to, buf, size, 1 << 20) != size ||
				 ftruncate(to, 2 << 20)))
			return 1;
		close(from);
		close(to);
		optind = 0;
		tool_main(3, args);
	}
	fprintf(stderr, "done\n");
	return 0;
}
