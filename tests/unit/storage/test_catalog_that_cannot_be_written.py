"""A catalog on a disk that cannot be written is not called damaged."""

from __future__ import annotations

from pathlib import Path

import pytest

from flightstore_proto.errors import DataDirError
from flightstore_server.storage.catalog_file import open_catalog


def test_a_catalog_that_cannot_be_made_says_so_and_nothing_of_a_repair(tmp_path: Path) -> None:
    """A start on a full disk said that the catalog was damaged, and that a repair would mend it."""
    with pytest.raises(OSError, match="could not be written: unable to open"):
        open_catalog(tmp_path / "not a folder" / "catalog", may_create=True)


def test_a_missing_catalog_is_still_called_missing(tmp_path: Path) -> None:
    with pytest.raises(DataDirError, match="damaged or missing"):
        open_catalog(tmp_path / "catalog", may_create=False)
