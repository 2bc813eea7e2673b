// SPDX-License-Identifier: GPL-2.0-only
/*
 * dma type1|iommufd PCI-ADDRESS FILE OFFSET - have QEMU's device "edu", bound to vfio-pci,
 * reach a block of FILE, then give up the mapping and the file, and say so. A line "in TEXT"
 * has the device write TEXT to the block, "out" has it tell what is there. At the end of the
 * input the device lets go.
 *
 * "cannot: WHAT: ERROR" if the block cannot be mapped for it.
 */
#include <dirent.h>
#include <linux/iommufd.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <sys/ioctl.h>

#include "mapping.h"

enum {
	/* Where the device has things: its mask has 28 bits. */
	BUFFER = 1 << 20, BLOCK = 4 << 20,
	/* Registers and memory of the device (docs/specs/edu.rst of QEMU). */
	SRC = 0x80, DST = 0x88, COUNT = 0x90, COMMAND = 0x98, INSIDE = 0x40000,
	START = 1, TO_RAM = 2,
};

static volatile char *regs;
static char *buffer;

static void cannot(const char *what)
{
	printf("cannot: %s: %s\n", what, strerrorname_np(errno));
	exit(0);
}

/* The last part of what a link in sysfs leads to, or the only entry of a directory. */
static const char *leaf(const char *address, const char *name)
{
	static char target[PATH_MAX];
	char path[PATH_MAX];
	struct dirent *e;
	DIR *dir;
	ssize_t n;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", address, name);
	n = readlink(path, target, sizeof(target) - 1);
	if (n >= 0) {
		target[n] = '\0';
		return strrchr(target, '/') + 1;
	}
	dir = opendir(path);
	if (!dir)
		die(path);
	while ((e = readdir(dir)) && e->d_name[0] == '.')
		;
	snprintf(target, sizeof(target), "%s", e ? e->d_name : "");
	closedir(dir);
	return target;
}

static int type1_open(const char *address, int *space)
{
	char path[100];
	int group, device;

	snprintf(path, sizeof(path), "/dev/vfio/%s", leaf(address, "iommu_group"));
	*space = open_or_die("/dev/vfio/vfio", O_RDWR);
	group = open_or_die(path, O_RDWR);
	if (ioctl(group, VFIO_GROUP_SET_CONTAINER, space) ||
	    ioctl(*space, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU))
		die("VFIO container");
	device = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, address);
	if (device < 0)
		die("VFIO device");
	return device;
}

static int type1_map(int space, void *at, size_t len, uint64_t iova)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map), .vaddr = (uintptr_t)at, .iova = iova, .size = len,
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
	};

	return ioctl(space, VFIO_IOMMU_MAP_DMA, &map);
}

static uint32_t ioas;

static int iommufd_open(const char *address, int *space)
{
	struct vfio_device_bind_iommufd bind = { .argsz = sizeof(bind) };
	struct vfio_device_attach_iommufd_pt attach = { .argsz = sizeof(attach) };
	struct iommu_ioas_alloc alloc = { .size = sizeof(alloc) };
	char path[100];
	int device;

	snprintf(path, sizeof(path), "/dev/vfio/devices/%s", leaf(address, "vfio-dev"));
	*space = open_or_die("/dev/iommu", O_RDWR);
	device = open_or_die(path, O_RDWR);
	bind.iommufd = *space;
	if (ioctl(device, VFIO_DEVICE_BIND_IOMMUFD, &bind) ||
	    ioctl(*space, IOMMU_IOAS_ALLOC, &alloc))
		die("iommufd");
	ioas = attach.pt_id = alloc.out_ioas_id;
	if (ioctl(device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach))
		die("VFIO_DEVICE_ATTACH_IOMMUFD_PT");
	return device;
}

static int iommufd_map(int space, void *at, size_t len, uint64_t iova)
{
	struct iommu_ioas_map map = {
		.size = sizeof(map), .ioas_id = ioas, .user_va = (uintptr_t)at, .iova = iova,
		.length = len,
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
			 IOMMU_IOAS_MAP_WRITEABLE,
	};

	return ioctl(space, IOMMU_IOAS_MAP, &map);
}

static struct vfio_region_info region(int device, int index)
{
	struct vfio_region_info info = { .argsz = sizeof(info), .index = index };

	if (ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &info))
		die("VFIO_DEVICE_GET_REGION_INFO");
	return info;
}

/* Let the device reach memory, and us its registers. */
static void enable(int device)
{
	uint16_t command = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
	off_t config = region(device, VFIO_PCI_CONFIG_REGION_INDEX).offset;
	struct vfio_region_info bar = region(device, VFIO_PCI_BAR0_REGION_INDEX);

	if (pwrite(device, &command, sizeof(command), config + PCI_COMMAND) != sizeof(command))
		die("PCI_COMMAND");
	regs = map(device, bar.size, bar.offset, 0);
}

static void transfer(uint64_t src, uint64_t dst, int direction)
{
	*(volatile uint64_t *)(regs + SRC) = src;
	*(volatile uint64_t *)(regs + DST) = dst;
	*(volatile uint64_t *)(regs + COUNT) = 64;
	*(volatile uint64_t *)(regs + COMMAND) = START | direction;
	while (*(volatile uint64_t *)(regs + COMMAND) & START)
		usleep(1000);
}

/* By way of the memory inside the device. */
static void copy(uint64_t from, uint64_t to)
{
	transfer(from, INSIDE, 0);
	transfer(INSIDE, to, TO_RAM);
}

int main(int argc, char **argv)
{
	int type1 = argc == 5 && !strcmp(argv[1], "type1"), space, device, fd;
	int (*map_for_device)(int, void *, size_t, uint64_t) = type1 ? type1_map : iommufd_map;
	char line[64], *block;

	if (argc != 5)
		return 2;
	device = (type1 ? type1_open : iommufd_open)(argv[2], &space);
	enable(device);
	buffer = mmap(NULL, 4096, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (map_for_device(space, buffer, 4096, BUFFER))
		die("mapping memory of our own");
	fd = open_or_die(argv[3], O_RDWR);
	block = map(fd, 2 * MIB, strtoull(argv[4], NULL, 0), 2 * MIB);
	if (map_for_device(space, block, 2 * MIB, BLOCK))
		cannot("mapping the block");
	munmap(block, 2 * MIB);
	close(fd);
	puts("held");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = '\0';
		if (!strncmp(line, "in ", 3)) {
			strcpy(buffer, line + 3);
			copy(BUFFER, BLOCK);
			printf("written %s\n", line + 3);
		} else {
			copy(BLOCK, BUFFER);
			printf("there is %.60s\n", buffer);
		}
		fflush(stdout);
	}
	return 0;
}
