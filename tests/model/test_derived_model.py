"""Derived series are at every moment what their base rows give, whatever is done to a store."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.model.derived_driver import DerivedDriver
from tests.support.seeds import generator, scaled

RUNS = 3


@pytest.mark.parametrize("run", range(RUNS))
def test_derived_series_equal_a_fresh_recomputation(
    run: int, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    driver = DerivedDriver(tmp_path, generator(f"derived {run}"))
    steps = scaled(request.config, ci=360, nightly=30_000) // RUNS
    try:
        for number in range(steps):
            driver.step()
            if number % 3 == 0:
                driver.check()
        driver.check()
    except BaseException:
        print("the last steps:", *driver.taken, sep="\n  ")
        raise
    finally:
        driver.store.close()
