# SPDX-License-Identifier: GPL-2.0-only
"""How a VM is made and started: the disk of its job, QEMU's command line, and its boot."""
import collections
import hashlib
import os
import re
import subprocess
import threading
from pathlib import Path

import watch

CACHE = Path("/cache")
PROJECT = Path("/project")

# TCG does "rep stosb" and "rep movsb" a byte at a time: a kernel and a libc
# that are told they are fast spend a quarter of a run in them.
CPU = "max,erms=off,fsrm=off,fsrs=off,fzrm=off"

# Left out: self-tests of ciphers and of random numbers, certificates, audit, IPv6, type
# information for BPF and tracing; and patches for a single CPU.
QUICK_BOOT = ("cryptomgr.notests audit=0 ipv6.disable=1 noreplace-smp initcall_blacklist="
              "jent_mod_init,load_system_certificate_list,bpf_tcp_ca_kfunc_init,trace_eval_init ")

JOB_SIZE = "512M"


def kernel_file(kernel, name):
    return CACHE / f"kernel-{kernel}" / name


def run(*command):
    subprocess.run(command, check=True)


def released_module(kernel):
    """The module of RELEASE for a kernel; None where scripts/lab could not build it."""
    directory = kernel_file(kernel, "").resolve().name
    module = Path(os.environ["LAB_RELEASED"], directory, "guestmemfs.ko")
    return module if module.exists() else None


def job_disk(kernel, directory, test="", others=(), release=None):
    """Make DIRECTORY/job.img, the ext4 image at /job in the VM.

    It has all that a run needs beside the root disk, and the VM writes its state to it:
    it outlives every kexec. TEST is the test that the VM runs, and OTHERS are kernels that
    it will kexec into. RELEASE is whose module it gets for each of them, too.
    """
    job, build = directory / "job", CACHE / "build" / kernel
    run("rm", "-rf", job)
    (job / "kernels").mkdir(parents=True)
    (job / "kernel-name").write_text(kernel + "\n")
    (job / "test").write_text(test + "\n")
    run("cp", "-r", PROJECT / "tests/vm", job / "tests")
    run("cp", *(f for f in (build / "tests/vm").iterdir()
                if f.is_file() and os.access(f, os.X_OK) and f.suffix != ".sh"), job / "tests")
    run("cp", *(PROJECT / "scripts/vm").iterdir(), *build.glob("*.ko"), build / "tool/guestmemfs",
        kernel_file(kernel, "vmlinuz"), kernel_file(kernel, "initrd"), job)
    # The guest in the VM always runs the small kernel.
    run("cp", kernel_file("kho", "vmlinuz"), job / "guest-vmlinuz")
    run("cp", kernel_file("kho", "guest-initrd"), job)
    for other in {kernel, *others}:
        modules = CACHE / "build" / other
        if ready := os.environ.get("LAB_MODULES"):
            modules = Path(ready, kernel_file(other, "release").read_text().strip())
        (job / "kernels" / other).mkdir()
        run("cp", modules / "guestmemfs.ko",
            *(kernel_file(other, f) for f in ("vmlinuz", "initrd", "release")),
            job / "kernels" / other)
        if release and (module := released_module(other)):
            run("cp", module, job / "kernels" / other / f"guestmemfs-{release}.ko")
    # As installed ones are: insmod reads all of it.
    run("strip", "--strip-debug", *job.rglob("*.ko"))
    run("mke2fs", "-q", "-F", "-t", "ext4", "-O", "^has_journal", "-m", "0", "-d", job,
        directory / "job.img", JOB_SIZE)
    run("rm", "-rf", job)


def memory_options(memory, nodes, cpus):
    """QEMU's options for MEMORY MiB, or for NUMA nodes with so many each, which share the CPUs."""
    if not nodes:
        return ["-object", f"memory-backend-ram,id=ram,size={memory}M,reserve=off",
                "-machine", "q35,memory-backend=ram", "-m", f"{memory}M"]
    options = ["-machine", "q35", "-m", f"{memory}M"]
    for node, size in enumerate(nodes):
        options += ["-object", f"memory-backend-ram,id=node{node},size={size}M,reserve=off",
                    "-numa", f"node,nodeid={node},memdev=node{node}" + "".join(
                        f",cpus={cpu}" for cpu in range(node, cpus, len(nodes)))]
    return options


def device_options(devices):
    """QEMU's options for devices behind an emulated VT-d; the lab's own are not behind it."""
    options = ["-device", "intel-iommu"] if devices else []
    if "edu" in devices:
        options += ["-device", "edu"]
    if "nvme" in devices:
        options += ["-device", "nvme,drive=nvme,serial=lab"]
    return options


def machine(kernel, memory, append, cpus=2, cpu="", model=CPU, reboot=False,
            nodes=(), devices=(), accel="tcg,thread=multi"):
    """QEMU for a VM with MEMORY MiB, until it turns itself off. attach() has the rest."""
    # While identify_cpu() clears its flags, KASAN forgets that there are five
    # levels of page tables and calls an interrupt's access to memory wild.
    if kernel == "debug":
        model += ",la57=off"
    # Much of a stock kernel's boot has nothing to do with memory. And each access to
    # user memory under SMAP ends a translation block twice; kho and debug have it.
    if kernel.startswith("debian-"):
        model += ",smap=off"
        append = QUICK_BOOT + append
    if cpu:
        model += "," + cpu
    # A kernel that panics ends the run. Where a test resets the machine, it stays.
    panic = 0 if reboot else -1
    # QEMU ends with the lab. Legacy virtio, as its registers stay below 4 GiB whatever the
    # memory. The real-time clock goes with the VM's others when its state is restored.
    return [
        "setpriv", "--pdeathsig", "TERM", "qemu-system-x86_64",
        *memory_options(memory, nodes, cpus),
        *device_options(devices),
        "-global", "q35-pcihost.pci-hole64-size=1G",
        "-global", "virtio-blk-pci.disable-modern=on",
        "-global", "virtio-blk-pci.disable-legacy=off",
        "-global", "virtio-rng-pci.disable-modern=on",
        "-global", "virtio-rng-pci.disable-legacy=off",
        "-accel", accel, "-cpu", model, "-smp", f"{cpus},sockets={cpus}" if nodes else str(cpus),
        "-nodefaults", "-display", "none", "-rtc", "clock=vm",
        "-drive", f"file={os.environ['LAB_DISK']},format=raw,if=virtio,readonly=on",
        "-device", "virtio-rng-pci",
        "-kernel", kernel_file(kernel, "vmlinuz"), "-initrd", kernel_file(kernel, "initrd"),
        "-append", f"console=ttyS0 panic={panic} oops=panic kho=on loglevel=5 {append}",
        *([] if reboot else ["-no-reboot"]),
    ]


def attach(directory, console, verdict):
    """What a VM has of its own: the disks of DIRECTORY and the two serial ports."""
    nvme = directory / "nvme.img"
    return ["-drive", f"file={directory}/job.img,format=raw,if=virtio,cache=unsafe",
            *(["-drive", f"file={nvme},format=raw,if=none,id=nvme"] if nvme.exists() else []),
            "-serial", console, "-serial", verdict]


class Booting(watch.Vm):
    """A VM that leaves its state in DIRECTORY/state when its initrd waits for the job disk."""

    saving = False

    def look(self, now):
        super().look(now)
        if not self.saving and "waiting" in watch.lines(self.verdict):
            self.saving = True
            self.process.stdin.write(f"migrate file:{self.verdict.parent}/state\n"
                                     "info migrate\nquit\n".encode())
            self.process.stdin.flush()


class Booted:
    """The states of VMs that have booted: most tests can begin with one of a few."""

    def __init__(self, directory):
        self.directory, self.locks = directory, collections.defaultdict(threading.Lock)

    def state(self, vm, limit, silence):
        """The file with what the VM of machine() is once it has booted; None if that failed.

        The first test that needs it makes it.
        """
        name = hashlib.sha256(repr(vm).encode()).hexdigest()[:12]
        directory = self.directory / name
        with self.locks[name]:
            if not directory.exists():
                self.boot(vm, directory, limit, silence)
        state = directory / "state"
        return state if state.exists() else None

    def boot(self, vm, directory, limit, silence):
        directory.mkdir(parents=True)
        (directory / "verdict").write_text("")
        run("truncate", "-s", JOB_SIZE, directory / "job.img")
        ports = (f"file:{directory}/{port}" for port in ("console", "verdict"))
        with open(directory / "qemu.log", "w") as log:
            booting = Booting([*vm, *attach(directory, *ports), "-monitor", "stdio"],
                              directory, limit, 600, silence=silence,
                              stdin=subprocess.PIPE, stdout=log, stderr=log)
        # If its kernel complains, each test shall see that for itself.
        status = booting.wait()
        saved = re.search(r"[Ss]tatus:\s*completed", (directory / "qemu.log").read_text())
        if status or not saved or watch.complaints(watch.lines(booting.console)):
            (directory / "state").unlink(missing_ok=True)
