"""A strategy with many parameters on many series, wherever it runs."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tests.support import strategies
from tests.support.rows import MINUTE, NOON_2024, candles
from tests.support.serving import Serving

import flightstore as fs

NAMES = [f"x:S{number}" for number in range(6)]
EXAMPLE = Path(__file__).parents[2] / "examples" / "crossover.py"


@pytest.fixture
def db(serving: Serving) -> fs.Client:
    """Series of 10 to 60 bars, whose closes are the number of the series."""
    for number, name in enumerate(NAMES):
        times = [NOON_2024 + minute * MINUTE for minute in range(10 * (number + 1))]
        serving.db.write(name, candles(times, float(number)), timeframe="1m")
    return serving.db


@pytest.fixture
def threads() -> Iterator[Executor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


@pytest.fixture
def parts(db: fs.Client) -> list[fs.Part]:
    return db.plan("*", "1m", parts=4)


EXPECTED = [
    {"instrument": f"x:S{n}", "factor": factor, "rows": 10 * (n + 1), "total": total}
    for n in range(6)
    for factor in (1, 2.5)
    for total in [10 * (n + 1) * n * factor]
]


def test_processes_try_every_set_on_every_series_in_order(parts: list[fs.Part]) -> None:
    found = fs.sweep(strategies.scaled, parts, {"factor": [1, 2.5]}, workers=2)
    assert found.to_dicts() == EXPECTED


def test_any_executor_will_do(parts: list[fs.Part], threads: Executor) -> None:
    found = fs.sweep(strategies.scaled, parts, {"factor": [1, 2.5]}, executor=threads)
    assert found.to_dicts() == EXPECTED


def test_instruments_are_planned_with_the_arguments_of_a_plan(
    db: fs.Client, threads: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dated(bars: pl.DataFrame) -> dict[str, Any]:
        return {"rows": bars.height, "columns": ",".join(bars.columns)}

    selection: dict[str, Any] = {"timeframe": "1m", "limit": 3, "columns": ["close"]}
    found = fs.sweep(dated, NAMES[:2], [{}], executor=threads, db=db, **selection)
    assert found.rows() == [(name, 3, "ts,close") for name in NAMES[:2]]
    monkeypatch.setenv("FLIGHTSTORE_URI", db.uri)
    again = fs.sweep(dated, NAMES[0], [{}], executor=threads, **selection)
    assert again.rows() == [(NAMES[0], 3, "ts,close")]


def test_what_the_parts_say_already_is_not_said_again(
    db: fs.Client, parts: list[fs.Part], threads: Executor
) -> None:
    with pytest.raises(fs.BadRequest, match="timeframe says what to read"):
        fs.sweep(strategies.empty, parts, [{}], executor=threads, timeframe="1m")
    with pytest.raises(fs.BadRequest, match="db says what to read"):
        fs.sweep(strategies.empty, parts, [{}], executor=threads, db=db)


def test_results_may_be_dicts_lists_frames_or_nothing(
    parts: list[fs.Part], threads: Executor
) -> None:
    def varied(bars: pl.DataFrame, *, kind: str) -> Any:
        last = bars["close"][-1]
        if last != 1:
            return None
        if kind == "empty":
            return pl.DataFrame()
        if kind == "frame":
            return bars.select("ts", value=pl.col("close") * 2).head(2)
        return {"value": last} if kind == "dict" else [{"value": 3}, {"other": "x"}]

    found = fs.sweep(varied, parts, {"kind": ["dict", "list", "empty", "frame"]}, executor=threads)
    assert found.columns == ["instrument", "kind", "value", "other", "ts"]
    assert found["kind"].to_list() == ["dict", "list", "list", "frame", "frame"]
    assert found["value"].to_list() == [1, 3, None, 2, 2]
    assert found["ts"].null_count() == 3


def test_numbers_of_different_kinds_share_a_column(parts: list[fs.Part], threads: Executor) -> None:
    def number(bars: pl.DataFrame) -> dict[str, Any]:
        last = bars["close"][-1]
        return {"value": {0: 1, 1: 1.5, 2: None, 3: math.nan, 4: True}.get(last, pl.Series([7])[0])}

    found = fs.sweep(number, parts, [{}], executor=threads)
    assert found.schema["value"] == pl.Float64
    assert found["value"].to_list()[:3] == [1.0, 1.5, None]


def test_no_results_are_a_frame_without_rows(parts: list[fs.Part], threads: Executor) -> None:
    found = fs.sweep(lambda bars, n: None, parts, {"n": [1]}, executor=threads)
    assert (found.columns, found.height) == (["instrument", "n"], 0)


@pytest.mark.parametrize("parallel", ["processes", "threads"])
def test_a_failure_names_the_series_and_the_parameters(
    parts: list[fs.Part], threads: Executor, parallel: str
) -> None:
    executor = threads if parallel == "threads" else None
    with pytest.raises(fs.StrategyFailed) as failure:
        fs.sweep(strategies.failing, parts, {"factor": [1, 2]}, executor=executor, workers=2)
    assert str(failure.value) == (
        "The strategy failed on x:S3 with factor=2: ZeroDivisionError: nothing was traded"
    )


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (1.5, "it returned a float; return a dict"),
        ({"instrument": "x"}, "'instrument' has the name of another column"),
        ([{"n": 1}], "'n' has the name of another column"),
        (pl.DataFrame({"n": [1]}), "'n' has the name of another column"),
    ],
)
def test_a_result_that_is_none_names_the_series_too(
    parts: list[fs.Part], threads: Executor, result: object, message: str
) -> None:
    with pytest.raises(fs.StrategyFailed, match=f"on x:S0 with n=1: .*{message}"):
        fs.sweep(lambda bars, n: result, parts[:1], {"n": [1]}, executor=threads)


def test_a_result_cannot_have_the_name_of_a_parameter_of_another_set(
    parts: list[fs.Part], threads: Executor
) -> None:
    with pytest.raises(fs.StrategyFailed, match="'m' has the name of another column"):
        fs.sweep(lambda bars, **_: {"m": 1}, parts, [{"n": 1}, {"m": 1}], executor=threads)


@pytest.mark.parametrize("parts_at_most", [1, 6])
def test_results_that_fit_no_column_are_refused(
    db: fs.Client, threads: Executor, parts_at_most: int
) -> None:
    def varied(bars: pl.DataFrame) -> dict[str, Any]:
        return {"value": [1] if bars["close"][0] == 3 else 1}

    parts = db.plan("*", "1m", parts=parts_at_most)
    with pytest.raises(fs.StrategyFailed, match="The results do not fit into one frame"):
        fs.sweep(varied, parts, [{}], executor=threads)


def test_after_a_failure_no_further_part_is_begun(parts: list[fs.Part], threads: Executor) -> None:
    seen: list[int] = []

    def fails(bars: pl.DataFrame) -> None:
        seen.append(bars.height)
        raise ValueError

    with pytest.raises(fs.StrategyFailed):
        fs.sweep(fails, parts, [{}], executor=threads, workers=1)
    assert len(seen) == 1


def test_at_most_so_many_parts_are_under_way(parts: list[fs.Part]) -> None:
    running: list[int] = []
    most: list[int] = []

    def watched(bars: pl.DataFrame) -> None:
        running.append(1)
        most.append(len(running))
        running.pop()

    with ThreadPoolExecutor(4) as pool:
        fs.sweep(watched, parts, [{}], executor=pool, workers=1)
    assert set(most) == {1}


def test_a_worker_that_dies_is_said_to_have_died(parts: list[fs.Part]) -> None:
    with pytest.raises(fs.StrategyFailed, match="worker process ended before its work was done"):
        fs.sweep(strategies.dying, parts, [{}], workers=1)


def test_a_strategy_that_cannot_be_sent_is_refused_at_once(parts: list[fs.Part]) -> None:
    with pytest.raises(fs.BadRequest, match="cannot be sent to other processes"):
        fs.sweep(lambda bars: None, parts, [{}], workers=1)


@pytest.mark.parametrize("workers", [0, -1, True])
def test_workers_are_counted_from_one(parts: list[fs.Part], workers: int) -> None:
    with pytest.raises(fs.BadRequest, match="is not a number of workers"):
        fs.sweep(strategies.empty, parts, [{}], workers=workers)


def test_series_that_are_gone_are_named_and_the_others_are_tried(
    db: fs.Client, threads: Executor
) -> None:
    for planned in (db.plan("*", "1m", parts=64), db.plan("*", "1m", parts=1)):
        db.delete(NAMES[1], timeframe="1m")
        with pytest.warns(fs.PartialReadWarning, match="1 of the instruments.*x:S1") as warned:
            found = fs.sweep(strategies.scaled, planned, {"factor": [1]}, executor=threads)
        assert found["instrument"].to_list() == [NAMES[0], *NAMES[2:]]
        assert len(warned) == 1
        db.write(NAMES[1], candles([NOON_2024]), timeframe="1m")


def test_series_without_rows_in_the_range_are_not_tried(db: fs.Client, threads: Executor) -> None:
    parts = db.plan("*", "1m", NOON_2024 // 10**6 + 35 * 60_000, parts=2)
    found = fs.sweep(strategies.scaled, parts, {"factor": [1]}, executor=threads)
    assert found["instrument"].to_list() == NAMES[3:]


def test_a_series_cut_by_time_is_tried_stretch_by_stretch(db: fs.Client, threads: Executor) -> None:
    parts = db.plan(NAMES[-1], "1m", parts=3)
    found = fs.sweep(strategies.scaled, parts, {"factor": [1]}, executor=threads)
    assert found["rows"].to_list() == [19, 20, 21]


def test_the_example_runs(db: fs.Client, tmp_path: Path) -> None:
    out = tmp_path / "results.parquet"
    command = [sys.executable, str(EXAMPLE), "x:*", "--timeframe", "1m", "--uri", db.uri]
    command += ["--workers", "2", "--output", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "6 series, about 210 bars, 6 parts" in done.stdout
    assert "600 backtests" in done.stdout
    results = pl.read_parquet(out)
    assert results.columns == ["instrument", "fast", "slow", "return", "drawdown", "trades"]
    assert results.height == 600
