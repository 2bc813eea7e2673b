// SPDX-License-Identifier: GPL-2.0-only
/*
 * The administrator's tool: where windows can be, what the module says, what is
 * in an image, and a kexec that is checked before it happens.
 *
 * What it accepts is what the kernel accepts: fs/mem/pure and kho/pure are compiled
 * into it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <guestmemfs/abi.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bootline.h"
#include "cmdline.h"
#include "tool.h"

extern char **environ;

#define MAX_FILE	(2UL << 30)	/* images have 1 GiB at most */

/* --- what everybody needs -------------------------------------------------- */

static void say(const char *what, const char *fmt, va_list args)
{
	fflush(stdout);
	fputs(what, stderr);
	vfprintf(stderr, fmt, args);
	fputc('\n', stderr);
}

void warn(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	say("guestmemfs: warning: ", fmt, args);
	va_end(args);
}

void die(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	say("guestmemfs: ", fmt, args);
	va_end(args);
	exit(1);
}

void usage_error(char **argv, const char *fmt, ...)
{
	va_list args;

	fprintf(stderr, "guestmemfs %s: ", argv[0]);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fprintf(stderr, ": see `guestmemfs %s --help`\n", argv[0]);
	exit(2);
}

void bad_option(char **argv)
{
	usage_error(argv, "%s is no option here, or lacks its value", argv[optind - 1]);
}

void *must(void *p)
{
	if (!p)
		die("out of memory");
	return p;
}

const char *sys_path(const char *fmt, ...)
{
	const char *root = getenv("GUESTMEMFS_ROOT");
	static char path[4096];
	va_list args;
	int n;

	n = snprintf(path, sizeof(path) / 2, "%s", root ? root : "");
	if (n >= (int)sizeof(path) / 2)
		die("GUESTMEMFS_ROOT is too long");
	va_start(args, fmt);
	vsnprintf(path + n, sizeof(path) - n, fmt, args);
	va_end(args);
	return path;
}

static char *read_up_to(const char *path, size_t limit, size_t *len)
{
	int err, fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t max = min_t(size_t, limit, 65536);
	char *buf;
	ssize_t n;

	if (fd < 0)
		return NULL;
	buf = must(malloc(max + 1));
	for (*len = 0; (n = read(fd, buf + *len, max - *len)) > 0; ) {
		*len += n;
		if (*len == max && max < limit)
			buf = must(realloc(buf, (max *= 2) + 1));
	}
	err = errno;
	close(fd);
	if (n < 0) {
		free(buf);
		errno = err;
		return NULL;
	}
	buf[*len] = '\0';
	return buf;
}

void *read_file(const char *path, size_t *size)
{
	size_t len;
	void *p = read_up_to(path, MAX_FILE, size ? size : &len);

	if (p && size && *size == MAX_FILE)
		die("%s is too large", path);
	return p;
}

char *read_line(const char *path)
{
	size_t len;
	char *text = read_up_to(path, 8192, &len);

	if (text)
		text[strcspn(text, "\n")] = '\0';
	return text;
}

char *sysfs(const char *pool, const char *attr)
{
	return read_line(sys_path(SYSFS "/%s/%s", pool, attr));
}

static int is_pool(const struct dirent *e)
{
	return e->d_name[0] != '.' && !access(sys_path(SYSFS "/%s/state", e->d_name), F_OK);
}

char **loaded_pools(void)
{
	struct dirent **entries;
	int n = scandir(sys_path(SYSFS), &entries, is_pool, alphasort), i;
	char **names = must(calloc(max_t(int, n, 0) + 1, sizeof(*names)));

	for (i = 0; i < n; i++)
		names[i] = entries[i]->d_name;
	return names;
}

void need_module(void)
{
	if (access(sys_path(SYSFS), F_OK))
		die("the module is not loaded: modprobe guestmemfs");
	if (!*loaded_pools())
		die(SYSFS " has no pools: is this module older than this tool?");
}

/* Good for as many results as one printf() has. */
static char *buffer(void)
{
	static char bufs[8][32];
	static int i;

	return bufs[i++ % ARRAY_SIZE(bufs)];
}

const char *human(u64 bytes)
{
	static const char unit[] = "KMGTPE";
	char *s = buffer();
	double n = bytes;
	int i;

	if (bytes < 1024) {
		sprintf(s, "%llu bytes", bytes);
		return s;
	}
	for (i = -1; n >= 1024; i++)
		n /= 1024;
	sprintf(s, "%.1f", n);
	/* 10 GiB rather than 10.0 GiB, but only if that is exact. */
	if (bytes % (1ULL << 10 * (i + 1)) == 0)
		sprintf(s, "%.0f", n);
	sprintf(s + strlen(s), " %ciB", unit[i]);
	return s;
}

const char *exact(u64 bytes)
{
	char *s = buffer();

	if (bytes % (1ULL << 30) == 0)
		sprintf(s, "%lluG", bytes >> 30);
	else if (bytes % (1ULL << 20) == 0)
		sprintf(s, "%lluM", bytes >> 20);
	else
		sprintf(s, "0x%llx", bytes);
	return s;
}

u64 parse_size(const char *what, const char *text)
{
	char *end = (char *)text;
	u64 n = 0;

	errno = 0;
	if (isdigit((unsigned char)*text))
		n = memparse(text, &end);
	if (end == text || *end || !n || errno)
		die("%s is to be a size as in 10G, not '%s'", what, text);
	return n;
}

/* --- status ---------------------------------------------------------------- */

static void show_windows(const char *pool, u64 block)
{
	struct windows w;
	u32 i;

	read_windows(pool, &w);
	for (i = 0; i < w.nr; i++)
		printf("%-17s 0x%llx@0x%llx (%s at %s), node %d, %u of %u blocks free (%s)%s\n",
		       "window", w.w[i].range.size, w.w[i].range.base,
		       human(w.w[i].range.size), human(w.w[i].range.base), w.w[i].node,
		       w.w[i].free, w.w[i].blocks, human(w.w[i].free * block),
		       w.w[i].main ? ", main" : "");
}

static void show_status(const char *pool)
{
	static const struct {
		const char *attr, *name;
		char kind;	/* t: text, b: bytes, n: blocks */
	} rows[] = {
		{ "state", "state", 't' }, { "quarantine", "quarantine", 't' },
		{ "active", "active", 't' },
		{ "block_size", "block size", 'b' }, { "files", "files", 't' },
		{ "blocks", "blocks", 'n' }, { "blocks_used", "used", 'n' },
		{ "blocks_free", "free", 'n' },
		{ "blocks_withheld", "withheld", 'n' }, { "pages", "pages", 't' },
		{ "largest_free", "largest free run", 'n' },
		{ "carriers", "carriers", 't' }, { "generation", "generation", 't' },
		{ "image_size", "image", 'b' },
	};
	u64 block = BLOCK_SIZE, n;
	const char *text;
	size_t i;

	printf("%-17s %s\n", "pool", pool);
	text = sysfs(pool, "block_size");
	if (text)
		block = strtoull(text, NULL, 0);
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		text = sysfs(pool, rows[i].attr);
		if (!text || (!*text && rows[i].kind == 't'))
			continue;
		printf("%-17s %s", rows[i].name, text);
		n = strtoull(text, NULL, 0);
		if (rows[i].kind == 'b' && n >= 1024)
			printf(" bytes (%s)", human(n));
		else if (rows[i].kind == 'b')
			printf(" bytes");
		else if (rows[i].kind == 'n')
			printf(" (%s)", human(n * block));
		putchar('\n');
	}
	show_windows(pool, block);
}

/* A line for each bad page: the pool, the address, when it failed, and where it is. */
static void show_bad_pages(const char *pool)
{
	const char *path = sys_path(SYSFS "/%s/bad_pages", pool);
	FILE *f = fopen(path, "r");
	char line[100], when[40];
	unsigned long long at;
	long long seconds;
	time_t t;
	int where;

	if (!f)
		die("cannot read %s: %s", path, strerror(errno));
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%llx %lld %n", &at, &seconds, &where) != 2)
			die("%s makes no sense: %s", path, line);
		t = seconds;
		strftime(when, sizeof(when), "%F %T UTC", gmtime(&t));
		printf("%s 0x%llx, %s, %s", pool, at, when, line + where);
	}
	fclose(f);
}

static int cmd_status(int argc, char **argv)
{
	static const struct option options[] = {
		{ "bad", no_argument, NULL, 'b' },
		{ NULL, 0, NULL, 0 },
	};
	bool any = false, bad = false;
	char **pool;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c != 'b')
			bad_option(argv);
		bad = true;
	}
	if (argc > optind + 1)
		usage_error(argv, "it takes one pool at most");
	need_module();
	for (pool = loaded_pools(); *pool; pool++) {
		if (argc > optind && strcmp(argv[optind], *pool))
			continue;
		if (any && !bad)
			putchar('\n');
		(bad ? show_bad_pages : show_status)(*pool);
		any = true;
	}
	if (!any)
		die("no pool %s is loaded", argv[optind]);
	return 0;
}

/**
 * struct next - the kernel that follows, as the options tell
 * @initrd: or NULL
 * @cmdline: or NULL for this kernel's
 * @append: what is added to it, or NULL
 * @no_jump: stop before it
 */
struct next {
	const char *initrd, *cmdline, *append;
	bool no_jump;
};

static void parse_next(int argc, char **argv, bool kexec, struct next *n)
{
	static const struct option options[] = {
		{ "cmdline", required_argument, NULL, 'c' },
		{ "append", required_argument, NULL, 'a' },
		{ "reuse-cmdline", no_argument, NULL, 'r' },
		{ "initrd", required_argument, NULL, 'i' },
		{ "no-jump", no_argument, NULL, 'n' },
		{ NULL, 0, NULL, 0 },
	};
	bool reuse = false;
	int c;

	*n = (struct next){ 0 };
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'c')
			n->cmdline = optarg;
		else if (c == 'a')
			n->append = optarg;
		else if (c == 'r')
			reuse = true;
		else if (c == 'i' && kexec)
			n->initrd = optarg;
		else if (c == 'n' && kexec)
			n->no_jump = true;
		else
			bad_option(argv);
	}
	if (reuse && n->cmdline)
		usage_error(argv, "--cmdline and --reuse-cmdline exclude each other");
	if (argc - optind != kexec)
		usage_error(argv, kexec ? "it takes one kernel" : "it takes options only");
}

static char *next_cmdline(const struct next *n)
{
	const char *first = n->cmdline;
	char *s;

	if (!first)
		first = read_line(sys_path("/proc/cmdline"));
	if (!first)
		die("cannot read /proc/cmdline: %s", strerror(errno));
	if (asprintf(&s, "%s%s%s", first, n->append ? " " : "",
		     n->append ? n->append : "") < 0)
		die("out of memory");
	return s;
}

static int cmd_check(int argc, char **argv)
{
	struct next n;

	parse_next(argc, argv, false, &n);
	need_module();
	return !!check(next_cmdline(&n), false);
}

/* --- kexec ----------------------------------------------------------------- */

/* As system(3), without a shell: the child may be interrupted, we go on. */
static bool run(char *const argv[])
{
	posix_spawnattr_t attr;
	sigset_t set;
	int status, err;
	pid_t pid;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGQUIT);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigdefault(&attr, &set);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF);
	fflush(stdout);
	err = posix_spawnp(&pid, argv[0], NULL, &attr, argv, environ);
	posix_spawnattr_destroy(&attr);
	if (err) {
		warn("%s cannot be run: %s%s", argv[0], strerror(err),
		     err == ENOENT && !strcmp(argv[0], "kexec") ?
		     ": apt install kexec-tools" : "");
		return false;
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return false;
	return WIFEXITED(status) && !WEXITSTATUS(status);
}

static int set_active(char value)
{
	int fd = open(sys_path(SYSFS "/active"), O_WRONLY | O_CLOEXEC), err = 0;

	if (fd < 0 || write(fd, &value, 1) != 1)
		err = errno;
	if (fd >= 0)
		close(fd);
	return err;
}

static bool unload(void)
{
	return run((char *[]){ "kexec", "-u", NULL });
}

/*
 * Loading takes seconds: it reads kernel and initrd and checks signatures. From
 * active on guests may have to wait. So load, then freeze, then jump. Kexec
 * Handover takes what is published after loading as well. systemd still has to
 * stop the guests, which may want blocks while they are saved: for it freezing
 * is only tried, and guestmemfs-publish.service does it when they are gone.
 */
static int cmd_kexec(int argc, char **argv)
{
	char *load[8] = { "kexec", "-s", "-l" }, *cmdline;
	bool systemd = !access(sys_path("/run/systemd/system"), F_OK), was_active;
	struct next n;
	int i = 3, err;

	parse_next(argc, argv, true, &n);
	need_module();
	cmdline = next_cmdline(&n);
	if (check(cmdline, true))
		die("nothing was done: the next kernel would not find the files");
	load[i++] = argv[optind];
	if (n.initrd && asprintf(&load[i++], "--initrd=%s", n.initrd) < 0)
		die("out of memory");
	/* kexec itself takes BOOT_IMAGE= and the like from what it reuses. */
	if (!n.cmdline)
		load[i++] = "--reuse-cmdline";
	if ((n.cmdline || n.append) &&
	    asprintf(&load[i++], n.cmdline ? "--command-line=%s" : "--append=%s",
		     n.cmdline ? cmdline : n.append) < 0)
		die("out of memory");
	cmdline = read_line(sys_path(SYSFS "/active"));
	was_active = cmdline && *cmdline == '1';

	/* What was begun is ended or undone, even if the terminal goes away. */
	signal(SIGINT, SIG_IGN);
	signal(SIGQUIT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	if (!run(load))
		die("loading failed: nothing was frozen");
	err = set_active('1');
	if (err)
		die("publishing failed: %s; the kernel log says more; %s",
		    strerror(err), unload() ? "the kernel was unloaded again" :
		    "and the kernel could not be unloaded: kexec -u");
	err = systemd && !was_active ? set_active('0') : 0;
	if (err)
		die("thawing failed: %s; %s: echo 0 > " SYSFS "/active", strerror(err),
		    unload() ? "the kernel was unloaded again" :
		    "and the kernel could not be unloaded: kexec -u");
	if (n.no_jump) {
		if (systemd && !was_active)
			puts("Loaded; publishing works. To jump: systemctl kexec. To go back: kexec -u");
		else
			printf("Loaded and frozen. To jump: %s. To go back: kexec -u; echo 0 > %s/active\n",
			       systemd ? "systemctl kexec" : "kexec -e", SYSFS);
		return 0;
	}
	/* systemd stops the services first; its last step is the same jump. */
	if (run(systemd ? (char *[]){ "systemctl", "kexec", NULL } :
		(char *[]){ "kexec", "-e", NULL }) && systemd)
		return 0;
	/* kexec -e does not come back if it works. */
	err = was_active ? 0 : set_active('0');
	if (!unload() || err)
		die("the jump failed, and so did going back: kexec -u; echo 0 > " SYSFS "/active");
	die("the jump failed: the kernel was unloaded%s", was_active ?
	    "; the files are frozen, as before" : " and the files are not frozen any more");
}

/* --- commands -------------------------------------------------------------- */

static const struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *args, *help;
} commands[] = {
	{ "plan", cmd_plan, "SIZE [--pool NAME] [--node N[,M]... | --spread]\n"
	  "                       [--memmap DIR] [--nodes DIR]",
	  "Choose places for the windows of a pool that holds SIZE of files, and print the\n"
	  "kernel command line and the line for GRUB.\n"
	  "  --pool NAME   the pool's name, if not guestmemfs; others stay where they are\n"
	  "  --node N,M    on that NUMA node, or the same on each of several\n"
	  "  --spread      the same on each node\n"
	  "  --memmap DIR  instead of /sys/firmware/memmap\n"
	  "  --nodes DIR   instead of /sys/devices/system/node\n" },
	{ "status", cmd_status, "[--bad] [POOL]",
	  "Show what the module says of all pools, or of one.\n"
	  "  --bad  instead, which pages have failed, when, and what is there\n" },
	{ "dump", cmd_dump, "[--pool NAME] [--kho | --region SIZE@ADDR[,SIZE@ADDR]... | FILE]",
	  "Show the files of an image: of the one in " SYSFS "/guestmemfs/image,\n"
	  "or of a file, which has an image or the beginning of a window.\n"
	  "  --pool NAME         of another pool than guestmemfs\n"
	  "  --kho               of the one Kexec Handover has (debugfs)\n"
	  "  --region SIZE@ADDR  of a pool's windows, by /dev/mem; the module is not loaded\n" },
	{ "check", cmd_check, "[--cmdline STRING] [--append STRING]",
	  "Say whether the next kernel will find the files.\n"
	  "  --cmdline STRING  its command line, if not this kernel's\n"
	  "  --append STRING   what is added to it\n" },
	{ "kexec", cmd_kexec,
	  "KERNEL [--initrd FILE] [--cmdline STRING | --reuse-cmdline]\n"
	  "                        [--append STRING] [--no-jump]",
	  "Check, load KERNEL, freeze the files and jump. systemd freezes them by itself,\n"
	  "when it has stopped the guests; then it is only tried before.\n"
	  "  --initrd FILE     its initrd\n"
	  "  --cmdline STRING  its command line\n"
	  "  --reuse-cmdline   this kernel's, as without --cmdline\n"
	  "  --append STRING   what is added to it\n"
	  "  --no-jump         all but the jump\n" },
};

int main(int argc, char **argv)
{
	const struct command *c;
	int i;

	if (argc > 1 && !strcmp(argv[1], "--version")) {
		printf("guestmemfs, for images of %s and seals of version %d\n",
		       GMFS_COMPATIBLE, GMFS_SEAL_VERSION);
		return 0;
	}
	if (argc > 1 && !strcmp(argv[1], "--help")) {
		for (c = commands; c < commands + ARRAY_SIZE(commands); c++)
			printf("guestmemfs %s %s\n", c->name, c->args);
		printf("guestmemfs --help | --version, guestmemfs COMMAND --help\n");
		return 0;
	}
	for (c = commands; argc > 1 && c < commands + ARRAY_SIZE(commands); c++) {
		if (strcmp(argv[1], c->name))
			continue;
		for (i = 2; i < argc; i++) {
			if (!strcmp(argv[i], "--help")) {
				printf("usage: guestmemfs %s %s\n%s", c->name, c->args, c->help);
				return 0;
			}
		}
		opterr = 0;
		return c->run(argc - 1, argv + 1);
	}
	if (argc > 1)
		fprintf(stderr, "guestmemfs: there is no command '%s': see `guestmemfs --help`\n",
			argv[1]);
	else
		fprintf(stderr, "guestmemfs: say what to do: see `guestmemfs --help`\n");
	return 2;
}
