from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.serving import Serving


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Serving]:
    serving = Serving(tmp_path / "store")
    yield serving
    serving.close()
