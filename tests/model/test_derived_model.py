"""Derived series are at every moment what their base rows give, whatever is done to a store.

After each step up to five of the series are compared that are derived from what it may have
changed, and now and then one as a client reads it; all, snapshots included, after every 40th step.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.model.derived_driver import DerivedDriver
from tests.model.lives import live
from tests.support.seeds import scaled

RUNS = 3


@pytest.mark.parametrize("run", range(RUNS))
def test_derived_series_equal_a_fresh_recomputation(
    run: int, scratch: Path, request: pytest.FixtureRequest
) -> None:
    steps = scaled(request.config, ci=1_600, nightly=160_000, release=1_600_000) // RUNS
    live(f"derived {run}", scratch, steps, DerivedDriver)
