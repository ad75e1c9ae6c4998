"""Is the harness awake? Every defect on the list is planted, and its test must not let it pass."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.sabotage.defects import DEFECTS
from tests.sabotage.harness import Outcome

ROOT = Path(__file__).parents[2]
# What the list must hold, whatever else comes.
WANTED = {
    "no log sync",
    "no log folder sync",
    "no folder sync",
    "no segment checksum",
    "no log checksum",
    "no commit check",
    "rename before sync",
    "short write ignored",
    "no directory lock",
    "retried sync",
    "position before its effect",
    "deduplicated by time only",
    "dirty window missed",
    "subscribed after the history",
    "torn tail kept",
    "acknowledged before the sync",
    "no schema check",
    "poison ignored",
}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    """What became of every defect."""
    # Examples that fail because of a defect are not to be tried again without it.
    apart = {"HYPOTHESIS_STORAGE_DIRECTORY": str(tmp_path_factory.mktemp("examples"))}
    command = [sys.executable, "-m", "tests.sabotage.harness", *(d.name for d in DEFECTS)]
    ran = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **apart}, capture_output=True, text=True, check=True
    )
    found = [Outcome(**json.loads(line)) for line in ran.stdout.splitlines()]
    return {outcome.name: outcome for outcome in found}


@pytest.mark.parametrize("name", [defect.name for defect in DEFECTS])
def test_a_planted_defect_is_caught(name: str, outcomes: dict[str, Outcome]) -> None:
    [defect] = [defect for defect in DEFECTS if defect.name == name]
    outcome = outcomes[name]
    said = outcome.error or f"{outcome.passed} tests passed"
    assert outcome.caught, f"{defect.story} {defect.caught_by} does not notice: {said}"


def test_the_list_holds_every_defect_that_it_must() -> None:
    names = [defect.name for defect in DEFECTS]
    assert not WANTED - set(names)
    assert len(set(names)) == len(names)
