# SPDX-License-Identifier: GPL-2.0-only
"""A VM that runs: what it has of the host's memory, whether it is alive, and its end."""
import re
import signal
import subprocess
import time

LOOK = 0.2      # seconds between two looks at its memory
LISTEN = 5      # between two at whether it says something
PATIENCE = 10   # from SIGTERM to SIGKILL

# What a kernel says when something is wrong with it.
BAD_CONSOLE = re.compile(
    "WARNING:|BUG:|KASAN|UBSAN|Oops|possible .*(deadlock|recursive)"
    "|BUG [a-z]"
    "|suspicious RCU|lockdep|unreferenced object|kmemleak: [1-9]"
    "|general protection|bad p[mug4]d|Kernel panic|INFO: task .* blocked|refcount_t")

# What it says when emulation has failed one of its CPUs, and what may follow.
LOST_CPU = re.compile("timer wakeup didn't happen|Oops: int3")
STUCK_CPU = re.compile("lockup|INFO: task .* blocked")


def lines(path):
    """A file's lines, as far as it is there."""
    if not path.exists():
        return []
    return [line.rstrip("\r") for line in path.read_bytes().decode(errors="replace").split("\n")]


def complaints(console):
    return [line for line in console if BAD_CONSOLE.search(line)]


def is_booting(console):
    """No userspace since the last kexec, or the beginning."""
    marks = [line for line in console if line.startswith("=== ")]
    return not marks or not marks[-1].startswith("=== test")


class Vm:
    """QEMU, run by COMMAND, that may take LIMIT MiB of the host's memory and SECONDS.

    A cgroup would limit its memory, but what runs in a container often cannot make one.
    If SILENCE is given, a VM whose files console and verdict in DIRECTORY do not grow for
    so many seconds ends.
    """

    def __init__(self, command, directory, limit, seconds, silence=None, **streams):
        self.console, self.verdict = directory / "console", directory / "verdict"
        self.log = directory / "qemu.log"   # what QEMU itself says
        self.limit, self.seconds, self.silence = limit, seconds, silence
        self.peak = 0           # the most MiB of the host's memory that it had
        self.resident = []      # the same at each "resident" in the verdict, None if not known
        self.killed = None      # why, if the lab killed it
        self.too_large = self.halted = False
        self.ticks = None
        self.start = time.monotonic()
        self.process = subprocess.Popen(command, **streams)

    def wait(self):
        """Look at the VM until it has ended. Returns QEMU's status, -N for signal N."""
        listened = self.start
        while (status := self.process.poll()) is None:
            now = time.monotonic()
            if self.killed:
                if now - self.killed_at > PATIENCE:
                    self.process.kill()
            else:
                self.look(now)
                if self.silence and not self.killed and now - listened >= LISTEN:
                    listened = now
                    self.listen()
            time.sleep(LOOK)
        self.ran = int(time.monotonic() - self.start)
        return status

    def kill(self, why):
        self.killed, self.killed_at = why, time.monotonic()
        self.process.terminate()

    def look(self, now):
        """Note what memory QEMU has, and end what takes too much of it or of time."""
        mib = self.resident_mib()
        self.peak = max(self.peak, mib)
        # Tests write "resident TEXT" to their verdict and then sleep for some seconds.
        noted = sum(line.startswith("resident ") for line in lines(self.verdict))
        while len(self.resident) < noted:
            # One that this look came too late for is not known.
            self.resident.append(mib if len(self.resident) == noted - 1 else None)
        if mib > self.limit:
            self.too_large = True
            self.kill(f"killed by the lab: the VM has {mib} MiB of the host's memory "
                      f"and may have {self.limit} (limit=)")
        elif now - self.start > self.seconds:
            self.kill(f"no verdict within {self.seconds}s")

    def resident_mib(self):
        """Memory of the host, page tables included: a guest that only reads gets the zero
        page, but 4 KiB of tables for each 2 MiB."""
        try:
            with open(f"/proc/{self.process.pid}/status") as status:
                kib = re.findall(r"^Vm(?:RSS|PTE):\s*(\d+)", status.read(), re.M)
            return sum(map(int, kib)) >> 10
        except OSError:
            return 0

    def listen(self):
        """Do not wait for a VM that has said nothing for SILENCE seconds and boots.

        Nor for one that halts: init says something every 10 s; but it gets the time in
        which the kernel finds tasks that are blocked.
        """
        idle = self.is_idle()
        if not self.console.exists():
            return
        said = max(file.stat().st_mtime for file in (self.console, self.verdict))
        silent = int(time.time() - said)
        if silent > self.silence and is_booting(lines(self.console)):
            self.kill(f"killed by the lab: the kernel said nothing for {silent} s and did not boot")
        elif silent > 2 * self.silence + 30 and idle:
            self.halted = True
            self.kill(f"killed by the lab: the VM said nothing for {silent} s, and QEMU is idle")

    def is_idle(self):
        """Since the last call it has needed less than a twentieth of a CPU."""
        before = self.ticks
        try:
            with open(f"/proc/{self.process.pid}/stat") as stat:
                self.ticks = sum(map(int, stat.read().rsplit(")")[-1].split()[11:13]))
        except OSError:
            return False
        return before is not None and self.ticks - before < 5 * LISTEN

    def last_words(self):
        """The last that QEMU said, such as the assertion that failed."""
        return next((line for line in reversed(lines(self.log)) if line), "")

    def emulation_failed(self):
        """How emulation failed, so that the run proves nothing; None if it did not.

        Seldom (once in some 250 boots, with two VMs on two busy cores) an emulated CPU
        gets no timer interrupts from early boot on: a kernel then stops before it
        reaches userspace, or later at the first thing that waits for that CPU, and
        says after 21 s that a timer did not fire. Or one takes an int3 of text_poke() that
        the other has removed again. Or the only one halts for ever: no process runs, and
        QEMU has nothing to do. Or an assertion of QEMU's fails, and it aborts.

        A failed check counts, and so does a complaint of the kernel's that comes before
        such a sign and is not of a CPU that is stuck. So does a VM that was killed for its
        memory, or by another signal that is not the lab's, and an error that QEMU reports.
        """
        console, verdict = lines(self.console), lines(self.verdict)
        aborted = not self.killed and self.process.returncode == -signal.SIGABRT
        if self.too_large or self.process.returncode and not (self.killed or aborted):
            return None
        if "done" in verdict or any(line.startswith("not ok ") for line in verdict):
            return None
        signs = [n for n, line in enumerate(console) if LOST_CPU.search(line)]
        before = complaints(console[:signs[0]] if signs else console)
        if not all(STUCK_CPU.search(line) for line in before):
            return None
        if aborted:
            return f"QEMU aborted: {self.last_words() or 'it does not say why'}"
        if signs or self.halted or is_booting(console):
            return "emulation failed a CPU"
        return None
