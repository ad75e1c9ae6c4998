"""Windows for training, over the wire and out of mapped files: which they are, in what order."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import islice, pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from tests.support.rows import MINUTE, NOON_2024, minutes
from tests.support.seeds import generator
from tests.support.serving import Serving

import flightstore as fs
from flightstore._windows import mapped

A, B, C = "x:A/USD", "x:B/USD", "x:C/USD"
SIZES = {A: 30_000, B: 40_000, C: 50}
COLUMNS = ("open", "high", "low", "close", "volume")


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """Three series in segments, of which two are large enough to be mapped."""
    serving = Serving(tmp_path_factory.mktemp("windows") / "data")
    for position, (name, rows) in enumerate(SIZES.items()):
        serving.db.write(name, minutes(range(rows), position / 8), timeframe="1m")
    serving.tidy()
    yield serving
    serving.close()


@pytest.fixture(params=["mapped", "streamed"])
def client(filled: Serving, request: pytest.FixtureRequest) -> Iterator[fs.Client]:
    """A client of it that maps files, and one that does not."""
    with fs.connect(filled.uri, same_host=request.param == "mapped") as db:
        yield db


def arrays(db: fs.Client, name: str, columns: tuple[str, ...] = COLUMNS) -> np.ndarray:
    frame = db.candles(name, "1m")
    return np.column_stack([frame[column].to_numpy() for column in columns])


def position(start: np.datetime64) -> int:
    """The number of the minute at which a window of `minutes` begins."""
    return (int(start.astype(np.int64)) - NOON_2024) // MINUTE


def begins(windows: fs.Windows, most: int | None = None) -> list[tuple[str, int]]:
    """Instrument and first minute of each window, of windows that come one by one."""
    return [(n, position(start)) for _, n, start in islice(windows.with_names(), most)]


def test_every_window_of_every_series_comes_once(client: fs.Client) -> None:
    windows = client.windows("x:*", "1m", length=512, stride=100, batch=64)
    rows = {name: arrays(client, name) for name in SIZES}
    seen: Counter[tuple[str, int]] = Counter()
    for values, names, starts in windows.with_names():
        assert values.dtype == np.float64
        assert values.shape == (len(names), 512, 5)
        for window, name, start in zip(values, names, starts, strict=True):
            first = position(start)
            np.testing.assert_array_equal(window, rows[name][first : first + 512])
            seen[name, first] += 1
    expected = [(n, first) for n in SIZES for first in range(0, SIZES[n] - 511, 100)]
    assert seen == Counter(expected)
    assert (windows.total, len(windows)) == (len(expected), -(-len(expected) // 64))
    assert windows.columns == COLUMNS
    assert client.status().same_host in ("mapped", "streamed: switched off")


def test_the_order_depends_on_neither_batches_nor_shards(client: fs.Client) -> None:
    options = {"length": 16, "stride": 50, "seed": 11}
    one_by_one = begins(client.windows("x:*", "1m", **options))
    assert begins(client.windows("x:*", "1m", **options)) == one_by_one
    batched = client.windows("x:*", "1m", batch=37, **options).with_names()
    whose = [zip(names, map(position, starts), strict=True) for _, names, starts in batched]
    assert [window for batch in whose for window in batch] == one_by_one
    for number in range(3):
        shard = client.windows("x:*", "1m", shard=(number, 3), **options)
        assert begins(shard) == one_by_one[number::3]
        assert len(shard) == len(one_by_one[number::3])


def test_mapped_and_streamed_series_are_drawn_together(
    filled: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mapped, "_GROUP_BYTES", 1)  # each series is asked for by itself
    monkeypatch.setattr(mapped, "_FILES_MAX", 1)  # and is let go of when the next one is
    with fs.connect(filled.uri, same_host=True) as db:
        rows = {name: arrays(db, name) for name in SIZES}
        windows = db.windows("x:*", "1m", length=16, stride=20, batch=100)
        seen: Counter[str] = Counter()
        for values, names, starts in windows.with_names():
            for window, name, first in zip(values, names, map(position, starts), strict=True):
                np.testing.assert_array_equal(window, rows[name][first : first + 16])
            seen.update(names)
    assert seen == {A: 1_500, B: 2_000, C: 2}  # C is too small to be mapped


def test_windows_come_shuffled_and_each_epoch_anew(client: fs.Client) -> None:
    windows = client.windows([A, B], "1m", length=10, stride=500, seed=1)
    first, again, second = begins(windows), begins(windows), begins(windows.epoch(1))
    assert first == again
    assert first == begins(windows.epoch(1).epoch(0))
    assert first != second
    assert sorted(first) == sorted(second)
    ordered = client.windows([A, B], "1m", length=10, stride=500, shuffle=False)
    assert begins(ordered) == sorted(first)


def test_no_stride_means_windows_that_share_no_row(client: fs.Client) -> None:
    windows = client.windows(A, "1m", length=700, stride=None, shuffle=False)
    assert [first for _, first in begins(windows)] == list(range(0, 29_400, 700))


def test_windows_lie_inside_of_the_range(client: fs.Client) -> None:
    start, end = (NOON_2024 + n * MINUTE for n in (1_000, 1_100))
    chosen = {"start": start // 10**6, "end": end // 10**6}
    windows = client.windows([A, B], "1m", length=60, shuffle=False, **chosen)
    expected = [(name, first) for name in (A, B) for first in range(1_000, 1_041)]
    assert begins(windows) == expected


def test_columns_come_in_the_order_asked_for(client: fs.Client) -> None:
    chosen = ("volume", "open", "close")
    windows = client.windows(A, "1m", length=100, columns=chosen, shuffle=False)
    assert windows.columns == chosen
    np.testing.assert_array_equal(next(iter(windows)), arrays(client, A, chosen)[:100])


def test_a_window_longer_than_any_message_comes_whole(client: fs.Client) -> None:
    windows = client.windows(B, "1m", length=39_990, stride=7, shuffle=False, batch=2)
    rows = arrays(client, B)
    [both] = windows
    np.testing.assert_array_equal(both[0], rows[:39_990])
    np.testing.assert_array_equal(both[1], rows[7:39_997])


def test_what_is_kept_of_a_window_is_not_changed_by_the_next(client: fs.Client) -> None:
    windows = client.windows(A, "1m", length=20, stride=1_000, shuffle=False)
    rows, kept = arrays(client, A), list(windows)
    for number, window in enumerate(kept):
        np.testing.assert_array_equal(window, rows[1_000 * number : 1_000 * number + 20])
    kept[0][:] = 0.0  # and it may be written to
    np.testing.assert_array_equal(next(iter(windows)), rows[:20])


def test_a_billion_windows_are_drawn_from_at_once(client: fs.Client) -> None:
    windows = client.windows([A, B], "1m", length=512, shard=(5, 7), batch=8)
    assert next(iter(windows)).shape == (8, 512, 5)
    assert windows.total == 30_000 + 40_000 - 2 * 511


def test_an_iteration_that_is_broken_off_leaves_the_client_in_order(client: fs.Client) -> None:
    windows = client.windows("x:*", "1m", length=256, batch=200)
    for _ in range(3):
        iterator = iter(windows)
        next(iterator)
        del iterator
    assert client.candles(C, "1m").height == 50


def test_two_iterations_at_once_do_not_disturb_each_other(client: fs.Client) -> None:
    windows = client.windows("x:*", "1m", length=128, stride=997)
    expected = begins(windows)
    both = zip(windows.with_names(), windows.with_names(), strict=True)
    pairs = [((a, position(s)), (b, position(t))) for (_, a, s), (_, b, t) in both]
    assert pairs == [(one, one) for one in expected]


def test_tensors_share_the_memory_of_the_arrays(
    client: fs.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = SimpleNamespace(from_numpy=lambda values: ("tensor", values))
    monkeypatch.setitem(sys.modules, "torch", made)
    windows = client.windows(A, "1m", length=32, batch=4, torch=True)
    kind, values = next(iter(windows))
    assert (kind, values.shape) == ("tensor", (4, 32, 5))


def test_without_torch_there_is_a_sentence(
    client: fs.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    client.candles(A, "1m")
    with pytest.raises(fs.MissingExtra, match="pip install torch"):
        client.windows(A, "1m", length=32, torch=True)


def test_without_numpy_there_is_a_sentence() -> None:
    code = """if True:
        import sys
        sys.modules["numpy"] = None
        import flightstore as fs
        db = fs.connect("grpc://127.0.0.1:1", check=False)
        try:
            db.windows("x:Y", length=1)
        except fs.MissingExtra as error:
            print(error)
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'flightstore[train]'" in done.stdout


def test_programs_in_an_event_loop_open_windows_as_well(filled: Serving) -> None:
    async def main() -> int:
        async with fs.aio.connect(filled.uri) as db:
            return len(await db.windows(A, "1m", length=30_000))

    assert asyncio.run(main()) == 1


def test_windows_hold_what_is_in_memory_and_what_was_corrected(serving: Serving) -> None:
    db = serving.db
    db.write(A, minutes(range(25_000)), timeframe="1m")
    db.flush()
    db.write(A, minutes(range(100, 25_500, 3), 0.5), timeframe="1m")
    rows = arrays(db, A)
    for windows in db.windows(A, "1m", length=40, stride=500, shuffle=False, batch=200):
        for number, window in enumerate(windows):
            np.testing.assert_array_equal(window, rows[500 * number : 500 * number + 40])


@pytest.mark.parametrize("same_host", [True, False])
def test_rows_before_and_after_the_range_do_not_move_windows(
    serving: Serving, same_host: bool
) -> None:
    with fs.connect(serving.uri, same_host=same_host) as db:
        db.write(A, minutes(range(1_000, 41_000)), timeframe="1m")
        db.flush()
        windows = db.windows(A, "1m", length=64, seed=2, stride=400)
        expected = [window.copy() for window in windows]
        db.write(A, minutes(range(900)), timeframe="1m")
        db.write(A, minutes(range(41_000, 42_000)), timeframe="1m")
        for found, window in zip(windows, expected, strict=True):
            np.testing.assert_array_equal(found, window)


@pytest.mark.parametrize("same_host", [True, False])
def test_a_snapshot_holds_windows_still_while_rows_change(
    serving: Serving, same_host: bool
) -> None:
    random = generator("windows of a snapshot")
    serving.db.write(A, minutes(range(30_000)), timeframe="1m")
    serving.db.snapshot("still")
    with fs.connect(serving.uri, same_host=same_host) as db:
        windows = db.windows(A, "1m", length=100, stride=1_000, snapshot="still")
        expected = list(windows)
        for turn, (found, window) in enumerate(zip(windows, expected, strict=True)):
            np.testing.assert_array_equal(found, window)
            first = random.randrange(29_000)
            if turn % 3:
                db.write(A, minutes(range(first, first + 500), turn), timeframe="1m")
            else:
                start = (NOON_2024 + first * MINUTE) // 10**6
                db.delete(A, timeframe="1m", start=start, end=start + 60_000 * 50)
            serving.tidy()


def test_a_window_beyond_what_is_left_is_an_error_and_not_other_rows(serving: Serving) -> None:
    with fs.connect(serving.uri, same_host=False) as db:
        db.write(A, minutes(range(1_000)), timeframe="1m")
        windows = db.windows(A, "1m", length=300, shuffle=False)
        db.delete(A, timeframe="1m", start=(NOON_2024 + 800 * MINUTE) // 10**6, end="2030")
        with pytest.raises(fs.BadRequest, match=r"which has 800.*snapshot"):
            list(windows)


def test_mapped_windows_beyond_what_is_left_are_an_error_as_well(serving: Serving) -> None:
    with fs.connect(serving.uri, same_host=True) as db:
        db.write(A, minutes(range(60_000)), timeframe="1m")
        db.flush()
        windows = db.windows(A, "1m", length=300, shuffle=False)
        db.delete(A, timeframe="1m", start=(NOON_2024 + 50_000 * MINUTE) // 10**6, end="2030")
        with pytest.raises(fs.BadRequest, match="x:A/USD has 50000 rows, fewer than when"):
            list(windows)


def test_batches_of_one_series_follow_each_other_in_time(filled: Serving) -> None:
    windows = filled.db.windows(B, "1m", length=100, stride=100, shuffle=False, batch=60)
    times = [s for _, _, starts in windows.with_names() for s in starts.astype(np.int64).tolist()]
    assert {later - earlier for earlier, later in pairwise(times)} == {100 * MINUTE}


def test_the_documented_example_runs(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("binance:BTC/USDT", "binance:ETH/USDT"):
        serving.db.write(name, minutes(range(1_000), 2.5), timeframe="1m")
    monkeypatch.setenv("FLIGHTSTORE_URI", serving.uri)
    document = Path(__file__).parents[2] / "docs" / "training.md"
    example = document.read_text().split("```python\n")[1].partition("```")[0]
    found: dict[str, object] = {}
    exec(example, found)
    assert found["batch"].shape == (978 % 256, 512, 5)
    found["db"].close()
