// SPDX-License-Identifier: GPL-2.0-only
/*
 * While it is loaded, copies from a block that may be bad end before their first byte, as if a
 * machine check had come. Other copies go on. Wants kretprobes.
 */
#include <linux/kprobes.h>
#include <linux/mm.h>
#include <linux/module.h>

/*
 * Both are called with (to, from, length) and return the bytes that are left. What is copied
 * from the direct map, as by a copy on write, is not a block.
 */
static int enter(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	if (!is_vmalloc_addr((void *)regs->si))
		return 1;
	*(unsigned long *)ri->data = regs->dx;
	return 0;
}

static int leave(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	regs_set_return_value(regs, *(unsigned long *)ri->data);
	return 0;
}

static struct kretprobe to_kernel = {
	.kp.symbol_name	= "copy_mc_to_kernel",
	.entry_handler	= enter,
	.handler	= leave,
	.data_size	= sizeof(unsigned long),
};

static struct kretprobe to_user = {
	.kp.symbol_name	= "copy_mc_to_user",
	.entry_handler	= enter,
	.handler	= leave,
	.data_size	= sizeof(unsigned long),
};

static int __init poison_init(void)
{
	int err = register_kretprobe(&to_kernel);

	if (err)
		return err;
	err = register_kretprobe(&to_user);
	if (err)
		unregister_kretprobe(&to_kernel);
	return err;
}

static void __exit poison_exit(void)
{
	unregister_kretprobe(&to_user);
	unregister_kretprobe(&to_kernel);
}

module_init(poison_init);
module_exit(poison_exit);
MODULE_DESCRIPTION("Let copies from bad memory fail");
MODULE_LICENSE("GPL");
