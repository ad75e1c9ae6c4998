"""The real disk keeps what `files.py` promises, seen at the calls to the system."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from flightstore_server.storage.files import Disk, open_root


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    return open_root(tmp_path)


@pytest.fixture
def calls(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What changes names, and what is synced, in order."""
    noted: list[str] = []

    def name_of(target: int | os.PathLike[str]) -> str:
        path = Path(f"/proc/self/fd/{target}").readlink() if isinstance(target, int) else target
        return os.path.relpath(path, disk.root)

    def note(name: str, named: Callable[..., str]) -> None:
        plain = getattr(os, name)

        def noting(*arguments: int | os.PathLike[str], **options: object) -> object:
            noted.append(f"{name} {named(*arguments)}")
            return plain(*arguments, **options)

        monkeypatch.setattr(os, name, noting)

    note("fsync", name_of)
    note("fdatasync", name_of)
    note("rename", lambda _, to: name_of(to))
    note("mkdir", lambda path, *_: name_of(path))
    return noted


def _written(disk: Disk, name: str, data: bytes = b"x") -> None:
    file = disk.create(name)
    file.write([data])
    file.sync()
    file.close()


def test_a_published_file_is_named_on_the_disk_before_publish_returns(
    disk: Disk, calls: list[str]
) -> None:
    disk.make_dir("segments/a")
    _written(disk, "new")
    del calls[:]
    disk.publish("new", "segments/a/file")
    assert calls == ["rename segments/a/file", "fsync segments/a"]


def test_a_folder_is_on_the_disk_before_anything_is_put_into_it(
    disk: Disk, calls: list[str]
) -> None:
    disk.make_dir("a/b")
    assert calls == ["mkdir a", "fsync .", "mkdir a/b", "fsync a"]


def test_a_file_that_is_set_aside_is_gone_from_its_folder_on_the_disk(
    disk: Disk, calls: list[str]
) -> None:
    disk.make_dir("log")
    disk.make_dir("damaged/1")
    _written(disk, "log/file")
    del calls[:]
    disk.set_aside("log/file", "damaged/1/file")
    assert calls == ["rename damaged/1/file", "fsync damaged/1", "fsync log"]


def test_a_torn_tail_is_cut_off_on_the_disk(disk: Disk, calls: list[str]) -> None:
    _written(disk, "file", b"0123456789")
    del calls[:]
    disk.truncate("file", 4)
    assert calls == ["fsync file"]
    assert disk.read("file") == b"0123"


def test_a_write_of_which_the_kernel_takes_a_part_is_gone_on_with(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "writev", lambda fd, pieces: os.write(fd, bytes(pieces[0])[:3]))
    file = disk.create("file")
    file.write([b"", b"0123456789", memoryview(b"abc")])
    file.close()
    assert file.size == 13
    assert disk.read("file") == b"0123456789abc"


def test_a_write_of_which_the_kernel_takes_nothing_is_a_full_disk(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "writev", lambda fd, pieces: 0)
    file = disk.create("file")
    with pytest.raises(OSError, match="No space left") as full:
        file.write([b"x"])
    assert full.value.errno == errno.ENOSPC
    file.close()


def test_more_pieces_than_one_call_takes_are_all_written(disk: Disk) -> None:
    pieces = [number.to_bytes(2, "big") for number in range(3000)]
    file = disk.create("file")
    file.write(pieces)
    file.close()
    assert disk.read("file") == b"".join(pieces)
