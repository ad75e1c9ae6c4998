"""Runs the test that must catch a defect, with the defect planted: `python -m ... NAME...`.

Every defect in a process of its own, forked from one that has imported what tests need. Each ends
in one line of JSON: the defect's name, and how its test went.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import asdict, dataclass
from typing import Any, NoReturn

import hypothesis  # noqa: F401 - imported once for all
import polars  # noqa: F401
import pytest
from tests.sabotage import defects
from tests.sabotage.defect import Defect
from tests.support import crash_explorer, serving  # noqa: F401

from flightstore_proto.errors import FlightstoreError

SECONDS_MAX = 120
# What a test says when a promise was broken; anything else may be the plant's own mistake.
NOTICED = (AssertionError, pytest.fail.Exception, FlightstoreError)


@dataclass(slots=True)
class Outcome:
    """How the test of a defect went; `caught` only if it failed for the right kind of reason."""

    name: str
    caught: bool = False
    passed: int = 0
    error: str = ""


class _Watch:
    """A plugin that notes the first failure."""

    def __init__(self, outcome: Outcome, shown_by: tuple[type[BaseException], ...]) -> None:
        self._outcome = outcome
        self._shown_by = shown_by

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._outcome.passed += report.when == "call" and report.passed

    def pytest_exception_interact(self, call: pytest.CallInfo[Any], report: object) -> None:
        if call.excinfo is not None and not self._outcome.error:
            error = call.excinfo.value
            self._outcome.error = f"{call.when}: {type(error).__name__}: {str(error)[:500]}"
            self._outcome.caught = call.when == "call" and isinstance(error, self._shown_by)


def run(defect: Defect) -> Outcome:
    """How the test of `defect` goes in this process, which is defective from now on."""
    outcome = Outcome(defect.name)
    defects.plant(defect.name)
    os.environ["FLIGHTSTORE_TEST_SABOTAGE"] = defect.name
    # Modules were imported before pytest could rewrite their assertions.
    options = ["-x", "-q", "--assert=plain", "-p", "no:cacheprovider", "-p", "no:xdist"]
    watch = _Watch(outcome, (*NOTICED, *defect.also_shows_as))
    pytest.main([*options, defect.caught_by], [watch])
    return outcome


def _run_apart(defect: Defect) -> Outcome:
    """The same in a child of this process."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        _answer(writing, defect)
    os.close(writing)
    with os.fdopen(reading) as answer:
        text = answer.read()
    os.waitpid(child, 0)
    return Outcome(**json.loads(text)) if text else Outcome(defect.name, error="its process ended")


def _answer(writing: int, defect: Defect) -> NoReturn:
    """Send how it went, and end this process, whatever happens."""
    try:
        signal.alarm(SECONDS_MAX)
        with open(os.devnull, "w") as nothing:  # noqa: PTH123 - its descriptor is what counts
            os.dup2(nothing.fileno(), 1)
        os.write(writing, json.dumps(asdict(run(defect))).encode())
    finally:
        os._exit(0)


def main(names: list[str]) -> None:
    for defect in defects.DEFECTS:
        if defect.name in names:
            outcome = _run_apart(defect)
            sys.stdout.write(json.dumps(asdict(outcome)) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
