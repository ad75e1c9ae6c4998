"""Rows one batch at a time, and what happens when nobody wants the rest."""

from __future__ import annotations

import gc

import pyarrow as pa
import pytest

import flightstore as fs
from flightstore_proto.schemas import CANDLES


def endless(fake):
    """A stream that only ends when it is cancelled."""
    answer = fake.stream.plain(fake.candles(1000))
    batch = answer.batches[0]
    answer.batches = iter(lambda: batch, None)
    return answer


def test_batches_come_one_by_one_under_a_known_schema(server, db, fake) -> None:
    rows = fake.candles(2500)
    server.script.read = lambda _: fake.stream.plain(rows)
    batches = db.batches("x:Y", "1m")
    assert batches.schema.equals(CANDLES, check_metadata=True)
    received = list(batches)
    assert [batch.num_rows for batch in received] == [1000, 1000, 500]
    assert pa.Table.from_batches(received).equals(rows)


def test_batches_of_many_say_whose_they_are(server, db, fake) -> None:
    tables = {"a:X": fake.candles(10), "b:Y": fake.candles(4)}
    server.script.read = lambda _: fake.stream.of_many(tables)
    batches = db.batches("*", "1m")
    table = pa.Table.from_batches(list(batches), batches.schema)
    assert table["exchange"].to_pylist() == ["a"] * 10 + ["b"] * 4
    assert table["symbol"].to_pylist() == ["X"] * 10 + ["Y"] * 4


@pytest.mark.parametrize("way", ["close", "with", "forgotten"])
def test_an_abandoned_stream_is_cancelled(server, db, fake, way) -> None:
    server.script.read = lambda _: endless(fake)
    batches = db.batches("x:Y", "1m")
    next(batches)
    if way == "close":
        batches.close()
        assert list(batches) == []
    elif way == "with":
        with batches:
            pass
    else:
        del batches
        gc.collect()
    assert server.cancelled.wait(10)


def test_problems_met_on_the_way_are_warnings(server, db, fake) -> None:
    server.script.read = lambda _: fake.stream.of_many(
        {"a:X": fake.candles(3)}, unknown={"a:Q": "unknown"}, damaged={"a:X": "damaged"}
    )
    with pytest.warns(fs.PartialReadWarning, match="a:Q: unknown"):
        batches = db.batches(["a:X", "a:Q"], "1m")
    with pytest.warns(fs.PartialReadWarning, match="a:X: damaged"):
        assert sum(batch.num_rows for batch in batches) == 3


def test_a_stream_that_cannot_open_raises_at_once(server, db, fake) -> None:
    def refuse(_ticket):
        raise fake.refusal("unknown_instrument", "No x:Y.")

    server.script.read = refuse
    with pytest.raises(fs.UnknownInstrument):
        db.batches("x:Y", "1m")
