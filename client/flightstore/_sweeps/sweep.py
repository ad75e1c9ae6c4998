"""A strategy tried with many parameters on many series, by as many workers as there are."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    Executor,
    Future,
    ProcessPoolExecutor,
    wait,
)
from contextlib import contextmanager, nullcontext
from itertools import islice
from multiprocessing import get_context
from typing import Any, cast

import polars as pl

from flightstore._client import Client, connect
from flightstore._parts.part import Part
from flightstore._reading import warn_of
from flightstore._requests import Instruments
from flightstore._sweeps.grid import Grid, Parameters, parameter_columns, parameter_sets
from flightstore._sweeps.progress import Progress
from flightstore._sweeps.trials import SET, Found, Strategy, joined, try_all
from flightstore_proto.errors import BadRequest, FlightstoreError, StrategyFailed, shown
from flightstore_proto.instrument import Instrument


def sweep(
    strategy: Strategy,
    parts: Sequence[Part] | Instruments,
    grid: Grid,
    *,
    executor: Executor | None = None,
    workers: int | None = None,
    progress: bool = True,
    db: Client | None = None,
    **selection: Any,
) -> pl.DataFrame:
    """What `strategy` makes of every series with every set of parameters, as one frame.

    strategy   called as `strategy(frame, **parameters)` with the rows of one series (polars, `ts`
               first, in order); returns a dict of results, a list of dicts, a polars frame, or
               None. Workers have to be able to import it: a function at the top level of a module,
               or of a script that calls `sweep` under `if __name__ == "__main__":`
    parts      what `Client.plan` returned; or instruments, with the other arguments of
               `Client.plan` (`timeframe="1h", start="2020", snapshot=...`) and the server `db`, by
               default that of `connect()`
    grid       lists of values by name, of which every combination is tried, the last name varying
               fastest; or a list of dicts, each of them one set of parameters
    executor   one of concurrent.futures, left open; None: processes made for this call
    workers    at most so many parts at a time; None: as many as there are processors, or as
               `executor` takes
    progress   show at a terminal how many parts are done

    Each part is read once, by the worker that tries all parameters on it. The columns are
    `instrument`, the parameters, and the results in the order in which they were first seen; the
    rows are in the order of the parts, their instruments, and the parameters. A series that was
    cut by time is given to the strategy stretch by stretch.

    Raises StrategyFailed, which names series and parameters, as soon as one trial fails. Series
    without rows in the range are left out; so are those that cannot be read, and a
    PartialReadWarning names them.
    """
    sets = parameter_sets(grid)
    planned = _planned(parts, db, selection)
    with _pool(executor, workers) as pool, Progress("parts", len(planned), show=progress) as bar:
        if isinstance(pool, ProcessPoolExecutor):
            _check_sendable(strategy)
        found = _tried(pool, strategy, planned, sets, workers or len(planned), bar)
    problems: dict[str, FlightstoreError] = {}
    for one in found:
        problems.update(one.problems)
    warn_of(problems)
    rows = joined([one.frame for one in found])
    return rows.select(
        "instrument", *parameter_columns(sets, rows[SET]), pl.exclude("instrument", SET)
    )


def _planned(
    parts: Sequence[Part] | Instruments, db: Client | None, selection: dict[str, Any]
) -> list[Part]:
    asked = [parts] if isinstance(parts, (str, Instrument)) else list(parts)
    found = [part for part in asked if isinstance(part, Part)]
    if not found or len(found) < len(asked):
        with connect() if db is None else nullcontext(db) as client:
            return client.plan(cast(Instruments, parts), **{"by": "instrument", **selection})
    if db is not None or selection:
        name = next(iter(selection), "db")
        raise BadRequest(f"{name} says what to read, which the parts say already: give it to plan.")
    return found


@contextmanager
def _pool(executor: Executor | None, workers: int | None) -> Iterator[Executor]:
    """`executor`, or one of processes that ends with the block."""
    if workers is not None and (isinstance(workers, bool) or workers < 1):
        raise BadRequest(f"workers={shown(workers)} is not a number of workers: give 1 or more.")
    if executor is not None:
        yield executor
        return
    # Never forked: gRPC and polars have threads, which would not come along.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield pool


def _check_sendable(strategy: Strategy) -> None:
    try:
        pickle.dumps(strategy)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise BadRequest(
            f"The strategy cannot be sent to other processes ({error}): define it at the top level "
            "of a module, or give executor=ThreadPoolExecutor()."
        ) from None


def _tried(
    pool: Executor,
    strategy: Strategy,
    parts: Sequence[Part],
    sets: Sequence[Parameters],
    at_most: int,
    bar: Progress,
) -> list[Found]:
    """What was found in each of `parts`, in their order."""
    found: dict[int, Found] = {}
    waiting = iter(enumerate(parts))
    running: dict[Future[Found], int] = {}
    try:
        while len(found) < len(parts):
            for number, part in islice(waiting, at_most - len(running)):
                running[pool.submit(try_all, strategy, part, sets)] = number
            for done in wait(running, return_when=FIRST_COMPLETED).done:
                found[running.pop(done)] = done.result()
                bar.advance()
    except BrokenExecutor as error:
        raise StrategyFailed(
            "A worker process ended before its work was done: it had too little memory, or could "
            "not import the strategy, which has to stand in a module, or in a script that calls "
            "sweep under `if __name__ == '__main__':`."
        ) from error
    finally:
        for future in running:
            future.cancel()
    return [found[number] for number in range(len(parts))]
