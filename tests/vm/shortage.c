// SPDX-License-Identifier: GPL-2.0-only
/*
 * While it is loaded, memremap_pages() makes descriptors for one window and then fails, as if
 * memory had run out between two windows. Wants kprobes.
 */
#include <linux/err.h>
#include <linux/kprobes.h>
#include <linux/module.h>

static bool had_one;

/* In the function's place. */
static noinline notrace void return_at_once(void)
{
	barrier();
}

static int enter(struct kprobe *kp, struct pt_regs *regs)
{
	if (!had_one) {
		had_one = true;
		return 0;
	}
	regs_set_return_value(regs, -ENOMEM);
	instruction_pointer_set(regs, (unsigned long)return_at_once);
	return 1;
}

/* A probe that has one is not optimised, and only then may enter() change where it goes on. */
static void leave(struct kprobe *kp, struct pt_regs *regs, unsigned long flags)
{
}

static struct kprobe probe = {
	.symbol_name	= "memremap_pages",
	.pre_handler	= enter,
	.post_handler	= leave,
};

static int __init shortage_init(void)
{
	return register_kprobe(&probe);
}

static void __exit shortage_exit(void)
{
	unregister_kprobe(&probe);
}

module_init(shortage_init);
module_exit(shortage_exit);
MODULE_DESCRIPTION("Let memremap_pages() fail for the second window");
MODULE_LICENSE("GPL");
