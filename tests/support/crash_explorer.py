"""Runs a workload on a simulated disk, cuts the power after each operation, looks what is left."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from tests.support.contents import Contents, with_snapshots
from tests.support.crash_files import CrashFiles, DiskState, watch_catalog
from tests.support.rows import candles
from tests.support.stores import NOW, put
from tests.support.workload import LIMITS, Step, steps

from flightstore_server.engine.store import Store
from flightstore_server.engine.verify import verify_store

Everything = dict[str, Contents]  # the present under "", snapshots under their names
# Thousands of catalogs are opened; that what is synced is safe is assumed here, and not tested.
FAST = "/dev/shm" if Path("/dev/shm").is_dir() else None


class Violation(AssertionError):
    """A promise that a power cut broke."""


@contextmanager
def opened(root: Path, state: DiskState | None = None) -> Iterator[tuple[Store, CrashFiles]]:
    """A store on a disk like `state`, watched for what it does to it."""
    with pytest.MonkeyPatch.context() as patch:
        files = CrashFiles(root, state.copy() if state else None)
        watch_catalog(patch, files)
        store = Store(files, LIMITS, clock=lambda: NOW, upkeep_thread=False)
        try:
            yield store, files
        finally:
            store.close()


@contextmanager
def restarted(state: DiskState) -> Iterator[tuple[Store, CrashFiles]]:
    """The same in a directory of its own."""
    with TemporaryDirectory(dir=FAST) as root, opened(Path(root), state) as both:
        yield both


@dataclass(slots=True)
class Run:
    """The workload run once: the disk after every operation, and what was true between steps."""

    moments: list[tuple[str, DiskState]] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    truths: list[Everything] = field(default_factory=lambda: [{"": {}}])
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


def run_workload(root: Path) -> Run:
    run = Run()
    with opened(root) as (store, files):
        run.moments = files.moments
        for step in steps():
            run.steps.append(step)
            run.begun.append(len(files.moments))
            step.act(store)
            run.ended.append(len(files.moments))
            run.truths.append(with_snapshots(store))
    return run


def explore(run: Run, rng: random.Random, *, share: int) -> int:
    """Start from every state that a power cut can leave; every `share`-th start is cut as well.

    Returns how many different states there were. Raises Violation.
    """
    seen: set[tuple[int, int]] = set()
    for operations, (what, moment) in enumerate(run.moments, start=1):
        allowed = run.allowed_after(operations)
        for state in moment.cuts():
            key = (state.fingerprint(), id(allowed[0]))
            if key in seen:
                continue
            seen.add(key)
            found, recovery = _recover(state)
            if found not in allowed:
                raise Violation(f"after operation {operations}, {what}: {_told(found, allowed)}")
            if not rng.randrange(share):
                _cut_again(rng.choice(recovery), found)
    return len(seen)


def _recover(state: DiskState) -> tuple[Everything, list[DiskState]]:
    """What a start finds, and the disk after each operation of it.

    It then writes a row, and a second start must find all of this.
    """
    with restarted(state) as (store, files):
        found = with_snapshots(store)
        moments = [moment for _, moment in files.moments]
        put(store, candles([0]), instrument="kraken:NEW/ONE")
        expected = with_snapshots(store)
        last = files.moments[-1][1]
    with restarted(last) as (store, _):
        if with_snapshots(store) != expected:
            raise Violation("the second start found something else")
    return found, moments


def _cut_again(moment: DiskState, found: Everything) -> None:
    for state in moment.cuts():
        with restarted(state) as (store, _):
            if with_snapshots(store) != found:
                raise Violation("a power cut during the start changed what it found")
            damage = [progress.damage for progress in verify_store(store)][-1]
            if damage:
                raise Violation(f"what the cut left does not verify: {damage}")


def kill_ask_again_and_cut(run: Run) -> int:
    """Kill the process after every operation; the next one is asked again, then the power goes.

    Returns how often a put was sent again. Raises Violation if it is lost after its second answer.
    """
    asked = 0
    for operations, (what, moment) in enumerate(run.moments, start=1):
        if not moment.is_unsafe():
            continue
        with restarted(moment) as (store, files):
            shown = with_snapshots(store)
            for number in run.repeatable(operations):
                run.steps[number].act(store)
                shown = run.truths[number + 1]
                asked += 1
            last = files.moments[-1][1]
        for state in last.cuts():
            with restarted(state) as (store, _):
                if with_snapshots(store) != shown:
                    raise Violation(f"killed after operation {operations}, {what}: rows are gone")
    return asked


def _told(found: Everything, allowed: list[Everything]) -> str:
    return f"found {_short(found)}, allowed {[_short(a) for a in allowed]}"


def _short(everything: Everything) -> dict[str, dict[str, tuple[int, object]]]:
    return {
        name: {series: (len(rows), covered) for series, (rows, covered, _) in contents.items()}
        for name, contents in everything.items()
    }
