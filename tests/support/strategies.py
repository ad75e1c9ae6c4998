"""Strategies for sweeps, where processes that a test starts can import them."""

from __future__ import annotations

import os
from typing import Any

import polars as pl


def scaled(bars: pl.DataFrame, *, factor: float) -> dict[str, Any]:
    """What follows from the rows and the parameter, so that a mixed-up trial shows."""
    return {"rows": bars.height, "total": bars["close"].sum() * factor}


def empty(bars: pl.DataFrame) -> None:
    """Has nothing to report."""


def failing(bars: pl.DataFrame, *, factor: float) -> None:
    """Fails on the bars whose first close is 3, with the factor 2."""
    if bars["close"][0] == 3 and factor == 2:
        raise ZeroDivisionError("nothing was traded")


def dying(bars: pl.DataFrame) -> None:
    """Takes its process with it, as one that is out of memory."""
    os._exit(1)
