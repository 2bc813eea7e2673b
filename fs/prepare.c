// SPDX-License-Identifier: GPL-2.0-only
/*
 * Zeroing ahead: fallocate() zeroes what it has allocated, so that no first access has to.
 *
 * A block that is gone is left out. While the tree is frozen nothing is zeroed: the
 * first access zeroes the block then.
 */
#include <linux/cpumask.h>
#include <linux/nodemask.h>
#include <linux/pagemap.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/topology.h>

#include "guestmemfs.h"

/**
 * struct travel - the caller on its way to the CPUs next to the memory that it zeroes
 * @home: the CPUs that it may run on
 * @there: those of them that it has gone to
 * @node: whose CPUs those are, or NUMA_NO_NODE at home
 * @can: it may go
 */
struct travel {
	cpumask_var_t home, there;
	int node;
	bool can;
};

static void begin_travel(struct travel *t)
{
	*t = (struct travel){ .node = NUMA_NO_NODE };
	if (nr_online_nodes == 1 || current->flags & PF_NO_SETAFFINITY ||
	    !alloc_cpumask_var(&t->home, GFP_KERNEL))
		return;
	if (!alloc_cpumask_var(&t->there, GFP_KERNEL)) {
		free_cpumask_var(t->home);
		return;
	}
	cpumask_copy(t->home, current->cpus_ptr);
	t->can = true;
}

/*
 * If another task has set this one's affinity meanwhile, that stays. It is lost only if it
 * comes just between the check and the call.
 */
static void gmfs_travel_home(struct travel *t)
{
	if (t->node != NUMA_NO_NODE && cpumask_equal(current->cpus_ptr, t->there))
		set_cpus_allowed_ptr(current, t->home);
	t->node = NUMA_NO_NODE;
}

/* Stays where it is if it may not run there. */
static void gmfs_travel_to(struct travel *t, int node)
{
	if (!t->can || node == t->node)
		return;
	gmfs_travel_home(t);
	if (!cpumask_equal(current->cpus_ptr, t->home))
		t->can = false;
	else if (cpumask_and(t->there, t->home, cpumask_of_node(node)) &&
		 !set_cpus_allowed_ptr(current, t->there))
		t->node = node;
}

static void end_travel(struct travel *t)
{
	gmfs_travel_home(t);
	/* Allocated together. */
	if (cpumask_available(t->there)) {
		free_cpumask_var(t->there);
		free_cpumask_var(t->home);
	}
}

/* The node of a block that is to be zeroed, or NUMA_NO_NODE: no way to go for the others. */
static int gmfs_node_at(struct inode *inode, u32 at)
{
	struct gmfs_pool *p = gmfs_pool_of(inode);
	int node = NUMA_NO_NODE;
	u32 block, contiguous;

	filemap_invalidate_lock_shared(inode->i_mapping);
	block = gmfs_file_find_block(inode, at, &contiguous);
	if (block != GMFS_HOLE && !gmfs_pool_is_written(p, block, 1))
		node = gmfs_pool_node(p, block);
	filemap_invalidate_unlock_shared(inode->i_mapping);
	return node;
}

/* Returns false if the tree is frozen or memory is short. */
static bool gmfs_prepare_block(struct inode *inode, u32 at)
{
	u32 block, contiguous;
	int err;

	err = gmfs_change_begin(gmfs_gate(inode));
	if (err)
		return false;
	filemap_invalidate_lock_shared(inode->i_mapping);
	block = gmfs_file_find_block(inode, at, &contiguous);
	if (block != GMFS_HOLE)
		err = gmfs_pool_init_block(gmfs_pool_of(inode), block);
	filemap_invalidate_unlock_shared(inode->i_mapping);
	gmfs_change_end(gmfs_gate(inode));
	return !err;
}

/**
 * gmfs_file_prepare - zero what is unwritten of a range
 * @inode: a regular file
 * @from: first block of the file
 * @to: block after the last
 *
 * The caller zeroes, and no kernel thread, so that its cgroup's limits hold; on a CPU of the
 * blocks' node, if it may run there. Other tasks can zero other ranges meanwhile.
 *
 * Context: no lock of the file or the tree is held; may sleep. A signal that kills ends it.
 */
void gmfs_file_prepare(struct inode *inode, u32 from, u32 to)
{
	struct travel t;
	int node;
	u32 at;

	begin_travel(&t);
	for (at = from; at < to; at++) {
		node = gmfs_node_at(inode, at);
		if (node != NUMA_NO_NODE)
			gmfs_travel_to(&t, node);
		if (!gmfs_prepare_block(inode, at) || fatal_signal_pending(current))
			break;
		cond_resched();
	}
	end_travel(&t);
}
