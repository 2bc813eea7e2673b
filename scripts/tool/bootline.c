// SPDX-License-Identifier: GPL-2.0-only
/*
 * DOC: the next kernel's command line, as that kernel reads it
 *
 * Four programs read one line by four sets of rules:
 *
 * 1. The kernel proper: next_arg() and "--", see gmfs_next_arg().
 * 2. The decompressor, before it chooses a place for the kernel (KASLR): the same
 *    arguments, but of memmap= only the first entries (read_kaslr()).
 * 3. The decompressor's search for words ("nokaslr", "mem_encrypt=on"), which knows
 *    neither quotes nor "--" (find_word()).
 * 4. modprobe, which takes options for modules from it and does not stop at "--".
 *
 * Pure code: the unit tests compile it, too. The sources are those of Linux 6.12.117
 * and 7.3.4, which agree, and of kmod 34.
 */
#include <linux/ctype.h>
#include <linux/kernel.h>
#include <linux/string.h>
#include <stdio.h>
#include <stdlib.h>

#include "bootline.h"
#include "cmdline.h"

/* --- memmap= ---------------------------------------------------------------- */

static u64 number(const char **p)
{
	char *end = (char *)*p;
	u64 n = 0;

	if (isdigit((unsigned char)*end))
		n = memparse(end, &end);
	*p = end;
	return n;
}

/* One entry, as parse_memmap_one() in arch/x86/kernel/e820.c reads it. */
static bool parse_entry(const char *p, struct memmap *m)
{
	*m = (struct memmap){ 0 };
	if (!strncmp(p, "exactmap", 8)) {
		m->sep = 'x';
		return true;
	}
	if (!isdigit((unsigned char)*p))
		return false;
	m->size = number(&p);
	if (!*p || !strchr("@#$!%", *p))
		return true;
	m->sep = *p++;
	m->addr = number(&p);
	if (m->sep != '%')
		return true;
	if (*p == '-') {
		p++;
		number(&p);
	}
	if (*p == '+') {
		p++;
		m->to = number(&p);
	}
	return true;
}

static const char *next_in_list(const char *p, const char *end)
{
	p = memchr(p, ',', end - p);
	return p ? p + 1 : NULL;
}

/**
 * next_memmap - the next entry that the kernel does not ignore
 * @it: the iterator
 * @m: the entry
 *
 * Return: false if there are no more.
 */
bool next_memmap(struct memmaps *it, struct memmap *m)
{
	struct gmfs_arg arg;
	const char *p;

	for (;;) {
		while (!it->p) {
			if (!gmfs_next_arg(&it->pos, &arg))
				return false;
			if (!arg.value || !gmfs_arg_is(&arg, "memmap"))
				continue;
			it->p = arg.value;
			it->end = arg.value + arg.value_len;
		}
		p = it->p;
		it->p = next_in_list(p, it->end);
		if (parse_entry(p, m))
			return true;
	}
}

/**
 * memory_limit - where memory ends by mem= or by a memmap= that is only a size
 * @cmdline: the command line
 *
 * Return: an address in bytes; ~0 without a limit.
 */
u64 memory_limit(const char *cmdline)
{
	struct memmaps it = { .pos = cmdline };
	const char *pos = cmdline, *p;
	u64 limit = ~0ULL, n;
	struct gmfs_arg arg;
	struct memmap m;

	while (gmfs_next_arg(&pos, &arg)) {
		if (!arg.value || !gmfs_arg_is(&arg, "mem"))
			continue;
		p = arg.value;
		n = number(&p);
		if (n)
			limit = min_t(u64, limit, n);
	}
	while (next_memmap(&it, &m))
		if (!m.sep && m.size)
			limit = min_t(u64, limit, m.size);
	return limit;
}

/* The kernel's sums wrap around, and what wraps around keeps nothing off. */
static bool wraps(u64 addr, u64 size)
{
	return addr + size < addr;
}

/* Several entries can do it together; each round takes one that adds to it. */
static bool reserved_from(const struct memmaps *first, u64 base, u64 size)
{
	struct memmaps it = *first;
	struct memmap m;
	u64 at = base;

	while (at - base < size && next_memmap(&it, &m)) {
		if (m.sep == '$' && !wraps(m.addr, m.size) &&
		    m.addr <= at && at - m.addr < m.size) {
			at = m.addr + m.size;
			it = *first;
		}
	}
	return at - base >= size;
}

/**
 * is_reserved - whether memmap=n$a entries keep the kernel off all of a range
 * @cmdline: the command line
 * @base: bytes
 * @size: bytes
 *
 * memmap=exactmap drops the entries before it. A range that is reserved stays so if
 * memmap=n@a calls it RAM: e820__update_table() takes the larger type.
 *
 * Return: true if they do.
 */
bool is_reserved(const char *cmdline, u64 base, u64 size)
{
	struct memmaps it = { .pos = cmdline }, first = it;
	struct memmap m;

	while (next_memmap(&it, &m))
		if (m.sep == 'x')
			first = it;
	return reserved_from(&first, base, size);
}

/**
 * other_use - what memmap= makes of a range that it should only reserve
 * @cmdline: the command line
 * @base: bytes
 * @size: bytes
 *
 * Return: '#', '!' or '%' if an entry with that makes ACPI data, a pmem device or
 * another type of a part of it; 0 if none does.
 */
char other_use(const char *cmdline, u64 base, u64 size)
{
	struct memmaps it = { .pos = cmdline };
	struct memmap m;
	char use = 0;

	while (next_memmap(&it, &m)) {
		if (m.sep == 'x')
			use = 0;
		if (!m.sep || !strchr("#!%", m.sep) || (m.sep == '%' && m.to == 2))
			continue;
		if (m.addr < base + size && (base < m.addr + m.size || wraps(m.addr, m.size)))
			use = m.sep;
	}
	return use;
}

/* --- KASLR ------------------------------------------------------------------- */

/**
 * kaslr_counts - whether an entry uses up one of the few that KASLR keeps off
 * @m: the entry
 *
 * Return: true if it does.
 */
bool kaslr_counts(const struct memmap *m)
{
	return m->sep && strchr("#$!", m->sep) && m->addr;
}

/* As mem_avoid_memmap() and parse_memmap(): they give up a list that they do not like. */
static void kaslr_memmap(struct kaslr *k, const struct gmfs_arg *arg)
{
	const char *p = arg->value, *end = p + arg->value_len;
	struct memmap m;

	if (k->nr >= KASLR_ENTRIES)
		return;
	while (p && k->nr < KASLR_ENTRIES) {
		if (!parse_entry(p, &m) || m.sep == 'x')
			return;
		p = next_in_list(p, end);
		if (kaslr_counts(&m)) {
			k->avoid[k->nr].addr = m.addr;
			k->avoid[k->nr++].size = m.size;
		} else if (m.sep != '@' && m.size) {
			k->limit = min_t(u64, k->limit, m.size);
		}
	}
	/* Only a list that is cut turns it off; what follows in other arguments does not. */
	if (k->nr >= KASLR_ENTRIES && p)
		k->off = true;
}

/*
 * As cmdline_find_option_bool() in arch/x86/boot/cmdline.c: the place of a whole word,
 * counted from 1, or 0.
 */
static size_t find_word(const char *cmdline, const char *word)
{
	size_t len = strlen(word);
	const char *p;

	for (p = strstr(cmdline, word); p; p = strstr(p + 1, word))
		if ((p == cmdline || (unsigned char)p[-1] <= ' ') &&
		    (unsigned char)p[len] <= ' ')
			return p - cmdline + 1;
	return 0;
}

/**
 * read_kaslr - where the next kernel does not put itself
 * @cmdline: the command line
 * @k: set
 *
 * As choose_random_location() and handle_mem_options() in
 * arch/x86/boot/compressed/kaslr.c; a kernel without RANDOMIZE_BASE or with Kexec
 * Handover's own ranges is more careful than that.
 */
void read_kaslr(const char *cmdline, struct kaslr *k)
{
	char line[MAX_CMDLINE + 1] = "";
	const char *pos = line, *p;
	struct gmfs_arg arg;
	u64 n;

	*k = (struct kaslr){ .limit = ~0ULL, .off = find_word(cmdline, "nokaslr") };
	strncpy(line, cmdline, MAX_CMDLINE);
	while (gmfs_next_arg(&pos, &arg)) {
		if (!arg.value)
			continue;
		if (gmfs_arg_is(&arg, "memmap")) {
			kaslr_memmap(k, &arg);
		} else if (gmfs_arg_is(&arg, "mem")) {
			if (arg.value_len == 9 && !memcmp(arg.value, "nopentium", 9))
				continue;
			p = arg.value;
			n = number(&p);
			/* It reads no further. */
			if (!n)
				return;
			k->limit = min_t(u64, k->limit, n);
		}
	}
}

/**
 * kaslr_avoids - whether the next kernel does not put itself into a range
 * @k: by read_kaslr()
 * @base: bytes
 * @size: bytes
 *
 * Return: true if it does not, wherever its choice falls.
 */
bool kaslr_avoids(const struct kaslr *k, u64 base, u64 size)
{
	u64 at = base, addr, len;
	int i;

	for (i = 0; i < k->nr && at - base < size && at < k->limit; i++) {
		addr = k->avoid[i].addr;
		len = k->avoid[i].size;
		if (!wraps(addr, len) && addr <= at && at - addr < len) {
			at = addr + len;
			i = -1;
		}
	}
	return k->off || at - base >= size || at >= k->limit;
}

/* --- modules ------------------------------------------------------------------ */

/**
 * last_value - the value of the last argument of that name
 * @cmdline: the command line
 * @name: the name
 * @len: bytes, set
 *
 * Return: the value, not terminated; NULL without one.
 */
const char *last_value(const char *cmdline, const char *name, size_t *len)
{
	const char *value = NULL;
	struct gmfs_arg arg;

	while (gmfs_next_arg(&cmdline, &arg)) {
		if (arg.value && gmfs_arg_is(&arg, name)) {
			value = arg.value;
			*len = arg.value_len;
		}
	}
	return value;
}

/**
 * module_options - the options that modprobe passes to a module
 * @cmdline: the command line
 * @name: MODULE.OPTION
 *
 * As kmod_config_parse_kcmdline(), which reads beyond "--".
 *
 * Return: each as the argument guestmemfs= of a command line, for free(); NULL without
 * one or without memory.
 */
char *module_options(const char *cmdline, const char *name)
{
	char *args = NULL, *p = NULL;
	struct gmfs_arg arg;

	while (gmfs_next_arg(&cmdline, &arg) || *cmdline) {
		if (!gmfs_arg_is(&arg, name))
			continue;
		if (asprintf(&p, "%sguestmemfs=\"%.*s\" ", args ?: "",
			     (int)arg.value_len, arg.value ?: "") < 0)
			p = NULL;
		free(args);
		args = p;
	}
	return args;
}

static bool list_has(const char *list, size_t len, const char *name)
{
	const char *p = list, *end = list + len, *next;
	size_t n;

	for (; p; p = next) {
		next = next_in_list(p, end);
		n = (next ? next - 1 : end) - p;
		if (n == strlen(name) && !memcmp(p, name, n))
			return true;
	}
	return false;
}

/**
 * module_is_kept_out - the argument that keeps the module from being loaded
 * @cmdline: the command line
 *
 * module_blacklist= is the kernel's, and the last one counts; of the others all do.
 *
 * Return: its name, or NULL.
 */
const char *module_is_kept_out(const char *cmdline)
{
	const char *pos = cmdline, *list;
	struct gmfs_arg arg;
	size_t len;

	list = last_value(cmdline, "module_blacklist", &len);
	if (list && list_has(list, len, "guestmemfs"))
		return "module_blacklist=";
	while (gmfs_next_arg(&pos, &arg))
		if (arg.value && gmfs_arg_is(&arg, "initcall_blacklist") &&
		    (list_has(arg.value, arg.value_len, "gmfs_init") ||
		     list_has(arg.value, arg.value_len, "init_module")))
			return "initcall_blacklist=";
	for (pos = cmdline; gmfs_next_arg(&pos, &arg) || *pos; )
		if (arg.value && gmfs_arg_is(&arg, "modprobe.blacklist") &&
		    list_has(arg.value, arg.value_len, "guestmemfs"))
			return "modprobe.blacklist=";
	return NULL;
}

/**
 * encrypts_memory - whether the next kernel turns memory encryption on (SME)
 * @cmdline: the command line
 *
 * As parse_mem_encrypt() in arch/x86/boot/compressed/misc.c: the later word counts.
 *
 * Return: true if it does, on a CPU that can.
 */
bool encrypts_memory(const char *cmdline)
{
	return find_word(cmdline, "mem_encrypt=on") > find_word(cmdline, "mem_encrypt=off");
}
