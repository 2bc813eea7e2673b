/* SPDX-License-Identifier: GPL-2.0-only */
/* A test is a function that returns, or leaves by expect(). */
#ifndef _UNIT_H
#define _UNIT_H

#include <linux/kernel.h>
#include <linux/types.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

extern u64 unit_seed;

/*
 * Bytes that the pure files read by memchr(), strcmp(), strlen() and strnlen() or moved
 * by memmove(), and their calls of cond_resched(), since the test began. A test that
 * spends more than its budget fails; 0: no budget.
 */
extern unsigned long unit_spent, unit_budget;

void unit_run(const char *suite, const char *name, void (*fn)(const void *),
	      const void *arg);
__noreturn __printf(4, 5)
void unit_fail(const char *file, int line, const char *what, const char *fmt, ...);
__printf(1, 2) void unit_info(const char *fmt, ...);
u32 rnd(u32 below);		/* below 0: any */
double now_ms(void);

/* A copy that ends where its allocation does, so that reading on is noticed. */
void *exact_copy(const void *data, size_t len);

#define expect(cond, ...) \
	do { \
		if (!(cond)) \
			unit_fail(__FILE__, __LINE__, #cond, "" __VA_ARGS__); \
	} while (0)

#define expect_eq(a, b) \
	do { \
		long long _a = (a), _b = (b); \
		if (_a != _b) \
			unit_fail(__FILE__, __LINE__, #a, "%lld and not %lld", \
				  _a, _b); \
	} while (0)

/* From seal.c: the machine stops after so many bytes of stores into a head. */
extern size_t seal_bytes_left;
extern size_t seal_nr_stores, seal_stores[256];	/* sizes of the stores since cleared */
extern jmp_buf seal_stopped;

/* Tables have a name in each row. */
#define run_table(suite, fn, table) \
	do { \
		for (size_t _i = 0; _i < ARRAY_SIZE(table); _i++) \
			unit_run(suite, (table)[_i].name, fn, &(table)[_i]); \
	} while (0)

/* Long names and values. */
#define X15		"xxxxxxxxxxxxxxx"
#define X60		X15 X15 X15 X15
#define X255		X60 X60 X60 X60 X15
#define X4080		X255 X255 X255 X255 X255 X255 X255 X255 X255 X255 X255 X255 \
			X255 X255 X255 X255
#define X4095		X4080 X15

void blocks_tests(void);
void extents_tests(void);
void fill_tests(void);
void cmdline_tests(void);
void places_tests(void);
void badpages_tests(void);
void fdt_tests(void);
void xattrs_tests(void);
void image_tests(void);
void seal_tests(void);
void history_tests(void);
void fuzz_tests(void);

#endif
