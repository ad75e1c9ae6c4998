"""Ranges as the catalog's bytes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from flightstore_server.storage import ranges


@given(st.lists(st.integers(-(2**63), 2**63), unique=True).map(sorted))
def test_any_ranges_come_back_from_the_catalog_as_they_were(bounds: list[int]) -> None:
    given_ranges = tuple(zip(bounds[::2], bounds[1::2], strict=False))
    assert ranges.decode(ranges.encode(given_ranges)) == given_ranges
