"""Repair keeps what is intact, says what is lost, deletes nothing, and leaves what verifies."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.contents import Contents, contents_of, rows_of, views_of
from tests.support.rows import MINUTE, candles, trades
from tests.support.stores import BTC, NOW, SMALL, put, stepped

from flightstore_proto.errors import Corrupt, DataDirError, FlightstoreError
from flightstore_server.engine.gaps import gaps
from flightstore_server.engine.limits import Limits
from flightstore_server.engine.repair import repair
from flightstore_server.engine.store import Store
from flightstore_server.engine.verify import verify_directory, verify_store
from flightstore_server.storage import layout
from flightstore_server.storage.files import existing_root
from flightstore_server.storage.segment import index

ETH = "binance:ETH/USDT"
LIMITS = replace(SMALL, bulk_put_bytes_min=100 * 48, log_file_bytes=800, segment_rows_max=10**6)


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flightstore_server.storage.segment.writer.BATCH_ROWS_MAX", 16)


def _open(root: Path, limits: Limits = LIMITS) -> Store:
    return stepped(root, limits)


def _bars(first: int, number: int, close: float = 1.0):  # type: ignore[no-untyped-def]
    return candles([(first + i) * MINUTE for i in range(number)], close)


def _cover(first: int, number: int) -> list[tuple[int, int]]:
    return [(first * MINUTE, (first + number) * MINUTE)]


def _filled(root: Path) -> Contents:
    """A store with segments, a delete, a snapshot and an unflushed log; returns what it holds."""
    store = _open(root)
    put(store, _bars(0, 64), covers=_cover(0, 64))
    put(
        store,
        trades([(i * MINUTE, str(i), 5.0) for i in range(20)]),
        dataset="trades",
        timeframe="",
    )
    store.snapshot("old")
    put(store, _bars(64, 40, 2.0), covers=_cover(64, 40))
    store.delete("candles", BTC, "1m", 70 * MINUTE, 80 * MINUTE)
    store.flush()
    put(store, _bars(0, 40, 3.0), instrument=ETH, covers=_cover(0, 40))
    put(store, _bars(200, 120, 4.0), covers=_cover(200, 120))  # bulk, named by the log only
    put(store, _bars(300, 5, 5.0), covers=_cover(300, 5))
    held = contents_of(store)
    store.close()
    return held


def _now(root: Path) -> Contents:
    store = _open(root)
    try:
        damage = [p.damage for p in verify_store(store)][-1]
        assert damage == []
        return contents_of(store)
    finally:
        store.close()


def _flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 0x10
    path.unlink()  # a new file: the old bytes may be mapped
    path.write_bytes(data)


def _kept_aside(root: Path, name: str) -> bool:
    return any(found.name == name for found in (root / layout.DAMAGED_DIR).rglob("*"))


def test_a_sound_directory_is_left_alone(tmp_path: Path) -> None:
    held = _filled(tmp_path)
    assert repair(existing_root(tmp_path)) == []
    assert _now(tmp_path) == held


def test_a_running_server_is_not_repaired(tmp_path: Path) -> None:
    store = _open(tmp_path)
    with pytest.raises(DataDirError, match="is in use"):
        repair(existing_root(tmp_path))
    store.close()


def test_what_is_no_data_directory_is_not_made_one(tmp_path: Path) -> None:
    with pytest.raises(DataDirError, match="not a data directory"):
        existing_root(tmp_path / "elsewhere")


def test_a_damaged_log_keeps_what_comes_before_the_damage(tmp_path: Path) -> None:
    store = _open(tmp_path)
    for number in range(30):
        put(store, _bars(number, 1), covers=_cover(number, 1))
    store.close()
    files = sorted((tmp_path / "log").iterdir())
    assert len(files) > 3
    _flip(files[2], 40)
    first_lost = int(files[2].stem)
    with pytest.raises(Corrupt, match=files[2].name):
        _open(tmp_path)
    said = repair(existing_root(tmp_path))
    assert any(f"Lost: the writes of records {first_lost} to 30" in s for s in said), said
    [(rows, covered, _)] = _now(tmp_path).values()
    assert len(rows) == first_lost - 1
    assert covered == ((0, (first_lost - 1) * MINUTE),)
    for file in files[2:]:
        assert _kept_aside(tmp_path, file.name)


def test_damage_in_a_part_of_the_log_that_segments_hold_loses_nothing(tmp_path: Path) -> None:
    store = _open(tmp_path, replace(LIMITS, log_file_bytes=1 << 20, log_keep_bytes=1 << 20))
    for number in range(10):
        put(store, _bars(number, 1))
    store.flush()
    put(store, _bars(20, 1))
    held = contents_of(store)
    store.close()
    [file] = (tmp_path / "log").iterdir()
    _flip(file, 100)
    with pytest.raises(Corrupt, match="offset 8"):
        _open(tmp_path)
    said = repair(existing_root(tmp_path))
    assert not any(s.startswith("Lost") for s in said)
    assert _now(tmp_path) == held


def test_after_a_missing_log_file_the_rest_is_set_aside(tmp_path: Path) -> None:
    store = _open(tmp_path)
    for number in range(30):
        put(store, _bars(number, 1))
    store.close()
    files = sorted((tmp_path / "log").iterdir())
    files[1].unlink()
    with pytest.raises(Corrupt, match="missing records"):
        _open(tmp_path)
    said = repair(existing_root(tmp_path))
    assert any("Lost" in s for s in said)
    [(rows, _, _)] = _now(tmp_path).values()
    assert len(rows) == int(files[1].stem) - 1


def test_bulk_segments_that_a_lost_record_named_are_kept_aside(tmp_path: Path) -> None:
    store = _open(tmp_path)
    put(store, _bars(0, 1))
    put(store, _bars(1000, 120))
    [segment] = views_of(store)[0].segments
    put(store, _bars(1, 1))
    store.close()
    [file] = [f for f in (tmp_path / "log").iterdir() if segment.file.encode() in f.read_bytes()]
    _flip(file, file.read_bytes().index(segment.file.encode()))
    repair(existing_root(tmp_path))
    assert _kept_aside(tmp_path, Path(segment.file).name)
    assert not (tmp_path / segment.file).exists()


def _damaged_batch(root: Path, number: int, batch: int) -> tuple[str, index.BatchEntry]:
    """Change a byte of one batch of the number-th segment of BTC; returns its file and entry."""
    store = _open(root)
    [view] = [v for v in views_of(store) if str(v.series) == f"candles {BTC} 1m"]
    segment = view.segments[number]
    entry = index.decode(segment.index)[batch]
    store.close()
    _flip(root / segment.file, entry.offset + entry.size // 2)
    return segment.file, entry


@pytest.mark.parametrize("number", [0, 1, 2], ids=["flushed", "trimmed", "bulk, in the log only"])
def test_the_good_batches_of_a_damaged_segment_are_kept_and_the_bad_range_shows_as_a_gap(
    number: int, tmp_path: Path
) -> None:
    held = _filled(tmp_path)
    file, entry = _damaged_batch(tmp_path, number, 1)
    said = repair(existing_root(tmp_path))
    assert any(s.startswith("Lost") and BTC in s for s in said), said
    assert _kept_aside(tmp_path, Path(file).name)
    now = _now(tmp_path)
    name = f"candles {BTC} 1m"
    overwritten = {row for row in held[name][0] if row[4] == 5.0}
    expected = [
        row
        for row in held[name][0]
        if not entry.first_ts <= int(str(row[0])) <= entry.last_ts or row in overwritten
    ]
    assert now[name][0] == expected
    assert {k: v for k, v in now.items() if k != name} == {
        k: v for k, v in held.items() if k != name
    }
    store = _open(tmp_path)
    [view] = [v for v in views_of(store) if str(v.series) == name]
    found = gaps(view, store.segments, entry.first_ts, entry.last_ts + 1, now_ns=NOW)
    missing = found.missing.sum()
    store.close()
    assert missing == len(held[name][0]) - len(expected)


def test_a_segment_of_a_snapshot_is_saved_for_the_snapshot_too(tmp_path: Path) -> None:
    _filled(tmp_path)
    store = _open(tmp_path)
    store.compact(full=True)  # the present no longer needs the file, the snapshot does
    [view] = [v for v in views_of(store, "old") if str(v.series) == f"candles {BTC} 1m"]
    before = rows_of(store, view)
    now = contents_of(store)
    segment = view.segments[0]
    store.close()
    _flip(tmp_path / segment.file, index.decode(segment.index)[0].offset + 50)
    repair(existing_root(tmp_path))
    assert _now(tmp_path) == now
    store = _open(tmp_path)
    assert contents_of(store, "old")[f"candles {BTC} 1m"][0] == before[16:]
    store.close()


def test_a_missing_segment_file_is_taken_out_with_its_coverage(tmp_path: Path) -> None:
    held = _filled(tmp_path)
    name = f"candles {BTC} 1m"
    store = _open(tmp_path)
    [view] = [v for v in views_of(store) if str(v.series) == name]
    file = view.segments[0].file
    store.close()
    (tmp_path / file).unlink()
    said = repair(existing_root(tmp_path))
    assert any("is missing" in s for s in said)
    rows, covered, _ = _now(tmp_path)[name]
    assert rows == [row for row in held[name][0] if int(str(row[0])) >= 64 * MINUTE]
    assert covered[0][0] == 64 * MINUTE


def test_a_coverage_that_came_later_does_not_hide_what_was_lost(tmp_path: Path) -> None:
    store = _open(tmp_path)
    put(store, _bars(0, 64))
    store.flush()
    segment = views_of(store)[0].segments[0]
    put(store, _bars(64, 1), covers=_cover(0, 65))  # in the log only
    store.close()
    _flip(tmp_path / segment.file, index.decode(segment.index)[2].offset + 50)
    repair(existing_root(tmp_path))
    [(rows, covered, _)] = _now(tmp_path).values()
    assert len(rows) == 65 - 16
    assert covered == ((0, 32 * MINUTE), (48 * MINUTE, 65 * MINUTE))


@pytest.mark.parametrize("how", ["missing", "empty", "garbage", "header"])
def test_a_lost_catalog_is_rebuilt_from_the_segments_and_the_log(how: str, tmp_path: Path) -> None:
    held = _filled(tmp_path)
    _spoil_catalog(tmp_path, how)
    with pytest.raises(DataDirError, match="flightstore repair"):
        _open(tmp_path)
    said = repair(existing_root(tmp_path))
    assert any("was rebuilt from" in s for s in said)
    # All of the log is still there, so even coverage and deletes are.
    assert _now(tmp_path) == held


def _spoil_catalog(root: Path, how: str) -> None:
    path = root / layout.CATALOG
    for companion in layout.CATALOG_FILES[1:]:
        (root / companion).unlink(missing_ok=True)
    if how == "missing":
        path.unlink()
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "garbage":
        data = bytearray(path.read_bytes())
        data[4096:] = random.Random(1).randbytes(len(data) - 4096)
        path.write_bytes(data)
    else:
        _flip(path, 3)


def test_a_catalog_rebuilt_after_the_log_was_trimmed_has_every_row_and_goes_on_counting(
    tmp_path: Path,
) -> None:
    store = _open(tmp_path)
    for number in range(40):
        put(store, _bars(number * 3, 4, float(number)))
        if number % 7 == 6:
            store.flush()
    put(store, _bars(1000, 120, 3.5))
    store.flush()
    store.compact(full=True)
    store.upkeep()
    put(store, _bars(5, 5, 99.0))
    last = put(store, _bars(1010, 5, 98.0)).lsn
    held = contents_of(store)
    store.close()
    assert int(sorted((tmp_path / "log").iterdir())[0].stem) > 1
    _spoil_catalog(tmp_path, "missing")
    said = repair(existing_root(tmp_path))
    assert any("lacks the metadata and the coverage" in s for s in said)
    assert {k: rows for k, (rows, _, _) in _now(tmp_path).items()} == {
        k: rows for k, (rows, _, _) in held.items()
    }
    store = _open(tmp_path)
    assert put(store, _bars(2000, 1)).lsn == last + 1
    store.close()


def test_rows_whose_series_name_is_lost_are_kept_under_a_name_that_says_so(tmp_path: Path) -> None:
    store = _open(tmp_path)
    put(store, _bars(0, 3))
    put(store, _bars(0, 3), instrument=ETH)
    store.delete("candles", ETH, "1m", 0, 10 * MINUTE)
    store.flush()
    for number in range(10):
        put(store, _bars(number, 1))
    store.flush()
    store.upkeep()
    put(store, _bars(7, 3), instrument=ETH)
    store.close()
    _spoil_catalog(tmp_path, "missing")
    said = repair(existing_root(tmp_path))
    now = _now(tmp_path)
    [lost] = [name for name in now if "recovered:" in name]
    assert any("recovered:SERIES-2" in s for s in said)
    assert len(now[lost][0]) == 3


def test_damaged_segments_are_mended_when_the_catalog_is_lost_as_well(tmp_path: Path) -> None:
    held = _filled(tmp_path)
    _, entry = _damaged_batch(tmp_path, 0, 1)
    _spoil_catalog(tmp_path, "missing")
    repair(existing_root(tmp_path))
    name = f"candles {BTC} 1m"
    log_has = held[name][0]  # the log was never trimmed, so it still has what the segment lost
    assert _now(tmp_path)[name][0] == log_has
    assert entry.rows == 16


def test_an_interrupted_repair_can_be_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fail the n-th change of the disk during a repair of everything at once, then repair again."""
    for number in range(1, 200):
        root = tmp_path / str(number)
        root.mkdir()
        _filled(root)
        _damaged_batch(root, 1, 0)
        newest = sorted((root / "log").iterdir())[-1]
        _flip(newest, 20)
        if _repair_failing_at(root, number, monkeypatch):
            break
        repair(existing_root(root))
        assert list(verify_directory(existing_root(root)))[-1].damage == []
        rows = _now(root)[f"candles {BTC} 1m"][0]
        assert len(rows) >= 60
    else:
        raise AssertionError("the repair never passed untouched")
    assert number > 10


def _repair_failing_at(root: Path, number: int, monkeypatch: pytest.MonkeyPatch) -> bool:
    files = existing_root(root)
    count = 0

    def failing(work: Callable[..., object]) -> Callable[..., object]:
        def once(*args: object) -> object:
            nonlocal count
            count += 1
            if count == number:
                raise OSError(5, "Input/output error")
            return work(*args)

        return once

    for name in ("make_dir", "create", "publish", "set_aside", "link", "remove", "sync_dir"):
        monkeypatch.setattr(files, name, failing(getattr(files, name)))
    try:
        repair(files)
    except (OSError, FlightstoreError):
        files.unlock()
        return False
    return True
