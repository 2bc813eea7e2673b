/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _GMFS_MACHINE_H
#define _GMFS_MACHINE_H

#include <linux/types.h>

/**
 * struct section - 128 MiB of the machine's addresses
 * @ram: how much of it is memory that can be had, bytes
 * @node: its node; -1 if it is unknown, -2 if it has memory of several
 */
struct section {
	u32 ram;
	int node;
};

extern struct section *sections;
extern u64 nr_sections;
extern int nr_nodes;		/* one more than the highest; 0 if none is known */

u64 total(int node);		/* bytes of a node, or of all if it is below 0 */
void read_memmap(const char *dir);
void read_nodes(const char *dir);
int heed_cmdline(const char *cmdline, const char *pool);
bool can_kho(void);

#endif
