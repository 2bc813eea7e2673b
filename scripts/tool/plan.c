// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where a region can be.
 *
 * It goes to the lowest place above 4 GiB that will do: firmware and boot loaders
 * put what they leave behind at the end of memory. Nothing else of the machine is
 * known before it boots, so what is not plain RAM in the firmware's map is left
 * alone.
 */
#include <dirent.h>
#include <errno.h>
#include <guestmemfs/abi.h>
#include <string.h>

#include "bootline.h"
#include "cmdline.h"
#include "tool.h"

#define GIB		(1ULL << 30)
#define ABOVE		(4 * GIB)
#define KEEP		GIB		/* what the kernel cannot do without */

/* --- the machine ------------------------------------------------------------- */

/**
 * struct section - 128 MiB of the machine's addresses
 * @ram: how much of it is memory that can be had, bytes
 * @node: its node; -1 if it is unknown, -2 if it has memory of several
 */
struct section {
	u32 ram;
	int node;
};

static struct section *sections;
static u64 nr_sections;
static int nr_nodes;		/* one more than the highest */

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

static u64 total(int node)
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

static void read_memmap(const char *dir)
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
static void read_nodes(const char *path)
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
 * counts, 0 if it is off.
 */
static int heed_cmdline(const char *cmdline, const char *pool)
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
	return k.off ? 0 : nr;
}

/* The module wants 7.1 or newer; the symbol is there if the kernel has KHO. */
static bool can_kho(void)
{
	char *release = read_line(sys_path("/proc/sys/kernel/osrelease"));
	char *symbols = read_file(sys_path("/proc/kallsyms"), NULL);
	int major = 0, minor = 0;

	return release && sscanf(release, "%d.%d", &major, &minor) == 2 &&
	       (major > 7 || (major == 7 && minor >= 1)) &&
	       symbols && strstr(symbols, " kho_is_enabled");
}

/* --- the choice --------------------------------------------------------------- */

enum { ANY_NODE = -1, ACROSS_NODES = -2 };

/**
 * struct choice - what was chosen
 * @base: bytes
 * @size: bytes, head and all
 * @lead: what is before the first GiB of files, bytes
 * @gib: files' GiB are on a GiB of memory
 * @max: the largest region there could be, bytes
 */
struct choice {
	u64 base, size, lead, max;
	bool gib;
};

/* The lowest place, on @node, on one whichever (ANY_NODE), or on several. */
static bool place(struct choice *c, int node)
{
	u64 i, run = 0, end;

	c->max = 0;
	for (i = ABOVE / SECTION_SIZE; i < nr_sections; i++) {
		if (sections[i].ram < SECTION_SIZE || (node >= 0 && sections[i].node != node)) {
			run = 0;
			continue;
		}
		if (node == ANY_NODE && sections[i].node != sections[i - 1].node)
			run = 0;
		end = (i + 1) * SECTION_SIZE;
		run += SECTION_SIZE;
		c->max = max_t(u64, c->max, run);
		c->base = end - c->size;
		if (run >= c->size && (!c->gib || (c->base + c->lead) % GIB == 0))
			return true;
	}
	return false;
}

/* One node before 1 GiB mappings before any place at all. */
static bool choose(struct choice *c, int node)
{
	int across;

	for (across = 0; across <= (node == ANY_NODE); across++) {
		c->gib = true;
		if (place(c, across ? ACROSS_NODES : node))
			return true;
		c->gib = false;
		if (place(c, across ? ACROSS_NODES : node))
			return true;
	}
	return false;
}

static u64 head_size(u64 region)
{
	return GMFS_HEAD_BLOCKS(region / BLOCK_SIZE) * BLOCK_SIZE;
}

static __noreturn void no_room(const struct choice *c, int node)
{
	u64 all = total(-1), max = all > KEEP ? ALIGN_DOWN(all - KEEP, SECTION_SIZE) : 0;
	char where[32] = "";

	max = min_t(u64, max, c->max);
	if (node >= 0)
		snprintf(where, sizeof(where), " on node %d", node);
	if (max <= c->lead)
		die("there is no room for a region%s: it needs a range of System RAM above 4 GiB, and 1 GiB stays with the kernel",
		    where);
	die("there is no room for %s%s: %s is the most, in one range of System RAM above 4 GiB with 1 GiB left to the kernel",
	    human(c->size - c->lead), where, exact(max - c->lead));
}

static void print_choice(const struct choice *c, const char *pool)
{
	const char *name = strcmp(pool, GMFS_DEFAULT_POOL) ? pool : "", *colon = *name ? ":" : "";
	const char *kho = can_kho() ? " kho=on" : "";
	int node = sections[c->base / SECTION_SIZE].node;
	u64 all = total(-1), i;

	for (i = c->base; i < c->base + c->size; i += SECTION_SIZE)
		if (sections[i / SECTION_SIZE].node != node)
			node = -1;
	printf("Region: %s at 0x%llx", exact(c->size), c->base);
	if (node >= 0)
		printf(", node %d", node);
	printf("; %s for files\n", human(c->size - head_size(c->size)));
	printf("Left to the kernel: %s of %s", human(all - c->size), human(all));
	if (node >= 0 && nr_nodes > 1)
		printf(", on node %d %s of %s", node, human(total(node) - c->size),
		       human(total(node)));
	printf("\n\nKernel command line:\nguestmemfs=%s%s%s@%s memmap=%s$%s%s\n",
	       name, colon, exact(c->size), exact(c->base), exact(c->size), exact(c->base), kho);
	/*
	 * The shell that reads it takes one layer of backslashes, GRUB the other. KASLR
	 * keeps off the first entries.
	 */
	printf("\nThe same for GRUB, at the end of /etc/default/grub; then update-grub:\n"
	       "GRUB_CMDLINE_LINUX_DEFAULT=\"memmap=%s\\\\\\$%s $GRUB_CMDLINE_LINUX_DEFAULT guestmemfs=%s%s%s@%s%s\"\n",
	       exact(c->size), exact(c->base), name, colon, exact(c->size), exact(c->base), kho);
	if (node < 0 && nr_nodes > 1)
		warn("no node is known to have room for all of it: it is on several");
	if (!c->gib && c->size - c->lead >= GIB)
		warn("there is no place where the files' GiB are on a GiB of memory: some will have 2 MiB mappings instead of 1 GiB");
}

int cmd_plan(int argc, char **argv)
{
	static const struct option options[] = {
		{ "pool", required_argument, NULL, 'p' },
		{ "node", required_argument, NULL, 'n' },
		{ "memmap", required_argument, NULL, 'm' },
		{ "nodes", required_argument, NULL, 'd' },
		{ NULL, 0, NULL, 0 },
	};
	char *memmap = strdup(sys_path("/sys/firmware/memmap"));
	char *dir = strdup(sys_path("/sys/devices/system/node"));
	struct choice c = { 0 };
	int o, node = ANY_NODE, entries;
	const char *pool = GMFS_DEFAULT_POOL;
	static struct gmfs_pool_arg p[GMFS_MAX_POOLS + 1];
	char *cmdline, *end;
	u64 wish;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (o == 'm') {
			memmap = optarg;
		} else if (o == 'd') {
			dir = optarg;
		} else if (o == 'p') {
			pool = optarg;
		} else if (o == 'n') {
			node = strtol(optarg, &end, 10);
			if (end == optarg || *end || node < 0)
				die("--node is to be a number, not '%s'", optarg);
		} else {
			bad_option(argv);
		}
	}
	if (argc - optind != 1)
		usage_error(argv, "it takes one SIZE");
	if (asprintf(&cmdline, "guestmemfs=\"%s:2M@4G\"", pool) < 0)
		die("out of memory");
	if (gmfs_find_pools(cmdline, "", BLOCK_SIZE, p) != 1 || p->why || !gmfs_pool_is(p, pool))
		die("--pool %s: %s", pool, p->why ?: "that is no name");
	wish = parse_size("SIZE", argv[optind]);
	if (wish > 1ULL << 46)
		die("%s is more than a machine can have", argv[optind]);
	wish = ALIGN(wish, SECTION_SIZE);
	/* The head grows with the region, by a block for 16 GiB. */
	do {
		c.lead += SECTION_SIZE;
		c.size = wish + c.lead;
	} while (head_size(c.size) > c.lead);

	read_memmap(memmap);
	read_nodes(dir);
	if (node >= 0 && !total(node))
		die("%s has no node %d with memory", dir, node);
	cmdline = read_line(sys_path("/proc/cmdline"));
	entries = cmdline ? heed_cmdline(cmdline, pool) : 0;
	/* The region's comes first, and what is pushed out has an owner, too. */
	if (entries >= KASLR_ENTRIES)
		die("the kernel command line has %d other memmap= entries, and KASLR keeps the next kernel off the first %d of all only: boot with fewer, or with nokaslr",
		    entries, KASLR_ENTRIES);
	if (!choose(&c, node) || c.size + KEEP > total(-1))
		no_room(&c, node);
	print_choice(&c, pool);
	return 0;
}
