// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where the windows of a pool can be.
 *
 * Each goes to the lowest place above 4 GiB that will do: firmware and boot loaders
 * put what they leave behind at the end of memory. Nothing else of the machine is
 * known before it boots, so what is not plain RAM in the firmware's map is left
 * alone.
 */
#include <guestmemfs/abi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bootline.h"
#include "cmdline.h"
#include "machine.h"
#include "tool.h"

#define GIB		(1ULL << 30)
#define ABOVE		(4 * GIB)
#define KEEP		GIB		/* what the kernel cannot do without, in all and on a node */
#define MAX_NODES	1024		/* CONFIG_NODES_SHIFT is 10 at most on x86 */

/* --- the choice --------------------------------------------------------------- */

enum { ANY_NODE = -1, ACROSS_NODES = -2 };

/**
 * struct choice - a window that was chosen
 * @base: bytes
 * @size: bytes, head and all
 * @lead: what is before the first GiB of files, bytes
 * @gib: files' GiB are on a GiB of memory
 * @max: the largest window there could be, bytes
 */
struct choice {
	u64 base, size, lead, max;
	bool gib;
};

/**
 * struct plan - all windows
 * @pool: the pool's name
 * @w: the windows
 * @nr: how many
 * @taken: bytes of them
 */
struct plan {
	const char *pool;
	struct choice w[GMFS_MAX_WINDOWS];
	int nr;
	u64 taken;
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

/* With 1 GiB mappings if there is such a place. */
static bool choose_on(struct choice *c, int node)
{
	c->gib = true;
	if (place(c, node))
		return true;
	c->gib = false;
	return place(c, node);
}

static u64 head_size(u64 window)
{
	return GMFS_HEAD_BLOCKS(window / BLOCK_SIZE) * BLOCK_SIZE;
}

/* A window for @files bytes. Its head grows with it, by a block for 32 GiB. */
static struct choice window_for(u64 files)
{
	struct choice c = { 0 };

	do {
		c.lead += SECTION_SIZE;
		c.size = files + c.lead;
	} while (head_size(c.size) > c.lead);
	return c;
}

/* How much of a node may go: it counts for none to the kernel if nothing is left. */
static u64 spare(int node)
{
	u64 all = total(node);

	return all > KEEP ? ALIGN_DOWN(all - KEEP, SECTION_SIZE) : 0;
}

/* The chosen sections are not free for the next window. */
static void take(struct plan *p, const struct choice *c)
{
	u64 i;

	for (i = c->base / SECTION_SIZE; i < (c->base + c->size) / SECTION_SIZE; i++)
		sections[i].ram = 0;
	p->w[p->nr++] = *c;
	p->taken += c->size;
}

/* The largest run on a node becomes a window, but no more than @files bytes of it. */
static bool take_largest(struct plan *p, int node, u64 *files)
{
	struct choice c = window_for(SECTION_SIZE), probe = { .size = ~0ULL };
	u64 most;

	place(&probe, node);
	most = min_t(u64, probe.max, spare(node));
	if (p->nr == GMFS_MAX_WINDOWS || most < c.size)
		return false;
	/* The head of what is cut off is smaller than that of all. */
	c = window_for(min_t(u64, *files, most - window_for(most).lead));
	if (!choose_on(&c, node))
		return false;
	take(p, &c);
	*files -= min_t(u64, *files, c.size - c.lead);
	return true;
}

/* As many windows on a node as it takes for @files bytes. Returns what there is no room for. */
static u64 fill_node(struct plan *p, int node, u64 files)
{
	struct choice c = window_for(files);

	if (c.size <= spare(node) && choose_on(&c, node)) {
		take(p, &c);
		return 0;
	}
	while (files && take_largest(p, node, &files))
		;
	return files;
}

/* The most that files could have on a node, or on all of them, in as many windows as it takes. */
static u64 most_on(int node)
{
	size_t bytes = nr_sections * sizeof(*sections);
	struct section *before = memcpy(must(malloc(bytes)), sections, bytes);
	struct plan trial = { 0 };
	u64 files = ~0ULL;
	int i;

	for (i = node < 0 ? 0 : node; i < (node < 0 ? max(nr_nodes, 1) : node + 1); i++)
		while (take_largest(&trial, nr_nodes ? i : ACROSS_NODES, &files))
			;
	memcpy(sections, before, bytes);
	free(before);
	return ~0ULL - files;
}

static __noreturn void no_room(u64 files, int node, u64 most)
{
	char where[32] = "";

	if (node >= 0)
		snprintf(where, sizeof(where), " on node %d", node);
	if (!most)
		die("there is no room for a window%s: it needs a range of System RAM above 4 GiB, and 1 GiB stays with the kernel%s",
		    where, node >= 0 ? " on each node" : "");
	die("there is no room for %s%s: %s is the most, in ranges of System RAM above 4 GiB with 1 GiB left to the kernel%s",
	    human(files), where, exact(most), nr_nodes > 1 ? " on each node" : "");
}

/* The same number of bytes on each of some nodes. */
static void plan_nodes(struct plan *p, const bool *nodes, u64 files)
{
	int node, nr = 0;
	u64 share, most;

	for (node = 0; node < nr_nodes; node++)
		nr += nodes[node];
	share = ALIGN(DIV_ROUND_UP(files, nr), SECTION_SIZE);
	for (node = 0; node < nr_nodes; node++) {
		most = nodes[node] ? most_on(node) : 0;
		if (nodes[node] && fill_node(p, node, share))
			no_room(share, node, most);
	}
}

/* One window on one node, else several. Where no node is known, nodes do not matter. */
static void plan_anywhere(struct plan *p, u64 files)
{
	struct choice c = window_for(files);
	u64 left = files, most = most_on(-1);
	int node;

	if (c.size <= spare(-1) && choose_on(&c, nr_nodes ? ANY_NODE : ACROSS_NODES)) {
		take(p, &c);
		return;
	}
	for (node = 0; node < max(nr_nodes, 1) && left; node++)
		left = fill_node(p, nr_nodes ? node : ACROSS_NODES, left);
	if (left)
		no_room(files, -1, most);
}

/* --- what is said ------------------------------------------------------------- */

static int node_of(const struct choice *c)
{
	int node = sections[c->base / SECTION_SIZE].node;
	u64 i;

	for (i = c->base; i < c->base + c->size; i += SECTION_SIZE)
		if (sections[i / SECTION_SIZE].node != node)
			return -1;
	return node;
}

/* memmap= parameters, one for windows that touch; @quote stands before each "$". */
static int print_memmaps(const struct plan *p, const char *quote, const char *sep)
{
	int i, nr = 0;
	u64 size;

	for (i = 0; i < p->nr; i++) {
		size = p->w[i].size;
		while (i + 1 < p->nr && p->w[i].base + p->w[i].size == p->w[i + 1].base) {
			size += p->w[++i].size;
		}
		if (quote)
			printf("%smemmap=%s%s$%s", nr ? sep : "", exact(size), quote,
			       exact(p->w[i].base + p->w[i].size - size));
		nr++;
	}
	return nr;
}

static void print_pool(const struct plan *p)
{
	const char *name = strcmp(p->pool, GMFS_DEFAULT_POOL) ? p->pool : "";
	int i;

	printf("guestmemfs=%s%s", name, *name ? ":" : "");
	for (i = 0; i < p->nr; i++)
		printf("%s%s@%s", i ? "," : "", exact(p->w[i].size), exact(p->w[i].base));
}

static int by_base(const void *a, const void *b)
{
	const struct choice *x = a, *y = b;

	return x->base < y->base ? -1 : x->base > y->base;
}

static void print_window(const struct choice *c)
{
	int node = node_of(c);

	printf("Window: %s at 0x%llx", exact(c->size), c->base);
	if (node >= 0)
		printf(", node %d", node);
	printf("; %s for files\n", human(c->size - head_size(c->size)));
	if (node < 0 && nr_nodes > 1)
		warn("no node is known to have room for all of it: it is on several");
	if (!c->gib && c->size - c->lead >= GIB)
		warn("in the window at 0x%llx there is no place where the files' GiB are on a GiB of memory: some will have 2 MiB mappings instead of 1 GiB",
		     c->base);
}

/* What the kernel has before and after, in all and on the nodes of windows. */
static void print_left(const struct plan *p, u64 all)
{
	int node, i;
	u64 taken;

	printf("Left to the kernel: %s of %s", human(all - p->taken), human(all));
	for (node = 0; node < nr_nodes && nr_nodes > 1; node++) {
		taken = 0;
		for (i = 0; i < p->nr; i++)
			if (node_of(&p->w[i]) == node)
				taken += p->w[i].size;
		if (taken)
			printf(", on node %d %s of %s", node, human(total(node)),
			       human(total(node) + taken));
	}
	printf("\n");
}

/* @entries: other memmap= entries that KASLR counts, -1 if it is off. */
static void print_plan(struct plan *p, u64 all, int entries)
{
	const char *kho = can_kho() ? " kho=on" : "", *nokaslr = "";
	int i, nr;

	qsort(p->w, p->nr, sizeof(p->w[0]), by_base);
	for (i = 0; i < p->nr; i++)
		print_window(&p->w[i]);
	print_left(p, all);
	/* Windows' entries come first, and what is pushed out has an owner, too. */
	nr = print_memmaps(p, NULL, NULL);
	if (entries >= 0 && entries + nr > KASLR_ENTRIES) {
		nokaslr = " nokaslr";
		warn("KASLR keeps the next kernel off the first %d memmap= entries only, and there would be %d: so it is turned off; or boot with fewer, or ask for less",
		     KASLR_ENTRIES, entries + nr);
	}
	printf("\nKernel command line:\n");
	print_pool(p);
	putchar(' ');
	print_memmaps(p, "", " ");
	printf("%s%s\n", nokaslr, kho);
	/* The shell that reads it takes one layer of backslashes, GRUB the other. */
	printf("\nThe same for GRUB, at the end of /etc/default/grub; then update-grub:\n"
	       "GRUB_CMDLINE_LINUX_DEFAULT=\"");
	print_memmaps(p, "\\\\\\", " ");
	printf(" $GRUB_CMDLINE_LINUX_DEFAULT ");
	print_pool(p);
	printf("%s%s\"\n", nokaslr, kho);
}

/* "0,2-3" */
static void parse_nodes(const char *text, bool *nodes)
{
	const char *p = text;
	char *end;
	long from, to;

	do {
		from = to = strtol(p, &end, 10);
		if (end != p && *end == '-')
			to = strtol(p = end + 1, &end, 10);
		if (end == p || from < 0 || to < from || to >= MAX_NODES || (*end && *end != ','))
			die("--node is to be a number or a list as in 0,2-3, not '%s'", text);
		for (; from <= to; from++)
			nodes[from] = true;
		p = end + 1;
	} while (*end);
}

static void check_nodes(const char *dir, const bool *nodes)
{
	int i;

	for (i = 0; i < MAX_NODES; i++)
		if (nodes[i] && (i >= nr_nodes || !total(i)))
			die("%s has no node %d with memory", dir, i);
}

int cmd_plan(int argc, char **argv)
{
	static const struct option options[] = {
		{ "pool", required_argument, NULL, 'p' },
		{ "node", required_argument, NULL, 'n' },
		{ "spread", no_argument, NULL, 's' },
		{ "memmap", required_argument, NULL, 'm' },
		{ "nodes", required_argument, NULL, 'd' },
		{ NULL, 0, NULL, 0 },
	};
	char *memmap = strdup(sys_path("/sys/firmware/memmap"));
	char *dir = strdup(sys_path("/sys/devices/system/node"));
	static struct gmfs_pool_arg pools[GMFS_MAX_POOLS + 1];
	struct plan plan = { .pool = GMFS_DEFAULT_POOL };
	bool nodes[MAX_NODES] = { 0 }, spread = false, some = false;
	int o, i, entries;
	char *cmdline;
	u64 wish, all;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (o == 'm') {
			memmap = optarg;
		} else if (o == 'd') {
			dir = optarg;
		} else if (o == 'p') {
			plan.pool = optarg;
		} else if (o == 's') {
			spread = true;
		} else if (o == 'n') {
			parse_nodes(optarg, nodes);
			some = true;
		} else {
			bad_option(argv);
		}
	}
	if (argc - optind != 1)
		usage_error(argv, "it takes one SIZE");
	if (spread && some)
		usage_error(argv, "--node and --spread exclude each other");
	if (asprintf(&cmdline, "guestmemfs=\"%s:2M@4G\"", plan.pool) < 0)
		die("out of memory");
	if (gmfs_find_pools(cmdline, "", BLOCK_SIZE, pools) != 1 || pools->why ||
	    !gmfs_pool_is(pools, plan.pool))
		die("--pool %s: %s", plan.pool, pools->why ?: "that is no name");
	wish = parse_size("SIZE", argv[optind]);
	if (wish > 1ULL << 46)
		die("%s is more than a machine can have", argv[optind]);
	wish = ALIGN(wish, SECTION_SIZE);

	read_memmap(memmap);
	read_nodes(dir);
	check_nodes(dir, nodes);
	cmdline = read_line(sys_path("/proc/cmdline"));
	entries = cmdline ? heed_cmdline(cmdline, plan.pool) : 0;
	all = total(-1);
	for (i = 0; i < nr_nodes && spread; i++) {
		nodes[i] = total(i);
		some |= nodes[i];
	}
	if (spread && !some)
		die("%s does not tell the nodes: leave --spread out", dir);
	if (some)
		plan_nodes(&plan, nodes, wish);
	else
		plan_anywhere(&plan, wish);
	print_plan(&plan, all, entries);
	return 0;
}
