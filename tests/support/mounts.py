"""Real file systems for tests: small ones in memory, and images whose power can be cut.

All of them are mounted below one folder, each process's in a folder of its own number, so that what
a killed run left behind is found and unmounted by the next. Loop devices go with their mounts.
"""

from __future__ import annotations

import fcntl
import gc
import os
import re
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

ROOT = Path(tempfile.gettempdir()) / "flightstore-mounts"
_NUMBERS = count(1)
_SECONDS = 60
MIB = 1 << 20

# From linux/ext4.h (XFS_IOC_GOINGDOWN has the same number), linux/fs.h.
_SHUTDOWN = 0x8004587D
_FREEZE, _THAW = 0xC0045877, 0xC0045878
_CLONE = 0x40049409
# What is written before the power goes: everything, the journal, nothing.
CUTS = {"after all of it is written": 0, "after the journal is written": 1, "at once": 2}


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of file system, and how it is made, mounted and checked."""

    name: str
    package: str
    image_bytes: int
    make: tuple[str, ...]
    check: tuple[str, ...]
    options: str = ""

    @property
    def shown(self) -> str:
        return f"{self.name} {self.options}".strip()


_MAKE_EXT4 = ("mkfs.ext4", "-q", "-F", "-b", "4096")
EXT4 = Kind("ext4", "e2fsprogs", 96 * MIB, _MAKE_EXT4, ("e2fsck", "-fn"))
# Data may reach the disk after the rename that names them: what is not synced is really gone.
EXT4_LAZY = replace(EXT4, options="noauto_da_alloc,data=writeback")
XFS = Kind("xfs", "xfsprogs", 320 * MIB, ("mkfs.xfs", "-q", "-f"), ("xfs_repair", "-n"))
KINDS = (EXT4, EXT4_LAZY, XFS)


def _run(*command: str | Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
    if done.returncode:
        raise OSError(f"{command[0]} failed ({done.returncode}): {done.stderr or done.stdout}")


@contextmanager
def mount_point() -> Iterator[Path]:
    """A new folder to mount something on, unmounted and removed when the block ends."""
    remove_leftovers()
    path = ROOT / str(os.getpid()) / str(next(_NUMBERS))
    path.mkdir(parents=True)
    try:
        yield path
    finally:
        unmount(path)
        path.rmdir()
        with suppress(OSError):  # others of this process are in use
            path.parent.rmdir()


def unmount(path: Path) -> None:
    """Unmount `path` if something is mounted there; lazily, if somebody still uses it."""
    if not _is_mounted(path):
        return
    try:
        _run("umount", path)
    except OSError:
        _run("umount", "--lazy", path)


def _is_mounted(path: Path) -> bool:
    # A file system whose power is cut does not even answer what os.path.ismount() asks.
    return f" {path} " in Path("/proc/self/mounts").read_text()


def remove_leftovers() -> None:
    """Unmount what runs that no longer live have left mounted."""
    for owner in ROOT.glob("*"):
        if Path("/proc", owner.name).exists():
            continue
        for path in sorted(owner.glob("*"), reverse=True):
            with suppress(OSError):  # another worker may be at it
                unmount(path)
        shutil.rmtree(owner, ignore_errors=True)


@contextmanager
def tmpfs(size_bytes: int, *, inodes: int = 0) -> Iterator[Path]:
    """A file system in memory that is full after so many bytes, or inodes (0: plenty)."""
    with mount_point() as path:
        options = f"size={size_bytes},nr_inodes={inodes}"
        _run("mount", "-t", "tmpfs", "-o", options, "flightstore", path)
        yield path


def enlarge(path: Path, size_bytes: int) -> None:
    """Give a tmpfs more room, and any number of inodes."""
    _run("mount", "-o", f"remount,size={size_bytes},nr_inodes=0", path)


def used_bytes(path: Path) -> int:
    """What the files of a file system take."""
    found = os.statvfs(path)
    return (found.f_blocks - found.f_bfree) * found.f_frsize


class LoopDisk:
    """A file system in an image file, mounted at `path`."""

    def __init__(self, kind: Kind, image: Path, path: Path) -> None:
        self.kind, self.image, self.path = kind, image, path

    def make(self) -> None:
        """A new, empty file system; nothing of it is mounted yet."""
        with self.image.open("wb") as file:
            file.truncate(self.kind.image_bytes)
        _run(*self.kind.make, self.image)

    def mount(self) -> None:
        options = ",".join(filter(None, ("loop", self.kind.options)))
        _run("mount", "-t", self.kind.name, "-o", options, self.image, self.path)

    def be_thin(self) -> None:
        """Have what the image lies on run out of room only for rows, and say so when it does.

        What the file system itself keeps is given its room now. And a loop device takes a write of
        which only a part found room for a whole one; with one page at a time there are no parts.
        """
        told = subprocess.run(
            ("dumpe2fs", self.image), capture_output=True, text=True, timeout=_SECONDS, check=True
        ).stdout
        free = re.findall(r"^  Free blocks: (\d+)-", told, re.MULTILINE)
        size = int(re.findall(r"^Block size: +(\d+)", told, re.MULTILINE)[0])
        with self.image.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, int(free[0]) * size)
        Path("/sys/dev/block", self.device, "queue/max_sectors_kb").write_text("4")

    def unmount(self) -> None:
        """Raises OSError if somebody still uses it: it would come back as it is now."""
        gc.collect()  # stores of this process that are closed may still have files mapped
        _run("umount", self.path)

    def cut_power(self, how: int) -> None:
        """From now on nothing reaches the image, and every write fails; `how` is one of CUTS."""
        self._ioctl(_SHUTDOWN, struct.pack("I", how))

    def check(self) -> None:
        """Raises OSError if the file system, which is not mounted, is not sound."""
        _run(*self.kind.check, self.image)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """While the block lasts, whatever writes to the file system waits."""
        self._ioctl(_FREEZE, struct.pack("I", 0))
        try:
            yield
        finally:
            self._ioctl(_THAW, struct.pack("I", 0))

    @property
    def device(self) -> str:
        """Its loop device as `major:minor`."""
        number = self.path.stat().st_dev
        return f"{os.major(number)}:{os.minor(number)}"

    def _ioctl(self, number: int, argument: bytes) -> None:
        fd = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.ioctl(fd, number, argument)
        finally:
            os.close(fd)


@contextmanager
def loop_disk(kind: Kind, folder: Path) -> Iterator[LoopDisk]:
    """A new file system of that kind, mounted; its image lies in `folder`."""
    with mount_point() as path:
        disk = LoopDisk(kind, folder / f"{kind.name}-{path.name}.img", path)
        disk.make()
        try:
            disk.mount()
            yield disk
        finally:
            unmount(path)
            disk.image.unlink()


def clone(source: Path, target: Path) -> None:
    """`target` becomes what `source` holds at this moment, without a copy; both lie on one XFS.

    Of an image in use it is what a power cut now would leave.
    """
    with source.open("rb") as read, target.open("wb") as write:
        fcntl.ioctl(write.fileno(), _CLONE, read.fileno())
