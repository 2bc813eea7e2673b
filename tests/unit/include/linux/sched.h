/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _UNIT_LINUX_SCHED_H
#define _UNIT_LINUX_SCHED_H

#include <linux/string.h>

/* A step of a loop that may be long. */
#define cond_resched()	unit_spend(1)

#endif
