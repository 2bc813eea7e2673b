// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where the pools are: guestmemfs=[NAME:]SIZE[@ADDR] and memmap=SIZE$ADDR on the
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

/**
 * struct taken - the pools that have a place
 * @pools: all pools; one without a size has no place yet
 * @nr: how many
 */
struct taken {
	const struct gmfs_pool_arg *pools;
	unsigned int nr;
};

static bool overlap(const struct gmfs_pool_arg *p, u64 base, u64 size)
{
	return p->size && base < p->base + p->size && p->base < base + size;
}

/* The lowest multiple of @align in a range from which on @size bytes are free. */
static bool find_room(const struct taken *t, u64 align, u64 a, u64 n, u64 size, u64 *base)
{
	u64 start = ALIGN(a, align), next;
	unsigned int i;

	for (i = 0; i < t->nr; i++) {
		if (start < a || start - a > n || n - (start - a) < size)
			return false;
		if (overlap(&t->pools[i], start, size)) {
			next = ALIGN(t->pools[i].base + t->pools[i].size, align);
			if (next <= start)
				return false;
			start = next;
			i = -1;
		}
	}
	*base = start;
	return true;
}

/* The first memmap=n$a entry that has room for @size bytes. */
static bool find_memmap(const char *cmdline, const struct taken *t, u64 align, u64 size,
			u64 *base)
{
	const char *pos = cmdline, *p, *end, *next;
	struct gmfs_arg arg;
	bool reserved;
	u64 n, a = 0;

	while (gmfs_next_arg(&pos, &arg)) {
		if (!arg.value || !gmfs_arg_is(&arg, "memmap"))
			continue;
		end = arg.value + arg.value_len;
		for (p = arg.value; p < end; p = next + 1) {
			next = p;
			if (!parse(p, '$', &next, &a, &n, &reserved) && reserved &&
			    find_room(t, align, a, n, size, base))
				return true;
			while (next < end && *next != ',')
				next++;
		}
	}
	return false;
}

static bool is_name(const char *name, size_t len)
{
	size_t i;

	/* The kernel's isalnum() takes Latin-1, too. */
	for (i = 0; i < len; i++)
		if (!name[i] || (unsigned char)name[i] > 127 ||
		    (!isalnum(name[i]) && !strchr("-_.", name[i])))
			return false;
	return len && len <= GMFS_MAX_POOL_NAME && name[0] != '.' &&
	       !(len == 6 && !memcmp(name, "active", 6));
}

static bool same_name(const struct gmfs_pool_arg *a, const struct gmfs_pool_arg *b)
{
	return a->name_len == b->name_len && !memcmp(a->name, b->name, a->name_len);
}

/**
 * gmfs_pool_is - whether a pool has that name
 * @pool: the pool
 * @name: the name
 *
 * Return: true if it has.
 */
bool gmfs_pool_is(const struct gmfs_pool_arg *pool, const char *name)
{
	struct gmfs_pool_arg other = { .name = name, .name_len = strlen(name) };

	return same_name(pool, &other);
}

#define UNREADABLE	(~0ULL)		/* a size for which there is never room */

/*
 * Reads [NAME:]SIZE[@ADDR], and what is readable also of one that is refused. Without an
 * address @size stays 0, and *@wanted has it.
 */
static void read_pool(struct gmfs_pool_arg *p, const struct gmfs_arg *arg, u64 *wanted)
{
	static const char malformed[] =
		"is not [NAME:]SIZE or [NAME:]SIZE@ADDR, as in guestmemfs=10G";
	const char *end, *at = memchr(arg->value, ':', arg->value_len);
	u64 base = 0, size;
	bool has_base;

	*p = (struct gmfs_pool_arg){
		.value = arg->value,
		.value_len = arg->value_len,
		.name = at ? arg->value : GMFS_DEFAULT_POOL,
		.name_len = at ? (size_t)(at - arg->value) : strlen(GMFS_DEFAULT_POOL),
	};
	*wanted = 0;
	if (!is_name(p->name, p->name_len))
		p->why = "a pool's name has 1 to 64 letters, digits, '-', '_' and '.', begins with no '.', and is not \"active\"";
	at = at ? at + 1 : arg->value;
	if (parse(at, '@', &end, &base, &size, &has_base)) {
		p->why = p->why ?: malformed;
		*wanted = UNREADABLE;
		return;
	}
	if (end != arg->value + arg->value_len || !size) {
		p->why = p->why ?: malformed;
		if (!has_base)
			size = UNREADABLE;
	}
	if (!has_base) {
		*wanted = size;
	} else if (base + size < base) {
		p->why = p->why ?: "reaches beyond the last address";
	} else if (size) {
		p->base = base;
		p->size = size;
	}
}

/* Pools that share a name or an address are refused, each of them. */
static void compare(struct gmfs_pool_arg *pools, unsigned int nr)
{
	struct gmfs_pool_arg *p, *q;
	const char *why;

	for (p = pools; p < pools + nr; p++) {
		for (q = pools; q < p; q++) {
			if (same_name(p, q))
				why = "two pools have that name: give each its own, as in guestmemfs=NAME:10G";
			else if (overlap(p, q->base, q->size))
				why = "overlaps another pool: give each its own addresses";
			else
				continue;
			p->why = why;
			q->why = why;
		}
	}
}

/**
 * gmfs_find_pools - find the pools that a command line asks for
 * @args: the command line with guestmemfs= arguments
 * @memmaps: the command line with memmap= arguments
 * @align: size of a block in bytes, a power of two
 * @pools: set, in the order of the command line
 *
 * A pool without an address gets the first memmap=SIZE$ADDR entry that has room beside
 * the pools with addresses and those before it. A pool that is refused keeps its
 * addresses, and its place in this order: they may hold its files. If its place cannot be
 * told, those behind it that have no address are refused, too.
 *
 * Return: how many @pools are set. Of more than GMFS_MAX_POOLS the last one has a @why.
 */
unsigned int gmfs_find_pools(const char *args, const char *memmaps, u64 align,
			     struct gmfs_pool_arg pools[GMFS_MAX_POOLS + 1])
{
	u64 wanted[GMFS_MAX_POOLS + 1];
	struct taken t = { .pools = pools };
	struct gmfs_arg arg;
	bool lost = false;
	unsigned int i;

	while (gmfs_next_arg(&args, &arg)) {
		if (!arg.value || !gmfs_arg_is(&arg, "guestmemfs"))
			continue;
		read_pool(&pools[t.nr], &arg, &wanted[t.nr]);
		if (t.nr++ == GMFS_MAX_POOLS) {
			pools[GMFS_MAX_POOLS].why = "this pool and those behind it are more than 64: leave some out";
			break;
		}
	}
	compare(pools, t.nr);
	for (i = 0; i < t.nr; i++) {
		if (!wanted[i])
			continue;
		if (lost) {
			pools[i].why = pools[i].why ?: "its place depends on a pool before it that has none: give it an address, as in guestmemfs=NAME:10G@64G";
			continue;
		}
		if (find_memmap(memmaps, &t, align, wanted[i], &pools[i].base)) {
			pools[i].size = wanted[i];
			continue;
		}
		lost = true;
		pools[i].why = pools[i].why ?: "no memmap=SIZE$ADDR on the kernel command line holds it; does the boot loader need the $ escaped?";
	}
	return t.nr;
}
