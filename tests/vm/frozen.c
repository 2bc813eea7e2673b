// SPDX-License-Identifier: GPL-2.0-only
/*
 * frozen COMMAND FILE - what a process can do while one of its threads waits for thaw.
 * FILE has 8 MiB: its first block is written, its third one is not. The tree is frozen
 * when this starts. Exits with 0 if all is as it should be; a hang ends by SIGALRM.
 *
 * threads: a thread writes to the third block and sleeps. Meanwhile the others map and
 *	unmap memory, fault elsewhere, read /proc/self/smaps and send it a signal. Then
 *	"held" is printed, and the thread is waited for.
 * sizes: one thread waits for the third block with a PMD entry and one, as the process
 *	wants no huge pages any more, with a PTE. "held" is printed; then both get the same
 *	entry, and so does a fault on the fourth block.
 * syscall: read() to another page of the third block sleeps and is not disturbed by a signal, which is
 *	handled when read() is done. "held" is printed before the signal is sent.
 */
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "mapping.h"

#define LEN	(8 * MIB)
#define AT	(4 * MIB)

static volatile sig_atomic_t handled;
static volatile pid_t tid;
static char *file;

static void must(int ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "frozen: not so: %s (%s)\n", what, strerror(errno));
	exit(1);
}

static void on_signal(int sig)
{
	(void)sig;
	handled++;
}

/* The system call in which the other thread sleeps: -1 is none, that is, a fault. */
static int sleeps_in(long call)
{
	char path[64], text[64] = "";
	FILE *f;
	int i;

	for (i = 0; i < 100; i++, usleep(100000)) {
		if (!tid)
			continue;
		snprintf(path, sizeof(path), "/proc/self/task/%d/syscall", tid);
		f = fopen(path, "r");
		must(f && fgets(text, sizeof(text), f), path);
		fclose(f);
		if (strcmp(text, "running\n") && strtol(text, NULL, 10) == call)
			return 1;
	}
	return 0;
}

static void *write_at(void *at)
{
	tid = syscall(SYS_gettid);
	strcpy(at, "written");
	return NULL;
}

static void *read_there(void *arg)
{
	int fd = open("/dev/zero", O_RDONLY);

	(void)arg;
	tid = syscall(SYS_gettid);
	must(read(fd, file + AT + MIB, 4096) == 4096, "read()");
	return NULL;
}

static void *touch_elsewhere(void *arg)
{
	char *p = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)arg;
	must(p != MAP_FAILED, "mmap() in a third thread");
	memset(p, 1, LEN);
	strcpy(file + 4096, "a written block");
	munmap(p, LEN);
	return NULL;
}

static void read_smaps(void)
{
	FILE *f = fopen("/proc/self/smaps", "r");
	char line[256];

	while (f && fgets(line, sizeof(line), f))
		;
	must(f && feof(f), "smaps can be read");
	fclose(f);
}

static void test_threads(void)
{
	pthread_t waiter, other;
	int i;

	must(!pthread_create(&waiter, NULL, write_at, file + AT), "a thread");
	must(sleeps_in(-1), "the fault sleeps");
	for (i = 0; i < 3; i++) {
		touch_elsewhere(NULL);
		must(!pthread_create(&other, NULL, touch_elsewhere, NULL), "a third thread");
		must(!pthread_join(other, NULL), "which ends");
		read_smaps();
	}
	must(!mprotect(file, MIB, PROT_READ) && !mprotect(file, MIB, PROT_READ | PROT_WRITE),
	     "mprotect() of the file's mapping");
	must(!pthread_kill(waiter, SIGUSR1), "a signal to the sleeping thread");
	for (i = 0; i < 100 && !handled; i++)
		usleep(100000);
	must(handled == 1, "its handler runs");
	must(sleeps_in(-1), "the fault sleeps again");
	puts("held");
	fflush(stdout);
	alarm(0);
	must(!pthread_join(waiter, NULL), "join");
	must(!strcmp(file + AT, "written") && !file[AT + 8] && !file[AT + 2 * MIB - 1],
	     "contents of the block");
}

static void test_sizes(void)
{
	pthread_t by_pmd, by_pte;
	long before;
	size_t i;

	must(!pthread_create(&by_pmd, NULL, write_at, file + AT), "a thread");
	must(sleeps_in(-1), "its fault sleeps");
	tid = 0;
	must(!prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0), "PR_SET_THP_DISABLE");
	must(!pthread_create(&by_pte, NULL, write_at, file + AT + 4096), "another thread");
	must(sleeps_in(-1), "its fault sleeps, too");
	puts("held");
	fflush(stdout);
	alarm(0);
	must(!pthread_join(by_pmd, NULL) && !pthread_join(by_pte, NULL), "join");
	must(!strcmp(file + AT, "written") && !strcmp(file + AT + 4096, "written"),
	     "contents of the block");
	before = nr_faults();
	for (i = 0; i < 2 * MIB; i += 4096)
		file[AT + 2 * MIB + i] = 1;
	must(nr_faults() - before == 1, "one fault for a block");
}

static void test_syscall(void)
{
	pthread_t waiter;

	must(!pthread_create(&waiter, NULL, read_there, NULL), "a thread");
	must(sleeps_in(SYS_read), "read() sleeps");
	puts("held");
	fflush(stdout);
	alarm(0);
	must(!pthread_kill(waiter, SIGUSR1), "a signal to it");
	must(!pthread_join(waiter, NULL), "join");
	must(handled == 1, "the handler has run");
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_signal };
	int fd;

	must(argc == 3, "two arguments");
	fd = open(argv[2], O_RDWR);
	must(fd >= 0, argv[2]);
	file = map(fd, LEN, 0, 2 * MIB);
	sigaction(SIGUSR1, &action, NULL);
	alarm(60);
	if (!strcmp(argv[1], "threads"))
		test_threads();
	else if (!strcmp(argv[1], "sizes"))
		test_sizes();
	else
		test_syscall();
	return 0;
}
