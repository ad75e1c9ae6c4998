"""A trigger's module where its process finds it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.triggers import Acted


@pytest.fixture
def acted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Acted:
    """The folder of the trigger `acting:Acting`."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return Acted(tmp_path)
