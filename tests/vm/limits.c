// SPDX-License-Identifier: GPL-2.0-only
/*
 * limits OPERATION FILE - advice, and other operations on a mapping, which the kernel
 * refuses, or does differently, for a mapping of pfns: see limits.h.
 */
#include <linux/falloc.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "limits.h"

#define PUNCH	(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE)

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102	/* 6.13 */
#endif

/* Operations that are one madvise() of the whole mapping. */
#define ADVISE(name, advice) \
static const char *op_##name(void) \
{ \
	return answer(madvise(p, LEN, advice)); \
}

ADVISE(populate_read, MADV_POPULATE_READ)
ADVISE(populate_write, MADV_POPULATE_WRITE)
ADVISE(cold, MADV_COLD)
ADVISE(pageout, MADV_PAGEOUT)
ADVISE(dofork, MADV_DOFORK)
ADVISE(dodump, MADV_DODUMP)
ADVISE(dontneed, MADV_DONTNEED)

static const char *op_guard_install(void)
{
	char *anon = mmap(NULL, 4096, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (madvise(anon, 4096, MADV_GUARD_INSTALL))
		return skip("no MADV_GUARD_INSTALL");
	return answer(madvise(p, 4096, MADV_GUARD_INSTALL));
}

/* What QEMU says about its guest's RAM. */
static const char *op_qemu_advice(void)
{
	if (madvise(p, LEN, MADV_HUGEPAGE) || madvise(p, LEN, MADV_DONTFORK) ||
	    madvise(p, LEN, MADV_DONTDUMP))
		return answer(-1);
	return "ok";
}

static const char *op_dontunmap(void)
{
	char *q = mremap(p, LEN, LEN, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);

	return answer(q == MAP_FAILED ? -1 : 0);
}

static const char *op_mremap_grow(void)
{
	char *q = mremap(p, LEN / 2, LEN, MREMAP_MAYMOVE);

	return answer(q == MAP_FAILED ? -1 : 0);
}

/* "ok" if the file has all its memory now, else "empty" or the like. */
static const char *filled(void)
{
	struct stat st;

	if (fstat(file, &st))
		die("fstat");
	return st.st_blocks == LEN / 512 ? "ok" : st.st_blocks ? "partly" : "empty";
}

static void make_hole(void)
{
	if (fallocate(file, PUNCH, 0, LEN))
		die("punch");
}

static long locked_kib(void)
{
	FILE *f = fopen("/proc/self/status", "r");
	char line[200];
	long kib = -1;

	while (f && fgets(line, sizeof(line), f))
		sscanf(line, "VmLck: %ld", &kib);
	return kib;
}

/* mlock() of a hole: what VmLck counts of it, and whether it brought memory. */
static const char *op_mlock(void)
{
	static char text[40];
	long kib;

	make_hole();
	if (mlock(p, LEN))
		return answer(-1);
	kib = locked_kib();
	if (kib == LEN / 1024)
		return filled();
	snprintf(text, sizeof(text), "VmLck %ld, %s", kib, filled());
	return text;
}

/* MAP_LOCKED, as mlockall(MCL_FUTURE) makes of each mapping. */
static const char *op_map_locked(void)
{
	static char text[40];

	make_hole();
	if (mmap(NULL, LEN, RW, MAP_SHARED | MAP_LOCKED, file, 0) == MAP_FAILED)
		return answer(-1);
	if (locked_kib() == LEN / 1024)
		return filled();
	snprintf(text, sizeof(text), "VmLck %ld, %s", locked_kib(), filled());
	return text;
}

/* The first page was written before. */
static const char *op_mincore(void)
{
	unsigned char there;

	if (mincore(p, 4096, &there))
		return answer(-1);
	return there & 1 ? "ok" : "absent";
}

static const char *op_map_populate(void)
{
	make_hole();
	if (mmap(NULL, LEN, RW, MAP_SHARED | MAP_POPULATE, file, 0) == MAP_FAILED)
		return answer(-1);
	return filled();
}

static const char *op_userfaultfd(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = {
		.range = { (uintptr_t)p, 2 * MIB },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);

	if (fd < 0 || ioctl(fd, UFFDIO_API, &api))
		return skip("no userfaultfd");
	return answer(ioctl(fd, UFFDIO_REGISTER, &reg));
}

static void on_alarm(int sig)
{
	static const char text[] = "endless\n";

	(void)sig;
	_exit(write(1, text, sizeof(text) - 1) < 0);
}

/*
 * Have writes tracked by userfaultfd, and no longer. What was only read stays read-only, and
 * the write that comes then has to be let through.
 */
static const char *op_wp_async(void)
{
	struct uffdio_api api = {
		.api = UFFD_API,
		.features = UFFD_FEATURE_WP_UNPOPULATED | UFFD_FEATURE_WP_ASYNC,
	};
	char *q = map(file, LEN, 0, 2 * MIB);
	struct uffdio_register reg = {
		.range = { (uintptr_t)q, LEN },
		.mode = UFFDIO_REGISTER_MODE_WP,
	};
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);

	if (fd < 0 || ioctl(fd, UFFDIO_API, &api))
		return skip("no userfaultfd that tracks writes");
	(void)*(volatile char *)q;
	if (ioctl(fd, UFFDIO_REGISTER, &reg) || ioctl(fd, UFFDIO_UNREGISTER, &reg.range))
		return answer(-1);
	signal(SIGALRM, on_alarm);
	alarm(20);
	q[0] = 1;
	return "ok";
}

/*
 * QEMU's ram_block_discard_range(), for balloon, virtio-mem and free page reporting:
 * punch, then MADV_DONTNEED. "zeroes" if that failed and the contents are gone.
 */
static const char *op_discard(void)
{
	struct stat st;

	memset(p, 1, LEN);
	if (fallocate(file, PUNCH, 0, LEN))
		return answer(-1);
	if (fstat(file, &st) || st.st_blocks)
		return "kept";
	if (!madvise(p, LEN, MADV_DONTNEED))
		return "ok";
	if (errno != EINVAL)
		return answer(-1);
	return p[0] || p[LEN - 1] ? "contents" : "zeroes";
}

static const struct op ops[] = {
	{ "populate-read", op_populate_read }, { "populate-write", op_populate_write },
	{ "cold", op_cold }, { "pageout", op_pageout },
	{ "dofork", op_dofork }, { "dodump", op_dodump },
	{ "dontneed", op_dontneed },
	{ "guard-install", op_guard_install }, { "qemu-advice", op_qemu_advice },
	{ "mremap-dontunmap", op_dontunmap }, { "mremap-grow", op_mremap_grow },
	{ "mlock", op_mlock }, { "map-locked", op_map_locked },
	{ "mincore", op_mincore }, { "map-populate", op_map_populate },
	{ "userfaultfd", op_userfaultfd }, { "wp-async", op_wp_async },
	{ "discard", op_discard },
	{ }
};

int main(int argc, char **argv)
{
	return run_one(ops, argc, argv);
}
