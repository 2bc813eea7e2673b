// SPDX-License-Identifier: GPL-2.0-only
/*
 * The machine's memory, as plan.c looks at it: sections of 128 MiB, their nodes, and what the
 * kernel command line has taken.
 */
#include <dirent.h>
#include <errno.h>
#include <guestmemfs/abi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bootline.h"
#include "cmdline.h"
#include "machine.h"
#include "tool.h"

struct section *sections;
u64 nr_sections;
int nr_nodes;

/* Memory from @start up to @end, or memory that is somebody's. */
static void count(u64 start, u64 end, bool is_ram)
{
	u64 i, len;

	if (is_ram && end > nr_sections * SECTION_SIZE) {
		i = nr_sections;
		nr_sections = DIV_ROUND_UP(end, SECTION_SIZE);
		sections = must(realloc(sections, nr_sections * sizeof(*sections)));
		for (; i < nr_sections; i++)
			sections[i] = (struct section){ 0, -1 };
	}
	for (; start < end && start / SECTION_SIZE < nr_sections; start += len) {
		i = start / SECTION_SIZE;
		len = min_t(u64, end, (i + 1) * SECTION_SIZE) - start;
		if (is_ram)
			sections[i].ram += len;
		else
			sections[i].ram -= min_t(u32, len, sections[i].ram);
	}
}

u64 total(int node)
{
	u64 i, n = 0;

	for (i = 0; i < nr_sections; i++)
		if (node < 0 || sections[i].node == node)
			n += sections[i].ram;
	return n;
}

static u64 read_address(const char *dir, int i, const char *attr)
{
	char path[4096], *text, *end;
	u64 n;

	snprintf(path, sizeof(path), "%s/%d/%s", dir, i, attr);
	text = read_line(path);
	if (!text)
		die("cannot read %s: %s", path, strerror(errno));
	n = strtoull(text, &end, 16);
	if (end == text || *end || n >> 52)
		die("%s is no address: '%s'", path, text);
	free(text);
	return n;
}

void read_memmap(const char *dir)
{
	char path[4096], *type;
	int i;

	for (i = 0; ; i++) {
		snprintf(path, sizeof(path), "%s/%d/type", dir, i);
		type = read_line(path);
		if (!type)
			break;
		if (!strcmp(type, "System RAM"))
			count(read_address(dir, i, "start"), read_address(dir, i, "end") + 1, true);
		free(type);
	}
	if (!i)
		die("there is no firmware memory map in %s: find a place by dmesg | grep e820", dir);
}

static bool read_number(const char *name, const char *prefix, int *n)
{
	size_t len = strlen(prefix);

	return !strncmp(name, prefix, len) && isdigit((unsigned char)name[len]) &&
	       sscanf(name + len, "%d", n) == 1;
}

static void read_node(const char *path, int node, u64 block)
{
	struct dirent *e;
	u64 i, end;
	DIR *dir = opendir(path);
	int m;

	block /= SECTION_SIZE;
	while (dir && (e = readdir(dir))) {
		if (!read_number(e->d_name, "memory", &m))
			continue;
		end = min_t(u64, (m + 1ULL) * block, nr_sections);
		for (i = m * block; i < end; i++)
			sections[i].node = sections[i].node == -1 ? node : -2;
	}
	if (dir)
		closedir(dir);
}

/*
 * The kernel has directories for the memory it uses. What a memmap= took away has
 * none; it is of a node if the memory on both sides of it is.
 */
void read_nodes(const char *path)
{
	char sub[4096], *text;
	struct dirent *e;
	int node, there = 0;
	u64 i, last, block;
	DIR *dir;

	snprintf(sub, sizeof(sub), "%s/../memory/block_size_bytes", path);
	text = read_line(sub);
	block = text ? strtoull(text, NULL, 16) : 0;
	dir = block >= SECTION_SIZE ? opendir(path) : NULL;
	while (dir && (e = readdir(dir))) {
		if (!read_number(e->d_name, "node", &node))
			continue;
		snprintf(sub, sizeof(sub), "%s/%s", path, e->d_name);
		read_node(sub, node, block);
		nr_nodes = max_t(int, nr_nodes, node + 1);
		there++;
	}
	if (dir)
		closedir(dir);
	for (i = 0, last = nr_sections; i < nr_sections; i++) {
		if (there == 1)
			sections[i].node = nr_nodes - 1;
		if (sections[i].node < 0)
			continue;
		if (last < i && sections[last].node == sections[i].node)
			while (++last < i)
				if (sections[last].node == -1)
					sections[last].node = sections[i].node;
		last = i;
	}
}

/*
 * The pool of that name goes, and with it the memmap= entry that has its region, unless
 * another pool lies in it, too.
 */
static bool lies_in(const struct gmfs_pool_arg *p, const struct memmap *m)
{
	const struct gmfs_range *w;

	for (w = p->windows; w < p->windows + p->nr_windows; w++)
		if (w->size && w->base >= m->addr && w->base - m->addr < m->size)
			return true;
	return false;
}

static bool goes(const struct gmfs_pool_arg *pools, unsigned int nr, const char *name,
		 const struct memmap *m)
{
	bool found = false;
	unsigned int i;

	for (i = 0; i < nr && m->sep == '$'; i++) {
		if (!lies_in(&pools[i], m))
			continue;
		if (!gmfs_pool_is(&pools[i], name))
			return false;
		found = true;
	}
	return found;
}

/*
 * Memory that other memmap= entries take is not ours. Returns how many of them KASLR
 * counts, -1 if it is off.
 */
int heed_cmdline(const char *cmdline, const char *pool)
{
	static struct gmfs_pool_arg pools[GMFS_MAX_POOLS + 1];
	unsigned int n = gmfs_find_pools(cmdline, cmdline, BLOCK_SIZE, pools), i;
	struct memmaps it = { .pos = cmdline };
	struct memmap m;
	struct kaslr k;
	int nr = 0;

	for (i = 0; i < n; i++)
		if (gmfs_pool_is(&pools[i], pool))
			warn("the command line has guestmemfs=%.*s: leave it out, since of two pools of one name neither is loaded",
			     (int)pools[i].value_len, pools[i].value);
	while (next_memmap(&it, &m)) {
		if (goes(pools, n, pool, &m))
			continue;
		nr += kaslr_counts(&m);
		if (m.sep && strchr("#$!%", m.sep) && m.addr + m.size > m.addr)
			count(m.addr, m.addr + m.size, false);
	}
	count(memory_limit(cmdline), ~0ULL, false);
	read_kaslr(cmdline, &k);
	return k.off ? -1 : nr;
}

/* The module wants 7.1 or newer; the symbol is there if the kernel has KHO. */
bool can_kho(void)
{
	char *release = read_line(sys_path("/proc/sys/kernel/osrelease"));
	char *symbols = read_file(sys_path("/proc/kallsyms"), NULL);
	int major = 0, minor = 0;

	return release && sscanf(release, "%d.%d", &major, &minor) == 2 &&
	       (major > 7 || (major == 7 && minor >= 1)) &&
	       symbols && strstr(symbols, " kho_is_enabled");
}
