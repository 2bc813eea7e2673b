// SPDX-License-Identifier: GPL-2.0-only
/*
 * vhostscsi FILE WWPN - be a guest's driver for the target WWPN of vhost-scsi: the guest's RAM is a
 * shared mapping of FILE, which is made anew, and it asks the target who it is.
 *
 * Prints "ok" if the answer is in the RAM; otherwise the response, or "skip: REASON".
 */
#include <linux/vhost.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <linux/virtio_scsi.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>

#include "mapping.h"

enum {
	LEN = 4 * MIB, NR = 16,
	/* Where things are in the guest's RAM. */
	DESC = 0x1000, AVAIL = 0x2000, USED = 0x3000, REQUEST = 0x4000, RESPONSE = 0x5000,
	DATA = 0x6000,
	QUEUE = 2,		/* the first one for requests */
	ANSWER = 36,		/* bytes of INQUIRY's data */
};

static char *ram;

static void set(int fd, unsigned long ioctl_nr, void *what, const char *name)
{
	if (ioctl(fd, ioctl_nr, what))
		die(name);
}

/* The queue for requests; kick and call are eventfds. */
static void set_queue(int fd, int kick, int call)
{
	struct vhost_vring_state num = { QUEUE, NR }, base = { QUEUE, 0 };
	struct vhost_vring_addr addr = {
		.index = QUEUE, .desc_user_addr = (uintptr_t)ram + DESC,
		.avail_user_addr = (uintptr_t)ram + AVAIL,
		.used_user_addr = (uintptr_t)ram + USED,
	};
	struct vhost_vring_file on_kick = { QUEUE, kick }, on_call = { QUEUE, call };

	set(fd, VHOST_SET_VRING_NUM, &num, "VHOST_SET_VRING_NUM");
	set(fd, VHOST_SET_VRING_BASE, &base, "VHOST_SET_VRING_BASE");
	set(fd, VHOST_SET_VRING_ADDR, &addr, "VHOST_SET_VRING_ADDR");
	set(fd, VHOST_SET_VRING_KICK, &on_kick, "VHOST_SET_VRING_KICK");
	set(fd, VHOST_SET_VRING_CALL, &on_call, "VHOST_SET_VRING_CALL");
}

/* INQUIRY to LUN 0 of target 1: request, response, data. */
static void ask(void)
{
	struct virtio_scsi_cmd_req *request = (void *)(ram + REQUEST);
	struct vring_desc *desc = (void *)(ram + DESC);
	struct vring_avail *avail = (void *)(ram + AVAIL);

	*request = (struct virtio_scsi_cmd_req){
		.lun = { 1, 1, 0x40, 0 }, .tag = 1, .cdb = { 0x12, 0, 0, 0, ANSWER },
	};
	((struct virtio_scsi_cmd_resp *)(ram + RESPONSE))->response = 0xff;
	desc[0] = (struct vring_desc){ REQUEST, sizeof(*request), VRING_DESC_F_NEXT, 1 };
	desc[1] = (struct vring_desc){ RESPONSE, sizeof(struct virtio_scsi_cmd_resp),
				       VRING_DESC_F_WRITE | VRING_DESC_F_NEXT, 2 };
	desc[2] = (struct vring_desc){ DATA, ANSWER, VRING_DESC_F_WRITE, 0 };
	avail->ring[0] = 0;
	__atomic_store_n(&avail->idx, 1, __ATOMIC_RELEASE);
}

static const char *run(const char *wwpn)
{
	int fd = open("/dev/vhost-scsi", O_RDWR), kick = eventfd(0, 0), call = eventfd(0, 0);
	struct virtio_scsi_cmd_resp *response = (void *)(ram + RESPONSE);
	struct vhost_scsi_target target = { .abi_version = VHOST_SCSI_ABI_VERSION };
	struct pollfd answered = { call, POLLIN, 0 };
	uint64_t features = 1ULL << VIRTIO_F_VERSION_1, one = 1;
	struct {
		struct vhost_memory head;
		struct vhost_memory_region region;
	} memory = {
		.head.nregions = 1,
		.region = { .memory_size = LEN, .userspace_addr = (uintptr_t)ram },
	};
	static char text[40];

	if (fd < 0)
		return "skip: no vhost-scsi";
	set(fd, VHOST_SET_OWNER, NULL, "VHOST_SET_OWNER");
	set(fd, VHOST_SET_FEATURES, &features, "VHOST_SET_FEATURES");
	set(fd, VHOST_SET_MEM_TABLE, &memory, "VHOST_SET_MEM_TABLE");
	set_queue(fd, kick, call);
	snprintf(target.vhost_wwpn, sizeof(target.vhost_wwpn), "%s", wwpn);
	set(fd, VHOST_SCSI_SET_ENDPOINT, &target, "VHOST_SCSI_SET_ENDPOINT");
	ask();
	if (write(kick, &one, sizeof(one)) != sizeof(one))
		die("kick");
	if (poll(&answered, 1, 5000) != 1)
		return "no answer";
	if (!response->response && !response->status && !memcmp(ram + DATA + 8, "LIO-ORG", 7))
		return "ok";
	snprintf(text, sizeof(text), "response %u", response->response);
	return text;
}

int main(int argc, char **argv)
{
	int fd;

	if (argc != 3)
		return 1;
	ram = map_new(argv[1], LEN, &fd);
	memset(ram, 0, LEN);
	puts(run(argv[2]));
	return 0;
}
