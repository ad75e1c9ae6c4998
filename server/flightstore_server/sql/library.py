"""DuckDB's library, 60 MB of machine code that is loaded with the first query."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path

from flightstore_server.storage.process import read_ahead


@cache
def prepare() -> None:
    """Have the library in memory before it is loaded.

    From a cold disk it is loaded page by page, which took 5 s where reading it from its beginning
    takes 0.2 s; and while a library is loaded no other thread of the process runs.
    """
    library = find_spec("_duckdb")
    if library is not None and library.origin is not None:
        read_ahead(Path(library.origin))
