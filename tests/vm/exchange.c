// SPDX-License-Identifier: GPL-2.0-only
/* exchange A B: swap two names, renameat2(2). */
#include <fcntl.h>
#include <stdio.h>

int main(int argc, char **argv)
{
	if (argc == 3 && !renameat2(AT_FDCWD, argv[1], AT_FDCWD, argv[2],
				    RENAME_EXCHANGE))
		return 0;
	perror("exchange");
	return 1;
}
