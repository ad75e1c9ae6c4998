"""The parameters that a sweep tries."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

import flightstore as fs
from flightstore._sweeps.grid import parameter_columns, parameter_sets


def test_every_combination_of_lists_is_tried_the_last_varying_fastest() -> None:
    assert parameter_sets({"fast": [1, 2], "slow": range(8, 10)}) == [
        {"fast": 1, "slow": 8},
        {"fast": 1, "slow": 9},
        {"fast": 2, "slow": 8},
        {"fast": 2, "slow": 9},
    ]


def test_a_list_of_dicts_is_taken_as_it_is() -> None:
    assert parameter_sets(iter([{"fast": 1}, {"slow": 2}])) == [{"fast": 1}, {"slow": 2}]


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        ([], "holds no parameters"),
        ({"fast": []}, "holds no parameters"),
        ({"fast": 5}, "gives fast as '5': write a list"),
        ({"name": "close"}, "gives name as 'close': write a list"),
        (["fast"], "holds 'fast': write dicts"),
        ({"instrument": [1]}, "cannot be called 'instrument'"),
    ],
)
def test_a_grid_that_is_none_is_refused(grid: Any, message: str) -> None:
    with pytest.raises(fs.BadRequest, match=message):
        parameter_sets(grid)


def test_each_parameter_is_a_column_null_where_a_set_lacks_it() -> None:
    columns = parameter_columns([{"fast": 1}, {"fast": 2, "mode": "x"}], pl.Series([1, 1, 0]))
    assert pl.DataFrame(columns).to_dict(as_series=False) == {
        "fast": [2, 2, 1],
        "mode": ["x", "x", None],
    }
