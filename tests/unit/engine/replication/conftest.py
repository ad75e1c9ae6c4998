"""A primary with some data, quick heartbeats."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.replicating import LocalPrimary
from tests.support.stores import stepped

from flightstore_server.engine.replication import source
from flightstore_server.engine.store import Store


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "HEARTBEAT_SECONDS", 0.02)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """The primary's."""
    opened = stepped(tmp_path / "primary")
    yield opened
    opened.close()


@pytest.fixture
def primary(store: Store) -> LocalPrimary:
    return LocalPrimary(store)
