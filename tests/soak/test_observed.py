"""The watch of a soak sees what grows, and is not misled by what comes and goes."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.soak.observed import Observed, Sample
from tests.support.seeds import generator

HOUR = 3_600


def _observed(mib_an_hour: float, *, peaks: bool = False) -> Observed:
    """Three hours of a process that uses 100 MiB, more or less, and a little more each hour."""
    rng, observed = generator("observed"), Observed(Path("nowhere"))
    for second in range(3 * HOUR):
        memory = 100 + mib_an_hour * second / HOUR + rng.uniform(-4, 4)
        if peaks and second % 300 > 240:
            memory += 60
        observed.samples.append(Sample(float(second), memory, 40, 40, 2.0))
    return observed


@pytest.mark.parametrize("growth", [0.0, 2.0, 50.0])
def test_memory_that_grows_is_seen(growth: float) -> None:
    slope = _observed(growth).memory_slope(HOUR, 3 * HOUR)
    assert slope == pytest.approx(growth, abs=0.5)


def test_peaks_are_no_growth() -> None:
    assert _observed(0.0, peaks=True).memory_slope(HOUR, 3 * HOUR) == pytest.approx(0, abs=0.5)
