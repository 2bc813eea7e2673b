// SPDX-License-Identifier: GPL-2.0-only
/*
 * holddir DIR - hold the lock of a directory's inode until killed.
 *
 * getdents() holds it while it copies names to user memory. Here that memory is a page
 * that userfaultfd watches and nothing ever fills. "held" is printed when the lock is held.
 */
#include <dirent.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LEN	4096

static int dir;

static void die(const char *what)
{
	fprintf(stderr, "holddir: %s: %m\n", what);
	exit(1);
}

static void *list(void *page)
{
	syscall(SYS_getdents64, dir, page, LEN);
	die("the names were read");
	return NULL;
}

/* A page whose first access waits until @uffd's reader fills it. */
static void *watched_page(int uffd)
{
	void *page = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = {
		.range = { (uintptr_t)page, LEN },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};

	if (page == MAP_FAILED || ioctl(uffd, UFFDIO_API, &api) ||
	    ioctl(uffd, UFFDIO_REGISTER, &reg))
		die("userfaultfd");
	return page;
}

int main(int argc, char **argv)
{
	int uffd = syscall(SYS_userfaultfd, O_CLOEXEC);
	struct uffd_msg fault;
	pthread_t lister;

	if (argc != 2 || uffd < 0)
		die("one directory, and userfaultfd");
	dir = open(argv[1], O_RDONLY | O_DIRECTORY);
	if (dir < 0)
		die(argv[1]);
	if (pthread_create(&lister, NULL, list, watched_page(uffd)))
		die("a thread");
	if (read(uffd, &fault, sizeof(fault)) != sizeof(fault))
		die("no fault");
	puts("held");
	fflush(stdout);
	pause();
	return 1;
}
