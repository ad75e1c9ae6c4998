"""How another process of this machine finds a file, and knows the machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from flightstore_server.storage import files
from flightstore_server.storage.files import boot_id, open_root


def test_a_place_is_an_absolute_path_and_what_the_system_knows_the_file_by(tmp_path: Path) -> None:
    (tmp_path / "segment").write_bytes(b"x")
    place = open_root(tmp_path).place("segment")
    found = Path(place.path).stat()
    assert Path(place.path) == tmp_path / "segment"
    assert (place.device, place.inode) == (found.st_dev, found.st_ino)


def test_a_machine_has_one_boot_id() -> None:
    boot_id.cache_clear()
    assert len(boot_id()) == 36
    assert boot_id() == boot_id()


def test_a_system_that_has_no_boot_id_has_an_empty_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(path: Path) -> str:
        raise FileNotFoundError(2, "No such file", str(path))

    boot_id.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(files.Path, "read_text", absent)
        assert boot_id() == ""
    boot_id.cache_clear()
