"""The list of planted defects: is the harness awake?

Each is a mistake in the product that an ordinary test must notice. They are planted in a process
that runs nothing but that test (harness.py), and in the servers that the test starts, which learn
the name from FLIGHTSTORE_TEST_SABOTAGE (tests/support/launcher.py). The product knows none of this.
"""

from __future__ import annotations

import pytest
from tests.sabotage import at_the_edge, in_engine, on_disk
from tests.sabotage.defect import Defect

DEFECTS: list[Defect] = [*on_disk.DEFECTS, *in_engine.DEFECTS, *at_the_edge.DEFECTS]
_BY_NAME = {defect.name: defect for defect in DEFECTS}


def plant(name: str) -> Defect:
    """Have this process be defective from now on, for as long as it lives."""
    defect = _BY_NAME[name]
    defect.plant(pytest.MonkeyPatch())
    return defect
