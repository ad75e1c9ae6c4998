"""Randomness that can be had again: every randomised test takes its generator from here."""

from __future__ import annotations

import os
import random

import pytest

VARIABLE = "FLIGHTSTORE_SEED"


def generator(name: str) -> random.Random:
    """A generator seeded from $FLIGHTSTORE_SEED, or anew; pytest shows a failed test's seed."""
    seed = int(os.environ.get(VARIABLE) or random.SystemRandom().randrange(2**32))
    print(f"{name}: {VARIABLE}={seed}")
    return random.Random(f"{name} {seed}")


def scaled(config: pytest.Config, *, ci: int, nightly: int, release: int | None = None) -> int:
    """How much of a test to run, by pytest's --profile (ci unless said otherwise)."""
    profile = config.getoption("--profile", default="ci")
    return {"ci": ci, "nightly": nightly, "release": release or nightly * 5}.get(profile, ci)
