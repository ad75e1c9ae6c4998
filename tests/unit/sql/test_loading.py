"""What a server that nobody asks in SQL does not pay for."""

from __future__ import annotations

import subprocess
import sys


def test_duckdb_is_not_loaded_before_the_first_query() -> None:
    code = "import sys, flightstore_server.flight.service; assert 'duckdb' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
