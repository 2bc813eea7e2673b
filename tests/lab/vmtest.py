# SPDX-License-Identifier: GPL-2.0-only
"""What scripts/vmtest decides and says about VMs, tried on other processes."""
import contextlib
import io
import os
import re
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, "/project/scripts/vmtest")
import headers
import qemu
import report
import schedule
import watch

watch.LOOK, watch.LISTEN, watch.PATIENCE = 0.1, 0.3, 0.3
top = Path(tempfile.mkdtemp())
qemu.PROJECT = top / "project"
schedule.RUN = top / "run"
tests = qemu.PROJECT / "tests/vm"
tests.mkdir(parents=True)


def same(text, want, got):
    print(f"ok {text}" if want == got else f"not ok {text} (got {got!r}, expected {want!r})",
          flush=True)


def refused(call, *args):
    """The line that the user reads."""
    try:
        call(*args)
    except headers.Error as error:
        return str(error)
    return None


def header(text, name="x"):
    (tests / f"{name}.sh").write_text("#!/bin/bash\n# A test.\n" + text + "\n")
    return headers.read(tests / f"{name}.sh")


def settings(text, kernel, *keys):
    values = headers.settings(header(text), kernel)
    return [values[key] for key in keys]


# Headers.
SMALL = """# lab: memory=1008G cpus=1 cpu=pdpe1gb=off limit=2G append=a=1,b$2
# lab: with=debug,kho reboot=yes
# lab-debug: limit=5500M"""
same("header: limit=", [2048], settings(SMALL, "kho", "limit"))
same("header: limit= for debug", [5500], settings(SMALL, "debug", "limit"))
same("header: limit= of one that has none", [3500, 6144],
     settings("", "kho", "limit") + settings("", "debug", "limit"))
same("header: cpu is not cpus", ["pdpe1gb=off", 1], settings(SMALL, "kho", "cpu", "cpus"))
same("header: debug has two CPUs", [2], settings(SMALL, "debug", "cpus"))
same("header: debug has five times the seconds", [400, 2000],
     settings("", "kho", "seconds") + settings("", "debug", "seconds"))
same("header: debug has 4 GiB more", [8192], settings("", "debug", "memory"))
same("header: debug has no more of a TiB", [1008 * 1024], settings(SMALL, "debug", "memory"))
same("header: commas of append= are blanks", ["a=1 b$2"], settings(SMALL, "kho", "append"))
same("header: semicolons of append= are commas", ["a=1,2 b"],
     settings("# lab: append=a=1;2,b", "kho", "append"))
NODES = "# lab: nodes=5G,512M cpus=3"
same("header: nodes= is the memory", [[5120, 512], 5632], settings(NODES, "kho", "nodes", "memory"))
same("header: nodes= on debug", [[5120, 4608], 9728], settings(NODES, "debug", "nodes", "memory"))
same("machine: nodes share the CPUs",
     "-machine q35 -m 5632M -object memory-backend-ram,id=node0,size=5120M,reserve=off "
     "-numa node,nodeid=0,memdev=node0,cpus=0,cpus=2 -object memory-backend-ram,id=node1,"
     "size=512M,reserve=off -numa node,nodeid=1,memdev=node1,cpus=1",
     " ".join(qemu.memory_options(5632, [5120, 512], 3)))
same("header: an unknown device", "tests/vm/x.sh: devices=edu,floppy names an unknown device; "
     "the devices are edu, nvme", refused(header, "# lab: devices=edu,floppy"))
same("header: devices= is not usual", False,
     headers.is_usual(headers.settings(header("# lab: devices=edu"), "kho"), "kho"))
same("machine: devices come behind an IOMMU", "-device intel-iommu -device edu",
     " ".join(qemu.device_options(["edu"])))
same("machine: no IOMMU without devices", [], qemu.device_options([]))
same("header: with= and reboot=", [["debug", "kho"], True],
     settings(SMALL, "kho", "with", "reboot"))
same("header: an unknown key",
     "tests/vm/x.sh: 'memroy=' is unknown; the keys are memory=, limit=, seconds=, cpus=, "
     "kernels=, with=, module=, reboot=, cpu=, nodes=, devices=, append=",
     refused(header, "# lab: cpus=1 memroy=4G"))
same("header: a key without a value", "tests/vm/x.sh: 'reboot' is unknown",
     (refused(header, "# lab: reboot") or "").split(";")[0])
same("header: a colon is missing", True,
     (refused(header, "# lab memory=9G") or "").startswith("tests/vm/x.sh: 'lab' is unknown"))
same("header: neither lab: nor lab-debug:",
     "tests/vm/x.sh: 'lab-kho:' is unknown; use 'lab:' or 'lab-debug:'",
     refused(header, "# lab-kho: cpus=1"))
same("header: nodes= beside memory=",
     "tests/vm/x.sh: memory= and nodes= exclude each other: the nodes have all the memory",
     refused(header, "# lab: memory=4G nodes=2G,2G"))
same("header: nodes= on debug beside memory= elsewhere", True,
     (refused(header, "# lab: memory=4G\n# lab-debug: nodes=2G,2G") or "").endswith("the memory"))
same("header: nodes= is not usual", [True, False],
     [headers.is_usual(headers.settings(header(text), "kho"), "kho")
      for text in ("# lab: memory=4G", "# lab: nodes=2G,2G")])
same("machine: without nodes as it was",
     "-object memory-backend-ram,id=ram,size=4096M,reserve=off -machine q35,memory-backend=ram "
     "-m 4096M", " ".join(qemu.memory_options(4096, [], 2)))
for pair, says in {
        "nodes=": "is not a size; 512M or 2G would be",
        "nodes=2G;2G": "is not a size; 512M or 2G would be",
        "limit=lots": "is not a size; 512M or 2G would be",
        "memory=4096": "is not a size; 512M or 2G would be",
        "nodes=2G,": "is not a size; 512M or 2G would be",
        "seconds=5m": "is not a number; 2 or 400 would be",
        "cpus=0": "is not a number; 2 or 400 would be",
        "kernels=kho,khoo": "names an unknown kernel; the kernels are kho, debug, "
                            "debian-6.12, debian-7",
        "with=": "names an unknown kernel; the kernels are kho, debug, debian-6.12, debian-7",
        "module=0.2": "is unknown; module=0.1 is the only choice",
        "reboot=no": "is unknown; reboot=yes is the only choice"}.items():
    same(f"header: {pair} is refused", f"tests/vm/x.sh: {pair} {says}",
         refused(header, f"# lab: {pair}"))

# Which tests run.
header("# lab: seconds=700", "x")
header("# lab: kernels=kho", "kunit")
header("# lab: kernels=debian-7", "new")
header("What no test has.", "lib")
same("plan: the kernels of the header, and debug", "kho x,debian-7 new,debug new,debug x",
     ",".join(map(str, schedule.plan(["kho", "debian-7", "debug"], []))))
same("plan: KUnit if it is named", ["kho kunit"],
     [str(test) for test in schedule.plan(["kho"], ["kunit"])])
same("plan: one that is for none of the kernels",
     "test 'new' is not for kho: see its header in tests/vm",
     refused(schedule.plan, ["kho"], ["new", "x"]))
refused(header, "# lab: colour=red", "wrong")
same("plan: a wrong header fails a run without that test", True,
     (refused(schedule.plan, ["kho"], ["x"]) or "").startswith("tests/vm/wrong.sh: 'colour=' "))
(tests / "wrong.sh").unlink()


# The module of a release.
same("release: none unless the header asks for it", [[], "0.1"],
     settings("", "kho", "module") + settings("# lab: module=0.1", "kho", "module"))
header("# lab: module=0.1 with=debian-7", "old")
planned = schedule.plan(["kho", "debug"], ["x", "old"])
same("release: for all kernels of the tests that ask for it", ["debian-7", "debug", "kho"],
     sorted(schedule.kernels_of(t for t in planned if t.settings["module"])))
(tests / "old.sh").unlink()
qemu.CACHE = top / "cache"
os.environ["LAB_RELEASED"] = str(top / "released")
for directory in qemu.CACHE / "kernel-kho-1", top / "released/kernel-kho-1":
    directory.mkdir(parents=True)
(qemu.CACHE / "kernel-kho").symlink_to("kernel-kho-1")
same("release: no module where it was not built", None, qemu.released_module("kho"))
(top / "released/kernel-kho-1/guestmemfs.ko").write_text("")
same("release: it is found by the kernel's directory", "kernel-kho-1/guestmemfs.ko",
     str(qemu.released_module("kho").relative_to(top / "released")))


# Memory.
def test(name, limit=1, **values):
    return schedule.Test("kho", name, headers.settings(({}, {}), "kho") | {"limit": limit} | values)


queue = schedule.Queue([test("a", 3000), test("b", 2000), test("c", 2001), test("d", 1)], 5000)
a, b, taken = queue.take(), queue.take(), []
same("memory: what fits runs", ["a", "b"], [a.name, b.name])
waiting = [threading.Thread(target=lambda: taken.append(queue.take()), daemon=True)
           for _ in "cd"]
for thread in waiting:
    thread.start()
time.sleep(0.2)
same("memory: what does not fit waits, and what comes later behind it", [], taken)
queue.put_back(b)
time.sleep(0.2)
same("memory: it waits until there is enough", [], taken)
queue.put_back(a)
for thread in waiting:
    thread.join(5)
same("memory: then both run, in turn", ["c", "d"], [t.name for t in taken])
same("memory: no more tests", None, queue.take())
same("memory: one VM may always run", "big", schedule.Queue([test("big", 9000)], 100).take().name)


# VMs.
def vm(*command, limit=1000, seconds=100, age=0, console="", verdict="", **more):
    """A VM that has said something AGE seconds ago, after its end."""
    for name, text in ("console", console), ("verdict", verdict):
        (top / name).write_text(text)
        os.utime(top / name, (time.time() - age,) * 2)
    found = watch.Vm(command, top, limit, seconds, **more)
    found.wait()
    return found


def because(found):
    """Why it ended, whatever time that took."""
    return re.sub("[0-9]+ ?s", "N s", report.ending(found))


LOST = "emulation failed a CPU"
large = vm("sleep", "9", limit=0)
same("limit: a VM with more is killed", -15, large.process.returncode)
same("limit: the report says by whom and why",
     f"killed by the lab: the VM has {large.peak} MiB of the host's memory and may have 0 (limit=)",
     because(large))
same("limit: it is not run again", None, large.emulation_failed())
same("limit: a VM with less is not killed", None, vm("sleep", "0.3").killed)
same("time: a VM that takes longer is killed", "no verdict within N s",
     because(vm("sleep", "9", seconds=1)))
same("time: one that takes no notice gets SIGKILL", -9,
     vm("sh", "-c", "trap '' TERM; exec sleep 9", seconds=1).process.returncode)
silent = vm("sleep", "9", age=100, silence=99)
same("silence: a VM that boots",
     "killed by the lab: the kernel said nothing for N s and did not boot", because(silent))
same("silence: it is run again", LOST, silent.emulation_failed())
same("silence: a kexec is a boot", True, "did not boot" in because(
    vm("sleep", "9", age=100, silence=99, console="=== test x\n=== kexec\n")))
HALTED = {"age": 100, "silence": 34, "seconds": 2, "console": "=== test x\n"}
halted = vm("sleep", "9", **HALTED)
same("silence: a VM that halts",
     "killed by the lab: the VM said nothing for N s, and QEMU is idle", because(halted))
same("silence: that is run again", LOST, halted.emulation_failed())
same("silence: not if its kernel complained", None,
     vm("sleep", "9", **HALTED | {"console": "=== test x\nBUG: bad\n"}).emulation_failed())
same("silence: a VM that computes may go on", "no verdict within N s",
     because(vm("sh", "-c", "while :; do :; done", **HALTED)))
same("silence: blocked tasks get the time to be found", "no verdict within N s",
     because(vm("sleep", "9", **HALTED | {"silence": 36})))
BOOTED = "=== kexec\n=== test x\n"
other = vm("sh", "-c", "kill -9 $$", console="")
same("signal: the report says that it was not the lab",
     "QEMU was killed by signal 9 after N s, not by the lab", because(other).split(":")[0])
same("signal: it is not run again", None, other.emulation_failed())
same("status: the report has it", "QEMU ended with status 1 after N s",
     because(vm("false", console=BOOTED)))
for text, says, want in (
        ("a timer that does not fire", "timer wakeup didn't happen", LOST),
        ("an int3 of text_poke()", "Oops: int3", LOST),
        ("another oops", "Oops: 0000", None)):
    same(f"run again: {text}", want, vm("true", console=BOOTED + says + "\n").emulation_failed())
FAILED = "=== test x\n=== kexec\n"
same("run again: a kexec that did not boot", LOST, vm("true", console=FAILED).emulation_failed())
same("run again: not if a check failed before", None,
     vm("true", console=FAILED, verdict="not ok a: b\n").emulation_failed())
same("run again: not if the kernel complained", None,
     vm("true", console=FAILED + "Oops: 0000\nKernel panic\n").emulation_failed())
same("run again: not if it complained before it lost a CPU", None,
     vm("true", console="WARNING: x\n" + FAILED + "Oops: int3\n").emulation_failed())
same("run again: if it found the CPU stuck", LOST,
     vm("true", console=FAILED + "BUG: soft lockup\n").emulation_failed())
same("run again: not if QEMU failed", None, vm("false").emulation_failed())
(top / "qemu.log").write_text("a warning\nERROR:cpus.c:504: assertion failed\n")
ABORT = "sh", "-c", "kill -ABRT $$"
same("run again: if QEMU aborted, with what it said",
     "QEMU aborted: ERROR:cpus.c:504: assertion failed",
     vm(*ABORT, console=BOOTED).emulation_failed())
same("run again: not if QEMU aborted after a failed check", None,
     vm(*ABORT, console=BOOTED, verdict="not ok a: b\n").emulation_failed())
same("run again: not if QEMU aborted after a complaint", None,
     vm(*ABORT, console=BOOTED + "BUG: bad\n").emulation_failed())
same("signal: the report has what QEMU said",
     "QEMU was killed by signal 6 after N s, not by the lab: ERROR:cpus.c:504: assertion failed",
     because(vm(*ABORT)))
same("status: the report has what QEMU said",
     "QEMU ended with status 1 after N s: ERROR:cpus.c:504: assertion failed", because(vm("false")))
(top / "qemu.log").unlink()
same("run again: not what has its verdict", None, vm("true", verdict="done\n").emulation_failed())


# Results.
def results(verdict, console=BOOTED, resident=()):
    found = vm("true", verdict=verdict, console=console)
    found.resident = list(resident)
    return list(report.results(found))


grown = vm("sh", "-c", f"cd {top}; echo resident a >>verdict; sleep 1; "
           "printf 'resident %s\\n' b c >>verdict; exec sleep 1")
same("growth: a look at each note, unless it came too late", [True, False, True],
     [mib is not None for mib in grown.resident])
VERDICT = "resident a\nresident b\ngrows-by {} load: it is small\nresident c\ndone\n"
for text, most, resident, kind, why in (
        ("as much as it may", 64, [100, 164, 999], "ok", ""),
        ("more", 63, [100, 164, 999], "not ok",
         "got 100 to 164 MiB, expected at most 63 MiB more"),
        ("not known", 64, [None, 100, 100], "not ok",
         "got ? to 100 MiB, expected at most 64 MiB more")):
    same(f"growth: {text}", (kind, "load: it is small", why, ()),
         tuple(results(VERDICT.format(most), resident=resident)[1]))
same("growth: one note is too few", "not ok", results("resident a\ngrows-by 9 x: y\n",
                                                      resident=[1])[1].kind)
FOUND = results("ok a: works\nnot ok b: works (got '1', expected '2')\nskip c: #1 works # no such\n"
                "alive\ninfo d\nnot ok e: works\ndone\n")
same("report: each line can be read alone",
     ["d", "skip kho x: c: #1 works (no such)", "not ok kho x: b: works (got '1', expected '2')",
      "not ok kho x: e: works"], list(report.report("kho x", FOUND)))
same("report: the summary", "1 passed, 2 failed, 1 skipped", report.summary(*report.counts(FOUND)))
same("report: no word of skips where nothing was", "1 passed, 0 failed", report.summary(1, 0, 0))
same("ktap: the lines of the format",
     ["KTAP version 1", "1..4", "ok 1 a: works", "not ok 2 b: works # got '1', expected '2'",
      "ok 3 c: _1 works # SKIP no such", "# d", "not ok 4 e: works"], list(report.ktap(FOUND)))
bad = results("ok a: b\ndone\n", console=BOOTED + "WARNING: CPU 0\nfine\n")
same("console: a complaint fails the run", [1, 1, 0], report.counts(bad))
same("console: the report shows it", "| WARNING: CPU 0", list(report.report("kho x", bad))[-1])
lost = results("ok a: b\n", console=BOOTED + "the last line\n")
same("verdict: none fails the run", [1, 1, 0], report.counts(lost))
same("verdict: the report shows where the console ends", "| the last line",
     list(report.report("kho x", lost))[-1])
same("paths: as the machine has them", "/where/it/is/run", report.shown("/cache/run"))


# A whole run.
def attach(directory, console, verdict):
    """The Nth run of a test does what its Nth script says, in place of QEMU."""
    name = directory.name.split("-")[-1]
    script = scripts[name].pop(0) if name in scripts else boot
    return [f"cd {directory}; {script}", "sh"]


def machine(kernel, memory, append, **options):
    return ["sh", "-c"]


qemu.attach, qemu.machine = attach, machine
qemu.job_disk = lambda kernel, directory, *more: (directory / "job.img").write_text("")
(qemu.PROJECT / "scripts").mkdir()
(qemu.PROJECT / "scripts/available-memory").write_text("#!/bin/sh\necho 1000\n")
(qemu.PROJECT / "scripts/available-memory").chmod(0o755)


def run(values={}, **what):
    scripts.update(what)
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        good = schedule.run_tests("vmtest", [test(name, **values) for name in what], 2)
    return bool(good), said.getvalue().split("\n")[-2]


def order(tests):
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        schedule.run_tests("vmtest", tests, 1)
    return [line.split()[1] for line in said.getvalue().split("\n") if line.startswith("kho ")]


scripts, boot = {}, "exit 1"
GOOD = "echo '=== test' >console; printf '%s\\n' 'ok a: b' done >verdict"
SKIP = "echo '=== test' >console; printf '%s\\n' 'ok a: b' 'skip c: d # e' done >verdict"
same("run: all passed", (True, "vmtest: 2 passed, 0 failed"), run(one=[GOOD], two=[GOOD]))
scripts.update(short=[GOOD], long=[GOOD])
same("run: what may take longest is first", ["long", "short"],
     order([test("short", seconds=300), test("long", seconds=400)]))
same("run: skips are counted", (True, "vmtest: 2 passed, 0 failed, 1 skipped"),
     run(one=[GOOD], two=[SKIP]))
same("run: its results as KTAP", "KTAP version 1\n1..2\nok 1 a: b\nok 2 c: d # SKIP e\n",
     (schedule.RUN / "kho-two/ktap").read_text())
same("run: a lost CPU, and then a good one", (True, "vmtest: 1 passed, 0 failed"),
     run(one=["echo hung >console", GOOD]))
same("run: the console of the lost one is kept", "hung\n",
     (schedule.RUN / "kho-one/hung-1").read_text())
same("run: the report says that it ran twice", True,
     (schedule.RUN / "kho-one/report").read_text().startswith(f"     ran again: {LOST}; see "))
same("run: three lost ones are a failure", (False, "vmtest: 0 passed, 1 failed"),
     run(one=["echo hung >console"] * 3 + [GOOD]))
same("run: and no fourth one", [GOOD], scripts["one"])
with contextlib.redirect_stderr(io.StringIO()):
    same("run: a test that cannot be run fails", (False, "vmtest: 1 passed, 1 failed"),
         run(one=[GOOD], two=[]))
with contextlib.redirect_stderr(io.StringIO()):
    one_test, schedule.one_test = schedule.one_test, lambda *args: sys.exit()
    same("run: a test without a result fails", (False, "vmtest: 0 passed, 2 failed"),
         run(one=[GOOD], two=[GOOD]))
    schedule.one_test = one_test
same("run: nothing passed is no good run", (False, "vmtest: 0 passed, 0 failed"),
     run(one=["echo '=== test' >console; echo done >verdict"]))

# A boot whose state is saved: QEMU's monitor is its input, and the state's file its 2nd word.
boot = """echo boot >>../../boots; echo waiting >verdict
read -r command file; echo "$command" >"${file#file:}"
read -r command; echo "Status: completed"; read -r command; [ "$command" = quit ]"""
STATE = """[ "$1" = -incoming ] && [ "$(cat "${2#file:}")" = migrate ] && """ + GOOD
OWN = "[ $# = 0 ] && " + GOOD
same("booted: usual VMs go on from one state", (True, "vmtest: 2 passed, 0 failed"),
     run(one=[STATE], two=[STATE]))
same("booted: the first that needs the state makes it", "boot\n",
     (schedule.RUN / "boots").read_text())
same("booted: a VM with a header of its own boots", (True, "vmtest: 1 passed, 0 failed"),
     run({"append": "x=1"}, one=[OWN]))
same("booted: a VM that lost a CPU boots itself", (True, "vmtest: 1 passed, 0 failed"),
     run(one=["echo hung >console", OWN]))
good = boot
for text, boot in (
        ("QEMU failed", "echo waiting >verdict; echo part >state; exit 1"),
        ("QEMU could not save it", good.replace("completed", "failed")),
        ("its kernel complained", "echo WARNING: >console; " + good)):
    same(f"booted: no state if {text}", (True, "vmtest: 1 passed, 0 failed"), run(one=[OWN]))
same("booted: no state is left", False, (schedule.RUN / "booted").exists())
qemu.run("rm", "-rf", top)
