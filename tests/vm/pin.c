// SPDX-License-Identifier: GPL-2.0-only
/*
 * pin FILE OFFSET - pin a page of FILE as a buffer of io_uring, give up the mapping and the
 * file, and say so. Each line of standard input is then written to the page, as a device
 * would. At the end of the input the pin goes.
 */
#include <linux/io_uring.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "mapping.h"

/**
 * struct ring - a ring of one entry
 * @fd: for its system calls
 * @sqes: the entry
 * @sq: head and tail of what is submitted, and whose entry it is
 * @cq: the same of what is completed
 * @params: what the kernel said
 */
struct ring {
	int fd;
	struct io_uring_sqe *sqes;
	char *sq, *cq;
	struct io_uring_params params;
};

static char *map_ring(int fd, size_t len, off_t offset)
{
	char *p = mmap(NULL, len, RW, MAP_SHARED | MAP_POPULATE, fd, offset);

	if (p == MAP_FAILED)
		die("mmap of a ring");
	return p;
}

static struct ring new_ring(void)
{
	struct ring r = { 0 };

	r.fd = syscall(SYS_io_uring_setup, 1, &r.params);
	if (r.fd < 0)
		die("io_uring_setup");
	r.sq = map_ring(r.fd, r.params.sq_off.array + sizeof(uint32_t), IORING_OFF_SQ_RING);
	r.cq = map_ring(r.fd, r.params.cq_off.cqes + 2 * sizeof(struct io_uring_cqe),
			IORING_OFF_CQ_RING);
	r.sqes = (void *)map_ring(r.fd, sizeof(*r.sqes), IORING_OFF_SQES);
	return r;
}

static uint32_t *word(char *ring, uint32_t offset)
{
	return (uint32_t *)(ring + offset);
}

/* Read @len bytes of @fd to the buffer. */
static void read_fixed(struct ring *r, int fd, char *to, size_t len)
{
	struct io_uring_cqe *cqe;

	r->sqes[0] = (struct io_uring_sqe){
		.opcode = IORING_OP_READ_FIXED, .fd = fd, .addr = (uintptr_t)to, .len = len,
	};
	*word(r->sq, r->params.sq_off.array) = 0;
	atomic_fetch_add((_Atomic uint32_t *)word(r->sq, r->params.sq_off.tail), 1);
	if (syscall(SYS_io_uring_enter, r->fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) != 1)
		die("io_uring_enter");
	cqe = (struct io_uring_cqe *)(r->cq + r->params.cq_off.cqes);
	cqe += *word(r->cq, r->params.cq_off.head) & (r->params.cq_entries - 1);
	if (cqe->res != (int)len) {
		errno = -cqe->res;
		die("reading to the buffer");
	}
	atomic_fetch_add((_Atomic uint32_t *)word(r->cq, r->params.cq_off.head), 1);
}

int main(int argc, char **argv)
{
	struct iovec page = { .iov_len = 4096 };
	struct ring r = new_ring();
	char line[100];
	int fd, text;

	if (argc != 3)
		return 2;
	fd = open_or_die(argv[1], O_RDWR);
	page.iov_base = map(fd, 4096, strtoull(argv[2], NULL, 0), 4096);
	if (syscall(SYS_io_uring_register, r.fd, IORING_REGISTER_BUFFERS, &page, 1))
		die("IORING_REGISTER_BUFFERS");
	munmap(page.iov_base, 4096);
	close(fd);
	puts("held");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		text = memfd_create("text", 0);
		if (write(text, line, strlen(line)) != (ssize_t)strlen(line) ||
		    lseek(text, 0, SEEK_SET))
			die("memfd");
		read_fixed(&r, text, page.iov_base, strlen(line));
		close(text);
		printf("written %s", line);
		fflush(stdout);
	}
	return 0;
}
