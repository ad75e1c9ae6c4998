"""Eight clients write and eight read at the same time, and every read is a moment of one order."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.histories.checking import anomalies
from tests.histories.history import Change, History, Read, Scene, played
from tests.support.seeds import generator, scaled
from tests.support.server_process import running, toml

# So small that rows move from memory into files, and files into others, while they are read.
_CONFIG = toml(
    {
        "flush": {"records": 25},
        "segments": {"compact_segments_min": 2},
        "sql": {"threads": 1, "memory_bytes_max": 64 << 20},
    }
)
A, B = "x:A/USD", "x:B/USD"
CHANGES = [
    Change(lsn=1, begun=0.0, ended=1.0, series=(A, B), number=1),
    Change(lsn=2, begun=0.5, ended=2.0, series=(A,), number=2),
    Change(lsn=3, begun=3.0, ended=4.0, series=(A,), gone=range(1, 2)),
]
AFTER_1 = {A: {0: 1.0, 1: 1.0}, B: {0: 1.0, 1: 1.0}}
AFTER_2 = {**AFTER_1, A: {0: 2.0, 1: 1.0, 2: 2.0}}
AFTER_3 = {**AFTER_1, A: {0: 2.0, 2: 2.0}}


def test_every_read_is_a_moment_of_one_order(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    rng = generator("histories")
    reads = 0
    with running(tmp_path / "data", _CONFIG) as server:
        for number in range(scaled(request.config, ci=20, nightly=2_000, release=10_000)):
            series = tuple(f"h{number}:S{which}/USD" for which in range(rng.randrange(2, 7)))
            scene = Scene(f"h{number}", series, writers=8, readers=8, changes=8)
            history = played(scene, server.uri, rng)
            assert list(anomalies(history)) == []
            reads += len(history.reads)
    print(f"{reads} reads")
    assert reads


def _found(*reads: Read) -> list[str]:
    return list(anomalies(History(CHANGES, list(reads))))


def _read(begun: float, rows: dict[str, dict[int, float]], ended: float | None = None) -> Read:
    return Read("", begun, begun if ended is None else ended, (A, B), rows)


def test_reads_that_make_sense_are_no_anomaly() -> None:
    assert not _found(
        _read(0.0, {}),
        _read(0.6, AFTER_1),
        _read(0.7, AFTER_2),
        _read(3.5, AFTER_2),
        _read(3.5, AFTER_3),
        replace(_read(5.0, {A: {2: 2.0}, B: {1: 1.0}}), newest=True),
    )


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ({A: AFTER_1[A]}, "never was"),  # one series of a put that wrote two
        ({**AFTER_2, A: {0: 1.0, 1: 1.0, 2: 2.0}}, "never was"),  # one row of a put of two
        ({**AFTER_1, A: {0: 2.0, 2: 2.0, 9: 9.0}}, "never was"),  # a row that nobody wrote
    ],
)
def test_a_read_of_two_moments_is_found(rows: dict[str, dict[int, float]], why: str) -> None:
    [said] = _found(_read(0.9, rows))
    assert why in said


def test_a_read_without_what_was_acknowledged_is_found() -> None:
    [said] = _found(_read(2.5, AFTER_1))
    assert "as of change 1, and 2 was known" in said


def test_a_read_without_what_another_had_shown_is_found() -> None:
    [said] = _found(_read(3.1, AFTER_3, ended=3.2), _read(3.3, AFTER_2))
    assert "as of change 2, and 3 was known" in said
