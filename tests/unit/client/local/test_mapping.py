"""Files that a server named: mapped if they are the ones meant, and refused otherwise."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from flightstore._local import mapping
from flightstore._local.mapping import NotMapped, mapped
from flightstore_proto import flightstore_pb2 as pb

DATA = os.urandom(10_000)


@pytest.fixture
def file(tmp_path: Path) -> pb.LocalFile:
    path = tmp_path / "segment.arrow"
    path.write_bytes(DATA)
    return _named(path)


def _named(path: Path) -> pb.LocalFile:
    found = path.stat()
    return pb.LocalFile(path=str(path), device=found.st_dev, inode=found.st_ino, size=found.st_size)


def _descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_all_bytes_are_there(file: pb.LocalFile) -> None:
    assert mapped(file).to_pybytes() == DATA


def test_slices_outlive_the_whole_and_the_file(file: pb.LocalFile) -> None:
    part = mapped(file).slice(5_000, 100)
    Path(file.path).unlink()
    assert part.to_pybytes() == DATA[5_000:5_100]


def test_bytes_cannot_be_written(file: pb.LocalFile) -> None:
    buffer = mapped(file)
    assert not buffer.is_mutable
    with pytest.raises(TypeError):
        memoryview(buffer)[0] = 1


def test_a_map_goes_with_its_last_user(file: pb.LocalFile) -> None:
    whole = mapped(file)
    part = whole.slice(1, 2)
    del whole
    assert file.path in Path("/proc/self/maps").read_text()
    del part
    assert file.path not in Path("/proc/self/maps").read_text()


def _longer(path: Path) -> None:
    with path.open("ab") as opened:
        opened.write(b"x")


def _replaced(path: Path) -> None:
    path.rename(path.with_suffix(".old"))
    path.write_bytes(DATA)


def _a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize("happens", [_longer, _replaced, _a_folder, _a_pipe])
def test_another_file_is_refused(file: pb.LocalFile, happens: Callable[[Path], None]) -> None:
    happens(Path(file.path))
    with pytest.raises(NotMapped, match=f"{file.path} is another file here"):
        mapped(file)


def test_a_file_that_is_not_there_is_refused(file: pb.LocalFile) -> None:
    Path(file.path).unlink()
    with pytest.raises(NotMapped, match=f"{file.path}: No such file or directory"):
        mapped(file)


@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_only_plain_files_are_mapped_even_if_the_server_means_others(
    tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "there"
    path.mkdir() if kind == "folder" else os.mkfifo(path)
    with pytest.raises(NotMapped, match="another file"):
        mapped(_named(path))


def test_what_the_system_does_not_map_is_refused(file: pb.LocalFile) -> None:
    """An empty file cannot be mapped; a process that has too many maps sees the same call fail."""
    Path(file.path).write_bytes(b"")
    with pytest.raises(NotMapped, match="the system maps no more: "):
        mapped(_named(Path(file.path)))


def test_a_process_maps_only_so_many_files(
    file: pb.LocalFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mapping, "MAPS_MAX", len(mapping._Map.live) + 1)
    first = mapped(file)
    with pytest.raises(NotMapped, match=r"has mapped .* files already"):
        mapped(file)
    del first
    assert mapped(file).size == len(DATA)


def test_a_refused_file_leaves_no_descriptor_open(file: pb.LocalFile) -> None:
    file.inode += 1
    before = _descriptors()
    with pytest.raises(NotMapped):
        mapped(file)
    assert _descriptors() == before
