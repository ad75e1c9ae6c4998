"""What a primary answers replicas that ask for what it does not have, or cannot give."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.rows import NOON_2024, candles
from tests.support.stores import put, stepped, view

from flightstore_proto.errors import Corrupt, Lagged
from flightstore_server.engine.replication.source import Source
from flightstore_server.engine.store import Store
from flightstore_server.storage import layout


@pytest.fixture
def flushed(tmp_path: Path) -> Iterator[Store]:
    """A store with one segment."""
    opened = stepped(tmp_path / "data")
    put(opened, candles([NOON_2024]))
    opened.flush()
    yield opened
    opened.close()


def test_a_copy_without_all_of_its_segments_is_not_given(flushed: Store) -> None:
    [segment] = view(flushed).segments
    (flushed.files.root / segment.file).unlink()
    copy = Source(flushed).copy()
    with pytest.raises(Corrupt, match=rf"{segment.id}\.arrow is missing from offset 0 on"):
        list(copy.pieces)


def test_only_files_that_the_log_names_are_given(flushed: Store) -> None:
    """A replica may not have whatever file it can name sent."""
    [segment] = view(flushed).segments
    for file in (segment.file, layout.CATALOG, layout.TOKENS, "../../etc/passwd"):
        with pytest.raises(Lagged, match="no segment file of that name that its log speaks of"):
            Source(flushed).segment(file)
