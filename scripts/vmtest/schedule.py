# SPDX-License-Identifier: GPL-2.0-only
"""Which tests run, when, and how often: as many at once as the machine has memory for."""
import collections
import subprocess
import sys
import threading
import time
import traceback
from typing import NamedTuple

import headers
import qemu
import report
import watch

RUN = qemu.CACHE / "run"


class Test(NamedTuple):
    kernel: str
    name: str
    settings: dict

    def __str__(self):
        return f"{self.kernel} {self.name}"


def plan(kernels, wanted):
    """The tests to run: the WANTED ones, or all, on each of the kernels that they are for."""
    files = [f for f in sorted((qemu.PROJECT / "tests/vm").glob("*.sh")) if f.stem != "lib"]
    known = {f.stem: headers.read(f) for f in files}
    tests = [Test(kernel, name, headers.settings(header, kernel))
             for kernel in kernels for name, header in known.items()
             # KUnit has a target of its own.
             if (name in wanted if wanted else name != "kunit")]
    tests = [test for test in tests if test.kernel in [*test.settings["kernels"], "debug"]]
    for name in wanted:
        if name not in [test.name for test in tests]:
            raise headers.Error(f"test '{name}' is not for {' '.join(kernels)}: "
                                "see its header in tests/vm")
    if not tests:
        raise headers.Error("no test to run")
    return tests


def kernels_of(tests):
    """All that they boot."""
    return {kernel for test in tests for kernel in [test.kernel, *test.settings["with"]]}


class Queue:
    """The tests that wait, and the memory that those that run may take.

    The limits of all VMs together are no more than what was available when the run began.
    One VM may always run. One after the other, so that small ones do not keep a large one
    waiting.
    """

    def __init__(self, tests, available):
        self.tests, self.available, self.taken = collections.deque(tests), available, 0
        self.turn, self.changed = threading.Lock(), threading.Condition()

    def take(self):
        """The next test, once there is memory for it; None if there is no more test."""
        with self.turn:
            if not self.tests:
                return None
            test = self.tests.popleft()
            limit = test.settings["limit"]
            with self.changed:
                self.changed.wait_for(
                    lambda: not self.taken or self.taken + limit <= self.available)
                self.taken += limit
            return test

    def put_back(self, test):
        """What TEST may take is free again."""
        with self.changed:
            self.taken -= test.settings["limit"]
            self.changed.notify_all()


def one_test(test, booted):
    """Run a test, show and keep what it found. Returns its counts."""
    start, values = time.monotonic(), test.settings
    silence = 600 if test.kernel == "debug" else 120
    machine = qemu.machine(test.kernel, values["memory"], f"lab.test {values['append']}",
                           cpus=values["cpus"], cpu=values["cpu"], reboot=values["reboot"],
                           nodes=values["nodes"], devices=values["devices"])
    directory = RUN / f"{test.kernel}-{test.name}"
    directory.mkdir(parents=True)
    failures = []
    for attempt in 1, 2, 3:
        qemu.job_disk(test.kernel, directory, test.name, values["with"], values["module"])
        if "nvme" in values["devices"]:
            qemu.run("truncate", "-s", "64M", directory / "nvme.img")
        (directory / "console").unlink(missing_ok=True)
        (directory / "verdict").write_text("")
        command = [*machine, *qemu.attach(
            directory, f"file:{directory}/console", f"file:{directory}/verdict")]
        # One that emulation failed boots by itself when it is run again.
        if attempt == 1 and headers.is_usual(values, test.kernel) and (
                state := booted.state(machine, values["limit"], silence)):
            command += ["-incoming", f"file:{state}"]
        with open(directory / "qemu.log", "w") as log:
            vm = watch.Vm(command, directory, values["limit"], values["seconds"],
                          silence=silence,
                          stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        vm.wait()
        if attempt == 3 or not (failure := vm.emulation_failed()):
            break
        # Such a run is shown, kept, and done again.
        failures.append(failure)
        (directory / "console").rename(directory / f"hung-{attempt}")
    found = list(report.results(vm))
    (directory / "ktap").write_text("\n".join(report.ktap(found)) + "\n")
    shown = list(report.report(test, found))
    if attempt > 1:
        shown[:0] = [f"ran again: {failure}; see {report.shown(directory)}/hung-{number}"
                     for number, failure in enumerate(failures, 1)]
    passed, failed, skipped = counts = report.counts(found)
    if failed:
        shown.append(f"console: {report.shown(directory)}/console")
    text = "".join(f"     {line}\n" for line in shown)
    (directory / "report").write_text(text)
    print(f"{test.kernel:12} {test.name:12} {passed:3} passed, {failed} failed"
          + (f", {skipped} skipped" if skipped else "")
          + f"  ({time.monotonic() - start:.0f}s, {vm.peak} MiB)\n{text}", end="", flush=True)
    (directory / "job.img").unlink()
    return counts


def work(queue, booted, running, done):
    """Run tests while there are any; DONE has the counts of those that came to an end."""
    while test := queue.take():
        running.append(test)
        try:
            done[str(test)] = one_test(test, booted)
        except Exception:
            traceback.print_exc()
            done[str(test)] = 0, 1, 0
        running.remove(test)
        queue.put_back(test)


def run_tests(title, tests, jobs):
    """All tests, some at once. Whenever there was no result for 20 s, say what runs."""
    booted = qemu.Booted(RUN / "booted")
    qemu.run("rm", "-rf", booted.directory)
    for test in tests:
        qemu.run("rm", "-rf", RUN / f"{test.kernel}-{test.name}")
    # Those that may take longest go first, so that none is left alone at the end.
    queue = Queue(sorted(tests, key=lambda test: -test.settings["seconds"]),
                  int(subprocess.check_output(qemu.PROJECT / "scripts/available-memory")))
    running, done, finished = [], {}, 0
    workers = [threading.Thread(target=work, args=(queue, booted, running, done), daemon=True)
               for _ in range(jobs)]
    for worker in workers:
        worker.start()
    start = shown = time.monotonic()
    while any(worker.is_alive() for worker in workers):
        time.sleep(0.2)
        now = time.monotonic()
        if len(done) != finished:
            finished, shown = len(done), now
        elif now - shown >= 20:
            shown = now
            print(f"   ... {finished} of {len(tests)} done, {now - start:.0f}s: "
                  + ", ".join(map(str, running)), file=sys.stderr, flush=True)
    qemu.run("rm", "-rf", booted.directory)
    for test in tests:
        if str(test) not in done:
            print(f"{test}: no result")
            done[str(test)] = 0, 1, 0
    passed, failed, skipped = map(sum, zip(*done.values()))
    print(f"{title}: {report.summary(passed, failed, skipped)}")
    return passed and not failed
