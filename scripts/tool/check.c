// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whether the next kernel, with that command line, will find the files.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bootline.h"
#include "cmdline.h"
#include "tool.h"

/**
 * read_windows - the windows of a loaded pool
 * @pool: its name
 * @w: set
 */
void read_windows(const char *pool, struct windows *w)
{
	char *text = read_file(sys_path(SYSFS "/%s/windows", pool), NULL), *line, *pos;
	struct gmfs_range *r;
	int n;

	*w = (struct windows){ 0 };
	for (line = text ? strtok_r(text, "\n", &pos) : NULL; line && w->nr < GMFS_MAX_WINDOWS;
	     line = strtok_r(NULL, "\n", &pos)) {
		r = &w->w[w->nr].range;
		n = 0;
		if (sscanf(line, "0x%llx@0x%llx %d %u %u%n", &r->size, &r->base,
			   &w->w[w->nr].node, &w->w[w->nr].blocks, &w->w[w->nr].free, &n) != 5)
			break;
		w->w[w->nr++].main = !strcmp(line + n, " main");
	}
	free(text);
	if (!w->nr || line)
		die(SYSFS "/%s/windows cannot be read: is this module older than this tool?", pool);
}

/**
 * struct next_pools - the pools that the next kernel's module looks for
 * @cmdline: its command line
 * @given: the line or the options of the module say where they are
 * @nr: number of @pools
 * @pools: by gmfs_find_pools()
 */
struct next_pools {
	const char *cmdline;
	bool given;
	unsigned int nr;
	struct gmfs_pool_arg pools[GMFS_MAX_POOLS + 1];
};

static void read_next_pools(struct next_pools *next, const char *cmdline)
{
	const char *args = module_options(cmdline, "guestmemfs.region");
	size_t len;

	next->cmdline = cmdline;
	next->given = args || last_value(cmdline, "guestmemfs", &len);
	next->nr = gmfs_find_pools(args ?: cmdline, cmdline, BLOCK_SIZE, next->pools);
}

/* An unreadable list of flags is no reason to believe that the CPU cannot. */
static bool cpu_can_encrypt(void)
{
	char *text = read_file(sys_path("/proc/cpuinfo"), NULL), *flags, *p;

	flags = text ? strstr(text, "\nflags") : NULL;
	if (!flags)
		return true;
	flags[1 + strcspn(flags + 1, "\n")] = '\0';
	for (p = strstr(flags, " sme"); p; p = strstr(p + 1, " sme"))
		if (!p[4] || p[4] == ' ')
			return true;
	return false;
}

#define problem(...)	(fputs("no: ", stdout), printf(__VA_ARGS__), putchar('\n'), 1)

/* Whether the module is loaded. */
static int check_module(const char *cmdline)
{
	const char *out = module_is_kept_out(cmdline);
	size_t len = strlen(cmdline);
	int problems = 0;

	if (len > MAX_CMDLINE)
		problems += problem("the command line has %zu bytes, and a kernel reads %d: make it shorter",
				    len, MAX_CMDLINE);
	if (out)
		problems += problem("%s keeps the module from being loaded: leave it out", out);
	if (encrypts_memory(cmdline) && cpu_can_encrypt())
		problems += problem("mem_encrypt=on turns memory encryption on, with which the module does not load: leave it out");
	return problems;
}

/* A pool's guestmemfs= argument. */
static const char *pool_arg(const char *name, const struct windows *w)
{
	bool named = strcmp(name, GMFS_DEFAULT_POOL);
	size_t len;
	char *s;
	FILE *f = open_memstream(&s, &len);
	u32 i;

	if (!f)
		die("out of memory");
	fprintf(f, "guestmemfs=%s%s", named ? name : "", named ? ":" : "");
	for (i = 0; i < w->nr; i++)
		fprintf(f, "%s%s@%s", i ? "," : "", exact(w->w[i].range.size),
			exact(w->w[i].range.base));
	fclose(f);
	return s;
}

static bool has_window(const struct gmfs_pool_arg *p, const struct gmfs_range *r)
{
	unsigned int i;

	for (i = 0; i < p->nr_windows; i++)
		if (p->windows[i].base == r->base && p->windows[i].size == r->size)
			return true;
	return false;
}

/* Whether the next kernel takes all windows of a pool that have files, or the image. */
static int check_windows(const struct gmfs_pool_arg *p, const char *name,
			 const struct windows *w)
{
	const struct gmfs_range *r;
	int problems = 0;
	u32 i, used;

	for (i = 0; i < w->nr; i++) {
		r = &w->w[i].range;
		used = w->w[i].blocks - w->w[i].free;
		if (has_window(p, r))
			continue;
		if (w->nr == 1 && p->nr_windows == 1)
			problems += problem("pool %s: the files are in %s@%s, and the next kernel would take %s@%s: give it %s",
					    name, exact(r->size), exact(r->base),
					    exact(p->windows[0].size), exact(p->windows[0].base),
					    pool_arg(name, w));
		else if (w->w[i].main)
			problems += problem("pool %s: the next kernel does not take window %s@%s, whose head has what there is of files: give it %s",
					    name, exact(r->size), exact(r->base), pool_arg(name, w));
		else if (used)
			problems += problem("pool %s: the next kernel does not take window %s@%s, where files have %u blocks: give it %s",
					    name, exact(r->size), exact(r->base), used,
					    pool_arg(name, w));
		else
			warn("pool %s: the next kernel does not take window %s@%s, which has no file now",
			     name, exact(r->size), exact(r->base));
	}
	return problems;
}

static const struct gmfs_pool_arg *find_pool(const struct next_pools *next, const char *name)
{
	const struct gmfs_pool_arg *p;

	for (p = next->pools; p < next->pools + next->nr; p++)
		if (gmfs_pool_is(p, name))
			return p;
	return NULL;
}

/* Whether the next kernel finds a pool where its files are. */
static int check_pool(const struct next_pools *next, const char *name, const struct windows *w)
{
	const struct gmfs_pool_arg *p = find_pool(next, name);
	const char *line;
	size_t len;

	if (p && p->why)
		return problem("pool %s: guestmemfs=%.*s: %s", name, (int)p->value_len,
			       p->value, p->why);
	if (p)
		return check_windows(p, name, w);
	line = read_line(sys_path("/proc/cmdline"));
	if (next->given || (line && module_options(line, "guestmemfs.region")) ||
	    (line && last_value(line, "guestmemfs", &len)))
		return problem("pool %s: the next kernel does not have it: give it %s", name,
			       pool_arg(name, w));
	warn("pool %s is not on the command line: see that the next boot loads the module with region=%s, too",
	     name, pool_arg(name, w) + strlen("guestmemfs="));
	return 0;
}

/* Whether the next kernel keeps off a pool's region. */
static int check_memory(const char *cmdline, const char *name, u64 base, u64 size)
{
	u64 limit = memory_limit(cmdline);
	char use = other_use(cmdline, base, size);
	int problems = 0;
	struct kaslr k;

	read_kaslr(cmdline, &k);
	if (!is_reserved(cmdline, base, size))
		problems += problem("pool %s: no memmap= keeps the next kernel off the region: give it memmap=%s$%s (from a shell in single quotes)",
				    name, exact(size), exact(base));
	else if (!kaslr_avoids(&k, base, size))
		problems += problem("pool %s: the next kernel may put itself into the region, for KASLR looks at the first %d memmap= entries only, and at none behind one that it cannot read: put memmap=%s$%s first, or add nokaslr",
				    name, KASLR_ENTRIES, exact(size), exact(base));
	if (use)
		problems += problem("pool %s: a memmap= with %c makes something else of the region: leave it out",
				    name, use);
	if (base + size > limit)
		problems += problem("pool %s: mem= or memmap= ends the next kernel's memory at %s, below the region's end: leave it out",
				    name, exact(limit));
	return problems;
}

/*
 * The window that a refused image needs, if it was refused for want of it. Where it is of
 * another pool, that is all that is known of it.
 */
static bool refused_window(const char *reason, struct windows *w)
{
	static const char absent[] = ", which is absent", other[] = "of another pool: ";
	const char *p = reason ? strstr(reason, absent) : NULL;
	struct gmfs_range r;

	if (p) {
		while (p > reason && strncmp(p, "window 0x", 9))
			p--;
		if (sscanf(p, "window 0x%llx@0x%llx", &r.size, &r.base) != 2 ||
		    w->nr == GMFS_MAX_WINDOWS)
			return false;
	} else {
		p = reason ? strstr(reason, other) : NULL;
		if (!p || sscanf(p + strlen(other), "0x%llx bytes at 0x%llx", &r.size, &r.base) != 2)
			return false;
		w->nr = 0;
	}
	if (r.base + r.size <= r.base)
		return false;
	w->w[w->nr].range = r;
	w->w[w->nr].blocks = 1;
	w->w[w->nr].free = 0;
	w->w[w->nr++].main = true;
	return true;
}

/* check() of one pool. */
static int check_one(const struct next_pools *next, const char *name, bool leave)
{
	char *state = sysfs(name, "state"), *reason = sysfs(name, "quarantine");
	bool refused = state && !strcmp(state, "quarantined");
	const struct gmfs_pool_arg *p = find_pool(next, name);
	struct windows w;
	int problems;
	u32 i;

	read_windows(name, &w);
	if (refused && refused_window(reason, &w))
		refused = false;
	problems = check_pool(next, name, &w);
	for (i = 0; i < w.nr; i++)
		if (w.w[i].main || w.w[i].blocks != w.w[i].free ||
		    (p && has_window(p, &w.w[i].range)))
			problems += check_memory(next->cmdline, name, w.w[i].range.base,
						 w.w[i].range.size);
	if (refused && leave)
		warn("pool %s: the files are quarantined (%s): only a kernel that they are for finds them",
		     name, reason ? reason : "the log says why");
	else if (refused)
		problems += problem("pool %s: the files are quarantined (%s): go back to the kernel or command line they are for, or drop them by mount -o discard",
				    name, reason ? reason : "the log says why");
	for (i = 0; !problems && !leave && i < w.nr; i++)
		printf("yes: the next kernel finds pool %s in 0x%llx@0x%llx\n", name,
		       w.w[i].range.size, w.w[i].range.base);
	return problems;
}

/*
 * Prints a line for each problem and returns how many there are. A kernel that refuses the
 * files can be left all the same (@leave): they are handed on as they are.
 */
int check(const char *cmdline, bool leave)
{
	static struct next_pools next;
	int problems = check_module(cmdline);
	char **pool;

	read_next_pools(&next, cmdline);
	for (pool = loaded_pools(); *pool; pool++)
		problems += check_one(&next, *pool, leave);
	return problems;
}
