"""A server whose descriptors are used up by connections goes on writing.

The first of these servers wrote nothing from then on: the log found no descriptor for its next
file. And the first segment had Arrow import pandas, whose files could not be opened either.
"""

from __future__ import annotations

import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.support.live_wire import eventually
from tests.support.seeds import scaled
from tests.support.server_process import ServerProcess, running, toml
from tests.system.prefixes import Prefix, PrefixWriter, check_served

# Every few puts need new files: of the log, of segments, in new folders.
BUSY = toml(
    {
        "log": {"file_bytes": 4_096, "keep_bytes": 0, "keep_seconds": 0},
        "flush": {"records": 10},
        "segments": {"compact_segments_min": 2, "rows_max": 5_000, "bulk_put_bytes_min": 65_536},
    }
)
# Of a put: two writers whose rows go to the log, one whose puts are files of their own.
ROWS = (1, 5, 2_000)


@pytest.mark.parametrize("limit", [64, 128])
def test_connections_that_take_all_descriptors_stop_no_write(
    limit: int, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    with running(tmp_path / "data", BUSY) as server:
        prefixes = [Prefix(f"binance:{rows}/USDT", rows) for rows in ROWS]
        writers = [PrefixWriter(server.uri, prefix) for prefix in prefixes]
        for writer in writers:
            writer.start()
            writer.wait_for(10)
        for _ in range(scaled(request.config, ci=1, nightly=10)):
            with _exhausted(server, limit):
                for writer in writers:
                    writer.wait_for(15)
            # Somebody new is served again.
            check_served(server.uri, prefixes[:0])
        for writer in writers:
            writer.finish()
        check_served(server.uri, prefixes)
        assert "refused" not in server.log()


@contextmanager
def _exhausted(server: ServerProcess, limit: int) -> Iterator[None]:
    """While the block lasts, all descriptors that the server may have are taken."""
    limit = max(limit, max(_descriptors(server)) + 4)
    before = resource.prlimit(server.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (limit, before[1]))
    address = urlsplit(server.uri)
    with ExitStack() as held:
        for _ in range(limit):
            held.enter_context(socket.create_connection((address.hostname, address.port), 30))
        eventually(lambda: len(_descriptors(server)) >= limit - 1)
        yield
    resource.prlimit(server.pid, resource.RLIMIT_NOFILE, before)


def _descriptors(server: ServerProcess) -> list[int]:
    return [int(path.name) for path in Path("/proc", str(server.pid), "fd").iterdir()]
