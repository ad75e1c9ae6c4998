"""Where a client on the server's machine has rows sent all the same, and what damage does."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from tests.support.same_host import BTC, ETH, ROWS, segment_files
from tests.support.serving import Serving

import flightstore as fs
from flightstore._local import mapping, stream
from flightstore_proto import flightstore_pb2 as pb
from flightstore_server.engine.limits import Limits
from flightstore_server.engine.local import reads as local_reads
from flightstore_server.flight import actions, local


def _gone(path: Path) -> None:
    path.unlink()


def _swapped(path: Path) -> None:
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data)


def _a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize("happens", [_gone, _swapped, _a_pipe])
def test_a_file_that_is_not_there_when_it_is_opened_is_streamed(
    serving: Serving,
    mapping_db: fs.Client,
    monkeypatch: pytest.MonkeyPatch,
    happens: Callable[[Path], None],
) -> None:
    once = iter([True])

    def after_it_happened(file: pb.LocalFile) -> pa.Buffer:
        if next(once, False):
            happens(Path(file.path))
        return mapping.mapped(file)

    monkeypatch.setattr(stream, "mapped", after_it_happened)
    expected = serving.db.candles("*", "1m")
    assert mapping_db.candles("*", "1m").equals(expected)
    assert mapping_db.status().same_host.startswith("streamed: ")
    assert str(serving.root) in mapping_db.status().same_host


def test_a_file_that_may_not_be_read_is_streamed(
    serving: Serving, mapping_db: fs.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of another user's files; these tests may run as one who may read everything."""

    def refused(path: str, flags: int) -> int:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(mapping.os, "open", refused)
    found = mapping_db.candles(BTC, "1m")
    monkeypatch.undo()
    assert found.equals(serving.db.candles(BTC, "1m"))
    assert mapping_db.status().same_host.endswith("Permission denied")


def test_after_one_failure_the_next_read_is_mapped(
    mapping_db: fs.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(mapping, "MAPS_MAX", 0)
        mapping_db.candles(BTC, "1m")
        assert mapping_db.status().same_host.startswith("streamed: this process has mapped")
    mapping_db.candles(BTC, "1m")
    assert mapping_db.status().same_host == "mapped"


def test_after_three_failures_in_a_row_the_client_asks_for_no_more_places(
    mapping_db: fs.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = []

    def never(file: pb.LocalFile) -> pa.Buffer:
        tries.append(file)
        raise mapping.NotMapped("not here")

    monkeypatch.setattr(stream, "mapped", never)
    for _ in range(5):
        assert mapping_db.candles(BTC, "1m").height == ROWS
    assert len(tries) == 3
    assert mapping_db.status().same_host == "streamed: not here"


def test_small_reads_are_streamed(serving: Serving, mapping_db: fs.Client) -> None:
    assert mapping_db.candles(BTC, "1m", tail=1_000).height == 1_000
    assert mapping_db.candles(BTC, "1m", "2024-01-01", "2024-01-02").height == 720
    assert mapping_db.status().same_host == ""


def test_who_does_not_want_it_has_everything_sent(
    serving: Serving, mapping_db: fs.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLIGHTSTORE_SAME_HOST", "0")
    with fs.connect(serving.uri) as db:
        assert db.candles(BTC, "1m").equals(mapping_db.candles(BTC, "1m"))
        assert db.status().same_host == "streamed: switched off"


def test_a_client_on_another_machine_has_everything_sent(
    mapping_db: fs.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (local, actions):
        monkeypatch.setattr(module, "boot_id", lambda: "of another machine")
    assert mapping_db.candles(BTC, "1m").height == ROWS
    assert mapping_db.status().same_host == "streamed: the server runs on another machine"


def test_compressed_segments_are_sent(serving: Serving, mapping_db: fs.Client) -> None:
    serving.restart(Limits(cold_age_days=1.0, compact_segments_min=2))
    serving.upkeep()
    with serving.mapping() as db:
        assert db.candles(BTC, "1m").equals(serving.db.candles(BTC, "1m"))
        assert db.status().same_host == ""


def _flip(file: Path) -> None:
    """Change one bit amid the rows; the inode stays, and whoever has it mapped sees it."""
    with file.open("r+b") as opened:
        opened.seek(file.stat().st_size // 2)
        [byte] = opened.read(1)
        opened.seek(-1, os.SEEK_CUR)
        opened.write(bytes([byte ^ 4]))


def test_a_flipped_bit_is_an_error_and_never_a_row(serving: Serving, mapping_db: fs.Client) -> None:
    serving.restart()  # so that no batch was looked at before
    for file in segment_files(serving):
        _flip(file)
    with serving.mapping() as db:
        with pytest.raises(fs.Corrupt, match="damaged between offset"):
            db.candles(BTC, "1m")
        with pytest.raises(fs.Corrupt, match="damaged between offset"):
            list(db.batches(BTC, "1m"))


def test_a_damaged_series_does_not_hide_the_others(serving: Serving, mapping_db: fs.Client) -> None:
    serving.restart()
    [damaged] = [f for f in segment_files(serving) if "ETH" in str(f)]
    _flip(damaged)
    with serving.mapping() as db:
        with pytest.warns(fs.PartialReadWarning, match="ETH/USDT.*damaged"):
            frames = db.candles("*", "1m", layout="dict")
        assert list(frames) == [BTC]
        assert frames[BTC].equals(serving.db.candles(BTC, "1m"))
        with pytest.raises(fs.Corrupt, match="damaged between offset"):
            frames[ETH]
        assert db.status().same_host == "mapped"


def test_more_than_can_be_checked_at_once_is_streamed_until_it_was(
    serving: Serving, mapping_db: fs.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_reads, "FRESH_BYTES_MAX", 1 << 20)
    serving.restart()
    with serving.mapping() as db:
        assert db.candles(BTC, "1m").height == ROWS
        assert db.status().same_host == ""
        assert db.candles(BTC, "1m").height == ROWS
        assert db.status().same_host == "mapped"
