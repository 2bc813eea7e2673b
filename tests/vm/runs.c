// SPDX-License-Identifier: GPL-2.0-only
/*
 * runs - FIEMAP of the files that standard input names, each ended by NUL: for each a
 * line of OFFSET+LENGTH@ADDRESS, in bytes. Extents that touch are one, unwritten or not.
 */
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

struct run {
	uint64_t start, len, physical;
};

static void die(const char *what)
{
	fprintf(stderr, "runs: %s: %m\n", what);
	exit(1);
}

static void print_run(const struct run *r)
{
	printf(" %lu+%lu@%lu", r->start, r->len, r->physical);
}

static void add_extent(struct run *r, const struct fiemap_extent *e)
{
	if (r->len && e->fe_logical == r->start + r->len &&
	    e->fe_physical == r->physical + r->len) {
		r->len += e->fe_length;
		return;
	}
	if (r->len)
		print_run(r);
	*r = (struct run){ e->fe_logical, e->fe_length, e->fe_physical };
}

static void print_runs(const char *path, int fd)
{
	struct { struct fiemap map; struct fiemap_extent e[64]; } m;
	struct fiemap_extent *e = NULL;
	struct run run = { 0 };
	uint64_t from = 0;
	unsigned int i;

	printf("%s:", path);
	do {
		memset(&m, 0, sizeof(m));
		m.map.fm_start = from;
		m.map.fm_length = ~0ULL - from;
		m.map.fm_extent_count = 64;
		if (ioctl(fd, FS_IOC_FIEMAP, &m))
			die("FIEMAP");
		for (i = 0; i < m.map.fm_mapped_extents; i++) {
			e = &m.e[i];
			from = e->fe_logical + e->fe_length;
			add_extent(&run, e);
		}
	} while (i && !(e->fe_flags & FIEMAP_EXTENT_LAST));
	print_run(&run);
	printf("\n");
}

int main(void)
{
	char *path = NULL;
	size_t size = 0;
	int fd;

	while (getdelim(&path, &size, 0, stdin) > 0) {
		fd = open(path, O_RDONLY);
		if (fd < 0)
			die(path);
		print_runs(path, fd);
		close(fd);
	}
	return 0;
}
