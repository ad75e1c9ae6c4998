"""The newest row of each of 10,000 series, against a bare DoGet of the same rows.

While nothing is written, as somebody who looks at prices finds it most of the time; after a bar of
ten of them; and after a bar of each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice

import pyarrow.flight as fl

import flightstore as fs
from bench import inputs
from bench.figures import Better, Figure, compared, in_ms
from bench.floors import bare_flight
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
        {"bare": lambda: bare_flight.read(client, "newest"), "ours": _newest(db)},
        block=_BLOCK,
    )
    yield compared(
        "the newest rows of 10,000 series, none of which has changed, of a bare DoGet of them",
        ratio(taken["ours"], taken["bare"], block=_BLOCK),
        at_most=2,
        note=in_ms(**taken),
        watched="less",
    )


def _changed(session: Session, db: fs.Client, client: fl.FlightClient) -> Iterator[Figure]:
    minutes = iter(range(20, 100))
    few, all_of_them = 10, inputs.NEWEST_SERIES
    taken = _after_bars(db, client, islice(minutes, 15), few)
    yield _of_changed(few, taken, watched="less")
    if not session.watched_only:
        taken = _after_bars(db, client, islice(minutes, session.pick(15, 4)), all_of_them)
        yield _of_changed(all_of_them, taken)


def _of_changed(changed: int, taken: dict[str, Seconds], watched: Better | None = None) -> Figure:
    return compared(
        f"the same after a bar of {changed:,} of them",
        ratio(taken["ours"], taken["bare"]),
        note=in_ms(**taken),
        watched=watched,
    )


def _after_bars(
    db: fs.Client, client: fl.FlightClient, minutes: Iterable[int], changed: int
) -> dict[str, Seconds]:
    """Each read after another bar of the first so many series."""
    taken: dict[str, Seconds] = {"bare": [], "ours": []}
    for minute in minutes:
        _put_minute(db, minute, changed)
        taken["ours"].append(timed(_newest(db)))
        taken["bare"].append(timed(lambda: bare_flight.read(client, "newest")))
    return taken


def _put_minute(db: fs.Client, minute: int, series: int) -> None:
    """One bar of each of the first so many series, all of them durable at the end."""
    bar = inputs.bars(1, inputs.MINUTE_NS, start_ns=inputs.START_NS + minute * inputs.MINUTE_NS)
    with db.writer("candles", "1m") as writer:
        for number in range(series):
            writer.write(inputs.wide_name(number), bar)
