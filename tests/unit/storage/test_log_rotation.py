"""A new log file that cannot be begun: the old one is still there to be closed, once."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from tests.support.rows import minutes
from tests.support.stores import put, read, stepped

from flightstore_proto.errors import Poisoned
from flightstore_server.storage.files import AppendFile, Disk


def test_a_log_file_that_cannot_be_begun_does_not_close_another_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a disk without inodes the full log file was closed, no new one could be begun, and the
    end of the store closed the old one again: an error, or somebody else's file."""
    store = stepped(tmp_path)
    put(store, minutes(range(100)))  # more than a log file takes

    def full(*_: object) -> AppendFile:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Disk, "create", full)
    with pytest.raises(Poisoned, match="No space left"):
        put(store, minutes([100]))
    store.close()
    monkeypatch.undo()
    again = stepped(tmp_path)
    assert sum(batch.num_rows for batch in read(again)) == 100
    again.close()
