// SPDX-License-Identifier: GPL-2.0-only
/*
 * nomemory CGROUP fallocate FILE SIZE | setxattr FILE SIZE: do it as a task whose memory
 * cgroup may not have one page. Exits with errno; the OOM killer ends it if anything is
 * charged.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/xattr.h>
#include <unistd.h>

static int open_in(const char *cgroup, const char *name)
{
	char path[200];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", cgroup, name);
	fd = open(path, O_WRONLY);
	if (fd < 0)
		err(200, "%s", path);
	return fd;
}

int main(int argc, char **argv)
{
	int procs, max, fd, ret;
	static char value[65536];
	size_t size;

	if (argc != 5)
		errx(200, "usage");
	size = strtoull(argv[4], NULL, 0);
	procs = open_in(argv[1], "cgroup.procs");
	max = open_in(argv[1], "memory.max");
	fd = open(argv[3], O_RDWR | O_CREAT, 0600);
	if (fd < 0)
		err(200, "%s", argv[3]);
	memset(value, 'v', sizeof(value));
	if (mlockall(MCL_CURRENT))
		err(200, "mlockall");
	if (write(procs, "0", 1) != 1 || write(max, "0", 1) != 1)
		err(200, "%s", argv[1]);
	if (!strcmp(argv[2], "fallocate"))
		ret = fallocate(fd, 0, 0, size);
	else
		ret = fsetxattr(fd, "user.large", value, size, 0);
	_exit(ret ? errno : 0);
}
