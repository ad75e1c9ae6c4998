"""ls, status, gaps, coverage: what they ask for and what they print."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest

from flightstore.cli.output import print_facts, size
from flightstore.cli.values import plain_rows
from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto.schemas import CATALOG, GAPS

MINUTE = 60 * 10**9
SERIES = pa.Table.from_pylist(
    [
        {
            "dataset": "candles",
            "exchange": "binance",
            "symbol": "BTC/USDT:USDT",
            "timeframe": "1m",
            "rows": 2_630_217,
            "start": MINUTE,
            "end": 3 * MINUTE + 1,
            "absent": 17,
            "bytes": 126_000_000,
            "metadata": [("unit", "base")],
        },
        {"dataset": "trades", "exchange": "kraken", "symbol": "[b]", "timeframe": "", "rows": 0},
    ],
    schema=CATALOG,
)


def test_ls_shows_a_line_for_each_series(cli, db):
    db.answers["series"] = SERIES
    result = cli("ls", "*:*", "--timeframe", "1m", "--dataset", "candles")
    wanted = {"dataset": "candles", "timeframe": "1m", "snapshot": None, "output": "arrow"}
    assert db.calls == [("series", ("*:*",), wanted)]
    assert result.code == 0
    [line] = [line for line in result.out.splitlines() if "binance" in line]
    assert line.split() == [
        "binance:BTC/USDT:USDT", "candles", "1m", "2,630,217", "1970-01-01T00:01:00Z",
        "1970-01-01T00:03:00.000000001Z", "17", "126.0", "MB",
    ]  # fmt: skip
    # Nothing that looks like rich's markup is lost, and nothing is cut for want of a terminal.
    assert "kraken:[b]" in result.out


def test_ls_as_json_keeps_every_column_and_writes_times_as_iso_text(cli, db):
    db.answers["series"] = SERIES
    first, second = json.loads(cli("ls", "--json").out)
    assert first["instrument"] == "binance:BTC/USDT:USDT"
    assert first["start"] == "1970-01-01T00:01:00Z"
    assert first["metadata"] == {"unit": "base"}
    assert second["start"] is None
    assert second["metadata"] is None


def test_ls_of_nothing_says_so_on_stderr(cli, db):
    db.answers["series"] = CATALOG.empty_table()
    assert cli("ls", "a:*") == (0, "", "No series match a:*.\n")
    assert cli("ls", "--json").out == "[]\n"


def test_status_prints_one_fact_a_line(cli, db):
    db.answers["status"] = pb.Status(
        version="1.2", last_lsn=12_345, counters={"puts": 3}, limits={"put_bytes": 10}
    )
    out = cli("status").out
    assert "last_lsn            12,345\n" in out or "last_lsn          12,345\n" in out
    assert "counters.puts  3" in out
    facts = json.loads(cli("status", "--json").out)
    assert facts["last_lsn"] == 12_345
    assert facts["counters"] == {"puts": 3}


def _gaps(*gaps: tuple[int, int | None, str]) -> pa.Table:
    """Gaps as (first minute, minute after, reason)."""
    rows = [
        {
            "start": start * MINUTE,
            "end": None if end is None else end * MINUTE,
            "missing": (end or start) - start,
            "reason": reason,
        }
        for start, end, reason in gaps
    ]
    return pa.Table.from_pylist(rows, schema=GAPS)


def _listed(out: str) -> list[str]:
    """The first minute of each gap that is shown."""
    return [line.split()[0][14:16] for line in out.splitlines() if line.startswith(" 1970")]


def test_gaps_asks_for_everything_that_is_missing_and_lists_it(cli, db):
    db.answers["gaps"] = _gaps((0, 1, "not fetched"))
    result = cli("gaps", "a:B", "--timeframe", "1m", "--start", "-30d")
    options = {"dataset": "candles", "confirmed": True, "snapshot": None, "output": "arrow"}
    assert db.calls == [("gaps", ("a:B", "1m", "-30d", None), options)]
    assert "1970-01-01T00:00:00Z" in result.out
    assert json.loads(cli("gaps", "a:B", "-t", "1m", "--json").out) == [
        {
            "start": "1970-01-01T00:00:00Z",
            "end": "1970-01-01T00:01:00Z",
            "missing": 1,
            "reason": "not fetched",
        }
    ]


def test_gaps_can_be_asked_for_what_is_not_confirmed_alone(cli, db):
    db.answers["gaps"] = _gaps()
    cli("gaps", "a:B", "-t", "1m", "--unconfirmed")
    assert db.calls[0][2]["confirmed"] is False


def test_gaps_are_summed_up_by_reason(cli, db):
    db.answers["gaps"] = _gaps((0, 1, "no trades"), (2, 5, "not fetched"), (7, 9, "no trades"))
    lines = [line.split() for line in cli("gaps", "a:B", "-t", "1m").out.splitlines()]
    assert [line for line in lines if line][-2:] == [
        ["not", "fetched", "1", "3"],
        ["no", "trades", "2", "3"],
    ]


def test_of_many_gaps_the_longest_for_each_reason_are_shown_in_order_of_time(cli, db):
    db.answers["gaps"] = _gaps(
        (0, 1, "no trades"),
        (2, 5, "no trades"),
        (7, 9, "no trades"),
        (10, 11, "not fetched"),
        (12, None, "not fetched"),
    )
    result = cli("gaps", "a:B", "-t", "1m", "--limit", 1)
    assert _listed(result.out) == ["02", "12"]
    assert "2 of 5 gaps are shown" in result.err
    rows = json.loads(cli("gaps", "a:B", "-t", "1m", "--limit", 2, "--json").out)
    assert [row["missing"] for row in rows] == [3, 2, 1, 0]


def test_ten_gaps_are_shown_for_each_reason_unless_more_are_asked_for(cli, db):
    db.answers["gaps"] = _gaps(*((2 * n, 2 * n + 1, "no trades") for n in range(15)))
    assert len(_listed(cli("gaps", "a:B", "-t", "1m").out)) == 10
    assert len(_listed(cli("gaps", "a:B", "-t", "1m", "--limit", 15).out)) == 15
    assert len(json.loads(cli("gaps", "a:B", "-t", "1m", "--json").out)) == 15


def test_no_gaps_and_no_coverage_are_said(cli, db):
    db.answers["gaps"] = _gaps()
    db.answers["coverage"] = _gaps().select(["start", "end"])
    assert cli("gaps", "a:B", "-t", "1m").err == "No gaps.\n"
    assert cli("coverage", "a:B", "-d", "trades").err == "No range is known to be complete.\n"


def test_coverage_lists_ranges(cli, db):
    db.answers["coverage"] = _gaps((0, 1, "")).select(["start", "end"])
    assert "1970-01-01T00:01:00Z" in cli("coverage", "a:B", "-t", "1m").out


def test_candles_without_a_timeframe_are_asked_for_it(cli, db):
    for command in ("gaps", "coverage", "head", "tail"):
        assert cli(command, "a:B").err.startswith("error: Candles need --timeframe")
    assert db.connected is None


def test_people_read_yes_and_no(capsys):
    print_facts({"ready": True, "read_only": False})
    assert capsys.readouterr().out == "ready      yes\nread_only  no\n"


@pytest.mark.parametrize(
    ("count", "shown"),
    [(0, "0 B"), (999, "999 B"), (1_000, "1.0 kB"), (999_960, "1.0 MB"), (10**18, "1000000.0 TB")],
)
def test_sizes_are_read_at_a_glance(count, shown):
    assert size(count) == shown


def test_numbers_that_json_does_not_have_are_written_as_protobuf_does():
    table = pa.table({"x": [1.5, float("nan"), float("inf"), float("-inf"), None]})
    values = [row["x"] for row in plain_rows(table)]
    assert values == [1.5, "NaN", "Infinity", "-Infinity", None]


def test_health_prints_what_the_server_says(cli, db):
    db.answers["health"] = pb.Health(ready=True, version="1.2", read_only=True, reason="a replica")
    done = cli("health")
    assert done.code == 0
    assert "a replica" in done.out
    assert json.loads(cli("health", "--json").out)["read_only"] is True


@pytest.mark.parametrize(("read_only", "code"), [(True, 1), (False, 0)])
def test_health_fails_on_demand_where_no_writes_are_taken(cli, db, read_only, code):
    db.answers["health"] = pb.Health(ready=True, read_only=read_only)
    assert cli("health", "--writable").code == code
