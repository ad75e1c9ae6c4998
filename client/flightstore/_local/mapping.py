"""Files of the server, mapped into this process."""

from __future__ import annotations

import ctypes
import mmap
import os
import stat
from functools import cache
from typing import ClassVar

import pyarrow as pa

from flightstore_proto import flightstore_pb2 as pb

# A process may have some 65,000 maps (vm.max_map_count), and needs some for everything else.
MAPS_MAX = 16_384
_FAILED = ctypes.c_void_p(-1).value


class NotMapped(Exception):
    """A file that the server named cannot be used; the message says why."""


class _Map:
    """All bytes of an open file, for as long as this object lives.

    Of Python's mmap every map holds a descriptor, of which a process may have as few as 1,024, and
    pyarrow's memory_map takes ten times as long.
    """

    __slots__ = ("_libc", "address", "size")
    live: ClassVar[set[int]] = set()  # the addresses of all of them

    def __init__(self, descriptor: int, size: int) -> None:
        self._libc, self.size = _libc(), size
        self.address = self._libc.mmap(None, size, mmap.PROT_READ, mmap.MAP_SHARED, descriptor, 0)
        if self.address == _FAILED:
            raise NotMapped(f"the system maps no more: {os.strerror(ctypes.get_errno())}")
        self.live.add(self.address)

    def __del__(self) -> None:
        if self.address != _FAILED:
            self.live.discard(self.address)
            self._libc.munmap(self.address, self.size)


@cache
def _libc() -> ctypes.CDLL:
    libc = ctypes.CDLL(None, use_errno=True)
    number, size = ctypes.c_int, ctypes.c_size_t
    libc.mmap.argtypes = [ctypes.c_void_p, size, number, number, number, ctypes.c_long]
    libc.mmap.restype = ctypes.c_void_p
    libc.munmap.argtypes = [ctypes.c_void_p, size]
    return libc


def mapped(file: pb.LocalFile) -> pa.Buffer:
    """All bytes of `file`, mapped and not read. Raises NotMapped unless it is the one meant.

    The buffer keeps the map alive, and the bytes, even after the server has removed the file.
    """
    if len(_Map.live) >= MAPS_MAX:
        raise NotMapped(f"this process has mapped {MAPS_MAX:,} files already")
    try:
        # Not blocking: whatever lies there instead may be a pipe.
        descriptor = os.open(file.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise NotMapped(f"{file.path}: {error.strerror}") from None
    try:
        found = os.fstat(descriptor)
        identity = (found.st_dev, found.st_ino, found.st_size)
        if identity != (file.device, file.inode, file.size) or not stat.S_ISREG(found.st_mode):
            raise NotMapped(f"{file.path} is another file here than on the server")
        made = _Map(descriptor, file.size)
    finally:
        os.close(descriptor)
    return pa.foreign_buffer(made.address, made.size, made)
