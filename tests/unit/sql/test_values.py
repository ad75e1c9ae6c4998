"""What clients get for DuckDB's types, and for values that have no room in them."""

from __future__ import annotations

from datetime import date, timedelta

import pyarrow as pa
import pytest
from tests.support.asking import ask

from flightstore_proto.errors import BadRequest
from flightstore_proto.schemas import BATCH_BYTES_MAX
from flightstore_server.sql.engine import SqlEngine


@pytest.mark.parametrize(
    ("expression", "kind"),
    [
        ("timestamptz '2024-01-01'", pa.timestamp("ns", "UTC")),
        ("timestamp '2024-01-01'", pa.timestamp("ns")),
        ("timestamp_s '2024-01-01'", pa.timestamp("ns")),
        ("sum(5)", pa.int64()),
        ("5::hugeint", pa.int64()),
        ("1.5", pa.float64()),
        ("sum(1.5)", pa.float64()),
        ("count(*)", pa.int64()),
        ("'a'::enum ('a', 'b')", pa.utf8()),
        ("date '2024-01-01'", pa.date32()),
        ("interval '1 hour'", pa.duration("ns")),
        ("[timestamptz '2024-01-01']", pa.list_(pa.timestamp("ns", "UTC"))),
        ("[1, 2]::int[2]", pa.list_(pa.int32())),
        ("{'a': 1.5}", pa.struct([("a", pa.float64())])),
        ("map {'a': 1::hugeint}", pa.map_(pa.utf8(), pa.int64())),
        ("uuid()", pa.utf8()),
        ("'x'::blob", pa.binary()),
        ("null", pa.null()),
    ],
)
def test_types_that_every_client_reads(
    engine: SqlEngine, expression: str, kind: pa.DataType
) -> None:
    query = f"select {expression} as x"
    found = ask(engine, query)
    assert found.schema.field("x").type == kind
    assert engine.prepare(query).schema == found.schema


def test_differences_of_times_are_durations(engine: SqlEngine) -> None:
    found = ask(engine, "select x from (values (interval '26 hours'), (null)) t(x)").column("x")
    assert found.cast(pa.duration("us")).to_pylist() == [timedelta(hours=26), None]


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("interval '1 month'", "has months"),
        ("timestamptz '3000-01-01'", "outside of 1677 to 2262"),
        ("timestamptz 'infinity'", "outside of 1677 to 2262"),
        ("(9223372036854775807::hugeint + 1)", "more than 64 bits"),
        ("union_value(a := 1)", "cannot be sent"),
        ("1::bignum", "cannot be sent"),
        ("[interval '1 day']", "cannot be sent"),
    ],
)
def test_what_has_no_room_is_refused_by_name(engine: SqlEngine, expression: str, why: str) -> None:
    with pytest.raises(BadRequest, match=f"Column 'x' of the answer has .*{why}|{why}"):
        ask(engine, f"select {expression} as x")


def test_batches_are_small_enough_for_every_client(engine: SqlEngine) -> None:
    text = "x" * 1000
    answer = engine.run(f"select i, '{text}' || i as t from range(20000) r(i)")
    batches = list(answer.batches)
    assert sum(batch.num_rows for batch in batches) == 20_000
    assert max(batch.nbytes for batch in batches) <= BATCH_BYTES_MAX
    assert [i for batch in batches for i in batch.column("i").to_pylist()] == list(range(20_000))


def test_an_empty_answer_has_its_columns(engine: SqlEngine) -> None:
    found = ask(engine, "select ts, close from candles where symbol = 'none'")
    assert (found.num_rows, found.column_names) == (0, ["ts", "close"])


def test_a_date_is_a_date(engine: SqlEngine) -> None:
    found = ask(engine, "select max(ts)::date as day from candles").column("day")
    assert found.to_pylist() == [date(2024, 1, 1)]
