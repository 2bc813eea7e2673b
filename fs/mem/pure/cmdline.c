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

/* As the kernel's isspace(), which the C library's is not for bytes above 127. */
static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r') || (unsigned char)c == 0xa0;
}

/**
 * gmfs_next_arg - read one argument of a kernel command line
 * @pos: where to begin; set to the argument's end
 * @arg: the argument
 *
 * Quotes as next_arg() in lib/cmdline.c reads them, and as parse_args() in
 * kernel/params.c an argument "--" ends what the kernel reads.
 *
 * Return: false at the end of the line, where *@pos is the NUL, and at "--".
 */
bool gmfs_next_arg(const char **pos, struct gmfs_arg *arg)
{
	const char *p = *pos, *end, *equals = NULL;
	bool quoted, in_quote;

	while (is_space(*p))
		p++;
	quoted = *p == '"';
	in_quote = quoted;
	p += quoted;
	for (end = p; *end && (in_quote || !is_space(*end)); end++) {
		if (!equals && *end == '=' && end > p)
			equals = end;
		if (*end == '"')
			in_quote = !in_quote;
	}
	*pos = end;
	*arg = (struct gmfs_arg){ .name = p };
	if (equals) {
		arg->value = equals + 1;
		if (*arg->value == '"') {
			arg->value++;
			quoted = true;
		}
	}
	/* One quote at the end is the pair of one at the beginning. */
	if (quoted && end > p && end[-1] == '"')
		end--;
	arg->name_len = (equals ?: end) - p;
	if (equals && end > arg->value)
		arg->value_len = end - arg->value;
	if (!equals && arg->name_len == 2 && !memcmp(p, "--", 2))
		return false;
	return **pos || quoted || *pos > p;
}

/**
 * gmfs_arg_is - whether an argument is of that name
 * @arg: the argument
 * @name: the name; dashes and underscores are equal, as in kernel/params.c
 *
 * Return: true if it is.
 */
bool gmfs_arg_is(const struct gmfs_arg *arg, const char *name)
{
	size_t i;

	for (i = 0; i < arg->name_len; i++)
		if (arg->name[i] != name[i] &&
		    !(arg->name[i] == '-' && name[i] == '_') &&
		    !(arg->name[i] == '_' && name[i] == '-'))
			return false;
	return !name[i];
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

/* The first memmap=n$a entry that holds @size bytes from a multiple of @align on. */
static bool find_memmap(const char *cmdline, u64 align, u64 size, u64 *base)
{
	const char *pos = cmdline, *p, *end, *next;
	struct gmfs_arg arg;
	u64 n, a = 0, start;
	bool reserved;

	while (gmfs_next_arg(&pos, &arg)) {
		if (!arg.value || !gmfs_arg_is(&arg, "memmap"))
			continue;
		end = arg.value + arg.value_len;
		for (p = arg.value; p < end; p = next + 1) {
			next = p;
			if (!parse(p, '$', &next, &a, &n, &reserved) && reserved) {
				start = ALIGN(a, align);
				if (start >= a && start - a <= n && n - (start - a) >= size) {
					*base = start;
					return true;
				}
			}
			while (next < end && *next != ',')
				next++;
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
	struct gmfs_arg arg, last = { 0 };
	const char *pos = cmdline, *end;
	u64 b = 0, s = 0;
	bool has_base;

	while (gmfs_next_arg(&pos, &arg))
		if (arg.value && gmfs_arg_is(&arg, "guestmemfs"))
			last = arg;
	if (!last.value) {
		*why =
			"no region: boot with guestmemfs=SIZE memmap=SIZE$ADDR, or load with region=SIZE@ADDR";
		return -ENODEV;
	}
	if (parse(last.value, '@', &end, &b, &s, &has_base) ||
	    end != last.value + last.value_len || !s) {
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
