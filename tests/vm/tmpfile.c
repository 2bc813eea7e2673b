// SPDX-License-Identifier: GPL-2.0-only
/*
 * tmpfile DIR PATH - make two files in DIR without a name (O_TMPFILE), of 4 MiB that begin
 * with "tmpfile"; the second one gets the name PATH.
 */
#include "mapping.h"

int main(int argc, char **argv)
{
	int fd = -1, i;
	char path[64];

	if (argc != 3)
		return 2;
	for (i = 0; i < 2; i++) {
		fd = open_or_die(argv[1], O_TMPFILE | O_RDWR);
		if (ftruncate(fd, 4 * MIB))
			die("ftruncate");
		strcpy(map(fd, 4 * MIB, 0, 0), "tmpfile");
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (linkat(AT_FDCWD, path, AT_FDCWD, argv[2], AT_SYMLINK_FOLLOW))
		die("linkat");
	return 0;
}
