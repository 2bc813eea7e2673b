// SPDX-License-Identifier: GPL-2.0-only
/* read() and write() of FILE, which is made anew, from and to buffers of all kinds. */
#include "harness.h"

FIXTURE(buffer) {
	int fd;
};

FIXTURE_SETUP(buffer)
{
	self->fd = new_file(8 * MIB);
}

FIXTURE_TEARDOWN(buffer)
{
	remove_file(self->fd);
}

TEST_F_TIMEOUT(buffer, read_and_write_end_where_it_ends, TEST_SECONDS)
{
	char *p = mmap(NULL, 2 * 4096, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	holds("buffer: ends after a page", p != MAP_FAILED && !munmap(p + 4096, 4096));
	holds("read: reads what fits", pread(self->fd, p, 8192, 0) == 4096);
	holds("write: writes what fits", pwrite(self->fd, p, 8192, 0) == 4096);
}

TEST_F_TIMEOUT(buffer, an_unmapped_one_is_EFAULT, TEST_SECONDS)
{
	char *p = mmap(NULL, 4096, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	holds("buffer: is unmapped", p != MAP_FAILED && !munmap(p, 4096));
	holds("write: is EFAULT", pwrite(self->fd, p, 1, 0) == -1 && errno == EFAULT);
	holds("read: is EFAULT", pread(self->fd, p, 1, 0) == -1 && errno == EFAULT);
}

TEST_F_TIMEOUT(buffer, a_mapping_of_the_file_works, TEST_SECONDS)
{
	size_t len = 2 * MIB;
	char *p = map(self->fd, 8 * MIB, 0, 2 * MIB);
	int i;

	for (i = 0; i < 2; i++) {
		holds("write: writes all",
		      pwrite(self->fd, p + 6 * MIB, len, i * MIB) == (ssize_t)len);
		holds("read: reads all",
		      pread(self->fd, p + 4 * MIB + 100, MIB, 100) == (ssize_t)MIB);
		memset(p + 6 * MIB, 'x', len);
	}
	holds("contents: are those of the second write",
	      !p[0] && p[MIB] == 'x' && p[3 * MIB - 1] == 'x');
}

TEST_HARNESS_MAIN
