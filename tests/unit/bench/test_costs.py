"""What processes cost is counted over whole trees, and what files take on the disk."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from bench.peers import costs

MIB = 2**20
# A process that has a child; both touch their memory, and say when they have.
CHILD = f"held = b'x' * {64 * MIB}; print('ready', flush=True); input()"
PARENT = f"""
import subprocess, sys
held = b"x" * {32 * MIB}
child = subprocess.Popen([sys.executable, "-c", {CHILD!r}], stdout=subprocess.PIPE, text=True)
child.stdout.readline()
print(child.pid, flush=True)
child.wait()
"""


@pytest.fixture
def parent() -> Iterator[tuple[int, int]]:
    """The ids of a process and of its child, which both wait for their input to end."""
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        yield process.pid, int(process.stdout.readline())
        process.communicate("\n")


def test_a_tree_is_a_process_and_its_children(parent: tuple[int, int]) -> None:
    process, child = parent
    assert list(costs.tree(process)) == [process, child]


def test_memory_is_that_of_the_whole_tree(parent: tuple[int, int]) -> None:
    process, child = parent
    assert costs.memory([child]) > 64 * MIB
    assert 96 * MIB < costs.memory([process]) < 256 * MIB


def test_who_is_in_two_trees_is_counted_once(parent: tuple[int, int]) -> None:
    process, child = parent
    assert costs.memory([process, child]) < costs.memory([process]) + 32 * MIB


def test_a_process_that_is_gone_has_no_memory() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert costs.memory([ended.pid]) == 0


def test_the_processor_time_of_a_child_is_counted() -> None:
    burn = "import time\nwhile time.process_time() < 0.2: pass\nprint(flush=True)\ninput()"
    with subprocess.Popen(
        [sys.executable, "-c", burn], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with_child = costs.processor_seconds([process.pid])
        assert with_child - costs.processor_seconds([]) > 0.1
        process.communicate("\n")


def test_the_peak_of_memory_stays_when_it_is_freed() -> None:
    with costs.PeakMemory([os.getpid()]) as peak:
        before = peak.bytes
        held = bytearray(b"x") * (64 * MIB)
        while peak.bytes < before + 32 * MIB:  # until it has been sampled
            pass
        del held
    assert peak.bytes > before + 32 * MIB


def test_the_disk_is_what_files_take_and_not_how_long_they_seem(tmp_path: Path) -> None:
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(64 * MIB)
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "full").write_bytes(b"x" * MIB)
    assert costs.disk(tmp_path) < 2 * MIB
