# SPDX-License-Identifier: GPL-2.0-only
"""What a run showed: its results, from the verdict and from what the lab saw."""
import os
import re
import subprocess
from typing import NamedTuple

from watch import complaints, lines


class Result(NamedTuple):
    kind: str           # "ok", "not ok", "skip", or "info", which does not count
    text: str           # subject: expectation
    why: str = ""       # what came instead, or why it was skipped
    console: tuple = () # lines that show it


def shown(path):
    """A file of the cache as the machine's user finds it."""
    return str(path).replace("/cache", os.environ["LAB_CACHE"], 1)


def growth(resident, most, text):
    """Between the last two measurements QEMU has grown by no more than so many MiB."""
    before, after = ([None, None] + resident)[-2:]
    known = before is not None and after is not None
    had = " to ".join("?" if mib is None else str(mib) for mib in (before, after))
    yield Result("info", f"QEMU had {had} MiB")
    if known and after - before <= int(most):
        yield Result("ok", text)
    else:
        yield Result("not ok", text, f"got {had} MiB, expected at most {most} MiB more")


def said(vm):
    """The results that the test itself reports."""
    noted = 0
    for line in lines(vm.verdict):
        match = re.fullmatch(r"(ok|not ok|skip|info|resident|grows-by) (.*)", line)
        if not match:
            continue
        kind, text = match.groups()
        if kind == "resident":
            noted += 1
        elif kind == "grows-by":
            yield from growth(vm.resident[:noted], *text.split(" ", 1))
        elif kind == "skip":
            yield Result(kind, *text.split(" # ", 1))
        elif kind == "not ok":
            yield Result(kind, *re.fullmatch(r"(.*?)(?: \((got .*)\))?", text).groups(""))
        else:
            yield Result(kind, text)


def ending(vm):
    """Why a VM ended without its verdict."""
    status, words = vm.process.returncode, vm.last_words()
    if vm.killed:
        return vm.killed
    if status >= 0:
        return f"QEMU ended with status {status} after {vm.ran}s" + (words and f": {words}")
    log = subprocess.run("dmesg", capture_output=True, text=True).stdout.split("\n")
    by = [line for line in log if f"Killed process {vm.process.pid} " in line]
    return (f"QEMU was killed by signal {-status} after {vm.ran}s, not by the lab: "
            + (by[-1] if by else words or "neither it nor the log of this machine says why"))


def excerpt(console):
    """Where a console ends, and the first sign of what went wrong."""
    yield from [line for line in console if re.match("(===|ok|not ok) ", line)][-3:]
    for n, line in enumerate(console):
        if re.search("rcu: INFO|blocked for more|Kernel panic", line):
            yield from console[n:n + 41]
            break
    yield from [line for line in console if line][-5:]


def results(vm):
    """All results of a VM that has ended."""
    yield from said(vm)
    console, file = lines(vm.console), shown(vm.console)
    if "done" not in lines(vm.verdict):
        yield Result("not ok", "verdict: the last stage ends", f"got {ending(vm)}; see {file}",
                     tuple(excerpt(console)))
    if bad := complaints(console):
        yield Result("not ok", "console: the kernel has nothing to complain of",
                     f"got {len(bad)} lines of complaints; see {file}", tuple(bad[:5]))


def counts(found):
    return [sum(result.kind == kind for result in found) for kind in ("ok", "not ok", "skip")]


def summary(passed, failed, skipped):
    return f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else "")


def report(test, found):
    """What is shown of a test: each line about a failure can be read alone."""
    for kind in "info", "skip", "not ok":
        for result in found:
            if result.kind == kind:
                yield ("" if kind == "info" else f"{kind} {test}: ") + result.text + (
                    f" ({result.why})" if result.why else "")
                yield from (f"| {line}" for line in result.console)


def ktap(found):
    """The same by Documentation/dev-tools/ktap.rst of the kernel."""
    number = 0
    yield "KTAP version 1"
    yield f"1..{sum(counts(found))}"
    for kind, text, why, _ in found:
        text = text.replace("#", "_")
        if kind == "info":
            yield f"# {text}"
            continue
        number += 1
        yield (f"{'ok' if kind == 'skip' else kind} {number} {text}"
               + (f" # {'SKIP ' if kind == 'skip' else ''}{why}" if why else ""))
