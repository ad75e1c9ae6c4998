"""The newest row of each of 10,000 series, against a bare DoGet of the same rows.

While nothing is written, as somebody who looks at prices finds it most of the time; after a bar of
ten of them; and after a bar of each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

import pyarrow.flight as fl

import flightstore as fs
from bench import floors, inputs
from bench.figures import Figure, compared, in_ms
from bench.measure import Seconds, alternating_calls, ratio, timed
from bench.processes import flightstore, floor
from bench.session import Session

_BLOCK = 25
_PER_PUT = 1_000


def run(session: Session) -> Iterator[Figure]:
    data = session.fresh("latest") / "store"
    with (
        flightstore(data) as server,
        floor([str(session.folder), "newest"]) as bare,
        server.client() as db,
        fl.FlightClient(bare.uri) as client,
    ):
        _write(db)
        yield from _unchanged(session, db, client)
        yield from _changed(session, db, client)


def _write(db: fs.Client) -> None:
    names = [inputs.wide_name(number) for number in range(inputs.NEWEST_SERIES)]
    bars = inputs.bars(20, inputs.MINUTE_NS)
    for first in range(0, len(names), _PER_PUT):
        db.write_many(dict.fromkeys(names[first : first + _PER_PUT], bars), timeframe="1m")


def _newest(db: fs.Client) -> Callable[[], object]:
    return lambda: db.latest("*", "1m", output="arrow")


def _unchanged(session: Session, db: fs.Client, client: fl.FlightClient) -> Iterator[Figure]:
    taken = alternating_calls(
        session.pick(1_000, 300),
        {"bare": lambda: floors.read(client, "newest"), "ours": _newest(db)},
        block=_BLOCK,
    )
    yield compared(
        "the newest rows of 10,000 series, none of which has changed, of a bare DoGet of them",
        ratio(taken["ours"], taken["bare"], block=_BLOCK),
        at_most=2,
        note=in_ms(**taken),
    )


def _changed(session: Session, db: fs.Client, client: fl.FlightClient) -> Iterator[Figure]:
    minutes = count(20)
    for changed in (10, inputs.NEWEST_SERIES):
        taken: dict[str, Seconds] = {"bare": [], "ours": []}
        for minute in (next(minutes) for _ in range(session.pick(15, 4))):
            _put_minute(db, minute, changed)
            taken["ours"].append(timed(_newest(db)))
            taken["bare"].append(timed(lambda: floors.read(client, "newest")))
        yield compared(
            f"the same after a bar of {changed:,} of them",
            ratio(taken["ours"], taken["bare"]),
            note=in_ms(**taken),
        )


def _put_minute(db: fs.Client, minute: int, series: int) -> None:
    """One bar of each of the first so many series, all of them durable at the end."""
    bar = inputs.bars(1, inputs.MINUTE_NS, start_ns=inputs.START_NS + minute * inputs.MINUTE_NS)
    with db.writer("candles", "1m") as writer:
        for number in range(series):
            writer.write(inputs.wide_name(number), bar)
