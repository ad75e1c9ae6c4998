"""What a server that nobody asks in SQL does not pay for."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from flightstore_server.sql import library
from flightstore_server.storage.process import read_ahead


def test_duckdb_is_not_loaded_before_the_first_query() -> None:
    code = "import sys, flightstore_server.flight.service; assert 'duckdb' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_its_library_is_read_from_its_beginning_before_it_is_loaded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first query on a cold disk held up everybody for five seconds: nothing else of a process
    runs while a library is loaded, and it was loaded page by page."""
    read: list[Path] = []
    monkeypatch.setattr(library, "read_ahead", read.append)
    library.prepare.__wrapped__()
    spec = find_spec("_duckdb")
    assert spec is not None
    assert read == [Path(str(spec.origin))]
    assert read[0].stat().st_size > 1 << 20


def test_a_file_is_read_to_its_end_and_one_that_is_missing_is_none(tmp_path: Path) -> None:
    (tmp_path / "library").write_bytes(b"x" * 3_000_000)
    assert read_ahead(tmp_path / "library") == 3_000_000
    assert read_ahead(tmp_path / "missing") == 0
