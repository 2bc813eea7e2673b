// SPDX-License-Identifier: GPL-2.0-only
/*
 * Page-table entries: which of them operations take away, and what faults cost then. Each
 * fixture makes FILE anew.
 */
#include <linux/falloc.h>
#include <sys/wait.h>

#include "harness.h"

static int is_whole(const char *p, size_t from, size_t to)
{
	for (; from < to; from += MIB)
		if (*(volatile uint64_t *)(p + from) != mix(from)) {
			printf("# wrong at %zu\n", from);
			return 0;
		}
	return 1;
}

/* A word of its own every MiB. */
static void write_words(char *p, size_t len)
{
	size_t i;

	for (i = 0; i < len; i += MIB)
		*(uint64_t *)(p + i) = mix(i);
}

static void write_blocks(volatile char *p, size_t len, char value)
{
	size_t i;

	for (i = 0; i < len; i += 2 * MIB)
		p[i] = value;
}

/* A file that is allocated, so that a PUD entry can map each GiB. */
static int new_allocated_file(size_t size)
{
	int fd = new_file(0);

	if (fallocate(fd, 0, 0, size))
		die("fallocate");
	return fd;
}

static int punch(int fd, off_t from, off_t len)
{
	return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, from, len);
}

/* How a child ended; it runs in the function that called fork(). */
static int ended_well(pid_t pid)
{
	int status;

	return pid > 0 && waitpid(pid, &status, 0) == pid && !status;
}

/* --- one GiB by one PUD entry, if the CPU can, and parts of it ---------------- */

FIXTURE(gib) {
	int fd;
	char *p;
};

FIXTURE_SETUP(gib)
{
	self->fd = new_allocated_file(GIB);
	self->p = map(self->fd, GIB, 0, GIB);
	write_words(self->p, GIB);
	catch_touches();
}

FIXTURE_TEARDOWN(gib)
{
	remove_file(self->fd);
}

TEST_F_TIMEOUT(gib, munmap_of_a_page_leaves_the_rest, TEST_SECONDS)
{
	holds("munmap: succeeds", !munmap(self->p + 4096, 4096));
	holds("the page: is gone", touch(self->p + 4096) == SIGSEGV);
	holds("the rest: is as it was", is_whole(self->p, 0, GIB));
}

TEST_F_TIMEOUT(gib, mprotect_of_a_page_leaves_the_rest, TEST_SECONDS)
{
	char *page = self->p + 5 * MIB + 4096;

	holds("mprotect: succeeds", !mprotect(page, 4096, PROT_NONE));
	holds("the page: cannot be read", touch(page) == SIGSEGV);
	holds("the rest: is as it was", is_whole(self->p, 0, GIB));
}

TEST_F_TIMEOUT(gib, fork_leaves_out_a_half_that_is_DONTFORK, TEST_SECONDS)
{
	char *p = self->p;
	pid_t pid;

	holds("MADV_DONTFORK: succeeds", !madvise(p + GIB / 2, GIB / 2, MADV_DONTFORK));
	pid = fork();
	if (!pid)
		_exit(touch(p + GIB / 2) != SIGSEGV || !is_whole(p, 0, GIB / 2));
	holds("child: has the other half alone", ended_well(pid));
	holds("parent: has all", is_whole(p, 0, GIB));
}

TEST_F_TIMEOUT(gib, mremap_to_another_GiB_moves_all, TEST_SECONDS)
{
	char *q = reserve(2 * GIB, GIB);

	holds("mremap: succeeds",
	      mremap(self->p, GIB, GIB, MREMAP_MAYMOVE | MREMAP_FIXED, q) == q);
	holds("old place: is gone", touch(self->p) == SIGSEGV);
	holds("new place: is as it was", is_whole(q, 0, GIB));
}

TEST_F_TIMEOUT(gib, mremap_to_where_no_PUD_entry_can_be_moves_all, TEST_SECONDS)
{
	char *q = reserve(3 * GIB, GIB) + 2 * MIB;

	holds("mremap: succeeds",
	      mremap(self->p, GIB, GIB, MREMAP_MAYMOVE | MREMAP_FIXED, q) == q);
	holds("old place: is gone", touch(self->p) == SIGSEGV);
	holds("new place: is as it was", is_whole(q, 0, GIB));
}

TEST_F_TIMEOUT(gib, truncate_to_half_leaves_that_half, TEST_SECONDS)
{
	char *p = self->p;

	p[GIB / 2 - 1] = 2;
	p[GIB - 1] = 3;
	holds("truncate: succeeds", !ftruncate(self->fd, GIB / 2));
	holds("first half: is as it was", is_whole(p, 0, GIB / 2) && p[GIB / 2 - 1] == 2);
	holds("second half: SIGBUS", touch(p + GIB / 2) == SIGBUS);
	holds("truncate back: succeeds", !ftruncate(self->fd, GIB));
	holds("second half: reads as zeroes", !p[GIB / 2] && !p[GIB - MIB] && !p[GIB - 1]);
	holds("first half: still is as it was", is_whole(p, 0, GIB / 2));
}

/* --- the same, where the CPU has such entries --------------------------------- */

FIXTURE(pud_entry) {
	int fd;
	char *p;
};

FIXTURE_SETUP(pud_entry)
{
	self->fd = new_allocated_file(GIB);
	self->p = map(self->fd, GIB, 0, GIB);
}

FIXTURE_TEARDOWN(pud_entry)
{
	remove_file(self->fd);
}

TEST_F_TIMEOUT(pud_entry, a_punch_takes_it_and_each_block_costs_a_fault, TEST_SECONDS)
{
	long before;

	if (!has_pud_entries())
		SKIP(return, "a folio is no larger than a block");
	write_blocks(self->p, GIB, 1);
	holds("punch: succeeds", !punch(self->fd, 10 * MIB, 2 * MIB));
	before = nr_faults();
	write_blocks(self->p, GIB, 2);
	ASSERT_EQ(512, nr_faults() - before)
		TH_LOG("punch of a block: 512 faults follow");
}

TEST_F_TIMEOUT(pud_entry, mremap_in_one_process_leaves_another_process_its_own, TEST_SECONDS)
{
	char *p = self->p, *q, c;
	long before;
	int go[2];
	pid_t pid;

	if (has_pages())
		SKIP(return, "with pages, all processes lose it");
	holds("pipe: succeeds", !pipe(go));
	pid = fork();
	if (!pid) {
		munmap(p, GIB);
		q = reserve(2 * GIB, GIB);
		p = map(self->fd, GIB, 0, GIB);
		if (read(go[0], &c, 1) != 1 || p[0] != 1)
			_exit(1);
		p = mremap(p, GIB, GIB, MREMAP_MAYMOVE | MREMAP_FIXED, q);
		_exit(p != q || p[0] != 1);
	}
	p[0] = 1;
	holds("pipe: the child goes on", write(go[1], "", 1) == 1);
	holds("child: has the contents after mremap()", ended_well(pid));
	before = nr_faults();
	(void)*(volatile char *)p;
	ASSERT_EQ(0, nr_faults() - before)
		TH_LOG("parent: no fault after mremap() in the child");
}

/* --- 1 GiB that truncate() made: its blocks are unwritten --------------------- */

FIXTURE(unwritten) {
	int fd;
};

FIXTURE_SETUP(unwritten)
{
	self->fd = new_file(GIB);
}

FIXTURE_TEARDOWN(unwritten)
{
	remove_file(self->fd);
}

TEST_F_TIMEOUT(unwritten, a_punch_takes_the_entry_of_that_block_alone, TEST_SECONDS)
{
	char *p = map(self->fd, GIB, 0, GIB);
	long before;

	write_blocks(p, GIB, 1);
	holds("punch: succeeds", !punch(self->fd, 10 * MIB, 2 * MIB));
	before = nr_faults();
	write_blocks(p, GIB, 2);
	ASSERT_EQ(1, nr_faults() - before)
		TH_LOG("punch of a block: one fault follows");
}

/* --- 2 GiB in two processes ---------------------------------------------------- */

FIXTURE(two_gib) {
	int fd;
};

FIXTURE_SETUP(two_gib)
{
	self->fd = new_allocated_file(2 * GIB);
}

FIXTURE_TEARDOWN(two_gib)
{
	remove_file(self->fd);
}

/* A mapping that begins within a GiB: fork in it, write to it, split its VMA. */
static int split_a_part(char *q)
{
	int i;

	for (i = 0; i < 20; i++) {
		pid_t pid = fork();

		if (!pid)
			_exit(*(uint64_t *)q != mix(GIB / 2));
		if (!ended_well(pid))
			return 1;
		*(volatile uint64_t *)(q + GIB) = mix(GIB + GIB / 2);
		munmap(q + (2 * i + 8) * MIB, 4096);
	}
	return 0;
}

TEST_F_TIMEOUT(two_gib, what_one_process_does_to_its_part_does_not_harm_another, TEST_SECONDS)
{
	char *p = map(self->fd, 2 * GIB, 0, GIB);
	int status = 0;
	pid_t pid;

	write_words(p, 2 * GIB);
	pid = fork();
	if (!pid) {
		munmap(p, 2 * GIB);
		_exit(split_a_part(map(self->fd, 2 * GIB - GIB / 2, GIB / 2, GIB)));
	}
	while (waitpid(pid, &status, WNOHANG) == 0)
		holds("parent: has all meanwhile", is_whole(p, 0, 2 * GIB));
	holds("child: found what it should", !status);
	holds("parent: has all in the end", is_whole(p, 0, 2 * GIB));
}

/* --- 16 MiB --------------------------------------------------------------------- */

FIXTURE(small) {
	int fd;
};

FIXTURE_SETUP(small)
{
	self->fd = new_file(16 * MIB);
}

FIXTURE_TEARDOWN(small)
{
	remove_file(self->fd);
}

/* Mapped one page off, with an offset of one page and a half block. */
TEST_F_TIMEOUT(small, a_mapping_that_is_not_aligned_to_blocks_shows_the_file, TEST_SECONDS)
{
	const off_t offset = MIB + 4096 * 3;
	char *p = map(self->fd, 8 * MIB, 0, 2 * MIB), *q;
	size_t i;

	for (i = 0; i < 8 * MIB; i += 8)
		*(uint64_t *)(p + i) = mix(i);
	q = map_at(reserve(8 * MIB, 2 * MIB) + 4096, self->fd, 4 * MIB, offset);
	for (i = 0; i < 4 * MIB; i += 8)
		if (*(uint64_t *)(q + i) != mix(i + offset))
			break;
	ASSERT_EQ(4 * MIB, i)
		TH_LOG("unaligned mapping: the same words, but not at %zu", i);
}

/*
 * With pages it has no need to. fork() made the pages of the stack read-only, which may add
 * two faults.
 */
TEST_F_TIMEOUT(small, fork_takes_the_parents_entries_away, TEST_SECONDS)
{
	size_t len = 14 * MIB, i;
	volatile char *p = map(self->fd, len, 0, 2 * MIB);
	long before, took;
	pid_t pid;

	write_blocks(p, len, 1);
	pid = fork();
	if (!pid) {
		for (i = 0; i < len && p[i] == 1; i += 2 * MIB)
			;
		_exit(i < len);
	}
	holds("child: has the contents", ended_well(pid));
	before = nr_faults();
	for (i = 0; i < len; i += 2 * MIB)
		(void)p[i];
	took = nr_faults() - before;
	printf("# %ld faults\n", took);
	if (has_pages())
		holds("parent: no fault", took <= 2);
	else
		holds("parent: a fault for each of 7 blocks", took >= 7 && took <= 9);
}

/*
 * 100 pages and 7 blocks; half of the pages and all blocks are read first: no entry is
 * read-only. The pages of the stack, which are, may add two faults.
 */
TEST_F_TIMEOUT(small, soft_dirty_tracking_costs_no_second_fault, TEST_SECONDS)
{
	size_t len = 100 * 4096, blocks = 14 * MIB, i;
	int refs = open("/proc/self/clear_refs", O_WRONLY);
	volatile char *p = map(self->fd, len, 4096, 4096);
	volatile char *q = map(self->fd, blocks, 0, 2 * MIB);
	long before, took;

	holds("clear_refs: tracking begins", write(refs, "4", 1) == 1);
	before = nr_faults();
	for (i = 0; i < len; i += 4096) {
		if (i < len / 2)
			(void)p[i];
		p[i] = 1;
	}
	for (i = 0; i < blocks; i += 2 * MIB) {
		(void)q[i];
		q[i] = 1;
	}
	took = nr_faults() - before;
	printf("# %ld faults\n", took);
	/* With pages each may take two. */
	holds("soft-dirty: a fault for each of 100 pages and 7 blocks",
	      took >= 107 && took <= 109 + (has_pages() ? 107 : 0));
}

TEST_HARNESS_MAIN
