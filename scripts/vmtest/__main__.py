# SPDX-License-Identifier: GPL-2.0-only
"""Runs VMs: the tests of tests/vm, several at once, and the demos. For scripts/lab."""
import os
import re
import subprocess
import sys
import threading

import headers
import qemu
import report
import schedule
import watch


def story(vm):
    """Show what a VM tells on its standard output. Returns why it is no good one, if so."""
    def tell():
        with open(vm.verdict, "wb") as verdict:
            for line in vm.process.stdout:
                verdict.write(line)
                if line != b"done\n":
                    sys.stdout.buffer.write(line)
                    sys.stdout.flush()
    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    vm.wait()
    teller.join()
    told = watch.lines(vm.verdict)
    if bad := watch.complaints(watch.lines(vm.console)):
        return "the kernel complained: " + bad[0]
    if "done" not in told or any(line.startswith("FAILED") for line in told):
        return vm.killed or "it did not come to a good end"
    return None


def run_vm(kernel, name, seconds, memory, append, how=""):
    """One VM: "shell" at its first serial port, or a story at its second."""
    directory = schedule.RUN / name
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "console").unlink(missing_ok=True)
    qemu.job_disk(kernel, directory)
    serials = ["mon:stdio", "null"] if how == "shell" else [f"file:{directory}/console", "stdio"]
    options = {}
    if how == "icount":
        options = {"accel": "tcg,thread=single", "cpus": 1, "model": "max"}
    command = [*qemu.machine(kernel, int(memory), append, **options),
               *qemu.attach(directory, *serials)]
    if how == "icount":
        command += ["-icount", "shift=0,sleep=off"]
    limits = int(memory) + 1024, int(seconds)
    if how == "shell":
        print("The module and the tests are in /job. Leave with exit, or Ctrl-a x.", flush=True)
        watch.Vm(command, directory, *limits).wait()
    elif why := story(watch.Vm(command, directory, *limits, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE)):
        raise headers.Error(f"{name}: {why}; see {report.shown(directory)}/console")


def main(command, *args):
    """ "run ...": one VM; "test TITLE": the tests; "plan": the kernels that they need;
    "released": those that they need the module of a release for."""
    if command == "run":
        return run_vm(*args)
    tests = schedule.plan(*(re.findall("[^, ]+", os.environ[names]) for names in "KT"))
    if command == "plan":
        print(*sorted({"kho"} | schedule.kernels_of(tests)))
        return 0
    if command == "released":
        print(*sorted(schedule.kernels_of(t for t in tests if t.settings["module"])))
        return 0
    jobs = int(os.environ["JOBS"] or len(os.sched_getaffinity(0)))
    return 0 if schedule.run_tests(*args, tests, jobs) else 1


try:
    sys.exit(main(*sys.argv[1:]))
except headers.Error as error:
    sys.exit(f"lab: {error}")
except KeyboardInterrupt:
    sys.exit(130)
