"""What a machine must be able to do for some tests, which say loudly what is missing.

A test that needs root, a kernel feature or a system package begins with one of these; where it is
absent the test is skipped with a reason that begins in capitals, and `make test-reference` fails.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

_CGROUPS = Path("/sys/fs/cgroup")


def need_root() -> None:
    """Mounting, cgroups and tracing are not for everybody."""
    if os.geteuid() != 0:
        pytest.skip("NO ROOT: this test mounts file systems or limits processes")


def need_program(name: str, package: str) -> None:
    """A program of the system, which comes with a `package` of Debian's name."""
    if shutil.which(name) is None:
        pytest.skip(f"NO PROGRAM {name}: install {package}, or run `make reference-packages`")


def need_loop_devices() -> None:
    """File systems on image files."""
    need_root()
    if not Path("/dev/loop-control").exists():
        pytest.skip("NO LOOP DEVICES: /dev/loop-control is missing")


def need_file_system(name: str, package: str) -> None:
    """A kernel that mounts file systems of that kind, and the program that makes them."""
    need_loop_devices()
    need_program(f"mkfs.{name}", package)
    kinds = {line.split()[-1] for line in Path("/proc/filesystems").read_text().splitlines()}
    if name not in kinds:
        pytest.skip(f"NO FILE SYSTEM {name}: this kernel does not know it")


def need_cgroup(controller: str) -> Path:
    """The folder in which groups of processes with that limit are made, of version 1 or 2."""
    need_root()
    first, second = _CGROUPS / controller, _CGROUPS / "cgroup.controllers"
    if (first / "cgroup.procs").exists():
        return first
    if second.exists() and _CGROUP_2.get(controller, controller) in second.read_text().split():
        return _CGROUPS
    pytest.skip(f"NO CGROUP {controller}: neither version 1 nor 2 is mounted in {_CGROUPS}")


# Names that changed with version 2.
_CGROUP_2 = {"blkio": "io"}
