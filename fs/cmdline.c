// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where the region is: guestmemfs=SIZE[@ADDR] and memmap=SIZE$ADDR on the
 * kernel command line.
 *
 * Pure code: compiled into the module, into KUnit and into userspace tests.
 */
#include <linux/ctype.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/string.h>

#include "cmdline.h"

static bool ends(const char *p)
{
	return !*p || isspace(*p);
}

/* SIZE, then @sep and ADDR. Whether there was an address is in *@has_base. */
static int parse(const char *p, char sep, const char **end, u64 *base,
		 u64 *size, bool *has_base)
{
	char *next;

	if (!isdigit(*p))
		return -EINVAL;
	*size = memparse(p, &next);
	*has_base = *next == sep;
	if (*has_base) {
		if (!isdigit(next[1]))
			return -EINVAL;
		*base = memparse(next + 1, &next);
	}
	*end = next;
	return 0;
}

/**
 * gmfs_parse_region - read "SIZE@ADDR"
 * @text: what the user wrote; sizes and addresses may end in K, M, G or T
 * @base: physical address in bytes, set on success
 * @size: bytes, set on success
 *
 * Return: 0, or -EINVAL.
 */
int gmfs_parse_region(const char *text, u64 *base, u64 *size)
{
	u64 b = 0, s = 0;
	const char *end;
	bool has_base;

	if (parse(text, '@', &end, &b, &s, &has_base) || !has_base || *end)
		return -EINVAL;
	*base = b;
	*size = s;
	return 0;
}

/* The value of the last "@key=" on the command line, as the kernel has it. */
static const char *find_last(const char *cmdline, const char *key)
{
	const char *p, *found = NULL;

	for (p = strstr(cmdline, key); p; p = strstr(p + 1, key))
		if (p == cmdline || isspace(p[-1]))
			found = p + strlen(key);
	return found;
}

/* The first memmap=n$a entry that holds @size bytes from a multiple of @align on. */
static bool find_memmap(const char *cmdline, u64 align, u64 size, u64 *base)
{
	const char *p, *next;
	u64 n, a = 0, start;
	bool reserved;

	for (p = strstr(cmdline, "memmap="); p; p = strstr(p, "memmap=")) {
		if (p != cmdline && !isspace(p[-1])) {
			p++;
			continue;
		}
		p += strlen("memmap=");
		while (!parse(p, '$', &next, &a, &n, &reserved)) {
			start = ALIGN(a, align);
			if (reserved && start >= a && start - a <= n &&
			    n - (start - a) >= size) {
				*base = start;
				return true;
			}
			while (!ends(next) && *next != ',')
				next++;
			if (*next != ',')
				break;
			p = next + 1;
		}
	}
	return false;
}

/**
 * gmfs_find_region - find the region on a kernel command line
 * @cmdline: the command line
 * @align: size of a block in bytes, a power of two
 * @base: physical address in bytes, set on success
 * @size: bytes, set on success
 * @why: what is wrong and what to do, set on failure
 *
 * Return: 0; -ENODEV if guestmemfs= is missing; -EINVAL if it makes no sense or
 * no memmap= entry holds it.
 */
int gmfs_find_region(const char *cmdline, u64 align, u64 *base, u64 *size,
		     const char **why)
{
	const char *p = find_last(cmdline, "guestmemfs="), *end;
	u64 b = 0, s = 0;
	bool has_base;

	if (!p) {
		*why =
			"no region: boot with guestmemfs=SIZE memmap=SIZE$ADDR, or load with region=SIZE@ADDR";
		return -ENODEV;
	}
	if (parse(p, '@', &end, &b, &s, &has_base) || !ends(end) || !s) {
		*why =
			"guestmemfs= is not SIZE or SIZE@ADDR, as in guestmemfs=10G";
		return -EINVAL;
	}
	if (!has_base && !find_memmap(cmdline, align, s, &b)) {
		*why =
			"no memmap=SIZE$ADDR on the kernel command line holds guestmemfs=; does the boot loader need the $ escaped?";
		return -EINVAL;
	}
	*base = b;
	*size = s;
	return 0;
}
