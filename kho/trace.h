/* SPDX-License-Identifier: GPL-2.0-only */
/* Events of the subsystem "guestmemfs": what a handover costs. */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM guestmemfs

#if !defined(_GMFS_KHO_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _GMFS_KHO_TRACE_H

#include <linux/tracepoint.h>

/* The switch was used; comes right before the gate opens, when guests may go on. */
TRACE_EVENT(gmfs_freeze,
	TP_PROTO(bool on, int err),
	TP_ARGS(on, err),
	TP_STRUCT__entry(
		__field(bool, on)
		__field(int, err)
	),
	TP_fast_assign(
		__entry->on = on;
		__entry->err = err;
	),
	TP_printk("%s err=%d", __entry->on ? "freeze" : "thaw", __entry->err)
);

/* An image was sealed in the region's head, and given to KHO if this kernel has it. */
TRACE_EVENT(gmfs_publish,
	TP_PROTO(size_t size, u64 generation, int err),
	TP_ARGS(size, generation, err),
	TP_STRUCT__entry(
		__field(size_t, size)
		__field(u64, generation)
		__field(int, err)
	),
	TP_fast_assign(
		__entry->size = size;
		__entry->generation = generation;
		__entry->err = err;
	),
	TP_printk("size=%zu generation=%llu err=%d", __entry->size,
		  __entry->generation, __entry->err)
);

#endif /* _GMFS_KHO_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH kho
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
