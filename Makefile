# SPDX-License-Identifier: GPL-2.0-only
# guestmemfs: `make help` names everything.

KDIR ?= /lib/modules/$(shell uname -r)/build
LAB := scripts/lab

.PHONY: all demo check unit kunit vmtest bench lint shell install deb clean help
all:
	@test -e $(KDIR)/Makefile || { echo "No kernel to build against at $(KDIR): install linux-headers-$$(uname -r), or say make KDIR=/path/to/kernel/build" >&2; exit 1; }
	$(MAKE) -C $(KDIR) M=$(CURDIR) modules
