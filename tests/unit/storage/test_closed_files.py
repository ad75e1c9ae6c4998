"""A file that was closed is out of reach, whatever else has its number by then."""

from __future__ import annotations

from pathlib import Path

import pytest

from flightstore_server.storage.files import open_root


def test_what_is_written_to_a_closed_file_reaches_no_other(tmp_path: Path) -> None:
    # Somebody who wrote to a store after it was closed wrote into the connection of a client that
    # had got the log's descriptor; it might as well have been another file.
    files = open_root(tmp_path)
    closed = files.create("closed")
    closed.close()
    other = files.create("other")  # takes the descriptor that has just become free
    with pytest.raises(OSError, match="Bad file descriptor"):
        closed.write([b"meant for the first"])
    other.close()
    assert files.read("other") == b""
