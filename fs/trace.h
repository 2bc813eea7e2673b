/* SPDX-License-Identifier: GPL-2.0-only */
/* Events of the subsystem "guestmemfs": what a restore and a fault cost. */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM guestmemfs

#if !defined(_GMFS_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _GMFS_TRACE_H

#include <linux/mm_types.h>
#include <linux/tracepoint.h>

/* An image became the mounted tree. */
TRACE_EVENT(gmfs_restore,
	TP_PROTO(unsigned int inodes, int err),
	TP_ARGS(inodes, err),
	TP_STRUCT__entry(
		__field(unsigned int, inodes)
		__field(int, err)
	),
	TP_fast_assign(
		__entry->inodes = inodes;
		__entry->err = err;
	),
	TP_printk("inodes=%u err=%d", __entry->inodes, __entry->err)
);

/* A fault of a shared mapping ends; @entered is the order of the entry, -1 without one. */
TRACE_EVENT(gmfs_fault,
	TP_PROTO(u64 ino, pgoff_t pgoff, unsigned int requested, int entered, vm_fault_t result),
	TP_ARGS(ino, pgoff, requested, entered, result),
	TP_STRUCT__entry(
		__field(u64, ino)
		__field(pgoff_t, pgoff)
		__field(unsigned int, requested)
		__field(int, entered)
		__field(unsigned int, result)
	),
	TP_fast_assign(
		__entry->ino = ino;
		__entry->pgoff = pgoff;
		__entry->requested = requested;
		__entry->entered = entered;
		__entry->result = (__force unsigned int)result;
	),
	TP_printk("ino=%llu pgoff=0x%lx requested=%u entered=%d result=0x%x", __entry->ino,
		  __entry->pgoff, __entry->requested, __entry->entered, __entry->result)
);

#endif /* _GMFS_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH fs
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
