"""The order in which windows come: every one once, at random, the same for the same seed."""

from __future__ import annotations

import numpy as np
import pytest

from flightstore._windows.order import Order

SIZES = [1, 2, 3, 4, 5, 7, 8, 9, 10, 99, 100, 101, 1_000, 4_096, 65_537]


def drawn(total: int, *, seed: int = 0, epoch: int = 0) -> list[int]:
    order = Order(total, True, seed, (0, 1), epoch)
    return order.numbers(range(total)).tolist()


@pytest.mark.parametrize("total", SIZES)
def test_every_window_comes_exactly_once(total: int) -> None:
    assert sorted(drawn(total)) == list(range(total))


def test_the_order_is_the_same_on_every_machine_for_ever() -> None:
    # Written down once: whoever trains anew on an old seed gets the old order.
    assert drawn(10, seed=7) == [1, 0, 6, 8, 2, 3, 9, 4, 7, 5]
    far = Order(10**12, True, 7, (0, 1)).numbers(range(10**11, 10**11 + 2))
    assert far.tolist() == [684130849923, 825272934171]


def test_other_seeds_and_other_epochs_are_other_orders() -> None:
    orders = [
        drawn(1_000),
        drawn(1_000, seed=1),
        drawn(1_000, seed=-1),
        drawn(1_000, seed=2**70),
        drawn(1_000, epoch=1),
        drawn(1_000, seed=1, epoch=1),
    ]
    same = [
        np.mean(np.array(one) == np.array(other))
        for position, one in enumerate(orders)
        for other in orders[:position]
    ]
    assert max(same) < 0.01


def test_a_part_of_the_order_is_drawn_without_the_rest() -> None:
    order = Order(10**15, True, 3, (0, 1))
    whole = order.numbers(range(10**14, 10**14 + 1_000))
    assert len(np.unique(whole)) == 1_000
    assert whole.max() < 10**15
    assert order.numbers(range(10**14 + 500, 10**14 + 510)).tolist() == whole[500:510].tolist()


def test_windows_that_come_early_are_from_everywhere() -> None:
    counts, _ = np.histogram(drawn(100_000)[:10_000], bins=100, range=(0, 100_000))
    # 100 on average in each of 100 bins; chi-square of 99 degrees is below 160 but once in 10,000.
    assert ((counts - 100) ** 2 / 100).sum() < 160


def test_neighbours_in_the_order_are_not_neighbours_in_time() -> None:
    steps = np.diff(np.array(drawn(100_000)))
    assert np.abs(steps).mean() == pytest.approx(100_000 / 3, rel=0.02)
    assert abs(np.corrcoef(steps[:-1], steps[1:])[0, 1] + 0.5) < 0.02  # as of independent draws


def test_every_order_of_a_few_windows_comes_up() -> None:
    assert len({tuple(drawn(4, seed=seed)) for seed in range(2_000)}) == 24


@pytest.mark.parametrize("count", [1, 2, 3, 7])
@pytest.mark.parametrize("shuffle", [True, False])
def test_shards_take_turns_in_one_order(count: int, shuffle: bool) -> None:
    whole = Order(100, shuffle, 5, (0, 1)).numbers(range(100)).tolist()
    shards = [Order(100, shuffle, 5, (number, count)) for number in range(count)]
    found = [shard.numbers(range(len(shard))).tolist() for shard in shards]
    assert found == [whole[number::count] for number in range(count)]


def test_without_shuffling_windows_come_as_they_are_stored() -> None:
    assert Order(5, False, 9, (0, 1), 3).numbers(range(5)).tolist() == [0, 1, 2, 3, 4]
