"""Random lives of a store: many short ones, since what a store holds grows with each step.

FLIGHTSTORE_LIFE=17 with the seed of a failed run lives only life 17 again.
"""

from __future__ import annotations

import os
import random
import shutil
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from tests.support.seeds import generator

STEPS = 200
# After so many steps everything is compared, and not only what the last step may have touched.
QUIET = 40
VARIABLE = "FLIGHTSTORE_LIFE"


class Life(Protocol):
    """A store under random steps beside a model of it; `taken` says which steps those were."""

    taken: deque[str]

    def step(self) -> None:
        """Take one step."""

    def check(self) -> None:
        """Compare what the last step may have touched, and a sample of the rest."""

    def check_all(self) -> None:
        """Compare everything."""

    def close(self) -> None:
        """Let go of files and threads."""


def live(name: str, root: Path, steps: int, begin: Callable[[Path, random.Random], Life]) -> None:
    """Live at least `steps` steps, comparing after each."""
    only = os.environ.get(VARIABLE)
    count = -(-steps // STEPS)
    for number in [int(only)] if only else range(count):
        folder = root / str(number)
        folder.mkdir()
        _live(begin(folder, generator(f"{name}, life {number}")), min(STEPS, steps))
        shutil.rmtree(folder)


def _live(life: Life, steps: int) -> None:
    try:
        for number in range(1, steps + 1):
            life.step()
            life.check()
            if number % QUIET == 0 or number == steps:
                life.check_all()
    except BaseException:
        print("the last steps:", *life.taken, sep="\n  ")
        raise
    finally:
        life.close()
