"""Whatever bytes come over the wire: the server lives, holds its memory and keeps its rows.

Genuine calls of our client, of ADBC's driver and of Flight's own client are recorded and sent again
with something wrong in them, to every method of the service. A call that fails the test is printed
as it was sent; the same FLIGHTSTORE_SEED sends the same calls.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest
from tests.fuzz.calls import Call, Outcome
from tests.fuzz.firing import Battery
from tests.fuzz.genuine import genuine_calls
from tests.fuzz.mutation import Mutator
from tests.fuzz.verdict import fault
from tests.support.live_wire import eventually
from tests.support.rows import minutes
from tests.support.seeds import generator, scaled
from tests.support.server_process import ServerProcess, running, toml

import flightstore as fs

# Each round has a server of its own: what is put by chance is kept, and is not a leak.
_ROUND_MESSAGES, _BLOCK_CALLS = 50_000, 500
_WARM_MESSAGES = 3_000
_SLACK_BYTES = 48 << 20
_SLACK_THREADS = 16
_KEPT, _KEPT_ROWS = "sentinel:KEPT/USD", 5_000
# What it is meant to keep in memory is full when the measuring begins.
_CONFIG = toml(
    {
        "limits": {"remembered_puts": 500, "memtable_bytes_max": 4 << 20},
        "log": {
            "file_bytes": 1 << 20,
            "keep_bytes": 1 << 20,
            "keep_seconds": 1.0,
            "feed_bytes_max": 1 << 20,
        },
        "flush": {"memory_bytes": 1 << 20, "records": 1_000},
        "sql": {"threads": 1, "memory_bytes_max": 64 << 20},
    }
)


def test_no_bytes_on_the_wire_end_the_server_or_change_what_it_keeps(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    rng = generator("wire fuzz")
    left = scaled(request.config, ci=20_000, nightly=1_000_000, release=10_000_000)
    for number in range(-(-left // _ROUND_MESSAGES)):
        # So deep that a path which leads out of it ends in a folder that is looked at.
        folder = tmp_path / f"round-{number}" / "a" / "b" / "c"
        folder.mkdir(parents=True)
        with running(folder / "data", _CONFIG) as server:
            mutator = Mutator(genuine_calls(server.uri), rng)
            _fire_a_round(server, mutator, min(left, _ROUND_MESSAGES))
        assert _outside(folder.parents[2], server) == [], (
            "there are files outside of the data directory"
        )
        left -= _ROUND_MESSAGES


def _fire_a_round(server: ServerProcess, mutator: Mutator, messages: int) -> None:
    with fs.connect(server.uri, same_host=False) as db, Battery(server.uri) as battery:
        db.write(_KEPT, minutes(range(_KEPT_ROWS)), timeframe="1m")
        kept = db.candles(_KEPT, "1m", output="arrow")
        _fire(battery, mutator, min(messages, _WARM_MESSAGES), server)
        process = psutil.Process(server.pid)
        db.flush()
        memory, threads = process.memory_info().rss, process.num_threads()
        _fire(battery, mutator, messages - _WARM_MESSAGES, server)
        db.flush()
        assert db.candles(_KEPT, "1m", output="arrow") == kept
        assert list(db.verify())[-1].damage == []
        eventually(lambda: process.num_threads() <= threads + _SLACK_THREADS)
        eventually(lambda: process.memory_info().rss <= memory + _SLACK_BYTES)
    said = _said_by(server)
    assert "a handler failed" not in said, said
    assert "Traceback" not in said, said


def _fire(battery: Battery, mutator: Mutator, messages: int, server: ServerProcess) -> None:
    while messages > 0:
        calls = [mutator.call() for _ in range(_BLOCK_CALLS)]
        messages -= sum(len(call.messages) for call in calls)
        _check(battery.fire(calls), server)


def _check(results: Sequence[tuple[Call, Outcome]], server: ServerProcess) -> None:
    faults = [(fault(*result), *result) for result in results]
    wrong = [f"{why}: {call} ended {outcome}" for why, call, outcome in faults if why]
    assert not wrong, "\n".join([*wrong[:20], _said_by(server)])


def _said_by(server: ServerProcess) -> str:
    """The end of the server's log, without what gRPC says of every text that is not UTF-8."""
    lines = server.log().splitlines(keepends=True)
    return "".join(line for line in lines if "wire_format_lite" not in line)[-20_000:]


def _outside(folder: Path, server: ServerProcess) -> list[Path]:
    """Files below `folder` that neither the server's data nor this test account for."""
    ours = {server.data_dir.with_name(f"{server.data_dir.name}.{end}") for end in ("toml", "log")}
    return [
        path
        for path in folder.rglob("*")
        if path.is_file() and not path.is_relative_to(server.data_dir) and path not in ours
    ]
