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

TEST_F_TIMEOUT(buffer, that_ends_is_read_and_written_to_its_end, TEST_SECONDS)
{
	char *p = mmap(NULL, 2 * 4096, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	holds("buffer: a page and then nothing", p != MAP_FAILED && !munmap(p + 4096, 4096));
	holds("read: what fits", pread(self->fd, p, 8192, 0) == 4096);
	holds("write: what fits", pwrite(self->fd, p, 8192, 0) == 4096);
}

TEST_F_TIMEOUT(buffer, that_is_not_there_is_EFAULT, TEST_SECONDS)
{
	char *p = mmap(NULL, 4096, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	holds("buffer: gone", p != MAP_FAILED && !munmap(p, 4096));
	holds("write: EFAULT", pwrite(self->fd, p, 1, 0) == -1 && errno == EFAULT);
	holds("read: EFAULT", pread(self->fd, p, 1, 0) == -1 && errno == EFAULT);
}

TEST_F_TIMEOUT(buffer, that_is_a_mapping_of_the_file_works, TEST_SECONDS)
{
	size_t len = 2 * MIB;
	char *p = map(self->fd, 8 * MIB, 0, 2 * MIB);
	int i;

	for (i = 0; i < 2; i++) {
		holds("write: all", pwrite(self->fd, p + 6 * MIB, len, i * MIB) == (ssize_t)len);
		holds("read: all",
		      pread(self->fd, p + 4 * MIB + 100, MIB, 100) == (ssize_t)MIB);
		memset(p + 6 * MIB, 'x', len);
	}
	holds("contents: those of the second write",
	      !p[0] && p[MIB] == 'x' && p[3 * MIB - 1] == 'x');
}

TEST_HARNESS_MAIN
