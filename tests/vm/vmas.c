// SPDX-License-Identifier: GPL-2.0-only
/*
 * VMAs of a file of 16 MiB: parts of them, advice, and faults beside what changes the
 * file. Each fixture makes FILE anew.
 */
#include <linux/falloc.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>

#include "harness.h"

#define LEN	(16 * MIB)

/* How a child ended; it runs in the function that called fork(). */
static int ended_well(pid_t pid)
{
	int status;

	return pid > 0 && waitpid(pid, &status, 0) == pid && !status;
}

FIXTURE(vma) {
	int fd;
	char *p;
};

FIXTURE_SETUP(vma)
{
	self->fd = new_file(LEN);
	self->p = map(self->fd, LEN, 0, 2 * MIB);
	catch_touches();
}

FIXTURE_TEARDOWN(vma)
{
	remove_file(self->fd);
}

/* Each page has its number in all its bytes. */
static void number_pages(char *p)
{
	size_t i;

	for (i = 0; i < LEN; i++)
		p[i] = i >> 12;
}

TEST_F_TIMEOUT(vma, mprotect_and_munmap_of_a_part_leave_the_rest, TEST_SECONDS)
{
	char *p = self->p;

	number_pages(p);
	holds("mprotect: succeeds", !mprotect(p + MIB, MIB, PROT_READ));
	holds("mprotect: its part cannot be written", touch(p + MIB) == SIGSEGV);
	holds("mprotect: what is beside it can", !touch(p + MIB - 1) && !touch(p + 2 * MIB));
	holds("mprotect back: succeeds", !mprotect(p + MIB, MIB, RW));
	holds("mprotect back: it can be written", !touch(p + MIB));
	holds("munmap: succeeds", !munmap(p + 5 * MIB, MIB));
	holds("munmap: its part is gone", touch(p + 5 * MIB) == SIGSEGV);
	holds("munmap: what is beside it is not", !touch(p + 5 * MIB - 1) && !touch(p + 6 * MIB));
}

TEST_F_TIMEOUT(vma, mremap_moves_a_part_and_grows_it_only_with_pages, TEST_SECONDS)
{
	char *p = self->p, *q, *to = reserve(8 * MIB, 2 * MIB) + MIB;
	pid_t pid;
	size_t i;

	number_pages(p);
	q = mremap(p + 8 * MIB, 3 * MIB, 3 * MIB, MREMAP_MAYMOVE | MREMAP_FIXED, to);
	holds("mremap: moves", q == to);
	to = mremap(q, 3 * MIB, 4 * MIB, MREMAP_MAYMOVE);
	if (has_pages())
		holds("mremap: grows", to != MAP_FAILED && (q = to)[4 * MIB - 1] == (char)((12 * MIB - 1) >> 12));
	else
		holds("mremap: does not grow", to == MAP_FAILED);
	madvise(p, 4 * MIB, MADV_DONTNEED);
	madvise(p, 4 * MIB, MADV_FREE);
	madvise(p, 4 * MIB, MADV_HUGEPAGE);
	pid = fork();
	if (!pid) {
		for (i = 0; i < 3 * MIB; i++)
			if (q[i] != (char)((i + 8 * MIB) >> 12))
				_exit(1);
		p[0] = 77;
		_exit(0);
	}
	holds("child: has the contents of what was moved", ended_well(pid));
	holds("parent: sees what the child wrote", p[0] == 77);
	for (i = 1; i < 4 * MIB; i++)
		if (p[i] != (char)(i >> 12))
			break;
	ASSERT_EQ(4 * MIB, i)
		TH_LOG("advice: contents stay, but not at %zu", i);
}

TEST_F_TIMEOUT(vma, advice_that_needs_pages_is_EINVAL_without, TEST_SECONDS)
{
	static const int needs_pages[] = {
		MADV_DONTNEED, MADV_COLD, MADV_PAGEOUT,
		MADV_POPULATE_READ, MADV_POPULATE_WRITE,
	};
	size_t i;

	memset(self->p, 'a', LEN);
	for (i = 0; i < sizeof(needs_pages) / sizeof(*needs_pages); i++) {
		errno = 0;
		ASSERT_EQ(has_pages() ? 0 : -1, madvise(self->p, 4 * MIB, needs_pages[i]))
			TH_LOG("madvise: advice %d is refused without pages alone", needs_pages[i]);
		ASSERT_EQ(has_pages() ? 0 : EINVAL, errno)
			TH_LOG("madvise: advice %d is EINVAL", needs_pages[i]);
	}
	holds("madvise: the contents stay", self->p[0] == 'a' && self->p[4 * MIB - 1] == 'a');
	holds("madvise: MADV_FREE is EINVAL, as on tmpfs",
	      madvise(self->p, 4 * MIB, MADV_FREE) && errno == EINVAL);
}

TEST_F_TIMEOUT(vma, MADV_REMOVE_punches_a_hole, TEST_SECONDS)
{
	char *p = self->p;
	struct stat st;

	memset(p, 'a', LEN);
	holds("MADV_REMOVE: succeeds", !madvise(p + 2 * MIB, 5 * MIB, MADV_REMOVE));
	holds("MADV_REMOVE: two whole blocks are free",
	      !fstat(self->fd, &st) && st.st_blocks == 6 * 4096);
	holds("MADV_REMOVE: its range reads as zeroes", !p[2 * MIB] && !p[7 * MIB - 1]);
	holds("MADV_REMOVE: the rest does not", p[2 * MIB - 1] == 'a' && p[7 * MIB] == 'a');
}

TEST_F_TIMEOUT(vma, MADV_DONTFORK_and_MAP_FIXED_take_their_range_alone, TEST_SECONDS)
{
	char *p = self->p;
	pid_t pid;

	memset(p, 'a', LEN);
	holds("MADV_DONTFORK: succeeds", !madvise(p + 8 * MIB, 2 * MIB, MADV_DONTFORK));
	pid = fork();
	if (!pid)
		_exit(touch(p + 8 * MIB) != SIGSEGV || p[10 * MIB] != 'a');
	holds("MADV_DONTFORK: the child has the rest", ended_well(pid));
	holds("MADV_DONTFORK: the parent has all", p[8 * MIB] == 'a');
	holds("MAP_FIXED: succeeds",
	      mmap(p + 12 * MIB + 4096, 8192, PROT_READ,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED);
	holds("MAP_FIXED: replaces its range alone",
	      p[12 * MIB + 4095] == 'a' && !p[12 * MIB + 4096] && p[12 * MIB + 12288] == 'a');
}

/* Something that takes pages away from processes that map them, or brings some. */
static int disturb(int fd)
{
	off_t at = rand() % LEN, len = 1 + rand() % (5 * MIB);

	switch (rand() % 4) {
	case 0:
		return ftruncate(fd, at);
	case 1:
		return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, len);
	case 2:
		return fallocate(fd, FALLOC_FL_ZERO_RANGE, at, len);
	default:
		return fallocate(fd, 0, at, len);
	}
}

static void touch_for_ever(char *p, unsigned int seed)
{
	/* A test that fails does not get as far as to kill it. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;)
		touch(p + rand_r(&seed) % LEN);
}

TEST_F_TIMEOUT(vma, faults_beside_truncate_punch_zero_and_allocate_meet_SIGBUS_at_most, TEST_SECONDS)
{
	time_t end = time(NULL) + 5;
	pid_t child[2];
	int i, status;

	/* Not caught. */
	signal(SIGSEGV, SIG_DFL);
	for (i = 0; i < 2; i++) {
		child[i] = fork();
		if (!child[i])
			touch_for_ever(map(self->fd, LEN, 0, 2 * MIB), i);
	}
	while (time(NULL) < end)
		holds("truncate and fallocate: succeed", !disturb(self->fd));
	for (i = 0; i < 2; i++) {
		kill(child[i], SIGKILL);
		holds("mapper: can be waited for", waitpid(child[i], &status, 0) == child[i]);
		holds("mapper: nothing else ended it",
		      WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	}
}

/* A pipe takes pages and keeps them for a while. */
static void pin_for_ever(char *p, unsigned int seed)
{
	int pipes[2], null = open("/dev/null", O_WRONLY);
	struct iovec page = { .iov_len = 4096 };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (null < 0 || pipe(pipes))
		die("pipe");
	for (;;) {
		page.iov_base = p + rand_r(&seed) % (LEN / 4096) * 4096;
		if (vmsplice(pipes[1], &page, 1, SPLICE_F_NONBLOCK) != 4096)
			splice(pipes[0], NULL, null, NULL, 1 << 20, SPLICE_F_NONBLOCK);
	}
}

TEST_F_TIMEOUT(vma, pins_beside_truncate_punch_zero_and_allocate_go_in_the_end, TEST_SECONDS)
{
	time_t end = time(NULL) + 5;
	pid_t child[2];
	int i;

	if (!has_pages())
		SKIP(return, "nothing can be pinned");
	for (i = 0; i < 2; i++) {
		child[i] = fork();
		if (!child[i])
			pin_for_ever(map(self->fd, LEN, 0, 2 * MIB), i);
	}
	while (time(NULL) < end) {
		holds("truncate and fallocate: succeed", !disturb(self->fd));
		usleep(1000);
	}
	for (i = 0; i < 2; i++) {
		kill(child[i], SIGKILL);
		holds("mapper: can be waited for", waitpid(child[i], NULL, 0) == child[i]);
	}
}

TEST_HARNESS_MAIN
