// SPDX-License-Identifier: GPL-2.0-only
#include <linux/errno.h>

#include "bootline.h"
#include "cmdline.h"
#include "unit.h"

#define M	0x100000ULL
#define G	0x40000000ULL

static const struct line {
	const char *name, *cmdline;
	int err;
	u64 base, size;
	const char *why;
} lines[] = {
#define GOOD(name, line, base, size)	{ name, line, 0, base, size, NULL }
#define NONE(name, line)		{ name, line, -ENODEV, 0, 0, "no region" }
#define BAD(name, line, why)		{ name, line, -EINVAL, 0, 0, why }
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
	GOOD("last guestmemfs= wins", "guestmemfs=2G@1G guestmemfs=1G@5G", 5 * G, G),
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
	BAD("empty value", "guestmemfs= memmap=1G$4G", "is not SIZE"),
	BAD("no size", "guestmemfs=@4G memmap=1G$4G", "is not SIZE"),
	BAD("size 0", "guestmemfs=0 memmap=1G$4G", "is not SIZE"),
	BAD("size 0 with address", "guestmemfs=0@4G", "is not SIZE"),
	BAD("negative size", "guestmemfs=-1G memmap=1G$4G", "is not SIZE"),
	BAD("no number", "guestmemfs=G memmap=1G$4G", "is not SIZE"),
	BAD("no address after @", "guestmemfs=1G@ memmap=1G$4G", "is not SIZE"),
	BAD("negative address", "guestmemfs=1G@-4G", "is not SIZE"),
	BAD("trailing junk", "guestmemfs=1GB memmap=1G$4G", "is not SIZE"),
	BAD("junk after the address", "guestmemfs=1G@4G,2G", "is not SIZE"),
	BAD("last guestmemfs= is bad", "guestmemfs=1G guestmemfs=x memmap=1G$4G", "is not SIZE"),
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
	BAD("a blank in the quotes", "guestmemfs=\"1G \" memmap=1G$4G", "is not SIZE"),
	BAD("a quote at the end", "guestmemfs=1G\" memmap=1G$4G", "is not SIZE"),
	BAD("only xmemmap=", "guestmemfs=1G xmemmap=1G$4G", "holds"),
};

static void line(const void *arg)
{
	const struct line *l = arg;
	char *copy = exact_copy(l->cmdline, strlen(l->cmdline) + 1);
	u64 base = 77, size = 77;
	const char *why = NULL;

	expect_eq(gmfs_find_region(copy, 2 * M, &base, &size, &why), l->err);
	expect(!why == !l->err, "said '%s'", why);
	if (l->err)
		expect(strstr(why, l->why), "said '%s'", why);
	expect_eq(base, l->err ? 77 : l->base);
	expect_eq(size, l->err ? 77 : l->size);
	free(copy);
}

static const struct region {
	const char *name, *text;
	int err;
	u64 base, size;
} regions[] = {
	{ "region=", "1G@4G", 0, 4 * G, G },
	{ "region= with more", "1G@4G more", -EINVAL },
	{ "region= in hexadecimal", "0x200000@0x100000000", 0, 4 * G, 2 * M },
	{ "region= without address", "1G", -EINVAL },
	{ "region= empty", "", -EINVAL },
	{ "region= with $", "1G$4G", -EINVAL },
	{ "region= without size", "@4G", -EINVAL },
	{ "region= without address after @", "1G@", -EINVAL },
	{ "region= with junk", "1G@4Gx", -EINVAL },
};

static void region(const void *arg)
{
	const struct region *r = arg;
	char *copy = exact_copy(r->text, strlen(r->text) + 1);
	u64 base = 77, size = 77;

	expect_eq(gmfs_parse_region(copy, &base, &size), r->err);
	expect_eq(base, r->err ? 77 : r->base);
	expect_eq(size, r->err ? 77 : r->size);
	free(copy);
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
	{ "module: its option", "guestmemfs.region=1G@4G", "1G@4G" },
	{ "module: the last one", "guestmemfs.region=1G@4G guestmemfs.region=\"1G@5G\"", "1G@5G" },
	{ "module: modprobe does not stop at --", "-- guestmemfs.region=1G@4G", "1G@4G" },
	{ "module: an option without a value", "guestmemfs.region", "" },
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
	const char *got, *out;
	size_t len = 77;

	got = module_option(m->cmdline, "guestmemfs.region", &len);
	expect(!got == !m->option);
	expect(!got || (len == strlen(m->option) && !memcmp(got, m->option, len)));
	out = module_is_kept_out(m->cmdline);
	expect(!out == !m->kept_out && (!out || !strcmp(out, m->kept_out)), "%s", out);
	expect_eq(encrypts_memory(m->cmdline), m->encrypts);
}

void cmdline_tests(void)
{
	run_table("cmdline", line, lines);
	run_table("cmdline", region, regions);
	run_table("cmdline", args, args_table);
	run_table("cmdline", kaslr, kaslr_lines);
	run_table("cmdline", memory, uses);
	run_table("cmdline", module, modules);
}
