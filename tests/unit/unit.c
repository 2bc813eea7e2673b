// SPDX-License-Identifier: GPL-2.0-only
/* The harness: runs every test, prints a line for each and the sum. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "unit.h"

u64 unit_seed = 20240805;
int unit_allocations = -1;
unsigned long unit_spent, unit_budget;

static u64 state;
static jmp_buf leave;
static char why[400];
static int passed, failed;

/* splitmix64: each test begins with the seed, whatever ran before it. */
static u64 next_random(void)
{
	u64 z = state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

u32 rnd(u32 below)
{
	u32 r = next_random() >> 32;

	return below ? r % below : r;
}

double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

void *exact_copy(const void *data, size_t len)
{
	void *p = malloc(len);

	if (len)
		memcpy(p, data, len);
	return p;
}

void unit_spend(unsigned long steps)
{
	unit_spent += steps;
	if (unit_budget && unit_spent > unit_budget)
		unit_fail(__FILE__, __LINE__, "budget", "more than %lu steps", unit_budget);
}

__attribute__((no_sanitize("undefined")))
void *unit_memchr(const void *s, int c, size_t n)
{
	const u8 *p = s;
	size_t i;

	for (i = 0; i < n && p[i] != (u8)c; i++)
		;
	unit_spend(i);
	return i < n ? (void *)(p + i) : NULL;
}

__attribute__((no_sanitize("undefined")))
int unit_strcmp(const char *a, const char *b)
{
	size_t i;

	for (i = 0; a[i] == b[i] && a[i]; i++)
		;
	unit_spend(i + 1);
	return (u8)a[i] - (u8)b[i];
}

size_t unit_strnlen(const char *s, size_t n)
{
	size_t len;

	for (len = 0; len < n && s[len]; len++)
		;
	unit_spend(len);
	return len;
}

void *unit_memmove(void *to, const void *from, size_t n)
{
	unit_spend(n);
	return memmove(to, from, n);
}

void unit_info(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	printf("info ");
	vprintf(fmt, args);
	printf("\n");
	va_end(args);
}

void unit_fail(const char *file, int line, const char *what, const char *fmt, ...)
{
	va_list args;
	int n = snprintf(why, sizeof(why), "%s:%d: %s: ", file, line, what);

	va_start(args, fmt);
	vsnprintf(why + n, sizeof(why) - n, fmt, args);
	va_end(args);
	longjmp(leave, 1);
}

void unit_run(const char *suite, const char *name, void (*fn)(const void *),
	      const void *arg)
{
	state = unit_seed;
	unit_allocations = -1;
	unit_spent = 0;
	unit_budget = 0;
	if (!setjmp(leave)) {
		fn(arg);
		passed++;
		printf("ok %s: %s\n", suite, name);
	} else {
		failed++;
		printf("not ok %s: %s: %s\n", suite, name, why);
	}
	fflush(stdout);
}

int main(void)
{
	const char *seed = getenv("SEED");

	if (seed && *seed)
		unit_seed = strtoull(seed, NULL, 0);
	unit_info("seed %llu", (unsigned long long)unit_seed);
	blocks_tests();
	extents_tests();
	fill_tests();
	cmdline_tests();
	places_tests();
	badpages_tests();
	fdt_tests();
	xattrs_tests();
	image_tests();
	seal_tests();
	history_tests();
	fuzz_tests();
	printf("unit: %d passed, %d failed\n", passed, failed);
	return failed || !passed;
}
