"""What a planted defect is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

Plant = Callable[[pytest.MonkeyPatch], None]


@dataclass(frozen=True, slots=True)
class Defect:
    """A mistake that somebody could make, and the ordinary test that must not let it pass.

    It shows as a broken promise (an assertion, an error of ours), or as one of `also_shows_as`.
    """

    name: str
    story: str
    plant: Plant
    caught_by: str
    also_shows_as: tuple[type[Exception], ...] = ()
