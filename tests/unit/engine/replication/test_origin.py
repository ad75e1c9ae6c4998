"""The file that says whose replica a directory is: written with a checksum, and read with it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flightstore_proto.errors import DataDirError
from flightstore_server.engine.replication import origin
from flightstore_server.engine.replication.origin import Origin
from flightstore_server.storage import layout
from flightstore_server.storage.files import Disk, open_root

PRIMARY = "grpc://primary:8815"
KNOWN = Origin(PRIMARY, (5, 1 << 20))


@pytest.fixture
def files(tmp_path: Path) -> Disk:
    found = open_root(tmp_path)
    found.make_dir(layout.TMP_DIR)
    return found


@pytest.fixture
def marker(files: Disk) -> Path:
    """The file, as it was saved."""
    origin.save(files, KNOWN)
    return files.root / layout.REPLICA


def test_what_is_saved_is_loaded(files: Disk, marker: Path) -> None:
    assert origin.load(files) == KNOWN
    assert json.loads(marker.read_text())["crc"]


def test_a_copy_that_was_only_begun_has_no_generations(files: Disk) -> None:
    origin.save(files, Origin(PRIMARY))
    assert origin.load(files) == Origin(PRIMARY)


def test_each_flipped_bit_is_an_error_that_names_the_file(files: Disk, marker: Path) -> None:
    """A replica went on following whatever the changed bytes of its primary's address said."""
    whole = marker.read_bytes()
    for at in range(8 * len(whole)):
        flipped = bytearray(whole)
        flipped[at // 8] ^= 1 << at % 8
        marker.write_bytes(flipped)
        with pytest.raises(DataDirError, match=r"replica\.json is damaged .* empty data directory"):
            origin.load(files)


def test_a_file_that_was_cut_is_damaged(files: Disk, marker: Path) -> None:
    whole = marker.read_bytes()
    for size in range(len(whole)):
        marker.write_bytes(whole[:size])
        with pytest.raises(DataDirError, match=r"replica\.json is damaged"):
            origin.load(files)


def test_a_file_of_before_there_was_a_checksum_is_read(files: Disk, marker: Path) -> None:
    marker.write_text(json.dumps({"primary": PRIMARY, "generations": [5, 1 << 20]}))
    assert origin.load(files) == KNOWN


@pytest.mark.parametrize(
    "said",
    [
        [],
        {"primary": PRIMARY},
        {"primary": 1, "generations": [5]},
        {"primary": PRIMARY, "generations": 5},
        {"primary": PRIMARY, "generations": ["5"]},
        {"primary": PRIMARY, "generations": [5.0]},
        {"primary": PRIMARY, "generations": [-5]},
        {"primary": PRIMARY, "generations": [6, 5]},
        {"primary": PRIMARY, "generations": [5], "brc": "00000000"},
    ],
)
def test_without_a_checksum_it_must_at_least_be_what_was_written(
    files: Disk, marker: Path, said: object
) -> None:
    marker.write_text(json.dumps(said))
    with pytest.raises(DataDirError, match=r"replica\.json is damaged"):
        origin.load(files)
