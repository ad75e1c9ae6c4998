"""Several sorted runs read as one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from tests.support.rows import bars_of, candles

from flightstore_server.engine.runs import MemoryRun, pieces

RUNS = st.lists(
    st.sets(st.integers(-20, 40), min_size=1, max_size=12).map(sorted), min_size=1, max_size=6
)
BOUND = st.integers(-25, 45) | st.sampled_from([-(2**63), 2**63])
AT_ONCE = st.sampled_from([0, 10, 1_000])
SPANS = st.tuples(BOUND, BOUND).map(sorted).map(tuple)


def _runs(times: list[list[int]]) -> list[MemoryRun]:
    return [MemoryRun((candles(ts, lsn),), lsn) for lsn, ts in enumerate(times, 1)]


def _expected(times: list[list[int]], start: int, end: int) -> list[tuple[int, float]]:
    rows = {ts: float(lsn) for lsn, run in enumerate(times, 1) for ts in run}
    return sorted((ts, value) for ts, value in rows.items() if start <= ts < end)


@given(RUNS, SPANS, AT_ONCE, st.randoms())
def test_the_higher_lsn_wins_in_whatever_order_runs_are_given(
    times: list[list[int]], span: tuple[int, int], at_once: int, rng: object
) -> None:
    runs = _runs(times)
    rng.shuffle(runs)  # type: ignore[attr-defined]
    found = pieces(runs, *span, key_has_id=False, at_once=at_once)
    assert bars_of(b for p in found for b in p.batches()) == _expected(times, *span)


@given(RUNS, SPANS, AT_ONCE)
def test_backwards_gives_the_same_rows(
    times: list[list[int]], span: tuple[int, int], at_once: int
) -> None:
    found = pieces(_runs(times), *span, key_has_id=False, at_once=at_once)
    backwards = [b for p in reversed(found) for b in p.batches_backwards()]
    assert bars_of(reversed(backwards)) == _expected(times, *span)


@given(RUNS, SPANS, AT_ONCE)
def test_counting_agrees_with_reading(
    times: list[list[int]], span: tuple[int, int], at_once: int
) -> None:
    found = pieces(_runs(times), *span, key_has_id=False, at_once=at_once)
    assert sum(p.count() for p in found) == len(_expected(times, *span))


def test_runs_that_do_not_overlap_are_handed_out_without_a_copy() -> None:
    first, second = candles([1, 2]), candles([3, 4])
    runs = [MemoryRun((first,), 1), MemoryRun((second,), 2)]
    batches = [b for p in pieces(runs, 0, 9, key_has_id=False) for b in p.batches()]
    assert batches[0] is first
    assert batches[1] is second


def test_few_rows_that_overlap_are_merged_in_one_go() -> None:
    runs = [MemoryRun((candles([n, 50]),), n) for n in range(1, 9)]
    found = pieces(runs, -100, 100, key_has_id=False)
    assert [(p.start, p.end, len(p.runs)) for p in found] == [(1, 51, 8)]


def test_only_the_overlap_of_two_large_runs_is_merged() -> None:
    runs = [MemoryRun((candles(range(10)),), 1), MemoryRun((candles(range(8, 20)),), 2)]
    found = pieces(runs, -100, 100, key_has_id=False, at_once=0)
    assert [(p.start, p.end, len(p.runs)) for p in found] == [(0, 8, 1), (8, 10, 2), (10, 20, 1)]
