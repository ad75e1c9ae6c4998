"""Servers for the contract: what a client may rely on, seen over the wire."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.same_host import BTC, ETH, ROWS, minutes
from tests.support.serving import Serving

import flightstore as fs
from flightstore_server.engine.local import reads as local_reads
from flightstore_server.storage.segment import store as segments


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


@pytest.fixture
def mapping_db(serving: Serving) -> Iterator[fs.Client]:
    """A client that maps files, of a server with two large series in files."""
    for name, close in ((BTC, 5.0), (ETH, 7.0)):
        serving.db.write(name, minutes(0, ROWS, close), timeframe="1m")
    serving.db.flush()
    with serving.mapping() as client:
        yield client


@pytest.fixture
def worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """However few the rows of a read are, their files are worth mapping."""
    monkeypatch.setattr(local_reads, "MAPPED_BYTES_MIN", 1)
    monkeypatch.setattr(segments, "HANDED_OUT_BYTES_MIN", 1)
