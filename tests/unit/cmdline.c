// SPDX-License-Identifier: GPL-2.0-only
#include <linux/errno.h>

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

void cmdline_tests(void)
{
	run_table("cmdline", line, lines);
	run_table("cmdline", region, regions);
	run_table("cmdline", args, args_table);
}
