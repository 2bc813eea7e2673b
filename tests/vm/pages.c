// SPDX-License-Identifier: GPL-2.0-only
/* pages OPERATION FILE - one that needs the pages of a shared mapping: see limits.h. */
#include <linux/futex.h>
#include <linux/if_xdp.h>
#include <linux/io_uring.h>
#include <net/if.h>
#include <netinet/in.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "limits.h"

/* The end of a child: 0 is success. */
static const char *fate(pid_t child)
{
	static char text[20];
	int status;

	if (waitpid(child, &status, 0) != child)
		die("waitpid");
	if (!WIFSIGNALED(status))
		return status ? "failed" : "ok";
	snprintf(text, sizeof(text), "SIG%s", sigabbrev_np(WTERMSIG(status)));
	return text;
}

/* A child with the mapping, for the parent to look at; it never returns here. */
static pid_t bystander(void)
{
	pid_t child = fork();

	if (!child) {
		pause();
		_exit(0);
	}
	return child;
}

static const char *ended(pid_t child, const char *said)
{
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	return said;
}

/* --- futexes ---------------------------------------------------------------- */

static const char *op_futex(void)
{
	return answer(syscall(SYS_futex, p, FUTEX_WAKE, 1, NULL, NULL, 0));
}

static const char *op_futex_private(void)
{
	return answer(syscall(SYS_futex, p, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0));
}

/* The child waits for a process-shared mutex that the parent holds for a while. */
static const char *op_mutex(void)
{
	pthread_mutex_t *mutex = (pthread_mutex_t *)p;
	pthread_mutexattr_t attr;
	pid_t child;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_mutex_init(mutex, &attr);
	pthread_mutex_lock(mutex);
	child = fork();
	if (!child) {
		alarm(60);
		_exit(pthread_mutex_lock(mutex));
	}
	sleep(1);
	pthread_mutex_unlock(mutex);
	return fate(child);
}

static const char *op_semaphore(void)
{
	sem_t *sem = (sem_t *)p;
	pid_t child;

	sem_init(sem, 1, 0);
	child = fork();
	if (!child) {
		alarm(60);
		_exit(!!sem_wait(sem));
	}
	sleep(1);
	sem_post(sem);
	return fate(child);
}

/* --- devices and sockets ---------------------------------------------------- */

/* The job disk has a filesystem that does direct I/O. */
static const char *op_direct_read(void)
{
	int fd = open("/job/tests/pages", O_RDONLY | O_DIRECT);

	if (fd < 0)
		die("O_DIRECT");
	return answer(pread(fd, p, 4096, 0));
}

static const char *op_direct_write(void)
{
	int fd = open("/job/pages.out", O_WRONLY | O_CREAT | O_TRUNC | O_DIRECT, 0600);

	if (fd < 0)
		die("O_DIRECT");
	unlink("/job/pages.out");
	return answer(pwrite(fd, p, 4096, 0));
}

/* Not direct: the kernel copies, which needs no pages. */
static const char *op_buffered(void)
{
	int fd = open("/job/tests/pages", O_RDONLY);

	if (fd < 0)
		die("open");
	return answer(pread(fd, p, 4096, 0));
}

static const char *op_io_uring(void)
{
	struct io_uring_params params = { 0 };
	struct iovec iov = { p, 4096 };
	int ring = syscall(SYS_io_uring_setup, 4, &params);

	if (ring < 0)
		return skip("no io_uring");
	return answer(syscall(SYS_io_uring_register, ring, IORING_REGISTER_BUFFERS,
			      &iov, 1));
}

static const char *op_vmsplice(void)
{
	struct iovec iov = { p, 4096 };
	int pipes[2];

	if (pipe(pipes))
		die("pipe");
	return answer(vmsplice(pipes[1], &iov, 1, 0));
}

static const char *op_zerocopy(void)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET, .sin_port = htons(9),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_DGRAM, 0), sink, one = 1;
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };

	if (fd < 0)
		return skip("no IPv4");
	sink = socket(AF_INET, SOCK_DGRAM, 0);
	if (ioctl(fd, SIOCSIFFLAGS, &lo) || bind(sink, (void *)&to, sizeof(to)) ||
	    setsockopt(fd, SOL_SOCKET, SO_ZEROCOPY, &one, sizeof(one)))
		die("a socket with SO_ZEROCOPY");
	return answer(sendto(fd, p, 8192, MSG_ZEROCOPY, (void *)&to, sizeof(to)));
}

static const char *op_xdp_umem(void)
{
	struct xdp_umem_reg reg = {
		.addr = (uintptr_t)p, .len = MIB, .chunk_size = 4096,
	};
	int fd = socket(AF_XDP, SOCK_RAW, 0);

	if (fd < 0)
		return skip("no AF_XDP");
	return answer(setsockopt(fd, SOL_XDP, XDP_UMEM_REG, &reg, sizeof(reg)));
}

/* --- other processes -------------------------------------------------------- */

static const char *op_vm_readv(void)
{
	pid_t child = bystander();
	char buf[16];
	struct iovec local = { buf, sizeof(buf) }, remote = { p, sizeof(buf) };
	long n = process_vm_readv(child, &local, 1, &remote, 1, 0);

	if (n < 0 && errno == ENOSYS)
		return ended(child, skip("no process_vm_readv"));
	return ended(child, answer(n));
}

static const char *op_vm_writev(void)
{
	pid_t child = bystander();
	char buf[16] = "";
	struct iovec local = { buf, sizeof(buf) }, remote = { p, sizeof(buf) };
	long n = process_vm_writev(child, &local, 1, &remote, 1, 0);

	if (n < 0 && errno == ENOSYS)
		return ended(child, skip("no process_vm_writev"));
	return ended(child, answer(n));
}

static const char *op_ptrace(void)
{
	pid_t child = bystander();
	const char *said;

	if (ptrace(PTRACE_ATTACH, child, NULL, NULL) || waitpid(child, NULL, 0) != child)
		die("PTRACE_ATTACH");
	errno = 0;
	ptrace(PTRACE_PEEKDATA, child, p, NULL);
	said = answer(errno ? -1 : 0);
	ptrace(PTRACE_DETACH, child, NULL, NULL);
	return ended(child, said);
}

static int open_mem(pid_t pid)
{
	char path[40];

	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	return open_or_die(path, O_RDWR);
}

static const char *op_proc_mem(void)
{
	pid_t child = bystander();
	char buf[16];

	return ended(child, answer(pread(open_mem(child), buf, sizeof(buf), (uintptr_t)p)));
}

static const char *op_proc_mem_write(void)
{
	pid_t child = bystander();

	return ended(child, answer(pwrite(open_mem(child), "x", 1, (uintptr_t)p)));
}

/* Takes the descriptor from the child and maps what it is of. */
static const char *op_pidfd_getfd(void)
{
	pid_t child = bystander();
	int pidfd = syscall(SYS_pidfd_open, child, 0), fd;
	char *q;

	fd = syscall(SYS_pidfd_getfd, pidfd, file, 0);
	if (fd < 0)
		return ended(child, answer(-1));
	q = mmap(NULL, LEN, RW, MAP_SHARED, fd, 0);
	if (q == MAP_FAILED)
		return ended(child, answer(-1));
	return ended(child, *(volatile char *)q == *p ? "ok" : "other contents");
}

/* Whether @path has the 16 bytes at @what. */
static int file_has(const char *path, const char *what)
{
	int fd = open(path, O_RDONLY);
	struct stat st;
	char *q;

	if (fd < 0 || fstat(fd, &st))
		return -1;
	q = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	return q == MAP_FAILED ? -1 : !!memmem(q, st.st_size, what, 16);
}

/* "ok" if a core dump that is to have shared mappings of files has this one. */
static const char *op_core_dump(void)
{
	struct rlimit no_limit = { RLIM_INFINITY, RLIM_INFINITY };
	int i, all, has;
	pid_t child;
	char key[16];

	/* Bytes that only the mapping has while the child lives. */
	for (i = 0; i < 16; i++)
		p[i] = 'a' + (i * 7 + getpid()) % 26;
	all = open("/proc/self/coredump_filter", O_WRONLY);
	if (all < 0 || write(all, "0x3b", 4) != 4)
		return skip("no core dumps");
	child = fork();
	if (!child) {
		if (chdir("/tmp") || setrlimit(RLIMIT_CORE, &no_limit))
			_exit(1);
		abort();
	}
	waitpid(child, NULL, 0);
	memcpy(key, p, 16);
	has = file_has("/tmp/core", key);
	unlink("/tmp/core");
	return has < 0 ? skip("no core file") : has ? "ok" : "absent";
}

static const char *op_move_pages(void)
{
	int status = 0, node = 0;
	void *page = p;

	if (syscall(SYS_move_pages, 0, 1, &page, &node, &status, 2))
		return errno == ENOSYS ? skip("no move_pages") : answer(-1);
	errno = -status;
	return answer(status < 0 ? -1 : 0);
}

static const struct op ops[] = {
	{ "futex", op_futex }, { "futex-private", op_futex_private },
	{ "mutex", op_mutex }, { "semaphore", op_semaphore },
	{ "direct-read", op_direct_read }, { "direct-write", op_direct_write },
	{ "buffered-read", op_buffered }, { "io-uring-buffers", op_io_uring },
	{ "vmsplice", op_vmsplice }, { "msg-zerocopy", op_zerocopy },
	{ "xdp-umem", op_xdp_umem }, { "process-vm-readv", op_vm_readv },
	{ "process-vm-writev", op_vm_writev }, { "ptrace-peek", op_ptrace },
	{ "proc-pid-mem", op_proc_mem }, { "proc-pid-mem-write", op_proc_mem_write },
	{ "pidfd-getfd", op_pidfd_getfd }, { "core-dump", op_core_dump },
	{ "move-pages", op_move_pages },
	{ }
};

int main(int argc, char **argv)
{
	return run_one(ops, argc, argv);
}
