"""What takes part in the contest: a store, used the way its own documentation recommends.

Each contestant runs in a process of its own (driver.py), which is its client; a server it starts
itself. It implements those of the questions below that it can answer: what is not there is shown
as not offered. A question that users put in several ways has several methods: `way` names them.

    load_history, load_wide, load_years     take the rows of inputs.py, by whatever is fastest
    load_joining                            1 M trades, and bars of the same time
    settle                                  do what an operator does after a bulk load
    history_polars, history_pandas          W1  1.27 M minute bars of one series
    wide_frame                              W2  7,700 series of 870 bars: one frame, with the symbol
    wide_frames                             W2  the same: one pandas frame per symbol, in a dict
    new_trades                              W3  an empty place for trades, without duplicates
    write_main, write_late                  W3  put 5 M trades; put 0.5 M that come late, shuffled
    trades                                  W3  everything that was kept
    candles                                 W4  these trades as minute bars
    tail, day                               W5  the last 100 bars; one day out of five years
    asof                                    W6  trades, each with the newest bar at its time
    keep_minutes                            W7  from now on keep minute bars of the trades
    wait_minutes                            W7  until the store has brought them up to date itself
    refresh_minutes                         W7  bring them up to date, by hand if need be
    minutes                                 W7  the bars that are kept
    write_corrections                       W7  put 1,000 trades that are weeks late
    put_now                                 W7  put a trade of this moment; until its bar has it
    subscribe                               W8  begin to follow new trades, in a thread
    deliver                                 W8  put a trade; until the subscriber has it
    load_big, read_big                      W10 `big` under 42 names; read it all, keep nothing,
                                                return the number of rows
    stop, kill, start                       W10 of the server; start: until a question is answered

Rows go in and come out as they are: `ts` in UTC and to the nanosecond, float64 prices. Frames are
polars, pandas or Arrow, whichever the contestant gives its users; `answers.py` reads all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from bench.peers import inputs

Question = TypeVar("Question", bound=Callable[..., Any])
_WAY = "_way"


class Missing(Exception):
    """A contestant cannot take part; the message says what it lacks."""


def way(question: str, name: str) -> Callable[[Question], Question]:
    """Marks a method as another way, called `name`, to put `question`."""

    def marked(method: Question) -> Question:
        setattr(method, _WAY, (question, name))
        return method

    return marked


class Contestant:
    """One store. `open` before anything else, `close` at the end.

    title     name and version, once it is open
    durable   what an acknowledged row has survived, in a few words
    batch     rows of a put of trades
    """

    title: str = ""
    durable: ClassVar[str] = ""
    batch: ClassVar[int] = 50_000

    def __init__(self) -> None:
        self.folder = Path()  # its own, for data; on the disk that is measured
        self.inputs = Path()  # where the rows lie, as Arrow files (inputs.py)

    def open(self) -> None:
        """Start the server, if there is one, and connect. Raises Missing."""

    def close(self) -> None:
        """Stop what `open` started, in an orderly way."""

    def processes(self) -> list[int]:
        """The servers' process ids, for their processor time and memory; children are counted."""
        return []

    def read_trades(self) -> None:
        """Have the trades in memory, so that reading them is no part of putting them."""
        for name in ("main", "late"):
            inputs.batches(self.inputs, name)

    def offers(self) -> dict[str, dict[str, str]]:
        """The methods that answer each question, by the names of the ways; the plain one is ""."""
        found: dict[str, dict[str, str]] = {}
        for name in dir(type(self)):
            method = getattr(type(self), name)
            if name.startswith("_") or not callable(method) or hasattr(Contestant, name):
                continue
            question, called = getattr(method, _WAY, (name, ""))
            found.setdefault(question, {})[called] = name
        return found
