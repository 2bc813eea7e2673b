// SPDX-License-Identifier: GPL-2.0-only
/*
 * nested FILE - a KVM guest whose RAM is a shared mapping of FILE, which is made anew,
 * does VMRUN with an empty VMCB. KVM has to map the VMCB for that.
 *
 * Prints "ok" if KVM did: the guest finds that its VMRUN failed, and halts. Otherwise
 * how KVM_RUN ended, or "skip: REASON".
 */
#include "kvm.h"

#define LEN	(4 * MIB)
#define VMCB	0x10000

static char *p;		/* the guest's RAM */

/* Paging by one 4 MiB page, as KVM has VMRUN only with it; EFER.SVME; a place for VMRUN. */
static int vcpu_can_vmrun(struct vcpu *v)
{
	struct kvm_regs regs = { .rflags = 2, .rip = 0x1000, .rsp = 0x8000 };
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} hsave = { .head.nmsrs = 1, .entry = { .index = 0xc0010117, .data = 0x20000 } };

	*(uint32_t *)(p + 0x3000) = 0x83;
	v->sregs.cr3 = 0x3000;
	v->sregs.cr4 = 1 << 4;
	v->sregs.cr0 = 1u << 31 | 1 << 4 | 1;
	v->sregs.efer = 1 << 12;
	return !ioctl(v->fd, KVM_SET_SREGS, &v->sregs) &&
	       ioctl(v->fd, KVM_SET_MSRS, &hsave) == 1 && !ioctl(v->fd, KVM_SET_REGS, &regs);
}

static const char *run(void)
{
	/* mov eax, VMCB; vmrun eax; hlt */
	static const char code[] = "\xb8\0\0\1\0\x0f\x01\xd8\xf4";
	int kvm = open("/dev/kvm", O_RDWR);
	static char text[40];
	struct vcpu v;

	if (kvm < 0)
		return "skip: no KVM";
	memcpy(p + 0x1000, code, sizeof(code));
	v = vcpu_new(kvm, p, LEN);
	if (!vcpu_can_vmrun(&v))
		return "skip: no nested SVM";
	if (ioctl(v.fd, KVM_RUN, 0))
		return strerrorname_np(errno);
	if (v.run->exit_reason == KVM_EXIT_HLT)	/* EXITCODE is VMEXIT_INVALID */
		return *(int64_t *)(p + VMCB + 0x70) == -1 ? "ok" : "VMRUN did not fail";
	if (v.run->exit_reason == KVM_EXIT_INTERNAL_ERROR)
		return "KVM_EXIT_INTERNAL_ERROR";
	snprintf(text, sizeof(text), "exit reason %u", v.run->exit_reason);
	return text;
}

int main(int argc, char **argv)
{
	int fd;

	if (argc != 2)
		return 1;
	p = map_new(argv[1], LEN, &fd);
	puts(run());
	return 0;
}
