"""The sets of parameters that a sweep tries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Any

import polars as pl

from flightstore_proto.errors import BadRequest, shown

Parameters = Mapping[str, Any]
Grid = Mapping[str, Iterable[Any]] | Iterable[Parameters]


def parameter_sets(grid: Grid) -> list[dict[str, Any]]:
    """Every combination of a dict of lists, the last name varying fastest; or the dicts of a list.

    Raises BadRequest if there is none, or one that is no set of parameters.
    """
    if isinstance(grid, Mapping):
        lists = [_values(name, values) for name, values in grid.items()]
        sets = [dict(zip(grid, chosen, strict=True)) for chosen in product(*lists)]
    else:
        sets = [_checked(one) for one in grid]
    if not sets:
        raise BadRequest("The grid holds no parameters; [{}] tries a strategy that has none.")
    if any("instrument" in one for one in sets):
        raise BadRequest("A parameter cannot be called 'instrument': that is a column of its own.")
    return sets


def _values(name: str, values: Any) -> list[Any]:
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise BadRequest(f"The grid gives {name} as {shown(values)}: write a list of values.")
    return list(values)


def _checked(one: Any) -> dict[str, Any]:
    if not isinstance(one, Mapping):
        raise BadRequest(f"The grid holds {shown(one)}: write dicts of parameters.")
    return dict(one)


def parameter_columns(sets: Sequence[Parameters], numbers: pl.Series) -> list[pl.Series]:
    """One column per parameter: its value in each of the sets that `numbers` name."""
    names = dict.fromkeys(name for one in sets for name in one)
    return [
        pl.Series(name, [one.get(name) for one in sets], strict=False).gather(numbers)
        for name in names
    ]
