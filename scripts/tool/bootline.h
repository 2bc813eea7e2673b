/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _BOOTLINE_H
#define _BOOTLINE_H

#include <linux/types.h>

#define MAX_CMDLINE	2047	/* COMMAND_LINE_SIZE - 1 on x86 */
#define KASLR_ENTRIES	4	/* MAX_MEMMAP_REGIONS, boot/compressed/kaslr.c */

/**
 * struct memmap - one entry of a memmap= parameter
 * @sep: character between size and address: one of "@#$!%"; 0 if there is only
 *	a size, where memory ends; 'x' for exactmap
 * @to: after '%', the E820 type that the range gets; 0 without one
 * @size: bytes
 * @addr: bytes
 */
struct memmap {
	char sep;
	u64 to, size, addr;
};

/**
 * struct memmaps - an iterator over all memmap= entries, in the kernel's order
 * @pos: where the next argument begins; the caller sets it to the command line
 * @p: the next entry of a list, or NULL
 * @end: the list's end
 */
struct memmaps {
	const char *pos, *p, *end;
};

/**
 * struct kaslr - where physical KASLR does not put a kernel
 * @off: it is off, and the kernel stays where its loader put it
 * @limit: it uses no address from here on, bytes
 * @nr: number of @avoid
 * @avoid: ranges that it keeps off, bytes
 */
struct kaslr {
	bool off;
	u64 limit;
	int nr;
	struct { u64 addr, size; } avoid[KASLR_ENTRIES];
};

bool next_memmap(struct memmaps *it, struct memmap *m);
bool kaslr_counts(const struct memmap *m);
void read_kaslr(const char *cmdline, struct kaslr *k);
bool kaslr_avoids(const struct kaslr *k, u64 base, u64 size);
u64 memory_limit(const char *cmdline);
bool is_reserved(const char *cmdline, u64 base, u64 size);
char other_use(const char *cmdline, u64 base, u64 size);
const char *last_value(const char *cmdline, const char *name, size_t *len);
char *module_options(const char *cmdline, const char *name);
const char *module_is_kept_out(const char *cmdline);
bool encrypts_memory(const char *cmdline);

#endif
