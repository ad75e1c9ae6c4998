"""A store under random steps answers like a dict does."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.model.driver import Driver
from tests.support.seeds import generator, scaled

RUNS = 4


@pytest.mark.parametrize("run", range(RUNS))
def test_a_store_answers_like_a_dict_after_every_step(
    run: int, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    driver = Driver(tmp_path, generator(f"model {run}"))
    steps = scaled(request.config, ci=2_000, nightly=200_000) // RUNS
    try:
        for _ in range(steps):
            driver.step()
            driver.check()
    except BaseException:
        print("the last steps:", *driver.taken, sep="\n  ")
        raise
    finally:
        driver.store.close()
