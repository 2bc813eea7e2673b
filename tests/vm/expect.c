// SPDX-License-Identifier: GPL-2.0-only
/*
 * expect COMMAND ARGUMENT...: calls that a shell cannot make. Each prints the result,
 * so that a test can compare it with the result on another filesystem.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void die(const char *what)
{
	printf("%s: %s\n", what, strerror(errno));
	exit(1);
}

static int open_or_die(const char *path, int flags)
{
	int fd = open(path, flags, 0600);

	if (fd < 0)
		die(path);
	return fd;
}

static const char *result(int ret)
{
	return ret < 0 ? strerror(errno) : "ok";
}

/* leases DIR: on a file and on a directory. */
static void leases(char **arg)
{
	int dir = open_or_die(arg[0], O_RDONLY | O_DIRECTORY);
	int file = openat(dir, "leased", O_RDONLY | O_CREAT, 0600);

	printf("file: read: %s", result(fcntl(file, F_SETLEASE, F_RDLCK)));
	fcntl(file, F_SETLEASE, F_UNLCK);
	printf(", write: %s", result(fcntl(file, F_SETLEASE, F_WRLCK)));
	fcntl(file, F_SETLEASE, F_UNLCK);
	printf("; directory: read: %s", result(fcntl(dir, F_SETLEASE, F_RDLCK)));
	fcntl(dir, F_SETLEASE, F_UNLCK);
	printf(", notify: %s\n", result(fcntl(dir, F_NOTIFY, DN_CREATE)));
}

/* lease-break FILE: a second open asks the holder of a write lease to give it back. */
static void lease_break(char **arg)
{
	int file = open_or_die(arg[0], O_RDWR | O_CREAT);

	fcntl(file, F_SETSIG, SIGUSR1);
	signal(SIGUSR1, SIG_IGN);
	if (fcntl(file, F_SETLEASE, F_WRLCK))
		die("F_SETLEASE");
	printf("open: %s", open(arg[0], O_RDONLY | O_NONBLOCK) < 0 ? strerror(errno) : "ok");
	printf(", lease: %s\n", fcntl(file, F_GETLEASE) == F_UNLCK ? "gone" : "on its way");
}

/* tmpfile DIR NAME: create a file without a name, then give it one. */
static void tmpfile_named(char **arg)
{
	char path[64];
	int dir = open_or_die(arg[0], O_RDONLY | O_DIRECTORY);
	int file = open_or_die(arg[0], O_RDWR | O_TMPFILE);

	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	if (linkat(AT_FDCWD, path, dir, arg[1], AT_SYMLINK_FOLLOW))
		die("linkat");
}

/* whiteout OLD NEW: rename, and leave a whiteout. */
static void whiteout(char **arg)
{
	printf("whiteout: %s\n", result(renameat2(AT_FDCWD, arg[0], AT_FDCWD, arg[1],
						 RENAME_WHITEOUT)));
}

static const struct command {
	const char *name;
	int nr;
	void (*run)(char **arg);
} commands[] = {
	{ "leases",	1, leases },
	{ "lease-break", 1, lease_break },
	{ "tmpfile",	2, tmpfile_named },
	{ "whiteout",	2, whiteout },
};

int main(int argc, char **argv)
{
	size_t i;

	for (i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		if (argc == commands[i].nr + 2 && !strcmp(argv[1], commands[i].name)) {
			commands[i].run(argv + 2);
			return 0;
		}
	fprintf(stderr, "expect: bad command or number of arguments\n");
	return 2;
}
