"""Names chosen to escape: whatever is accepted stays inside of the data directory."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support import wire
from tests.support.rows import NOON_2024, bars_of, candles
from tests.support.serving import Serving

import flightstore as fs
from flightstore_proto import flightstore_pb2 as pb

HOSTILE = [
    "x:../../../../tmp/evil",
    "x:/etc/passwd",
    "x:..",
    "x:.",
    "x:~root",
    "x:a\\..\\b",
    "x:%2e%2e%2fevil",
    "x:a/b/c/../../../d",
    "x:CON",
    "x:a b",
    "x:'; drop table series; --",
    "x:" + "a" * 128,
    "x:😀/USDT",
    "x:\u202eevil",
    "x:a\u200b",
    "x:a\0b",
    "x:a\nb",
    "x:\ufeffBTC",
    "x:ＢＴＣ／ＵＳＤＴ",
    "../x:BTC",
    "/x:BTC",
    "x\0:BTC",
    "..:BTC",
    "x:" + "\u0301" * 64,
]


def _files(root: Path) -> set[str]:
    return {str(path) for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_a_hostile_name_is_refused_or_kept_inside(
    serving: Serving, tmp_path: Path, name: str
) -> None:
    outside = _files(tmp_path) - _files(serving.root)
    try:
        wire.send(serving.uri, [candles([NOON_2024])], wire.commit(1, instrument=name))
    except fs.BadInstrument as error:
        assert error.message.isprintable()
        assert serving.db.series().height == 0
        return
    serving.db.flush()
    assert _files(tmp_path) - _files(serving.root) == outside
    segments = serving.root / "segments"
    [file] = segments.rglob("*.arrow")
    assert len(file.relative_to(segments).parts) == 5
    serving.restart()
    found = serving.db.candles(name, "1m", output="arrow")
    assert bars_of(found.to_batches()) == [(NOON_2024, 1.0)]


def test_two_names_that_look_alike_stay_two(db: fs.Client) -> None:
    names = ["x:A/B", "x:A%2FB", "x:a/b"]
    for value, name in enumerate(names):
        db.write(name, candles([NOON_2024], value), timeframe="1m")
    db.flush()
    assert [db.candles(n, "1m")["close"].item() for n in names] == [0.0, 1.0, 2.0]


@pytest.mark.parametrize("characters", [65_536, 4 * 2**20])
def test_a_name_of_many_megabytes_is_refused_in_a_short_sentence(
    serving: Serving, characters: int
) -> None:
    commit = wire.commit(1, instrument="x:" + "A" * characters)
    with pytest.raises(fs.BadInstrument, match="too long") as caught:
        wire.send(serving.uri, [candles([NOON_2024])], commit)
    assert len(caught.value.message) < 400
    assert serving.db.health().ready


def test_a_read_of_a_name_of_many_megabytes_is_refused(serving: Serving) -> None:
    serving.db.write("x:A", candles([NOON_2024]), timeframe="1m")
    for name in ("x:" + "A" * 3 * 2**20, "x:*" + "A" * 3 * 2**20):
        read = pb.ReadRequest(dataset="candles", instruments=[name], timeframe="1m")
        with pytest.raises(fs.BadInstrument, match="too long"):
            wire.get(serving.uri, pb.Ticket(read=read).SerializeToString())


def test_a_dataset_cannot_leave_the_directory(serving: Serving) -> None:
    for dataset in ("../x", "a/b", "a\0", "", "." * 3, "x" * 64):
        with pytest.raises(fs.BadInstrument, match="dataset name"):
            wire.send(serving.uri, [candles([NOON_2024])], wire.commit(1), dataset=dataset)
    assert not list((serving.root / "segments").rglob("*.arrow"))


def test_a_timeframe_cannot_leave_the_directory(serving: Serving) -> None:
    for timeframe in ("../1m", "1m/..", "1m\0", "1" * 10_000 + "m"):
        commit = wire.commit(1, timeframe=timeframe)
        with pytest.raises(fs.BadTimeframe):
            wire.send(serving.uri, [candles([NOON_2024])], commit)


def test_metadata_may_hold_anything(db: fs.Client) -> None:
    said = {"a\0b": "x", "é": "😀" * 1000, "'": '"; drop'}
    db.write("x:A", candles([NOON_2024]), timeframe="1m", metadata=said)
    db.flush()
    [found] = db.series(output="arrow").column("metadata").to_pylist()
    assert dict(found) == said
