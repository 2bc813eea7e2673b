// SPDX-License-Identifier: GPL-2.0-only
/* Mappings around the end of a file, at several sizes. Each fixture makes FILE anew. */
#include "harness.h"

static size_t page_up(size_t size)
{
	return (size + 4095) & ~4095UL;
}

FIXTURE(eof) {
	int fd;
};

FIXTURE_VARIANT(eof) {
	size_t size;
};

FIXTURE_VARIANT_ADD(eof, 1) { .size = 1 };
FIXTURE_VARIANT_ADD(eof, 4095) { .size = 4095 };
FIXTURE_VARIANT_ADD(eof, 4096) { .size = 4096 };
FIXTURE_VARIANT_ADD(eof, 4097) { .size = 4097 };
FIXTURE_VARIANT_ADD(eof, 2097151) { .size = 2097151 };
FIXTURE_VARIANT_ADD(eof, 2097152) { .size = 2097152 };
FIXTURE_VARIANT_ADD(eof, 2097153) { .size = 2097153 };
FIXTURE_VARIANT_ADD(eof, 5000000) { .size = 5000000 };

FIXTURE_SETUP(eof)
{
	self->fd = new_file(variant->size);
	catch_touches();
}

FIXTURE_TEARDOWN(eof)
{
	remove_file(self->fd);
}

TEST_F_TIMEOUT(eof, the_page_of_the_last_byte_is_there_and_the_next_is_not, TEST_SECONDS)
{
	size_t size = variant->size, end = page_up(size);
	char *p = map(self->fd, end + 4 * MIB, 0, 2 * MIB);

	holds("lseek: SEEK_END is the size", lseek(self->fd, 0, SEEK_END) == (off_t)size);
	holds("before EOF: no signal", !touch(p + end - 1));
	holds("after EOF: SIGBUS", touch(p + end) == SIGBUS);
	holds("far after EOF: SIGBUS", touch(p + end + 2 * MIB) == SIGBUS);
}

FIXTURE(shrink) {
	int fd;
};

FIXTURE_VARIANT(shrink) {
	size_t size;
};

FIXTURE_VARIANT_ADD(shrink, to_100) { .size = 100 };
FIXTURE_VARIANT_ADD(shrink, to_4096) { .size = 4096 };
FIXTURE_VARIANT_ADD(shrink, to_2097152) { .size = 2097152 };
FIXTURE_VARIANT_ADD(shrink, to_3000001) { .size = 3000001 };

FIXTURE_SETUP(shrink)
{
	self->fd = new_file(6 * MIB);
	catch_touches();
}

FIXTURE_TEARDOWN(shrink)
{
	remove_file(self->fd);
}

TEST_F_TIMEOUT(shrink, mappings_beyond_EOF_go_and_are_zero_when_it_grows_again, TEST_SECONDS)
{
	size_t size = variant->size, len = 6 * MIB, i;
	char *p = map(self->fd, len, 0, 2 * MIB);

	memset(p, 0x5a, len);
	holds("truncate: succeeds", !ftruncate(self->fd, size));
	for (i = 0; i < len; i += 4096) {
		ASSERT_EQ(i >= page_up(size), touch(p + i) == SIGBUS)
			TH_LOG("shrunk: SIGBUS beyond EOF alone, but not so at %zu", i);
	}
	holds("truncate back: succeeds", !ftruncate(self->fd, len));
	for (i = 0; i < len; i++)
		if (p[i] != (i < size ? 0x5a : 0))
			break;
	ASSERT_EQ(len, i)
		TH_LOG("grown: old bytes and then zeroes, but %zu is %#x", i, p[i]);
}

TEST_HARNESS_MAIN
