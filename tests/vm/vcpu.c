// SPDX-License-Identifier: GPL-2.0-only
/*
 * vcpu FILE SECONDS - a guest that touches memory all the time while others disturb the
 * file's mappings. FILE has 1 GiB, fallocated. The guest's memory is FILE, mapped by a
 * PUD entry; it increments a word of every 2 MiB. Meanwhile
 *
 * - a process maps FILE, too, and moves its mapping by mremap();
 * - another one reads this one's /proc/PID/smaps.
 *
 * Each can take away the entry that KVM has just faulted in. Exits with 0 if KVM_RUN
 * never ends but for a signal, and the guest got on.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MIB	(1UL << 20)
#define GIB	(1UL << 30)
#define CODE	0x1000
#define ROUNDS	0x2000

/*
 * 1:	mov edi, 2 MiB
 * 2:	inc dword [edi]
 *	add edi, 2 MiB
 *	cmp edi, 1 GiB
 *	jb 2b
 *	inc dword [ROUNDS]
 *	jmp 1b
 */
static const unsigned char code[] = {
	0xbf, 0, 0, 0x20, 0, 0xff, 0x07, 0x81, 0xc7, 0, 0, 0x20, 0, 0x81, 0xff, 0, 0, 0, 0x40,
	0x72, 0xf0, 0xff, 0x05, 0, 0x20, 0, 0, 0xeb, 0xe3,
};

static void die(const char *what)
{
	fprintf(stderr, "vcpu: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* @len bytes of address space that begin at a multiple of 1 GiB. */
static char *reserve(size_t len)
{
	char *p = mmap(NULL, len + GIB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		die("reserve");
	return (char *)(((uintptr_t)p + GIB - 1) & ~(GIB - 1));
}

static char *map_at(char *at, int fd)
{
	char *p = mmap(at, GIB, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);

	if (p == MAP_FAILED)
		die("mmap");
	return p;
}

static pid_t child(void)
{
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (!pid)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	return pid;
}

static pid_t start_mover(const char *path)
{
	pid_t pid = child();
	char *a, *b, *p;
	int fd;

	if (pid)
		return pid;
	fd = open(path, O_RDWR);
	a = reserve(2 * GIB);
	b = a + GIB;
	p = map_at(a, fd);
	for (;;) {
		(void)*(volatile char *)p;
		p = mremap(p, GIB, GIB, MREMAP_MAYMOVE | MREMAP_FIXED, p == a ? b : a);
		if (p == MAP_FAILED)
			die("mremap");
	}
}

static pid_t start_reader(void)
{
	static char text[1 << 16];
	char path[64];
	pid_t pid;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/smaps", getpid());
	pid = child();
	if (pid)
		return pid;
	for (;;) {
		fd = open(path, O_RDONLY);
		if (fd < 0)
			die(path);
		while (read(fd, text, sizeof(text)) > 0)
			;
		close(fd);
	}
}

static int create_vcpu(int kvm, char *ram, struct kvm_run **run)
{
	struct kvm_userspace_memory_region m = {
		.memory_size = GIB, .userspace_addr = (uintptr_t)ram,
	};
	struct kvm_segment flat = { .limit = ~0u, .present = 1, .db = 1, .s = 1, .g = 1 };
	struct kvm_regs r = { .rflags = 2, .rip = CODE };
	int vm = ioctl(kvm, KVM_CREATE_VM, 0), cpu;
	struct kvm_sregs s;

	if (vm < 0 || ioctl(vm, KVM_SET_USER_MEMORY_REGION, &m))
		die("KVM");
	cpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	if (cpu < 0 || ioctl(cpu, KVM_GET_SREGS, &s))
		die("vCPU");
	s.cs = s.ds = s.es = s.ss = flat;
	s.cs.type = 11;
	s.cs.selector = 8;
	s.ds.type = s.es.type = s.ss.type = 3;
	s.cr0 = 0x11;	/* protected mode, no paging */
	if (ioctl(cpu, KVM_SET_SREGS, &s) || ioctl(cpu, KVM_SET_REGS, &r))
		die("registers");
	*run = mmap(NULL, ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), PROT_READ | PROT_WRITE,
		    MAP_SHARED, cpu, 0);
	return *run == MAP_FAILED ? -1 : cpu;
}

static void on_alarm(int sig)
{
	(void)sig;
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_alarm };
	struct itimerval tick = { { 0, 100000 }, { 0, 100000 } };
	int kvm = open("/dev/kvm", O_RDWR), fd, cpu;
	pid_t others[2];
	time_t end;
	struct kvm_run *run;
	unsigned int rounds;
	char *ram;

	if (argc != 3 || kvm < 0)
		die("/dev/kvm, or two arguments");
	fd = open(argv[1], O_RDWR);
	if (fd < 0)
		die(argv[1]);
	others[0] = start_mover(argv[1]);
	others[1] = start_reader();
	ram = map_at(reserve(GIB), fd);
	memcpy(ram + CODE, code, sizeof(code));
	cpu = create_vcpu(kvm, ram, &run);
	if (cpu < 0)
		die("vCPU");
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &tick, NULL);
	end = time(NULL) + atoi(argv[2]);
	while (time(NULL) < end) {
		if (ioctl(cpu, KVM_RUN, 0) < 0 && errno == EINTR)
			continue;
		fprintf(stderr, "vcpu: KVM_RUN ended, exit reason %u: %s\n", run->exit_reason,
			strerror(errno));
		return 1;
	}
	rounds = *(volatile unsigned int *)(ram + ROUNDS);
	printf("%u rounds\n", rounds);
	if (waitpid(others[0], NULL, WNOHANG) || waitpid(others[1], NULL, WNOHANG))
		return fprintf(stderr, "vcpu: one of the others died\n"), 1;
	return !rounds;
}
