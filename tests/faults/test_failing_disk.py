"""The n-th operation of the disk fails, for n = 1, 2, 3, … until the workload passes untouched.

In memory, so that every n takes milliseconds. The catalog's commits count as operations, too.
"""

from __future__ import annotations

import errno
import itertools
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

import pytest
from tests.support.crash_contents import Everything, everything
from tests.support.crash_explorer import run_workload, simulated, started
from tests.support.crash_files import CrashFiles, DiskState
from tests.support.failing_files import FailingFiles, Fault, fail_catalog
from tests.support.rows import candles
from tests.support.seeds import generator, scaled
from tests.support.stores import NOW, put
from tests.support.workload import LIMITS, steps

from flightstore_proto.errors import FlightstoreError, Poisoned
from flightstore_server.engine.store import Store
from flightstore_server.engine.verify import verify_store

# The codes take turns: nothing may depend on which it is.
ONCE = (errno.EIO, errno.EMFILE, errno.EINTR)
KINDS: dict[str, Callable[[int], Fault]] = {
    "once": lambda at: Fault(at, ONCE[at % len(ONCE)]),
    "short write once": lambda at: Fault(at, errno.ENOSPC, short=True),
    "EIO from then on": lambda at: Fault(at, errno.EIO, forever=True),
    "disk full from then on": lambda at: Fault(at, errno.ENOSPC, forever=True, short=True),
}
# A start takes fewer operations than this.
START_OPERATIONS = 40


@dataclass(slots=True)
class Outcome:
    """How far the workload came, and the disk it left."""

    done: int
    finished: bool
    disk: DiskState

    def allowed(self, truths: list[Everything]) -> list[Everything]:
        return truths[self.done : self.done + 2]


@pytest.fixture(scope="module")
def truths() -> list[Everything]:
    return run_workload().truths


def _open(disk: CrashFiles, fault: Fault) -> Store:
    return Store(FailingFiles(disk, fault), LIMITS, clock=lambda: NOW, upkeep_thread=False)


def _run_with(fault: Fault, truths: list[Everything]) -> Outcome:
    """The workload on a disk with `fault`, up to the first step that fails."""
    disk = CrashFiles()
    with simulated(disk), pytest.MonkeyPatch.context() as patch:
        fail_catalog(patch, fault)
        try:
            store = _open(disk, fault)
        except OSError:  # open_store() makes a DataDirError of it
            return Outcome(0, False, disk.state)
        done, all_steps = 0, steps()
        try:
            for step in all_steps:
                step.act(store)
                done += 1
        except FlightstoreError as error:
            assert error.message, "an error says what is wrong"
        fault.mend()
        _check_survivor(store, fault, truths[done])
        store.close()
        return Outcome(done, done == len(all_steps), disk.state)


def _check_survivor(store: Store, fault: Fault, truth: Everything) -> None:
    """What the store may and may not do after the fault."""
    found = everything(store)
    assert found == truth, f"reads are wrong after {fault.struck} failed"
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
    for state in (outcome.disk, _last_cut(outcome.disk)):
        with started(state) as (store, _):
            assert everything(store) in outcome.allowed(truths)
            put(store, candles([0]), instrument="kraken:NEW/ONE")
            damage = [progress.damage for progress in verify_store(store)][-1]
            assert damage == []


def _last_cut(disk: DiskState) -> DiskState:
    *_, last = disk.cuts()
    return last


def _each_in_turn(
    fault: Callable[[int], Fault], truths: list[Everything], first: int = 1, step: int = 1
) -> Iterator[tuple[Fault, Outcome]]:
    """What comes of a fault at the first operation, the second, …, until there is none."""
    for number in itertools.count(first, step):
        made = fault(number)
        outcome = _run_with(made, truths)
        if not made.struck:
            assert outcome.finished
            return
        yield made, outcome


def _start_with(fault: Fault, outcome: Outcome, truths: list[Everything]) -> None:
    """A start over what the workload left fails as well, or shows the truth; the next one does."""
    disk = CrashFiles(outcome.disk.copy())
    with simulated(disk), pytest.MonkeyPatch.context() as patch:
        fail_catalog(patch, fault)
        with suppress(OSError, FlightstoreError):
            store = _open(disk, fault)
            assert everything(store) in outcome.allowed(truths)
            fault.mend()
            store.close()
    with started(disk.state) as (store, _):
        assert everything(store) in outcome.allowed(truths), f"a start with {fault.struck} failing"


@pytest.mark.parametrize("kind", KINDS)
def test_when_any_operation_fails_nothing_acknowledged_is_lost_and_nothing_wrong_is_read(
    kind: str, truths: list[Everything]
) -> None:
    number = 0
    for _, outcome in _each_in_turn(KINDS[kind], truths):
        number += 1
        _check_restarts(outcome, truths)
    assert number > 150


def test_when_the_start_after_a_failure_fails_too_nothing_is_lost(
    truths: list[Everything], pytestconfig: pytest.Config
) -> None:
    share = scaled(pytestconfig, ci=5, nightly=1, release=1)
    rng = generator("which operations fail")
    first = rng.randint(1, share)
    for _, outcome in _each_in_turn(KINDS["once"], truths, first, share):
        for number in range(rng.randint(1, share), START_OPERATIONS, share):
            _start_with(KINDS["once"](number), outcome, truths)


@pytest.mark.nightly
def test_when_any_two_operations_fail_the_same_holds(truths: list[Everything]) -> None:
    """Most second ones are never come to: what failed first was a write, and all others wait."""
    for first, _ in _each_in_turn(KINDS["once"], truths):
        for second in itertools.count(first.at + 1):
            both = Fault(first.at, errno.EIO, also=second)
            outcome = _run_with(both, truths)
            if len(both.struck) < 2:
                break
            _check_restarts(outcome, truths)
