"""Servers for the contract: what a client may rely on, seen over the wire."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.serving import Serving

import flightstore as fs


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Serving]:
    """A server with an empty data directory of its own."""
    served = Serving(tmp_path / "data")
    yield served
    served.close()


@pytest.fixture
def db(serving: Serving) -> fs.Client:
    """A client of a server that holds nothing yet."""
    return serving.db
