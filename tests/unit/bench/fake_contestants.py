"""Contestants that start no server, for tests of the contest itself. Not one of them is fast."""

from __future__ import annotations

import os
from pathlib import Path
from typing import ClassVar

import polars as pl
from bench.peers.contestant import Contestant, Missing, way

ROWS = pl.DataFrame({"ts": [1, 2, 3], "price": [1.0, 2.0, 3.0]})


class Right(Contestant):
    """Gives back what it should, and says so in several ways."""

    durable: ClassVar[str] = "nothing"

    def open(self) -> None:
        self.title = "a fake 1.0"

    def history_polars(self) -> pl.DataFrame:
        print("What a library prints is no answer.")
        return ROWS

    @way("history_polars", "fetch loop")
    def history_slowly(self) -> pl.DataFrame:
        return ROWS

    def close(self) -> None:
        (self.folder / "closed").touch()


class Wrong(Right):
    """Loses a row, doubles another and changes a third."""

    def history_polars(self) -> pl.DataFrame:
        return pl.DataFrame({"ts": [2, 2, 3], "price": [2.0, 2.0, 3.5]})


class Refusing(Right):
    def history_polars(self) -> pl.DataFrame:
        raise ValueError("there are no rows today")


class Vanishing(Right):
    def history_polars(self) -> pl.DataFrame:
        os._exit(3)


class Absent(Right):
    def open(self) -> None:
        raise Missing("its server is not installed")


class Broken(Right):
    def open(self) -> None:
        Path("/nowhere/at/all").read_text()


def named(kind: type[Contestant]) -> str:
    """How a driver finds it."""
    return f"{__name__}:{kind.__name__}"
