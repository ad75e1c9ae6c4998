"""Parts on a Ray cluster of this machine: as a dataset, and as the workers of a sweep."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tests.support import strategies
from tests.support.rows import MINUTE, NOON_2024, candles
from tests.support.serving import Serving

import flightstore as fs

ray = pytest.importorskip("ray")

EXAMPLE = Path(__file__).parents[2] / "examples" / "crossover.py"
NAMES = [f"x:S{number}" for number in range(4)]
# Ray uses what it has deprecated itself, and leaves sockets to the garbage collector.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A cluster of two processors on the loopback; its address."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        context = ray.init(
            num_cpus=2,
            include_dashboard=False,
            object_store_memory=100 * 2**20,
            log_to_driver=False,
            _node_ip_address="127.0.0.1",
        )
        yield context.address_info["address"]
        ray.shutdown()


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Iterator[fs.Client]:
    """Series of 10 to 40 bars, whose closes are the number of the series."""
    serving = Serving(tmp_path_factory.mktemp("ray") / "data")
    for number, name in enumerate(NAMES):
        times = [NOON_2024 + minute * MINUTE for minute in range(10 * (number + 1))]
        serving.db.write(name, candles(times, float(number)), timeframe="1m")
    yield serving.db
    serving.close()


@pytest.fixture
def on_ray(cluster: str) -> Any:
    import flightstore.ray

    return flightstore.ray


def test_a_dataset_has_the_rows_of_its_parts(db: fs.Client, on_ray: Any) -> None:
    rows = on_ray.dataset(db.plan("*", "1m", parts=2)).to_pandas()
    found = pl.DataFrame(rows).sort("exchange", "symbol", "ts")
    expected = db.candles("*", "1m").cast({pl.Categorical: pl.String})
    assert found.equals(expected)


def test_parts_of_one_name_say_whose_rows_they_are(db: fs.Client, on_ray: Any) -> None:
    parts = db.plan(NAMES[0], "1m", parts=2) + db.plan(NAMES[1], "1m", "2000", "2001")
    rows = on_ray.dataset(parts).to_pandas()
    assert list(rows.columns)[:3] == ["exchange", "symbol", "ts"]
    assert list(rows["symbol"]) == ["S0"] * 10


def test_no_parts_are_no_dataset(on_ray: Any) -> None:
    with pytest.raises(fs.BadRequest, match="no parts"):
        on_ray.dataset([])


def test_a_sweep_is_the_same_as_everywhere(db: fs.Client, on_ray: Any) -> None:
    grid = {"factor": [1, 2.5]}
    found = on_ray.sweep(strategies.scaled, "*", grid, db=db, timeframe="1m", workers=2)
    assert found.rows() == [
        (name, factor, 10 * (n + 1), 10 * (n + 1) * n * factor)
        for n, name in enumerate(NAMES)
        for factor in (1, 2.5)
    ]


def test_a_strategy_may_be_a_local_function(db: fs.Client, on_ray: Any) -> None:
    most = 15
    found = on_ray.sweep(lambda bars: {"rows": min(bars.height, most)}, db.plan("*", "1m"), [{}])
    assert found["rows"].to_list() == [10, 15, 15, 15]


def test_a_failure_names_the_series_and_the_parameters(db: fs.Client, on_ray: Any) -> None:
    with pytest.raises(fs.StrategyFailed) as failure:
        on_ray.sweep(strategies.failing, db.plan("*", "1m"), {"factor": [1, 2]})
    assert str(failure.value) == (
        "The strategy failed on x:S3 with factor=2: ZeroDivisionError: nothing was traded"
    )


def test_the_example_runs_on_ray(db: fs.Client, cluster: str) -> None:
    command = [sys.executable, str(EXAMPLE), "x:*", "--timeframe", "1m", "--uri", db.uri, "--ray"]
    environment = {**os.environ, "RAY_ADDRESS": cluster}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=90, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert "400 backtests" in done.stdout
