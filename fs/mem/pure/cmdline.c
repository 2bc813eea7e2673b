// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where the pools are: guestmemfs=[NAME:]SIZE[@ADDR][,SIZE[@ADDR]]... and memmap=SIZE$ADDR on
 * the kernel command line.
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
 * struct taken - the windows that have a place
 * @pools: all pools; a window of no size has no place yet
 * @nr: how many
 */
struct taken {
	const struct gmfs_pool_arg *pools;
	unsigned int nr;
};

static bool overlap(const struct gmfs_range *w, u64 base, u64 size)
{
	return w->size && base < w->base + w->size && w->base < base + size;
}

/* A window that has a place in that range, or NULL. */
static const struct gmfs_range *find_taken(const struct taken *t, u64 base, u64 size)
{
	const struct gmfs_pool_arg *p;
	unsigned int i;

	for (p = t->pools; p < t->pools + t->nr; p++)
		for (i = 0; i < p->nr_windows; i++)
			if (overlap(&p->windows[i], base, size))
				return &p->windows[i];
	return NULL;
}

/* The lowest multiple of @align in a range from which on @size bytes are free. */
static bool find_room(const struct taken *t, u64 align, u64 a, u64 n, u64 size, u64 *base)
{
	u64 start = ALIGN(a, align), next;
	const struct gmfs_range *w;

	for (;; start = next) {
		if (start < a || start - a > n || n - (start - a) < size)
			return false;
		w = find_taken(t, start, size);
		if (!w)
			break;
		next = ALIGN(w->base + w->size, align);
		if (next <= start)
			return false;
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
			if (!parse(p, '$', &next, &a, &n, &reserved) && reserved && a + n >= a &&
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

/* What stands for a size that cannot be read, or is 0: there is never room for it. */
#define UNREADABLE	(~0ULL)

/* What a window is like that is still without a place. */
static bool is_lost(const struct gmfs_range *w)
{
	return !w->size && w->base;
}

/*
 * Reads SIZE[@ADDR], and what is readable also of one that is refused. Without an address
 * @size stays 0, and @base has the size that it wants. Returns what is wrong, or NULL.
 */
static const char *read_window(struct gmfs_range *w, const char *text, const char *text_end)
{
	static const char malformed[] =
		"is not [NAME:]SIZE[@ADDR][,SIZE[@ADDR]]..., as in guestmemfs=10G";
	const char *end, *why = NULL;
	u64 base = 0, size;
	bool has_base;

	*w = (struct gmfs_range){ .base = text == text_end ? 0 : UNREADABLE };
	if (parse(text, '@', &end, &base, &size, &has_base))
		return malformed;
	if (end != text_end || !size) {
		why = malformed;
		if (!has_base)
			return why;
	}
	if (!has_base) {
		w->base = size;
	} else if (base + size < base) {
		w->base = 0;
		why = why ?: "reaches beyond the last address";
	} else {
		*w = (struct gmfs_range){ base, size };
		if (!size)
			w->base = 0;
	}
	return why;
}

static void read_pool(struct gmfs_pool_arg *p, const struct gmfs_arg *arg)
{
	const char *colon = memchr(arg->value, ':', arg->value_len);
	const char *end = arg->value + arg->value_len, *at, *comma, *why;

	p->value = arg->value;
	p->value_len = arg->value_len;
	p->name = colon ? arg->value : GMFS_DEFAULT_POOL;
	p->name_len = colon ? (size_t)(colon - arg->value) : strlen(GMFS_DEFAULT_POOL);
	p->nr_windows = 0;
	p->why = NULL;
	if (!is_name(p->name, p->name_len))
		p->why = "a pool's name has 1 to 64 letters, digits, '-', '_' and '.', begins with no '.', and is not \"active\"";
	for (at = colon ? colon + 1 : arg->value; ; at = comma + 1) {
		comma = memchr(at, ',', end - at);
		if (p->nr_windows == GMFS_MAX_WINDOWS) {
			p->why = p->why ?: "has more than 64 windows: make larger ones, or two pools";
			return;
		}
		why = read_window(&p->windows[p->nr_windows++], at, comma ?: end);
		p->why = p->why ?: why;
		if (!comma)
			return;
	}
}

/* Whether a window of the first lies where one of the second does; itself does not count. */
static bool pools_overlap(const struct gmfs_pool_arg *a, const struct gmfs_pool_arg *b)
{
	unsigned int i, k;

	for (i = 0; i < a->nr_windows; i++)
		for (k = 0; k < (a == b ? i : b->nr_windows); k++)
			if (a->windows[i].size &&
			    overlap(&b->windows[k], a->windows[i].base, a->windows[i].size))
				return true;
	return false;
}

/* Pools that share a name or an address are refused, each of them. */
static void compare(struct gmfs_pool_arg *pools, unsigned int nr)
{
	struct gmfs_pool_arg *p, *q;
	const char *why;

	for (p = pools; p < pools + nr; p++) {
		if (pools_overlap(p, p))
			p->why = p->why ?: "two of its windows overlap: give each its own addresses";
		for (q = pools; q < p; q++) {
			if (same_name(p, q))
				why = "two pools have that name: give each its own, as in guestmemfs=NAME:10G";
			else if (pools_overlap(p, q))
				why = "overlaps another pool: give each its own addresses";
			else
				continue;
			p->why = why;
			q->why = why;
		}
	}
}

/* Finds places for the windows of a pool that have none. Returns false if one gets none. */
static bool place_pool(const char *memmaps, const struct taken *t, u64 align,
		       struct gmfs_pool_arg *p)
{
	struct gmfs_range *w;
	u64 base;

	for (w = p->windows; w < p->windows + p->nr_windows; w++) {
		if (!is_lost(w))
			continue;
		if (w->base == UNREADABLE ||
		    !find_memmap(memmaps, t, align, w->base, &base))
			return false;
		*w = (struct gmfs_range){ base, w->base };
	}
	return true;
}

static bool has_lost(const struct gmfs_pool_arg *p)
{
	unsigned int i;

	for (i = 0; i < p->nr_windows; i++)
		if (is_lost(&p->windows[i]))
			return true;
	return false;
}

/**
 * gmfs_find_pools - find the pools that a command line asks for
 * @args: the command line with guestmemfs= arguments
 * @memmaps: the command line with memmap= arguments
 * @align: size of a block in bytes, a power of two
 * @pools: set, in the order of the command line
 *
 * A window without an address gets the first memmap=SIZE$ADDR entry that has room beside
 * the windows with addresses and those before it. A pool that is refused keeps its
 * addresses, and its place in this order: they may hold its files. If its place cannot be
 * told, those behind it that have a window without an address are refused, too.
 *
 * Return: how many @pools are set. Of more than GMFS_MAX_POOLS the last one has a @why.
 */
unsigned int gmfs_find_pools(const char *args, const char *memmaps, u64 align,
			     struct gmfs_pool_arg pools[GMFS_MAX_POOLS + 1])
{
	struct taken t = { .pools = pools };
	struct gmfs_arg arg;
	bool lost = false;
	unsigned int i;

	while (gmfs_next_arg(&args, &arg)) {
		if (!arg.value || !gmfs_arg_is(&arg, "guestmemfs"))
			continue;
		read_pool(&pools[t.nr], &arg);
		if (t.nr++ == GMFS_MAX_POOLS) {
			pools[GMFS_MAX_POOLS].why = "this pool and those behind it are more than 64: leave some out";
			break;
		}
	}
	compare(pools, t.nr);
	for (i = 0; i < t.nr; i++) {
		if (!has_lost(&pools[i]))
			continue;
		if (lost) {
			pools[i].why = pools[i].why ?: "its place depends on a pool before it that has none: give it an address, as in guestmemfs=NAME:10G@64G";
			continue;
		}
		if (place_pool(memmaps, &t, align, &pools[i]))
			continue;
		lost = true;
		pools[i].why = pools[i].why ?: "no memmap=SIZE$ADDR on the kernel command line holds it; does the boot loader need the $ escaped?";
	}
	return t.nr;
}
