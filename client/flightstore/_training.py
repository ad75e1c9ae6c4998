"""The part of the client that cuts windows out of series, for training models."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from flightstore._connection import Connection
from flightstore._requests import Instruments, column_names, message, names, window
from flightstore._windows.windows import WINDOWS_MAX, Windows
from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto.errors import BadRequest, MissingExtra, shown


class Training:
    """Windows for training; part of Client."""

    _connection: Connection

    def windows(
        self,
        instruments: Instruments,
        timeframe: str = "",
        *,
        length: int,
        stride: int | None = 1,
        start: Any = None,
        end: Any = None,
        dataset: str = "candles",
        columns: str | Sequence[str] | None = None,
        shuffle: bool = True,
        seed: int = 0,
        shard: tuple[int, int] = (0, 1),
        batch: int | None = None,
        contiguous: bool = False,
        snapshot: str | None = None,
        torch: bool = False,
    ) -> Windows:
        """Windows of `length` rows each out of all those series, as float64 arrays.

        instruments  names, patterns, or a list of both, as in `read`
        stride       rows from the start of one window to that of the next one of its series;
                     None: `length`, so that no two windows share a row
        start, end   the half-open range that windows lie in as a whole
        columns      what the last axis holds; None: every column but `ts` that is a number. Null
                     is NaN, false and true are 0 and 1, times count nanoseconds since 1970
        shuffle      one random order of all windows of all series, the same for the same `seed`;
                     False: series by series, rising
        shard        (i, n): every n-th window of that order from the i-th on, so that n workers
                     with the same seed share it; their numbers of windows differ by one at most
        batch        (batch, length, columns) at a time; the order does not depend on it
        contiguous   leave out windows with an absent bar inside; for candles on a grid
        snapshot     read the data as pinned by this snapshot
        torch        tensors in place of numpy arrays

        Windows are drawn by arithmetic on the numbers of rows: a billion of them take no memory.
        They speak of the rows that were there at this call. Rows that come later are in none;
        where earlier ones are deleted or inserted meanwhile, windows move by as many rows, and
        BadRequest is raised for one that reaches beyond the end. With `snapshot` nothing moves.

        Raises BadRequest if there is not a single such window. Needs flightstore[train].
        """
        _check(length, stride, shard, batch, seed)
        asked = message(
            pb.ReadRequest,
            dataset=dataset,
            instruments=names(instruments),
            timeframe=timeframe or "",
            range=window(start, end),
            columns=column_names(columns),
            snapshot=snapshot or "",
            identity=pb.ReadRequest.IDENTITY_RUNS,
        )
        found: Windows = _asking().windows(
            self._connection,
            asked,
            length=length,
            stride=stride or length,
            contiguous=contiguous,
            shuffle=shuffle,
            seed=seed,
            shard=shard,
            batch=batch,
            torch=torch,
        )
        return found


def _asking() -> ModuleType:
    """The module that needs numpy."""
    try:
        return importlib.import_module("flightstore._windows.asking")
    except ModuleNotFoundError as error:
        if error.name != "numpy":
            raise
        raise MissingExtra("windows need numpy: pip install 'flightstore[train]'.") from None


def _check(
    length: int, stride: int | None, shard: tuple[int, int], batch: int | None, seed: int
) -> None:
    _whole("length", length, 1)
    if stride is not None:
        _whole("stride", stride, 1)
    if batch is not None:
        _whole("batch", batch, 1)
        if batch > WINDOWS_MAX:
            raise BadRequest(f"batch={batch} is more than {WINDOWS_MAX} windows at once.")
    _whole("seed", seed, None)
    if not isinstance(shard, tuple) or len(shard) != 2:
        raise BadRequest(f"shard={shown(shard)} is not a pair: give (this one, of how many).")
    _whole("shard", shard[0], 0)
    if _whole("shard", shard[1], 1) <= shard[0]:
        raise BadRequest(f"shard={shard} does not exist: the first is (0, {shard[1]}).")


def _whole(name: str, value: int, least: int | None) -> int:
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not whole or (least is not None and value < least):
        bound = "" if least is None else f" of {least} or more"
        raise BadRequest(f"{name}={shown(value)} is not a whole number{bound}.")
    return value
