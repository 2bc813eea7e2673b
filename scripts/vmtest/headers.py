# SPDX-License-Identifier: GPL-2.0-only
"""The header of a VM test: lines "# lab: KEY=VALUE ..." of tests/vm/NAME.sh.

A line "# lab-debug: ..." has what is different on the debug kernel.
"""
import os
import re

KERNELS = os.environ["LAB_KERNELS"].split()
RELEASE = "0.1"     # what a test can have beside this module
DEVICES = {"edu", "nvme"}   # of QEMU, behind an IOMMU


class Error(Exception):
    """What the user got wrong, in one line."""


def size(text):
    """A size as QEMU takes it, in MiB."""
    if not re.fullmatch(r"[1-9][0-9]*[MG]", text):
        raise Error("is not a size; 512M or 2G would be")
    return int(text[:-1]) * (1024 if text[-1] == "G" else 1)


def number(text):
    if not re.fullmatch(r"[1-9][0-9]*", text):
        raise Error("is not a number; 2 or 400 would be")
    return int(text)


def kernels(text):
    names = text.split(",")
    if not set(names) <= set(KERNELS):
        raise Error(f"names an unknown kernel; the kernels are {', '.join(KERNELS)}")
    return names


def yes(text):
    if text != "yes":
        raise Error("is unknown; reboot=yes is the only choice")
    return True


def release(text):
    if text != RELEASE:
        raise Error(f"is unknown; module={RELEASE} is the only choice")
    return text


def sizes(text):
    return [size(part) for part in text.split(",")]


def devices(text):
    names = text.split(",")
    if not set(names) <= DEVICES:
        raise Error(f"names an unknown device; the devices are {', '.join(sorted(DEVICES))}")
    return names


def words(text):
    return text.replace(",", " ").replace(";", ",")


# What Documentation/testing.rst describes: the type of each key's value and its default.
KEYS = {
    "memory": (size, "4G"),
    "limit": (size, "3500M"),
    "seconds": (number, "400"),
    "cpus": (number, "2"),
    "kernels": (kernels, "kho,debian-6.12"),
    "with": (kernels, None),
    "module": (release, None),
    "reboot": (yes, None),
    "cpu": (str, ""),
    "nodes": (sizes, None),
    "devices": (devices, None),
    "append": (words, "guestmemfs=1152M,memmap=1152M$4992M"),
}
DEFAULTS = {key: kind(value) if value is not None else [] for key, (kind, value) in KEYS.items()}
# KASAN's shadow, quarantine and the larger kernel.
DEBUG_LIMIT = 6144


def read(path):
    """What a test's file says: for all kernels, and for debug."""
    header, debug = {}, {}
    for line in re.findall(r"^# lab\b.*", path.read_text(), re.M):
        name, *pairs = line.removeprefix("# ").split()
        if name not in ("lab:", "lab-debug:"):
            raise Error(f"tests/vm/{path.name}: '{name}' is unknown; use 'lab:' or 'lab-debug:'")
        for pair in pairs:
            key, sign, value = pair.partition("=")
            if key not in KEYS or not sign:
                raise Error(f"tests/vm/{path.name}: '{key}{sign}' is unknown; "
                            f"the keys are {'=, '.join(KEYS)}=")
            try:
                (header if name == "lab:" else debug)[key] = KEYS[key][0](value)
            except Error as error:
                raise Error(f"tests/vm/{path.name}: {pair} {error}") from None
    for values in header, header | debug:
        check_nodes(path.name, values)
    return header, debug


def check_nodes(name, values):
    """Refuse what would leave one of two keys without effect."""
    if "nodes" in values and "memory" in values:
        raise Error(f"tests/vm/{name}: memory= and nodes= exclude each other: "
                    "the nodes have all the memory")


def settings(header, kernel):
    """All keys with the values that a test has on a kernel."""
    common, debug = header
    values = DEFAULTS | common
    if kernel == "debug":
        values = DEFAULTS | {"limit": DEBUG_LIMIT} | common | debug
    if values["nodes"]:
        values["memory"] = sum(values["nodes"])
    if kernel != "debug":
        return values
    # A second CPU is where races are. KASAN's shadow must fit into what KHO sets aside.
    values["cpus"] = 2
    values["seconds"] *= 5
    values["append"] += " kho_scratch=32M,1400M,300M"
    if values["memory"] <= 1000 * 1024:
        values["memory"] += 4096
        if values["nodes"]:
            # The last one: it moves no other.
            values["nodes"] = [*values["nodes"][:-1], values["nodes"][-1] + 4096]
    return values


def is_usual(values, kernel):
    """Whether a test's VM begins as that of a test without a header does."""
    usual = settings(({}, {}), kernel)
    return all(values[key] == usual[key] for key in ("memory", "cpu", "nodes", "devices", "append"))
