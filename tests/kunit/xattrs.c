// SPDX-License-Identifier: GPL-2.0-only
/* The pure file once more, for the module of tests. */
#include "../../kho/xattrs.c"
