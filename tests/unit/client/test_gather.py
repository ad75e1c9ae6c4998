"""Rows written one by one travel together while an earlier put is under way."""

from __future__ import annotations

import pytest

import flightstore as fs
from flightstore import _gather, _pipe


@pytest.fixture
def held(server):
    """Answers no put before `server.release` is set."""

    def later(put):
        server.release.wait(10)
        return server.apply(put)

    server.script.put = later
    return server


def _instruments(put) -> list[str]:
    return [series.instrument for series in put.commit.series]


def test_the_first_row_goes_at_once_and_the_rest_in_one_put(held, db, fake) -> None:
    with db.writer("candles", "1m") as writer:
        acks = [writer.write("lab:X", fake.candles(1, first=n)) for n in range(20)]
        held.release.set()
        assert [ack.result().rows for ack in acks] == [1] * 20
    assert [put.commit.rows for put in held.puts] == [1, 19]
    assert held.puts[1].table.equals(fake.candles(19, first=1))


def test_each_series_is_named_once_with_its_rows_together(held, db, fake) -> None:
    with db.writer("candles", "1m") as writer:
        for n, name in enumerate(["lab:A", "lab:A", "lab:B", "lab:A"]):
            writer.write(name, fake.candles(1, first=n))
        held.release.set()
    assert _instruments(held.puts[1]) == ["lab:A", "lab:B"]
    assert [series.rows for series in held.puts[1].commit.series] == [2, 1]
    expected = fake.candles(4)["ts"].take([1, 3, 2])
    assert held.puts[1].table["ts"].to_pylist() == expected.to_pylist()


def test_what_each_row_covers_and_says_is_kept(held, db, fake) -> None:
    with db.writer("candles", "1m") as writer:
        writer.write("lab:X", fake.candles(1))
        for n in (1, 2):
            covers = (n * 60_000, (n + 1) * 60_000)
            writer.write(
                "lab:X", fake.candles(1, first=n), covers=covers, metadata={f"note{n}": "x"}
            )
        held.release.set()
    [said] = held.puts[1].commit.series
    assert [(c.start, c.end) for c in said.covers] == [
        (60 * 10**9, 120 * 10**9),
        (120 * 10**9, 180 * 10**9),
    ]
    assert dict(said.metadata) == {"note1": "x", "note2": "x"}


def test_a_frame_that_follows_keeps_its_place_behind_the_rows(held, db, fake) -> None:
    with db.writer("candles", "1m") as writer:
        for n in range(3):
            writer.write("lab:X", fake.candles(1, first=n))
        writer.write("lab:X", fake.candles(5, first=3))
        held.release.set()
    assert [put.commit.rows for put in held.puts] == [1, 2, 5]


def test_rows_that_are_refused_together_fail_together(server, db, fake) -> None:
    def refuse_several(put):
        server.release.wait(10)
        if put.commit.rows > 1:
            raise fake.refusal("invalid_rows", "one of them is wrong")
        return server.apply(put)

    server.script.put = refuse_several
    writer = db.writer("candles", "1m")
    acks = [writer.write("lab:X", fake.candles(1, first=n)) for n in range(4)]
    server.release.set()
    assert acks[0].result().rows == 1
    for ack in acks[1:]:
        with pytest.raises(fs.InvalidRows, match="one of them is wrong"):
            ack.result()
    with pytest.raises(fs.InvalidRows):
        writer.write("lab:X", fake.candles(1, first=9))
    with pytest.raises(fs.InvalidRows):
        writer.close()


def test_rows_that_still_gather_fail_with_the_stream(server, db, fake) -> None:
    def refuse(put):
        server.release.wait(10)
        raise fake.refusal("poisoned", "no more")

    server.script.put = refuse
    writer = db.writer("candles", "1m")
    acks = [writer.write("lab:X", fake.candles(1, first=n)) for n in range(3)]
    server.release.set()
    for ack in acks:
        with pytest.raises(fs.Poisoned):
            ack.result()
    with pytest.raises(fs.Poisoned):
        writer.close()


def test_a_full_gathering_goes_before_the_one_under_way_is_acknowledged(
    held, db, fake, monkeypatch
) -> None:
    monkeypatch.setattr(_pipe, "ROWS_MAX", 5)
    with db.writer("candles", "1m") as writer:
        for n in range(12):
            writer.write("lab:X", fake.candles(1, first=n))
        held.release.set()
    assert [put.commit.rows for put in held.puts] == [1, 5, 5, 1]


def test_flush_waits_for_rows_that_have_not_been_sent_yet(held, db, fake) -> None:
    with db.writer("candles", "1m") as writer:
        acks = [writer.write("lab:X", fake.candles(1, first=n)) for n in range(3)]
        held.release.set()
        writer.flush()
        assert all(ack.done for ack in acks)


def test_nothing_gathered_is_nothing() -> None:
    assert not _gather.Gathered()
