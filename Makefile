# SPDX-License-Identifier: GPL-2.0-only
# guestmemfs: `make help` names everything.

VERSION := 0.1.0
KDIR ?= /lib/modules/$(shell uname -r)/build
LAB := scripts/lab

.PHONY: all demo demo-template check fuzz unit kunit vmtest debtest bench lint shell \
	tool install deb clean help

all:
	@test -e $(KDIR)/Makefile || { \
		echo "There is no kernel to build against at $(KDIR):" \
			"install linux-headers-$$(uname -r)," \
			"or say make KDIR=/path/to/kernel/build" >&2; exit 1; }
	@release=$$(cat $(KDIR)/include/config/kernel.release 2>/dev/null); \
	printf '%s\n' 6.12 "$${release:-6.12}" | sort -VC || { \
		echo "guestmemfs needs Linux 6.12 or newer, and $(KDIR) is for $$release" >&2; exit 1; }
	$(MAKE) -C $(KDIR) M=$(CURDIR) modules

install: all
	$(MAKE) -C $(KDIR) M=$(CURDIR) modules_install
	depmod -a "$$(cat $(KDIR)/include/config/kernel.release)"

deb:
	@scripts/debian/build $(VERSION) $(O)

# The administrator's tool, outside the tree.
tool_dir = $(abspath $(or $(O),$(or $(GUESTMEMFS_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/guestmemfs)/tool))
tool:
	@$(MAKE) -s -C scripts/tool O='$(tool_dir)'
	@echo '$(tool_dir)/guestmemfs'

demo demo-template shell unit kunit vmtest debtest lint bench:
	@$(LAB) $@

check:
	@scripts/check

# A hundred times what `make unit` mutates: some minutes.
fuzz:
	@FUZZ=$${FUZZ:-10000000} $(LAB) unit

clean:
	@rm -rf .tmp_versions Module.symvers modules.order
	@find . -name '*.o' -o -name '*.ko' -o -name '*.mod' -o -name '*.mod.c' \
		-o -name '.*.cmd' -o -name '.module-common.*' | xargs -r rm -f

help:
	@echo "make           build guestmemfs.ko for KDIR=$(KDIR)"
	@echo "make install   and install it"
	@echo "make tool      the program guestmemfs, into O=<dir> or the cache"
	@echo "make deb       the Debian package guestmemfs-dkms, into O=<dir> or the cache"
	@echo "make demo      a live update of a KVM guest (DEMO_MEM, DEMO_REGION, DEMO_HOST)"
	@echo "make demo-template  one template VM and its clones"
	@echo "make check     lint, lab, unit, tool, kunit and vmtest; ends in N passed, N failed"
	@echo "make lint      checkpatch, sparse, W=1, kernel-doc, shellcheck"
	@echo "make unit      the pure code in userspace, under ASan and UBSan"
	@echo "make fuzz      10 million mutated images, heads and command lines (FUZZ, SEED)"
	@echo "make kunit     guestmemfs_kunit.ko on the kho kernel"
	@echo "make vmtest    tests/vm on K=kho,debian-6.12,debian-7, or K=debug; T=tests JOBS=n"
	@echo "make debtest   the package in a clean Debian, its modules in a live update"
	@echo "make bench     ratios against hugetlbfs and tmpfs, in one run"
	@echo "make shell     boot K=kho to a prompt, module and tests in /job"
	@echo "make clean     remove what a build leaves here"
	@echo "Everything the lab makes is in \$$GUESTMEMFS_CACHE, by default ~/.cache/guestmemfs."

export K T JOBS DEMO_MEM DEMO_REGION DEMO_HOST
