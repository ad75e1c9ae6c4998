"""The n-th operation of the disk fails, for n = 1, 2, 3, … until the workload passes untouched.

In memory, so that every n takes milliseconds. The catalog's commits count as operations, too.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from tests.support.contents import contents_of, with_snapshots
from tests.support.crash_explorer import FAST, Everything, restarted, run_workload
from tests.support.crash_files import CrashFiles, DiskState, watch_catalog
from tests.support.failing_files import FailingFiles, Fault, fail_catalog
from tests.support.rows import candles
from tests.support.stores import NOW, put
from tests.support.workload import LIMITS, steps

from flightstore_proto.errors import FlightstoreError, Poisoned
from flightstore_server.engine.store import Store
from flightstore_server.engine.verify import verify_store


@dataclass(slots=True)
class Outcome:
    """How far the workload came, and the disk it left."""

    done: int
    finished: bool
    disk: DiskState


def _run_with(fault: Fault, truths: list[Everything]) -> Outcome:
    """The workload on a disk with `fault`, up to the first step that fails."""
    with TemporaryDirectory(dir=FAST) as root, pytest.MonkeyPatch.context() as patch:
        disk = CrashFiles(Path(root))
        watch_catalog(patch, disk)
        fail_catalog(patch, fault)
        try:
            store = Store(FailingFiles(disk, fault), LIMITS, clock=lambda: NOW, upkeep_thread=False)
        except OSError:  # open_store() makes a DataDirError of it
            return Outcome(0, False, disk.state)
        done, all_steps = 0, steps()
        try:
            for step in all_steps:
                step.act(store)
                done += 1
        except FlightstoreError as error:
            assert error.message, "an error says what is wrong"
        fault.at = 0
        _check_survivor(store, fault, truths[done])
        store.close()
        return Outcome(done, done == len(all_steps), disk.state)


def _check_survivor(store: Store, fault: Fault, truth: Everything) -> None:
    """What the store may and may not do after the fault."""
    assert contents_of(store) == truth[""], f"reads are wrong after {fault.struck} failed"
    if not fault.hit_a_write:
        return
    assert store.committer.poison_reason, f"the store writes on after {fault.struck} failed"
    for write in (
        lambda: put(store, candles([0])),
        store.flush,
        lambda: store.snapshot("late"),
        lambda: store.compact(full=True),
    ):
        with pytest.raises(Poisoned):
            write()


def _check_restarts(outcome: Outcome, truths: list[Everything]) -> None:
    """A healthy disk shows all that was acknowledged, after a kill and after a power cut."""
    allowed = truths[outcome.done : outcome.done + 2]
    for state in (outcome.disk, list(outcome.disk.cuts())[-1]):
        with restarted(state) as (store, _):
            assert with_snapshots(store) in allowed
            put(store, candles([0]), instrument="kraken:NEW/ONE")
            damage = [progress.damage for progress in verify_store(store)][-1]
            assert damage == []


@pytest.mark.parametrize(
    ("code", "forever", "short"),
    [
        (errno.EIO, False, False),
        (errno.ENOSPC, False, True),
        (errno.EIO, True, False),
        (errno.ENOSPC, True, True),
    ],
    ids=["EIO once", "short write once", "EIO from then on", "disk full from then on"],
)
def test_when_any_operation_fails_nothing_acknowledged_is_lost_and_nothing_wrong_is_read(
    code: int, forever: bool, short: bool, tmp_path: Path
) -> None:
    truths = run_workload(tmp_path).truths
    number = 0
    while True:
        number += 1
        fault = Fault(number, code, forever, short)
        outcome = _run_with(fault, truths)
        if not fault.struck:
            break
        _check_restarts(outcome, truths)
    assert outcome.finished
    assert number > 150
