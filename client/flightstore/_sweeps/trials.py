"""What a worker of a sweep does: read a part once, and try every set of parameters on it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from flightstore._layouts import Frames
from flightstore._parts.part import Part
from flightstore._parts.shared import shared_reads
from flightstore._sweeps.grid import Parameters
from flightstore_proto.errors import FlightstoreError, StrategyFailed, UnknownInstrument, shown

Strategy = Callable[..., Any]
# Numbers of the sets of parameters, until the sweep puts their values there.
SET = "flightstore.set"


@dataclass(slots=True)
class Found:
    """The results of one part: `frame` has `instrument`, SET, and what the strategy reported.

    `problems` has the error of every instrument that could not be read.
    """

    frame: pl.DataFrame
    problems: dict[str, FlightstoreError] = field(default_factory=dict)


def try_all(strategy: Strategy, part: Part, sets: Sequence[Parameters]) -> Found:
    """`strategy` on every series of `part` with each of `sets`. Raises StrategyFailed."""
    reads = shared_reads(part.endpoint).silent
    try:
        frames: Frames[pl.DataFrame] = part.read_by(reads, layout="dict")
    except UnknownInstrument as error:  # all of them are gone since the plan was made
        return Found(joined([]), dict.fromkeys(part.instruments, error))
    results = _Results({"instrument", SET}.union(*sets))
    for instrument, rows in frames.items():
        for number, parameters in enumerate(sets if rows.height else ()):
            try:
                found = strategy(rows, **parameters)
                results.add(instrument, number, found)
            except Exception as error:
                raise _failed(instrument, parameters, error) from error
    return Found(results.frame(), frames.problems)


def _failed(instrument: str, parameters: Parameters, error: Exception) -> StrategyFailed:
    said = ", ".join(f"{name}={value!r}" for name, value in parameters.items())
    why = error.message if isinstance(error, StrategyFailed) else f"{type(error).__name__}: {error}"
    return StrategyFailed(
        f"The strategy failed on {instrument} with {said or 'no parameters'}: {why}"
    )


class _Results:
    """Rows in the order they came; no result may have one of the names that are `taken`.

    Single rows are gathered: a frame for each of them would be slow.
    """

    def __init__(self, taken: set[str]) -> None:
        self._taken = taken
        self._rows: list[dict[str, Any]] = []
        self._frames: list[pl.DataFrame] = []

    def add(self, instrument: str, number: int, found: Any) -> None:
        """Take what the strategy returned for one trial. Raises StrategyFailed if it cannot."""
        if isinstance(found, pl.DataFrame):
            self._check(found.columns)
            self._close_rows()
            if found.height:
                own = [pl.lit(instrument).alias("instrument"), pl.lit(number, pl.Int64).alias(SET)]
                self._frames.append(found.select(*own, pl.all()))
            return
        for row in found if isinstance(found, list) else [] if found is None else [found]:
            if not isinstance(row, Mapping):
                raise StrategyFailed(
                    f"it returned a {type(row).__name__}; return a dict of numbers, a list of "
                    "dicts, or a polars frame."
                )
            self._check(row)
            self._rows.append({"instrument": instrument, SET: number, **row})

    def _check(self, names: Iterable[str]) -> None:
        for name in self._taken.intersection(names):
            raise StrategyFailed(
                f"its result {shown(name)} has the name of another column; call it something else."
            )

    def _close_rows(self) -> None:
        if self._rows:
            with _fitting():
                self._frames.append(pl.from_dicts(self._rows, infer_schema_length=None))
            self._rows = []

    def frame(self) -> pl.DataFrame:
        """All of them."""
        self._close_rows()
        return joined(self._frames)


def joined(frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """`frames` one after another; a column that one lacks is null there."""
    if not frames:
        return pl.DataFrame(schema={"instrument": pl.String, SET: pl.Int64})
    with _fitting():
        return pl.concat(frames, how="diagonal_relaxed")


@contextmanager
def _fitting() -> Iterator[None]:
    try:
        yield
    except pl.exceptions.PolarsError as error:
        raise StrategyFailed(
            f"The results do not fit into one frame ({error}): each has to keep its type."
        ) from None
