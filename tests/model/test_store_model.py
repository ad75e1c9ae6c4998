"""A store under random steps answers like a dict does, in the process and over the wire.

After each step all rows of the series that it may have changed are compared, and one other read is
made of any series or snapshot. Everything is compared after every 40th step.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.model.driver import Driver
from tests.model.lives import live
from tests.support.seeds import scaled

RUNS = 4


@pytest.mark.parametrize("run", range(RUNS))
def test_a_store_answers_like_a_dict_after_every_step(
    run: int, scratch: Path, request: pytest.FixtureRequest
) -> None:
    steps = scaled(request.config, ci=5_600, nightly=560_000, release=5_600_000) // RUNS
    live(f"model {run}", scratch, steps, Driver)
