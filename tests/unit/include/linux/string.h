/* SPDX-License-Identifier: GPL-2.0-only */
/* The kernel's own loops, byte by byte (lib/string.c); what they read is counted. */
#ifndef _UNIT_LINUX_STRING_H
#define _UNIT_LINUX_STRING_H

#include_next <linux/string.h>

void unit_spend(unsigned long steps);
void *unit_memchr(const void *s, int c, size_t n);
size_t unit_strnlen(const char *s, size_t n);
int unit_strcmp(const char *a, const char *b);
void *unit_memmove(void *to, const void *from, size_t n);

#define memchr		unit_memchr
#define strnlen		unit_strnlen
#define strcmp		unit_strcmp
#define memmove		unit_memmove
#define strlen(s)	unit_strnlen(s, -1)

#endif
