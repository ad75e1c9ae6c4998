"""Short random workloads: most bugs of crashes need few operations, but the right ones."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

from tests.support.crash_contents import CONSUMER, everything
from tests.support.rows import MINUTE, candles
from tests.support.stores import BTC, SMALL
from tests.support.workload import (
    COMPACT,
    ETH,
    FLUSH,
    UPKEEP,
    Step,
    delete,
    describe,
    drop,
    put_bars,
    put_trades,
    snapshot,
)

from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto.errors import BadRequest
from flightstore_server.engine.limits import Limits
from flightstore_server.engine.received import Put, SeriesRows
from flightstore_server.engine.store import Store

PUTS_MAX = 3
SWEEP = Step("sweep", lambda store: store.sweep())
READ = Step("read", everything)


def random_limits(rng: random.Random) -> Limits:
    """Limits under which files are short, merges early, and some puts bulk."""
    return replace(
        SMALL,
        log_file_bytes=rng.choice([200, 600, 1_100, 4_096]),
        bulk_put_bytes_min=rng.choice([1, 15 * 48, 30 * 48, 1 << 30]),
        segment_rows_max=rng.choice([4, 20, 50]),
        compact_segments_min=rng.choice([2, 3]),
        flush_records=rng.choice([1, 2, 1_000]),
        cold_age_days=rng.choice([0.0, 1.0]),
        log_keep_bytes=rng.choice([0, 0, 2_000]),
    )


def random_steps(rng: random.Random) -> list[Step]:
    """At most PUTS_MAX puts, and other things before, between and after them."""
    taken: list[Step] = []
    for number in range(1, rng.randint(1, PUTS_MAX) + 1):
        taken += [_other(rng) for _ in range(rng.choice([0, 0, 1, 2]))]
        taken.append(_put(rng, number))
    taken += [_other(rng) for _ in range(rng.randint(1, 4))]
    return [_or_refused(step) for step in taken]


def _put(rng: random.Random, number: int) -> Step:
    first, bars, close = rng.choice([0, 3, 7, 40]), rng.choice([1, 4, 12, 40]), float(number)
    draw = rng.random()
    if draw < 0.6:
        return put_bars(number, first, bars, close, rng.choice([BTC, BTC, ETH]))
    if draw < 0.8:
        return _put_both(number, first, bars, close)
    return put_trades(number, rng.choice([100, 101, 130]))


def _put_both(number: int, first: int, bars: int, close: float) -> Step:
    """Two series in one put."""
    rows = candles([(first + i) * MINUTE for i in range(bars)], close)
    said = [SeriesRows(BTC, "1m", bars), SeriesRows(ETH, "1m", bars)]
    many = Put("candles", [rows, rows], said, number)
    return Step(f"put {bars} bars of both", lambda store: store.put(many).result(30), number)


def _other(rng: random.Random) -> Step:
    start, length = rng.choice([0, 3, 41]), rng.choice([1, 5, 40])
    made: list[tuple[int, Step]] = [
        (6, FLUSH),
        (4, COMPACT),
        (4, UPKEEP),
        (1, SWEEP),
        (2, READ),
        (3, delete(start, start + length)),
        (1, delete(None, None)),
        (2, snapshot(rng.choice("ab"))),
        (1, drop(rng.choice("ab"))),
        (2, _rule("fives", "candles/*/1m", "5m")),
        (1, _rule("bars", "trades/*", "1m")),
        (1, Step("remove fives", lambda store: store.rules.remove("fives"))),
        (1, describe(rng.choice("uv"))),
        (1, _remember_position(rng.randint(1, 3))),
    ]
    [(_, step)] = rng.choices(made, [weight for weight, _ in made])
    return step


def _rule(name: str, on: str, to: str) -> Step:
    rule = pb.Rule(name=name, on=on, to=[to])
    return Step(f"add {name}", lambda store: store.rules.add(rule))


def _remember_position(lsn: int) -> Step:
    def act(store: Store) -> None:
        with store.maintenance.lock:
            store.positions.set(CONSUMER, lsn)
            store.positions.write()

    return Step(f"position {lsn}", act)


def _or_refused(step: Step) -> Step:
    """A step that may not fit what is there, such as dropping what was never made."""

    def act(store: Store, taken: Callable[[Store], object] = step.act) -> object:
        try:
            return taken(store)
        except BadRequest as refused:
            return refused

    return replace(step, act=act)
