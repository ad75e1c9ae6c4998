"""Runs a workload on a simulated disk, cuts the power after each operation, looks what is left.

What is found must be all that was acknowledged, and of the step under way all or nothing; a second
start must find the same. Starts that look at the same are taken once (crash_starts.py), save for a
random share that is taken again to make sure.
"""

from __future__ import annotations

import logging
import math
import random
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import NamedTuple

import pytest
from tests.support.crash_catalog import in_memory
from tests.support.crash_contents import NOTHING, Everything, everything
from tests.support.crash_files import CrashFiles, DiskState
from tests.support.crash_starts import Known
from tests.support.crash_workloads import random_limits, random_steps
from tests.support.rows import trades
from tests.support.stores import NOW, put
from tests.support.workload import LIMITS, Step, steps

from flightstore_server.engine import commits
from flightstore_server.engine.limits import Limits
from flightstore_server.engine.store import Store
from flightstore_server.engine.verify import verify_store


class Violation(AssertionError):
    """A promise that a power cut broke."""


class Explored(NamedTuple):
    """The different states there were, and how many starts it took to know what they show."""

    states: set[int]
    starts: int


class _NoThread:
    """The committer's thread of a store whose writers all lead their own commits."""

    def __init__(self, **_: object) -> None: ...
    def start(self) -> None: ...
    def join(self) -> None: ...


_THREADLESS = SimpleNamespace(Lock=threading.Lock, Event=threading.Event, Thread=_NoThread)


@contextmanager
def simulated(files: CrashFiles) -> Iterator[None]:
    """A store that is opened inside keeps its catalog on `files`, in this thread alone."""
    with pytest.MonkeyPatch.context() as patch:
        in_memory(patch, files)
        patch.setattr(commits, "threading", _THREADLESS)
        patch.setattr(commits, "_LED_SECONDS_MAX", math.inf)
        yield


@contextmanager
def started(
    state: DiskState | None = None, limits: Limits = LIMITS
) -> Iterator[tuple[Store, CrashFiles]]:
    """A store on a disk like `state`, watched for what it does to it."""
    files = CrashFiles(state.copy() if state else None)
    with simulated(files):
        store = Store(files, limits, clock=lambda: NOW, upkeep_thread=False)
        try:
            yield store, files
        finally:
            store.close()


@dataclass(slots=True)
class Run:
    """A workload run once: the disk after every operation, and what was true between steps."""

    limits: Limits
    moments: list[tuple[str, DiskState]] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    truths: list[Everything] = field(default_factory=lambda: [NOTHING])
    begun: list[int] = field(default_factory=list)  # how many operations there were before a step
    ended: list[int] = field(default_factory=list)

    def allowed_after(self, operations: int) -> list[Everything]:
        """What may be found: all that was acknowledged, and of a step under way all or nothing."""
        done = sum(end <= operations for end in self.ended)
        under_way = sum(begin < operations for begin in self.begun) > done
        return self.truths[done : done + 2] if under_way else [self.truths[done]]

    def repeatable(self, operations: int) -> list[int]:
        """The put under way after so many operations, which its writer will send again."""
        spans = zip(self.begun, self.ended, self.steps, strict=True)
        return [
            number
            for number, (begin, end, step) in enumerate(spans)
            if begin < operations < end and step.put_id
        ]


def run_workload(workload: Sequence[Step] | None = None, limits: Limits = LIMITS) -> Run:
    """Take every step of `workload`. A twin does the same and is read after each: what is derived
    is computed by reading, which must not change the disk that is watched."""
    run = Run(limits)
    with started(limits=limits) as (store, files), started(limits=limits) as (twin, _):
        run.moments = files.moments
        for step in workload or steps():
            run.steps.append(step)
            run.begun.append(len(files.moments))
            step.act(store)
            run.ended.append(len(files.moments))
            step.act(twin)
            run.truths.append(everything(twin))
    return run


def explore(run: Run, rng: random.Random, *, share: int) -> Explored:
    """Start from every state that a power cut can leave; of every `share`-th start it is cut, too.

    Raises Violation.
    """
    exploration = _Exploration(run, rng, share)
    with _silent():
        for operations, (what, moment) in enumerate(run.moments, start=1):
            allowed = run.allowed_after(operations)
            for state in moment.cuts():
                found = exploration.found_on(state)
                if found not in allowed:
                    told = f"found {found}, allowed {' OR '.join(map(str, allowed))}"
                    raise Violation(f"after operation {operations}, {what}: {told}")
    return Explored(exploration.seen, exploration.starts)


@contextmanager
def _silent() -> Iterator[None]:
    """Every torn tail is worth a warning, but not thousands of them."""
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


class _Exploration:
    """What starts from the disks of one run find."""

    def __init__(self, run: Run, rng: random.Random, share: int) -> None:
        self._limits, self._rng, self._share = run.limits, rng, share
        self._known: dict[int, Known[Everything]] = {}
        self.seen: set[int] = set()
        self.starts = 0

    def found_on(self, state: DiskState) -> Everything:
        """What a start from `state` finds."""
        known = self._known.setdefault(hash(state.catalog), Known()).find(state)
        fresh = state.fingerprint() not in self.seen
        self.seen.add(state.fingerprint())
        if known is None or known.outcome is None:
            return self._start(state)
        if fresh and not self._rng.randrange(self._share):
            found = self._start(state)
            assert found == known.outcome, "a start depends on something that it does not look at"
        return known.outcome

    def _start(self, state: DiskState) -> Everything:
        """Start, and once more from what the start leaves behind."""
        self.starts += 1
        with started(state, self._limits) as (store, files):
            found = everything(store)
            moments = [moment for _, moment in files.moments]
            self._known[hash(state.catalog)].add(list(files.looks), state, found)
            left = files.state.copy()
        if self._second(left) != found:
            raise Violation("the second start found something else")
        if not self._rng.randrange(self._share):
            self._go_on(left)
            self._cut_again(self._rng.choice(moments), found)
        return found

    def _second(self, left: DiskState) -> Everything:
        known = self._known.setdefault(hash(left.catalog), Known())
        same = known.find(left)
        if same is not None and same.outcome is not None:
            return same.outcome
        self.starts += 1
        with started(left, self._limits) as (store, files):
            found = everything(store)
            known.add(list(files.looks), left, found)
        return found

    def _go_on(self, left: DiskState) -> None:
        """Write to a store that was started, and start once more."""
        with started(left, self._limits) as (store, files):
            row = trades([(0, "1", 5.0)])  # no rule of a workload keeps trades
            put(store, row, dataset="trades", timeframe="", instrument="kraken:NEW/ONE")
            store.flush()
            grown = everything(store)
        with started(files.state, self._limits) as (store, _):
            if everything(store) != grown:
                raise Violation("what was written after the start is not there at the next")

    def _cut_again(self, moment: DiskState, found: Everything) -> None:
        for state in moment.cuts():
            if self.found_on(state) != found:
                raise Violation("a power cut during the start changed what it found")
            with started(state, self._limits) as (store, _):
                damage = [progress.damage for progress in verify_store(store)][-1]
                if damage:
                    raise Violation(f"what the cut left does not verify: {damage}")


def kill_ask_again_and_cut(run: Run, rng: random.Random, *, share: int) -> int:
    """Kill the process during every put, and at every `share`-th operation of other steps; the next
    process is asked again, then the power goes.

    Returns how often a put was sent again. Raises Violation if it is lost after its second answer.
    """
    asked = 0
    after = _Exploration(run, rng, share=1 << 60)
    with _silent():
        for operations, (what, moment) in enumerate(run.moments, start=1):
            again = run.repeatable(operations)
            if not moment.is_unsafe() or (not again and rng.randrange(share)):
                continue
            asked += len(again)
            shown, last = _killed_and_asked(run, moment, again)
            if any(after.found_on(state) != shown for state in last.cuts()):
                raise Violation(f"killed after operation {operations}, {what}: rows are gone")
    return asked


def _killed_and_asked(
    run: Run, moment: DiskState, again: Sequence[int]
) -> tuple[Everything, DiskState]:
    """What is shown after a kill, once the puts `again` are sent again, and the disk then."""
    with started(moment, run.limits) as (store, files):
        for number in again:
            run.steps[number].act(store)
        return run.truths[again[-1] + 1] if again else everything(store), files.moments[-1][1]


def explore_random_workloads(rng: random.Random, *, states_min: int, share: int) -> Explored:
    """Explore one short workload after another, until there were `states_min` different states."""
    seen: set[int] = set()
    starts = 0
    while len(seen) < states_min:
        workload, limits = random_steps(rng), random_limits(rng)
        try:
            run = run_workload(workload, limits)
            explored = explore(run, rng, share=share)
            kill_ask_again_and_cut(run, rng, share=share)
        except BaseException as error:
            error.add_note(f"steps: {[step.name for step in workload]}; {limits}")
            raise
        seen |= explored.states
        starts += explored.starts
    return Explored(seen, starts)
