// SPDX-License-Identifier: GPL-2.0-only
#include <linux/errno.h>

#include "bootline.h"
#include "cmdline.h"
#include "unit.h"

#define M	0x100000ULL
#define G	0x40000000ULL

static const struct line {
	const char *name, *cmdline;
	unsigned int nr;
	u64 base, size;
	const char *why;
} lines[] = {
#define GOOD(name, line, base, size)	{ name, line, 1, base, size, NULL }
#define NONE(name, line)		{ name, line, 0, 0, 0, NULL }
#define BAD(name, line, why)		{ name, line, 1, 0, 0, why }
	GOOD("size and memmap", "quiet guestmemfs=1G memmap=1G$4G ro", 4 * G, G),
	GOOD("memmap comes first", "memmap=1G$4G guestmemfs=1G", 4 * G, G),
	GOOD("memmap is larger", "guestmemfs=1G memmap=2G$4G", 4 * G, G),
	GOOD("decimal and hexadecimal",
	     "guestmemfs=1073741824 memmap=0x40000000$0x100000000", 4 * G, G),
	GOOD("suffixes k, m, T", "guestmemfs=1024m memmap=1048576k$1T", 1024 * G, G),
	GOOD("address given", "guestmemfs=1G@5G", 5 * G, G),
	GOOD("address given, memmap ignored", "guestmemfs=1G@5G memmap=1G$4G", 5 * G, G),
	GOOD("address 0", "guestmemfs=1G@0", 0, G),
	GOOD("newline ends it", "memmap=1G$4G guestmemfs=1G\n", 4 * G, G),
	GOOD("tab separates", "memmap=1G$4G\tguestmemfs=1G", 4 * G, G),
	GOOD("several memmaps, second holds it",
	     "guestmemfs=1G memmap=64M$1G memmap=1G$4G", 4 * G, G),
	GOOD("several memmaps, first holds it",
	     "guestmemfs=1G memmap=1G$8G memmap=1G$4G", 8 * G, G),
	GOOD("memmap list, second holds it", "guestmemfs=1G memmap=64M$1G,1G$4G", 4 * G, G),
	GOOD("memmap list with another kind",
	     "guestmemfs=1G memmap=1G@1G,2G#2G,1G$4G,1G!6G", 4 * G, G),
	GOOD("memmap with a suffix of its own", "guestmemfs=1G memmap=1G%1G-1+2,1G$4G", 4 * G, G),
	GOOD("memmap=exactmap before", "guestmemfs=1G memmap=exactmap memmap=1G$4G", 4 * G, G),
	GOOD("memmap that only limits", "guestmemfs=1G memmap=8G memmap=1G$4G", 4 * G, G),
	GOOD("unaligned memmap holds it", "guestmemfs=1G memmap=1026M$4097M", 4098 * M, G),
	GOOD("unaligned by a byte, with room",
	     "guestmemfs=2M memmap=0x400000$0x100000001", 4 * G + 2 * M, 2 * M),
	GOOD("address given, almost up to the last byte", "guestmemfs=1023P@15E",
	     15ULL << 60, 1023ULL << 50),
	GOOD("other names end like it", "xguestmemfs=2G guestmemfs=1G@5G zguestmemfs=3G", 5 * G, G),
	GOOD("module prefix is another name", "guestmemfs.region=2G@3G guestmemfs=1G@5G", 5 * G, G),
	GOOD("xmemmap= is another name", "guestmemfs=1G xmemmap=1G$8G memmap=1G$4G", 4 * G, G),
	GOOD("quoted value", "guestmemfs=\"1G\" memmap=\"1G$4G\"", 4 * G, G),
	GOOD("quoted argument", "\"guestmemfs=1G\" \"memmap=1G$4G\"", 4 * G, G),
	GOOD("quoted list", "guestmemfs=1G memmap=\"64M$1G,1G$4G\"", 4 * G, G),
	GOOD("list behind exactmap", "guestmemfs=1G memmap=exactmap,1G$4G", 4 * G, G),
	GOOD("what is in another's quotes does not count",
	     "guestmemfs=1G@5G x=\"y guestmemfs=2G@1G\"", 5 * G, G),
	GOOD("what is behind -- does not count",
	     "guestmemfs=1G memmap=1G$4G -- guestmemfs=2G@1G memmap=2G$1G", 4 * G, G),
	GOOD("--x is not --", "--x guestmemfs=1G@5G", 5 * G, G),

	NONE("nothing", ""),
	NONE("behind --", "quiet -- guestmemfs=1G@5G"),
	NONE("behind quoted --", "quiet \"--\" guestmemfs=1G@5G"),
	NONE("in another's quotes", "x=\"y guestmemfs=1G@5G\""),
	NONE("behind a quote that stays open", "x=\"y guestmemfs=1G@5G"),
	NONE("only memmap", "memmap=1G$4G"),
	NONE("only a prefixed name", "xguestmemfs=1G memmap=1G$4G"),
	NONE("no value", "guestmemfs memmap=1G$4G"),
	BAD("empty value", "guestmemfs= memmap=1G$4G", "is not [NAME:]SIZE"),
	BAD("no size", "guestmemfs=@4G memmap=1G$4G", "is not [NAME:]SIZE"),
	BAD("size 0", "guestmemfs=0 memmap=1G$4G", "is not [NAME:]SIZE"),
	BAD("size 0 with address", "guestmemfs=0@4G", "is not [NAME:]SIZE"),
	BAD("negative size", "guestmemfs=-1G memmap=1G$4G", "is not [NAME:]SIZE"),
	BAD("no number", "guestmemfs=G memmap=1G$4G", "is not [NAME:]SIZE"),
	BAD("no address after @", "guestmemfs=1G@ memmap=1G$4G", "is not [NAME:]SIZE"),
	BAD("negative address", "guestmemfs=1G@-4G", "is not [NAME:]SIZE"),
	BAD("trailing junk", "guestmemfs=1GB memmap=1G$4G", "is not [NAME:]SIZE"),
	{ "junk after the address", "guestmemfs=1G@4Gx", 1, 4 * G, G, "is not [NAME:]SIZE" },
	BAD("an empty value between quotes", "guestmemfs=\"\" memmap=1G$4G", "is not [NAME:]SIZE"),
	BAD("beyond the last address", "guestmemfs=2E@15E", "last address"),
	BAD("no memmap", "guestmemfs=1G", "holds"),
	BAD("memmap too small", "guestmemfs=2G memmap=1G$4G", "holds"),
	BAD("memmap too small by a byte", "guestmemfs=1G memmap=0x3fffffff$4G", "holds"),
	BAD("two memmaps too small", "guestmemfs=2G memmap=1G$4G,1G$5G", "holds"),
	BAD("unaligned memmap, too small", "guestmemfs=1G memmap=1G$4097M", "holds"),
	BAD("unaligned memmap, nothing left", "guestmemfs=1M memmap=1M$4097M", "holds"),
	BAD("unaligned memmap, less than nothing left", "guestmemfs=1M memmap=512K$4097M", "holds"),
	BAD("memmap of RAM", "guestmemfs=1G memmap=1G@4G", "holds"),
	BAD("memmap of ACPI data", "guestmemfs=1G memmap=1G#4G", "holds"),
	BAD("memmap of pmem", "guestmemfs=1G memmap=1G!4G", "holds"),
	BAD("the boot loader ate $4", "guestmemfs=1G memmap=1GG", "escaped"),
	BAD("memmap without address", "guestmemfs=1G memmap=1G$", "holds"),
	BAD("memmap at the line's end", "guestmemfs=1G memmap=", "holds"),
	BAD("memmap behind --", "guestmemfs=1G -- memmap=1G$4G", "holds"),
	BAD("memmap in another's quotes", "guestmemfs=1G x=\"y memmap=1G$4G\"", "holds"),
	BAD("a blank in the quotes", "guestmemfs=\"1G \" memmap=1G$4G", "is not [NAME:]SIZE"),
	BAD("a quote at the end", "guestmemfs=1G\" memmap=1G$4G", "is not [NAME:]SIZE"),
	BAD("only xmemmap=", "guestmemfs=1G xmemmap=1G$4G", "holds"),
};

static void line(const void *arg)
{
	const struct line *l = arg;
	char *copy = exact_copy(l->cmdline, strlen(l->cmdline) + 1);
	static struct gmfs_pool_arg pools[GMFS_MAX_POOLS + 1];

	memset(pools, 0, sizeof(pools));
	expect_eq(gmfs_find_pools(copy, copy, 2 * M, pools), l->nr);
	expect(!pools[0].why == !l->why, "said '%s'", pools[0].why);
	if (l->why && pools[0].why)
		expect(strstr(pools[0].why, l->why), "said '%s'", pools[0].why);
	expect_eq(pools[0].windows[0].size, l->size);
	if (l->size)
		expect_eq(pools[0].windows[0].base, l->base);
	free(copy);
}

/* "NAME SIZE@ADDR+SIZE@ADDR," in GiB for each pool, or "NAME: WHY," with the first bytes of the reason. */
static const struct pools {
	const char *name, *cmdline, *found;
} pools_table[] = {
	{ "pools: two, each with an address", "guestmemfs=a:1G@4G guestmemfs=b:2G@8G",
	  "a 1@4,b 2@8," },
	{ "pools: the default one has its name", "guestmemfs=1G@4G guestmemfs=b:2G@8G",
	  "guestmemfs 1@4,b 2@8," },
	{ "pools: each gets a memmap= of its own",
	  "guestmemfs=a:1G guestmemfs=b:1G memmap=1G$4G memmap=1G$8G", "a 1@4,b 1@8," },
	{ "pools: each gets a memmap= that is large enough",
	  "guestmemfs=a:2G guestmemfs=b:1G memmap=1G$4G,2G$8G", "a 2@8,b 1@4," },
	{ "pools: two in one memmap=", "guestmemfs=a:1G guestmemfs=b:2G memmap=3G$4G",
	  "a 1@4,b 2@5," },
	{ "pools: an address goes first, wherever it stands",
	  "guestmemfs=a:1G guestmemfs=b:1G@4G memmap=2G$4G", "a 1@5,b 1@4," },
	{ "pools: between two others",
	  "guestmemfs=a:1G@4G guestmemfs=b:1G@6G guestmemfs=c:1G memmap=3G$4G",
	  "a 1@4,b 1@6,c 1@5," },
	{ "pools: no room beside another", "guestmemfs=a:1G guestmemfs=b:1G memmap=1G$4G",
	  "a 1@4,b: no memma," },
	{ "pools: names of all allowed characters", "guestmemfs=Node-0_x.y:1G@4G",
	  "Node-0_x.y 1@4," },
	{ "pools: a number as a name", "guestmemfs=8:1G@4G", "8 1@4," },
	{ "pools: a name of 64 bytes",
	  "guestmemfs=0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef:1G@4G",
	  "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef 1@4," },
	{ "pools: a name of 65 bytes",
	  "guestmemfs=0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdefX:1G@4G",
	  "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdefX: a pool's," },
	{ "pools: a name with a slash", "guestmemfs=a/b:1G@4G guestmemfs=c:1G@5G",
	  "a/b: a pool's,c 1@5," },
	{ "pools: an empty name", "guestmemfs=:1G@4G", ": a pool's," },
	{ "pools: a name that begins with a dot", "guestmemfs=.a:1G@4G", ".a: a pool's," },
	{ "pools: a letter that only Latin-1 knows", "guestmemfs=\xe4:1G@4G",
	  "\xe4: a pool's," },
	{ "pools: the switch's name", "guestmemfs=active:1G@4G", "active: a pool's," },
	{ "pools: two of one name, and one beside them",
	  "guestmemfs=a:1G@4G guestmemfs=b:1G@6G guestmemfs=a:1G@5G",
	  "a: two pool,b 1@6,a: two pool," },
	{ "pools: two without a name", "guestmemfs=2G@1G guestmemfs=1G@5G",
	  "guestmemfs: two pool,guestmemfs: two pool," },
	{ "pools: two overlap, and one beside them",
	  "guestmemfs=a:2G@4G guestmemfs=b:1G@5G guestmemfs=c:1G@6G",
	  "a: overlaps,b: overlaps,c 1@6," },
	{ "pools: what is refused keeps its room, for it may have files",
	  "guestmemfs=a:1G@4G guestmemfs=a:1G@5G guestmemfs=b:1G memmap=3G$4G",
	  "a: two pool,a: two pool,b 1@6," },
	{ "pools: a size that cannot be read, and who comes behind it",
	  "guestmemfs=a:1GB guestmemfs=b:1G guestmemfs=c:1G@8G memmap=2G$4G",
	  "a: is not [,b: its plac,c 1@8," },
	{ "pools: a name that is none keeps its address",
	  "guestmemfs=a/x:1G@4G guestmemfs=b:1G memmap=2G$4G", "a/x: a pool's,b 1@5," },
	{ "pools: a name that is none keeps its place",
	  "guestmemfs=a/x:1G guestmemfs=b:1G memmap=2G$4G", "a/x: a pool's,b 1@5," },
	{ "pools: junk behind an address keeps it",
	  "guestmemfs=a:1G@4G, guestmemfs=b:1G memmap=2G$4G", "a: is not [,b 1@5," },
	{ "pools: two of one name keep their places",
	  "guestmemfs=a:1G guestmemfs=a:1G guestmemfs=b:1G memmap=3G$4G",
	  "a: two pool,a: two pool,b 1@6," },
	{ "pools: no room, and who comes behind it",
	  "guestmemfs=a:20G guestmemfs=b:1G memmap=2G$4G", "a: no memma,b: its plac," },
	{ "pools: up to the last address",
	  "guestmemfs=x:1152921504606846975@15E guestmemfs=b:16383P memmap=16383P$0",
	  "x 1073741823@16106127360,b: no memma," },
	{ "pools: one is malformed", "guestmemfs=a:x guestmemfs=b:1G@4G", "a: is not [,b 1@4," },
	{ "pools: a name and nothing", "guestmemfs=a: guestmemfs=b:1G@4G", "a: is not [,b 1@4," },
	{ "pools: two colons", "guestmemfs=a:b:1G@4G", "a: is not [," },
	{ "windows: two, each with an address", "guestmemfs=1G@4G,2G@8G",
	  "guestmemfs 1@4+2@8," },
	{ "windows: in any order", "guestmemfs=a:1G@8G,2G@4G", "a 1@8+2@4," },
	{ "windows: that touch", "guestmemfs=a:1G@4G,2G@5G", "a 1@4+2@5," },
	{ "windows: each gets a memmap=", "guestmemfs=a:1G,2G memmap=1G$4G memmap=2G$8G",
	  "a 1@4+2@8," },
	{ "windows: both get one memmap=", "guestmemfs=a:1G,2G memmap=3G$4G", "a 1@4+2@5," },
	{ "windows: one with an address, and one without",
	  "guestmemfs=a:1G,1G@4G memmap=2G$4G", "a 1@5+1@4," },
	{ "windows: an address of another pool goes first",
	  "guestmemfs=a:1G,1G guestmemfs=b:1G@5G memmap=3G$4G", "a 1@4+1@6,b 1@5," },
	{ "windows: of two pools, one after the other",
	  "guestmemfs=a:1G,1G guestmemfs=b:1G,1G memmap=2G$4G,2G$8G", "a 1@4+1@5,b 1@8+1@9," },
	{ "windows: a list in quotes", "guestmemfs=\"a:1G@4G,1G@8G\"", "a 1@4+1@8," },
	{ "windows: two of one pool overlap", "guestmemfs=a:2G@4G,1G@5G guestmemfs=b:1G@8G",
	  "a: two of i,b 1@8," },
	{ "windows: the same twice", "guestmemfs=a:1G@4G,1G@4G", "a: two of i," },
	{ "windows: the second ones of two pools overlap",
	  "guestmemfs=a:1G@4G,2G@8G guestmemfs=b:1G@5G,1G@9G guestmemfs=c:1G@6G",
	  "a: overlaps,b: overlaps,c 1@6," },
	{ "windows: one is empty", "guestmemfs=a:1G@4G,,1G@8G", "a: is not [," },
	{ "windows: a comma at the end", "guestmemfs=a:1G@4G,", "a: is not [," },
	{ "windows: a comma first", "guestmemfs=a:,1G@4G", "a: is not [," },
	{ "windows: one is malformed, and the others keep their addresses",
	  "guestmemfs=a:1G@4G,1G@5Gx guestmemfs=b:1G memmap=3G$4G", "a: is not [,b 1@6," },
	{ "windows: one that cannot be read, and who comes behind it",
	  "guestmemfs=a:1G@4G,1GB guestmemfs=b:1G memmap=3G$4G", "a: is not [,b: its plac," },
	{ "windows: no room for the second one", "guestmemfs=a:1G,2G memmap=1G$4G,1G$8G",
	  "a: no memma," },
	{ "windows: one beyond the last address", "guestmemfs=a:1G@4G,2E@15E", "a: reaches ," },
};

static void find_pools(const void *arg)
{
	const struct pools *p = arg;
	char *copy = exact_copy(p->cmdline, strlen(p->cmdline) + 1), got[512] = "";
	static struct gmfs_pool_arg pools[GMFS_MAX_POOLS + 1];
	unsigned int nr = gmfs_find_pools(copy, copy, 2 * M, pools), i, k;
	size_t n = 0;

	for (i = 0; i < nr; i++) {
		n += sprintf(got + n, "%.*s", (int)pools[i].name_len, pools[i].name);
		if (pools[i].why)
			n += sprintf(got + n, ": %.8s,", pools[i].why);
		for (k = 0; !pools[i].why && k < pools[i].nr_windows; k++)
			n += sprintf(got + n, "%c%llu@%llu%s", k ? '+' : ' ',
				     pools[i].windows[k].size / G, pools[i].windows[k].base / G,
				     k + 1 == pools[i].nr_windows ? "," : "");
	}
	expect(!strcmp(got, p->found), "%s", got);
	free(copy);
}

static void many_pools(const void *unused)
{
	static struct gmfs_pool_arg pools[GMFS_MAX_POOLS + 1];
	char line[8192];
	unsigned int i;
	size_t n = 0;

	for (i = 0; i < GMFS_MAX_POOLS; i++)
		n += sprintf(line + n, "guestmemfs=p%u:2M@%uM ", i, 2 * i);
	expect_eq(gmfs_find_pools(line, line, 2 * M, pools), GMFS_MAX_POOLS);
	for (i = 0; i < GMFS_MAX_POOLS; i++)
		expect(!pools[i].why && pools[i].windows[0].base == 2 * M * i, "%u: %s", i, pools[i].why);
	sprintf(line + n, "guestmemfs=more:2M@4G guestmemfs=p0:2M@0");
	expect_eq(gmfs_find_pools(line, line, 2 * M, pools), GMFS_MAX_POOLS + 1);
	for (i = 0; i < GMFS_MAX_POOLS; i++)
		expect(!pools[i].why, "%u: %s", i, pools[i].why);
	expect(strstr(pools[GMFS_MAX_POOLS].why, "more than 64"), "%s", pools[GMFS_MAX_POOLS].why);
}

/* As many windows as a pool can have, and one more. */
static void many_windows(const void *unused)
{
	static struct gmfs_pool_arg pools[GMFS_MAX_POOLS + 1];
	char line[2048] = "guestmemfs=a:2M@4G";
	size_t n = strlen(line);
	unsigned int i;

	for (i = 1; i < GMFS_MAX_WINDOWS; i++)
		n += sprintf(line + n, ",2M@%uM", 4096 + 4 * i);
	expect_eq(gmfs_find_pools(line, line, 2 * M, pools), 1);
	expect(!pools[0].why, "%s", pools[0].why);
	expect_eq(pools[0].nr_windows, GMFS_MAX_WINDOWS);
	for (i = 0; i < GMFS_MAX_WINDOWS; i++)
		expect_eq(pools[0].windows[i].base, 4 * G + 4 * M * i);
	sprintf(line + n, ",2M@1G guestmemfs=b:1G@8G");
	expect_eq(gmfs_find_pools(line, line, 2 * M, pools), 2);
	expect(strstr(pools[0].why, "more than 64 windows"), "%s", pools[0].why);
	expect(!pools[1].why, "%s", pools[1].why);
}

static bool is_inside(const struct gmfs_range *w, u64 base, u64 size)
{
	return w->base >= base && w->base + w->size <= base + size;
}

/* Whatever is asked for: windows of pools that are accepted do not overlap. */
static void random_windows(const void *unused)
{
	static struct gmfs_pool_arg pools[GMFS_MAX_POOLS + 1];
	struct gmfs_range *all[64], *w;
	u32 n, i, k, nr, nr_all, nr_pools, accepted = 0;
	char line[2048];

	for (n = 0; n < 20000; n++) {
		i = sprintf(line, "memmap=8G$4G memmap=4G$16G");
		nr_pools = 1 + rnd(4);
		for (k = 0; k < nr_pools; k++) {
			i += sprintf(line + i, " guestmemfs=p%u:", rnd(6));
			nr = 1 + rnd(3);
			while (nr--) {
				i += sprintf(line + i, "%uG", rnd(4));
				if (rnd(2))
					i += sprintf(line + i, "@%uG", 2 + rnd(18));
				if (nr || !rnd(20))
					line[i++] = ',';
			}
		}
		line[i] = '\0';
		expect_eq(gmfs_find_pools(line, line, 2 * M, pools), nr_pools);
		for (k = nr_all = 0; k < nr_pools; k++) {
			for (i = 0; !pools[k].why && i < pools[k].nr_windows; i++) {
				w = &pools[k].windows[i];
				expect(w->size, "%s", line);
				all[nr_all++] = w;
				accepted++;
			}
		}
		for (k = 0; k < nr_all; k++)
			for (i = 0; i < k; i++)
				expect(all[i]->base >= all[k]->base + all[k]->size ||
				       all[k]->base >= all[i]->base + all[i]->size, "%s", line);
		/* Without an address they are in a memmap= entry. */
		if (!strchr(line, '@'))
			for (k = 0; k < nr_all; k++)
				expect(is_inside(all[k], 4 * G, 8 * G) ||
				       is_inside(all[k], 16 * G, 4 * G), "%s", line);
	}
	expect(accepted > 1000, "%u", accepted);
}

/* region= of the module: its pools are not on the line that has the memmap= entries. */
static void module_pools(const void *unused)
{
	static struct gmfs_pool_arg pools[GMFS_MAX_POOLS + 1];

	expect_eq(gmfs_find_pools("guestmemfs=\"a:1G\" ", "guestmemfs=b:1G memmap=1G$4G", 2 * M,
				  pools), 1);
	expect(!pools[0].why && pools[0].windows[0].base == 4 * G, "%s", pools[0].why);
}

/* Arguments as next_arg() in the kernel's lib/cmdline.c gives them: "name|value/name/". */
static const struct args {
	const char *name, *cmdline, *args;
} args_table[] = {
	{ "arguments", " a b=1\tc=d=e\n", "a/b|1/c|d=e/" },
	{ "arguments: none", " \t", "" },
	{ "arguments: an empty value", "a= b", "a|/b/" },
	{ "arguments: = at the beginning", "=a =b=c", "=a/=b|c/" },
	{ "arguments: quotes around a value", "a=\"b c\" d", "a|b c/d/" },
	{ "arguments: quotes around all", "\"a=b c\" d", "a|b c/d/" },
	{ "arguments: quotes around both", "\"a=\"b c\"\" d", "a|b/c\"\"/d/" },
	{ "arguments: quotes inside", "a=b\"c d\"e f", "a|b\"c d\"e/f/" },
	{ "arguments: quotes in a name", "a\"b c\"d=e f", "a\"b c\"d|e/f/" },
	{ "arguments: an open quote", "a=\"b c", "a|b c/" },
	{ "arguments: only a quote", "a=\" ", "a| /" },
	{ "arguments: a quote and nothing", "a=\"", "a|/" },
	{ "arguments: --", "a -- b", "a/" },
	{ "arguments: --=", "--=a b", "--|a/b/" },
	{ "arguments: a byte that is a blank to the kernel", "a\xa0" "b", "a/b/" },
};

static void args(const void *arg)
{
	const struct args *a = arg;
	char *copy = exact_copy(a->cmdline, strlen(a->cmdline) + 1), got[128] = "";
	const char *pos = copy;
	struct gmfs_arg one;

	while (gmfs_next_arg(&pos, &one)) {
		strncat(got, one.name, one.name_len);
		if (one.value) {
			strcat(got, "|");
			strncat(got, one.value, one.value_len);
		}
		strcat(got, "/");
	}
	expect(!strcmp(got, a->args), "%s", got);
	free(copy);
}

/*
 * Which 1 GiB of memory KASLR may choose, of eight from 4 GiB on: a bit each. Derived
 * from handle_mem_options(), mem_avoid_memmap(), parse_memmap() and
 * find_random_phys_addr() in arch/x86/boot/compressed/kaslr.c.
 */
static const struct kaslr_line {
	const char *name, *cmdline;
	unsigned int may;
} kaslr_lines[] = {
#define FOUR "memmap=1G$4G memmap=1G$5G memmap=1G$6G memmap=1G$7G"
	{ "kaslr: nothing said", "quiet", 0xff },
	{ "kaslr: one", "memmap=1G$4G", 0xfe },
	{ "kaslr: four", FOUR, 0xf0 },
	{ "kaslr: a fifth parameter is not seen, and nothing is off", FOUR " memmap=1G$8G", 0xf0 },
	{ "kaslr: nor is a sixth with a list", FOUR " memmap=1G$8G,1G$9G", 0xf0 },
	{ "kaslr: a list of four", "memmap=1G$4G,1G$5G,1G$6G,1G$7G", 0xf0 },
	{ "kaslr: a list of five turns it off", "memmap=1G$4G,1G$5G,1G$6G,1G$7G,1G$8G", 0 },
	{ "kaslr: a list that is cut turns it off",
	  "memmap=1G$4G memmap=1G$5G memmap=1G$6G memmap=1G$7G,1G$8G", 0 },
	{ "kaslr: an empty rest of a list, too",
	  "memmap=1G$4G memmap=1G$5G memmap=1G$6G memmap=1G$7G,", 0 },
	{ "kaslr: a list of three and a list of one", "memmap=1G$4G,1G$5G,1G$6G memmap=1G$7G", 0xf0 },
	{ "kaslr: # and ! count", "memmap=1G#4G memmap=1G!5G memmap=2G$6G", 0xf0 },
	{ "kaslr: @ does not", "memmap=4G@4G memmap=1G@8G " FOUR, 0xf0 },
	{ "kaslr: nor does address 0, which is a limit", "memmap=8G$0 " FOUR, 0 },
	{ "kaslr: a limit by memmap=", "memmap=6G", 0x03 },
	{ "kaslr: the lowest limit", "mem=8G memmap=6G mem=7G", 0x03 },
	{ "kaslr: % is a limit, too", "memmap=6G%8G-1+2", 0x03 },
	{ "kaslr: a limit does not count", "memmap=64G " FOUR, 0xf0 },
	{ "kaslr: a limit behind the fourth", FOUR " memmap=6G mem=10G", 0x30 },
	{ "kaslr: exactmap", "memmap=exactmap memmap=1G$4G", 0xfe },
	{ "kaslr: exactmap ends its list", "memmap=1G$4G,exactmap,1G$5G", 0xfe },
	{ "kaslr: so does an entry that is none", "memmap=1G$4G,x,1G$5G memmap=1G$6G", 0xfa },
	{ "kaslr: junk behind an entry does not", "memmap=1G$4Gx,1G$5G", 0xfc },
	{ "kaslr: exactmap is no cut", "memmap=1G$4G,1G$5G,1G$6G,exactmap,1G$7G", 0xf8 },
	{ "kaslr: nokaslr", "nokaslr", 0 },
	{ "kaslr: nokaslr behind --", "-- nokaslr", 0 },
	{ "kaslr: nokaslr in quotes", "x=\"y nokaslr z\"", 0 },
	{ "kaslr: nokaslr in a word", "xnokaslr nokaslrx nokaslr=1", 0xff },
	{ "kaslr: nothing behind --", "-- memmap=1G$4G", 0xff },
	{ "kaslr: nothing in others' quotes", "x=\"y memmap=1G$4G\"", 0xff },
	{ "kaslr: in its own quotes", "memmap=\"1G$4G,1G$5G\"", 0xfc },
	{ "kaslr: a mem= that is none ends it", "memmap=1G$4G mem=0 memmap=1G$5G", 0xfe },
	{ "kaslr: mem=nopentium does not", "mem=nopentium memmap=1G$5G", 0xfd },
	{ "kaslr: hugepages= does not", "hugepagesz=1G hugepages=4 memmap=1G$5G", 0xfd },
	{ "kaslr: xmemmap= is another", "xmemmap=1G$4G memmapx=1G$5G", 0xff },
	{ "kaslr: what wraps around keeps nothing off", "memmap=0x3fffffffffffffK$4G", 0xff },
	{ "kaslr: nothing beyond 2,047 bytes",
	  "memmap=1G$4G " X255 X255 X255 X255 X255 X255 X255 X255 " memmap=1G$5G", 0xfe },
};

static void kaslr(const void *arg)
{
	const struct kaslr_line *l = arg;
	char *copy = exact_copy(l->cmdline, strlen(l->cmdline) + 1);
	unsigned int may = 0, i;
	struct kaslr k;

	read_kaslr(copy, &k);
	for (i = 0; i < 8; i++)
		may |= !kaslr_avoids(&k, (4 + i) * G, G) << i;
	expect_eq(may, l->may);
	/* Ranges together are kept off if each is, and not if one is not. */
	expect_eq(kaslr_avoids(&k, 4 * G, 2 * G), !(may & 3));
	expect_eq(kaslr_avoids(&k, 4 * G, 8 * G), !may);
	expect_eq(kaslr_avoids(&k, 4 * G + 2 * M, 3 * G), !(may & 15));
	free(copy);
}

static const struct use {
	const char *name, *cmdline;
	bool reserved;		/* 2 GiB at 4 GiB */
	char use;
	u64 limit;
} uses[] = {
	{ "memory: reserved", "memmap=2G$4G", true, 0, ~0ULL },
	{ "memory: by two entries", "memmap=1G$5G memmap=1G$4G", true, 0, ~0ULL },
	{ "memory: but for the last byte", "memmap=0x7fffffff$4G", false, 0, ~0ULL },
	{ "memory: but for the first byte", "memmap=2G$0x100000001", false, 0, ~0ULL },
	{ "memory: behind --", "-- memmap=2G$4G mem=1G", false, 0, ~0ULL },
	{ "memory: wraps around", "memmap=0x3fffffffffffffK$4G", false, 0, ~0ULL },
	{ "memory: pmem wraps around", "memmap=2G$4G memmap=0x3fffffffffffffK!4G", true, '!', ~0ULL },
	{ "memory: exactmap first", "memmap=exactmap,8G@0,2G$4G", true, 0, ~0ULL },
	{ "memory: exactmap drops it", "memmap=2G$4G memmap=exactmap memmap=8G@0", false, 0, ~0ULL },
	{ "memory: RAM and reserved is reserved", "memmap=2G$4G memmap=8G@0", true, 0, ~0ULL },
	{ "memory: pmem in it", "memmap=2G$4G memmap=1M!5G", true, '!', ~0ULL },
	{ "memory: ACPI data in it", "memmap=1M#5G memmap=2G$4G", true, '#', ~0ULL },
	{ "memory: pmem beside it", "memmap=2G$4G memmap=1G!6G,1G!3G", true, 0, ~0ULL },
	{ "memory: made RAM again", "memmap=2G$4G memmap=1G%4G-2+1", true, '%', ~0ULL },
	{ "memory: taken out", "memmap=2G$4G memmap=1G%4G-2", true, '%', ~0ULL },
	{ "memory: made reserved", "memmap=2G$4G memmap=1G%4G-1+2", true, 0, ~0ULL },
	{ "memory: dropped by exactmap", "memmap=1G!4G memmap=exactmap memmap=2G$4G", true, 0, ~0ULL },
	{ "memory: limits", "memmap=2G$4G mem=64G memmap=32G mem=nopentium mem=0", true, 0, 32 * G },
	{ "memory: a limit in others' quotes", "memmap=2G$4G x=\"y mem=1G\"", true, 0, ~0ULL },
};

static void memory(const void *arg)
{
	const struct use *u = arg;

	expect_eq(is_reserved(u->cmdline, 4 * G, 2 * G), u->reserved);
	expect_eq(other_use(u->cmdline, 4 * G, 2 * G), u->use);
	expect_eq(memory_limit(u->cmdline), u->limit);
}

static const struct module {
	const char *name, *cmdline, *option, *kept_out;
	bool encrypts;
} modules[] = {
	{ "module: nothing said", "quiet" },
	{ "module: its option", "guestmemfs.region=1G@4G", "guestmemfs=\"1G@4G\" " },
	{ "module: several", "guestmemfs.region=1G@4G x guestmemfs.region=\"a:1G@5G\"",
	  "guestmemfs=\"1G@4G\" guestmemfs=\"a:1G@5G\" " },
	{ "module: modprobe does not stop at --", "-- guestmemfs.region=1G@4G",
	  "guestmemfs=\"1G@4G\" " },
	{ "module: an option without a value", "guestmemfs.region", "guestmemfs=\"\" " },
	{ "module: another's option", "xguestmemfs.region=1G guestmemfs.regio=1G" },
	{ "module: module_blacklist", "module_blacklist=a,guestmemfs,b", NULL, "module_blacklist=" },
	{ "module: dashes", "module-blacklist=guestmemfs", NULL, "module_blacklist=" },
	{ "module: the last module_blacklist", "module_blacklist=guestmemfs module_blacklist=b" },
	{ "module: module_blacklist of others", "module_blacklist=xguestmemfs,guestmemfsx" },
	{ "module: the kernel stops at --", "-- module_blacklist=guestmemfs" },
	{ "module: modprobe.blacklist", "modprobe.blacklist=guestmemfs modprobe.blacklist=a",
	  NULL, "modprobe.blacklist=" },
	{ "module: initcall_blacklist", "initcall_blacklist=a,gmfs_init", NULL, "initcall_blacklist=" },
	{ "module: mem_encrypt", "mem_encrypt=on", NULL, NULL, true },
	{ "module: mem_encrypt, off later", "mem_encrypt=on mem_encrypt=off" },
	{ "module: mem_encrypt, on later", "mem_encrypt=off mem_encrypt=on", NULL, NULL, true },
	{ "module: mem_encrypt behind --", "-- mem_encrypt=on", NULL, NULL, true },
	{ "module: mem_encrypt in a word", "xmem_encrypt=on mem_encrypt=onx" },
};

static void module(const void *arg)
{
	const struct module *m = arg;
	char *got = module_options(m->cmdline, "guestmemfs.region");
	const char *out;

	expect(!got == !m->option);
	expect(!got || !strcmp(got, m->option), "%s", got);
	free(got);
	out = module_is_kept_out(m->cmdline);
	expect(!out == !m->kept_out && (!out || !strcmp(out, m->kept_out)), "%s", out);
	expect_eq(encrypts_memory(m->cmdline), m->encrypts);
}

void cmdline_tests(void)
{
	run_table("cmdline", line, lines);
	run_table("cmdline", find_pools, pools_table);
	unit_run("cmdline", "64 pools, and more", many_pools, NULL);
	unit_run("cmdline", "64 windows, and more", many_windows, NULL);
	unit_run("cmdline", "windows do not overlap", random_windows, NULL);
	unit_run("cmdline", "pools of the module's option", module_pools, NULL);
	run_table("cmdline", args, args_table);
	run_table("cmdline", kaslr, kaslr_lines);
	run_table("cmdline", memory, uses);
	run_table("cmdline", module, modules);
}
