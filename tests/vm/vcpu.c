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
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

#include "kvm.h"

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
	fd = open_or_die(path, O_RDWR);
	a = reserve(2 * GIB, GIB);
	b = a + GIB;
	p = map_at(a, fd, GIB, 0);
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
		fd = open_or_die(path, O_RDONLY);
		while (read(fd, text, sizeof(text)) > 0)
			;
		close(fd);
	}
}

/* In protected mode, without paging. */
static struct vcpu start_vcpu(char *ram)
{
	struct kvm_regs r = { .rflags = 2, .rip = CODE };
	struct vcpu v = vcpu_new(open("/dev/kvm", O_RDWR), ram, GIB);

	v.sregs.cr0 = 0x11;
	if (ioctl(v.fd, KVM_SET_SREGS, &v.sregs) || ioctl(v.fd, KVM_SET_REGS, &r))
		die("registers");
	return v;
}

static void on_alarm(int sig)
{
	(void)sig;
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_alarm };
	struct itimerval tick = { { 0, 100000 }, { 0, 100000 } };
	pid_t others[2];
	time_t end;
	struct vcpu v;
	unsigned int rounds;
	char *ram;

	if (argc != 3)
		die("two arguments");
	others[0] = start_mover(argv[1]);
	others[1] = start_reader();
	ram = map(open_or_die(argv[1], O_RDWR), GIB, 0, GIB);
	memcpy(ram + CODE, code, sizeof(code));
	v = start_vcpu(ram);
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &tick, NULL);
	end = time(NULL) + atoi(argv[2]);
	while (time(NULL) < end) {
		if (ioctl(v.fd, KVM_RUN, 0) < 0 && errno == EINTR)
			continue;
		fprintf(stderr, "vcpu: KVM_RUN ended, exit reason %u: %s\n", v.run->exit_reason,
			strerror(errno));
		return 1;
	}
	rounds = *(volatile unsigned int *)(ram + ROUNDS);
	printf("%u rounds\n", rounds);
	if (waitpid(others[0], NULL, WNOHANG) || waitpid(others[1], NULL, WNOHANG))
		return fprintf(stderr, "vcpu: one of the others died\n"), 1;
	return !rounds;
}
