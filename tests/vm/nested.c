// SPDX-License-Identifier: GPL-2.0-only
/*
 * nested FILE - a KVM guest whose RAM is a shared mapping of FILE, which is made anew,
 * does VMRUN with an empty VMCB. KVM has to map the VMCB for that.
 *
 * Prints "ok" if KVM did: the guest finds that its VMRUN failed, and halts. Otherwise
 * how KVM_RUN ended, or "skip: REASON".
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define LEN	(4UL << 20)
#define RW	(PROT_READ | PROT_WRITE)
#define VMCB	0x10000

static char *p;		/* the guest's RAM */

static void die(const char *what)
{
	fprintf(stderr, "nested: %s: %m\n", what);
	exit(1);
}

static void *vcpu_new(int kvm, int *vcpu)
{
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entries[200];
	} id = { .head.nent = 200 };
	struct kvm_userspace_memory_region slot = {
		.memory_size = LEN, .userspace_addr = (uintptr_t)p,
	};
	int vm = ioctl(kvm, KVM_CREATE_VM, 0);

	if (ioctl(vm, KVM_SET_USER_MEMORY_REGION, &slot))
		die("KVM_SET_USER_MEMORY_REGION");
	*vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	if (ioctl(kvm, KVM_GET_SUPPORTED_CPUID, &id) || ioctl(*vcpu, KVM_SET_CPUID2, &id))
		die("KVM_SET_CPUID2");
	return mmap(NULL, ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), RW, MAP_SHARED, *vcpu, 0);
}

/* Paging by one 4 MiB page, as KVM has VMRUN only with it; EFER.SVME; a place for VMRUN. */
static int vcpu_can_vmrun(int vcpu)
{
	struct kvm_segment flat = {
		.limit = ~0u, .present = 1, .db = 1, .s = 1, .g = 1, .type = 3,
	};
	struct kvm_regs regs = { .rflags = 2, .rip = 0x1000, .rsp = 0x8000 };
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} hsave = { .head.nmsrs = 1, .entry = { .index = 0xc0010117, .data = 0x20000 } };
	struct kvm_sregs s;

	if (ioctl(vcpu, KVM_GET_SREGS, &s))
		die("KVM_GET_SREGS");
	s.ds = s.es = s.ss = s.cs = flat;
	s.cs.type = 11;
	s.cs.selector = 8;
	*(uint32_t *)(p + 0x3000) = 0x83;
	s.cr3 = 0x3000;
	s.cr4 = 1 << 4;
	s.cr0 = 1u << 31 | 1 << 4 | 1;
	s.efer = 1 << 12;
	return !ioctl(vcpu, KVM_SET_SREGS, &s) && ioctl(vcpu, KVM_SET_MSRS, &hsave) == 1 &&
	       !ioctl(vcpu, KVM_SET_REGS, &regs);
}

static const char *run(void)
{
	/* mov eax, VMCB; vmrun eax; hlt */
	static const char code[] = "\xb8\0\0\1\0\x0f\x01\xd8\xf4";
	int kvm = open("/dev/kvm", O_RDWR), vcpu;
	static char text[40];
	struct kvm_run *run;

	if (kvm < 0)
		return "skip: no KVM";
	memcpy(p + 0x1000, code, sizeof(code));
	run = vcpu_new(kvm, &vcpu);
	if (!vcpu_can_vmrun(vcpu))
		return "skip: no nested SVM";
	if (ioctl(vcpu, KVM_RUN, 0))
		return strerrorname_np(errno);
	if (run->exit_reason == KVM_EXIT_HLT)	/* EXITCODE is VMEXIT_INVALID */
		return *(int64_t *)(p + VMCB + 0x70) == -1 ? "ok" : "VMRUN did not fail";
	if (run->exit_reason == KVM_EXIT_INTERNAL_ERROR)
		return "KVM_EXIT_INTERNAL_ERROR";
	snprintf(text, sizeof(text), "exit reason %u", run->exit_reason);
	return text;
}

int main(int argc, char **argv)
{
	int fd;

	if (argc != 2)
		return 1;
	unlink(argv[1]);
	fd = open(argv[1], O_RDWR | O_CREAT | O_EXCL, 0600);
	if (fd < 0 || ftruncate(fd, LEN))
		die(argv[1]);
	p = mmap(NULL, LEN, RW, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		die("mmap");
	puts(run());
	return 0;
}
