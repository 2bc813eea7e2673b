// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is left of a file once one of its pages is bad, in a pool mounted with pages. Each test
 * makes a page bad for good, and its block with it.
 */
#include <linux/falloc.h>
#include <pthread.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "harness.h"
#include "kvm.h"

#define PAGE	4096UL
#define LEN	(4 * MIB)
#define PUNCH	(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE)
/* In the second block. */
#define BAD	(2 * MIB + 5 * PAGE)

static siginfo_t last;

static void on_sigbus(int sig, siginfo_t *info, void *context)
{
	last = *info;
	siglongjmp(touch_failed, sig);
}

static void catch_sigbus(int on)
{
	struct sigaction a = { .sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO };

	memset(&last, 0, sizeof(last));
	if (!on)
		a = (struct sigaction){ .sa_handler = SIG_DFL };
	sigaction(SIGBUS, &a, NULL);
}

/* Whether the last SIGBUS was of a bad page at @p. */
static int was_bad(const char *p)
{
	return last.si_code == BUS_MCEERR_AR && last.si_addr == p && last.si_addr_lsb == 12;
}

/* Whether a read of @p is SIGBUS of a bad page, with its address. */
static int is_bad(char *p)
{
	int bad;

	catch_sigbus(1);
	if (!sigsetjmp(touch_failed, 1))
		(void)*(volatile char *)p;
	bad = was_bad(p);
	catch_sigbus(0);
	return bad;
}

static int make_bad(char *p)
{
	return madvise(p, PAGE, MADV_HWPOISON);
}

FIXTURE(bad_page) {
	int fd;
	char *p;
};

FIXTURE_SETUP(bad_page)
{
	size_t i;

	self->fd = new_file(LEN);
	self->p = map(self->fd, LEN, 0, 2 * MIB);
	for (i = 0; i < LEN; i += PAGE)
		self->p[i] = i / PAGE % 101 + 1;
}

FIXTURE_TEARDOWN(bad_page)
{
	remove_file(self->fd);
}

/* The number of pages that do not hold what the set-up wrote, but for the bad one. */
static int others_differ(const char *p)
{
	size_t i;
	int n = 0;

	for (i = 0; i < LEN; i += PAGE)
		n += i != BAD && p[i] != (char)(i / PAGE % 101 + 1);
	return n;
}

TEST_F_TIMEOUT(bad_page, shared_mapping_gets_SIGBUS_with_the_address, TEST_SECONDS)
{
	char *other = self->p;
	long faults;
	size_t i;

	holds("MADV_HWPOISON succeeds", !make_bad(self->p + BAD));
	holds("a read gets SIGBUS", is_bad(self->p + BAD));
	holds("again", is_bad(self->p + BAD));
	faults = nr_faults();
	for (i = 0; i < 2 * MIB; i += PAGE)
		(void)*(volatile char *)(other + i);
	/* A block of its own, or one of an entry of 1 GiB. */
	holds("the other block costs a fault at most", nr_faults() - faults <= 1);
	holds("all other pages are intact", !others_differ(self->p));
	holds("a page beside it can be written", (self->p[BAD + PAGE] = 1, 1));
}

TEST_F_TIMEOUT(bad_page, in_an_entry_of_1_GiB, TEST_SECONDS)
{
	char *p;

	if (!has_pud_entries())
		SKIP(return, "a folio is no larger than a block");
	if (ftruncate(self->fd, GIB))
		die("ftruncate");
	p = map(self->fd, GIB, 0, GIB);
	memset(p, 1, GIB);
	holds("MADV_HWPOISON succeeds", !make_bad(p + 700 * MIB + BAD));
	holds("a read gets SIGBUS", is_bad(p + 700 * MIB + BAD));
	holds("its neighbours are there", p[700 * MIB + BAD - 1] == 1 && p[GIB - 1] == 1);
	holds("MADV_HWPOISON of another page succeeds", !make_bad(p + 300 * MIB));
	holds("a read of that gets SIGBUS, too", is_bad(p + 300 * MIB));
}

/* Faults in one thread, failures in the other. */
static void *touch_all(void *arg)
{
	volatile char *p = arg;
	size_t i;
	int n;

	for (n = 0; n < 20; n++)
		for (i = 0; i < BAD; i += PAGE)
			(void)p[i];
	return NULL;
}

TEST_F_TIMEOUT(bad_page, beside_faults, TEST_SECONDS)
{
	pthread_t thread;
	int i, n = 0;
	char *q;

	for (i = 0; i < 20; i++) {
		q = map(self->fd, LEN, 0, 2 * MIB);
		if (pthread_create(&thread, NULL, touch_all, q))
			die("pthread_create");
		/* Pages that the thread does not touch, in the block that it does. */
		n += !make_bad(q + BAD + i * PAGE);
		pthread_join(thread, NULL);
		n += is_bad(q + BAD + i * PAGE);
		munmap(q, LEN);
	}
	holds("each page becomes bad, and gets SIGBUS", n == 40);
}

TEST_F_TIMEOUT(bad_page, other_mappings_get_it_too, TEST_SECONDS)
{
	char *q = map(self->fd, LEN, 0, 0);
	int status, ready[2], go[2];
	pid_t pid;
	char c;

	holds("the second mapping has it", !others_differ(q));
	if (pipe(ready) || pipe(go))
		die("pipe");
	pid = fork();
	if (!pid) {
		c = self->p[BAD];
		_exit(write(ready[1], &c, 1) != 1 || read(go[0], &c, 1) != 1 ||
		      !is_bad(self->p + BAD) || others_differ(self->p));
	}
	holds("another process maps it", read(ready[0], &c, 1) == 1);
	holds("MADV_HWPOISON succeeds", !make_bad(self->p + BAD));
	holds("the second mapping gets SIGBUS", is_bad(q + BAD) && !others_differ(q));
	holds("another process gets SIGBUS", write(go[1], &c, 1) == 1 &&
	      waitpid(pid, &status, 0) == pid && !status);
}

TEST_F_TIMEOUT(bad_page, private_mapping_keeps_its_own_copies, TEST_SECONDS)
{
	int fd = open_or_die(file_path(), O_RDONLY);
	char *q;

	munmap(self->p, LEN);
	close(self->fd);
	self->fd = fd;
	q = mmap(NULL, LEN, RW, MAP_PRIVATE, fd, 0);
	if (q == MAP_FAILED)
		die("mmap");
	q[BAD - PAGE] = q[BAD - PAGE];
	holds("MADV_HWPOISON succeeds", !make_bad(q + BAD));
	holds("a read gets SIGBUS", is_bad(q + BAD));
	holds("all other pages are intact, copied or not", !others_differ(q));
	holds("so is the copy when it is written", (q[BAD - PAGE] = 1, 1));
	munmap(q, LEN);
	q = mmap(NULL, LEN, RW, MAP_PRIVATE, fd, 0);
	holds("a new mapping gets SIGBUS", is_bad(q + BAD) && !others_differ(q));
	munmap(q, LEN);
	q = mmap(NULL, LEN, RW, MAP_PRIVATE, fd, 0);
	holds("also after its neighbours were read", !others_differ(q) && is_bad(q + BAD));
}

TEST_F_TIMEOUT(bad_page, kernel_copies_none_of_it, TEST_SECONDS)
{
	static char page[2 * PAGE];
	struct iovec to = { page, PAGE }, from = { self->p + BAD, PAGE };

	holds("MADV_HWPOISON succeeds", !make_bad(self->p + BAD));
	holds("process_vm_readv() is EFAULT",
	      process_vm_readv(getpid(), &to, 1, &from, 1, 0) == -1 && errno == EFAULT);
	holds("read() is EIO", pread(self->fd, page, PAGE, BAD) == -1 && errno == EIO);
	holds("read() ends before it",
	      pread(self->fd, page, sizeof(page), BAD - PAGE) == (ssize_t)PAGE &&
	      page[0] == self->p[BAD - PAGE]);
	holds("read() begins behind it", pread(self->fd, page, PAGE, BAD + PAGE) == (ssize_t)PAGE);
	holds("write() is EIO", pwrite(self->fd, page, PAGE, BAD) == -1 && errno == EIO);
	holds("write() ends before it",
	      pwrite(self->fd, page, sizeof(page), BAD - PAGE) == (ssize_t)PAGE);
	holds("a punch beside it zeroes, but not the page",
	      !fallocate(self->fd, PUNCH, BAD + PAGE, PAGE) && !self->p[BAD + PAGE] &&
	      is_bad(self->p + BAD));
	holds("truncate() behind it leaves it", !ftruncate(self->fd, BAD + 2 * PAGE) &&
	      !ftruncate(self->fd, LEN) && !self->p[BAD + 2 * PAGE] && is_bad(self->p + BAD));
}

/* A guest takes from its balloon what it gave, and writes to it. */
TEST_F_TIMEOUT(bad_page, written_after_a_punch_is_not_mended, TEST_SECONDS)
{
	holds("the page is punched", !fallocate(self->fd, PUNCH, BAD, PAGE) && !self->p[BAD]);
	self->p[BAD] = 1;
	holds("MADV_HWPOISON succeeds", !make_bad(self->p + BAD));
	holds("another page is punched", !fallocate(self->fd, PUNCH, BAD + PAGE, PAGE));
	holds("a read gets SIGBUS still", is_bad(self->p + BAD));
}

/* Who does not want the contents any more gets memory that is good. */
TEST_F_TIMEOUT(bad_page, punched_is_mended, TEST_SECONDS)
{
	struct stat st;

	holds("MADV_HWPOISON succeeds, of three pages", !make_bad(self->p + BAD) &&
	      !make_bad(self->p + BAD + 2 * PAGE) && !make_bad(self->p + PAGE));
	holds("one of two is punched, and the block stays",
	      !fallocate(self->fd, PUNCH, BAD, PAGE) && is_bad(self->p + BAD) &&
	      is_bad(self->p + BAD + 2 * PAGE));
	holds("the other one is punched, and both read as zeroes",
	      !fallocate(self->fd, PUNCH, BAD + 2 * PAGE, PAGE) && !self->p[BAD] &&
	      !self->p[BAD + 2 * PAGE]);
	self->p[BAD] = BAD / PAGE % 101 + 1;
	self->p[BAD + 2 * PAGE] = (BAD / PAGE + 2) % 101 + 1;
	holds("the first block is bad still", is_bad(self->p + PAGE));
	holds("a range that has it is zeroed",
	      !fallocate(self->fd, FALLOC_FL_ZERO_RANGE, PAGE, PAGE) && !self->p[PAGE]);
	self->p[PAGE] = 2;
	holds("all pages hold what was written", !others_differ(self->p));
	holds("the file has two blocks", !fstat(self->fd, &st) && st.st_blocks == LEN / 512);
	holds("a bad page of a block that is zeroed is mended", !make_bad(self->p + PAGE) &&
	      !fallocate(self->fd, FALLOC_FL_ZERO_RANGE, 0, 2 * MIB) && !self->p[PAGE] &&
	      !self->p[0]);
	holds("so is one behind the file's end", !make_bad(self->p + BAD) &&
	      !ftruncate(self->fd, BAD) && !ftruncate(self->fd, LEN) && !self->p[BAD]);
}

TEST_F_TIMEOUT(bad_page, guest_gets_SIGBUS_with_the_address, TEST_SECONDS)
{
	/* mov eax, [BAD]; hlt */
	static const char code[] = "\xa1\x00\x50\x20\x00\xf4";
	struct kvm_regs regs = { .rflags = 2, .rip = PAGE };
	int kvm = open("/dev/kvm", O_RDWR);
	struct vcpu v;

	if (kvm < 0)
		SKIP(return, "no KVM");
	memcpy(self->p + PAGE, code, sizeof(code));
	v = vcpu_new(kvm, self->p, LEN);
	v.sregs.cr0 |= 1;
	if (ioctl(v.fd, KVM_SET_SREGS, &v.sregs) || ioctl(v.fd, KVM_SET_REGS, &regs))
		die("vCPU");
	holds("KVM runs the guest", !ioctl(v.fd, KVM_RUN, 0) &&
	      v.run->exit_reason == KVM_EXIT_HLT);
	holds("MADV_HWPOISON succeeds", !make_bad(self->p + BAD));
	holds("KVM_SET_REGS", !ioctl(v.fd, KVM_SET_REGS, &regs));
	catch_sigbus(1);
	if (!sigsetjmp(touch_failed, 1))
		ioctl(v.fd, KVM_RUN, 0);
	holds("KVM_RUN gets SIGBUS with the address", was_bad(self->p + BAD));
}

TEST_HARNESS_MAIN
