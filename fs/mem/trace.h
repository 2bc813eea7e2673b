/* SPDX-License-Identifier: GPL-2.0-only */
/* Events of the subsystem "guestmemfs": what the first access to a block costs. */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM guestmemfs

#if !defined(_GMFS_MEM_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _GMFS_MEM_TRACE_H

#include <linux/tracepoint.h>

/* A block was zeroed for its file. */
TRACE_EVENT(gmfs_zero,
	TP_PROTO(u32 block, int err),
	TP_ARGS(block, err),
	TP_STRUCT__entry(
		__field(u32, block)
		__field(int, err)
	),
	TP_fast_assign(
		__entry->block = block;
		__entry->err = err;
	),
	TP_printk("block=%u err=%d", __entry->block, __entry->err)
);

#endif /* _GMFS_MEM_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH fs/mem
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
