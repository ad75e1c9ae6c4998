"""`python -m bench.peers`: what it was asked for, and what goes on when something fails."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from bench.peers import __main__ as program
from bench.peers import results
from bench.peers.contest import Contest, Failed
from bench.peers.results import Result
from tests.unit.bench import fake_contestants as fakes


def half_done(contest: Contest) -> Iterator[Result]:
    yield Result("W1", "a question", "flightstore", [0.001])
    raise Failed("the server is gone")


def done(contest: Contest) -> Iterator[Result]:
    yield Result("W2", "another one", "flightstore", [0.002])


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where results go, of two workloads that need no contestant."""
    monkeypatch.setattr(program, "WORKLOADS", {"W1": half_done, "W2": done})
    monkeypatch.setattr(program, "RESULTS", tmp_path / "results.json")
    monkeypatch.setattr(program.report, "write", lambda runs: [])
    return tmp_path / "results.json"


def run(tmp_path: Path, *arguments: str) -> int:
    return program.main([*arguments, "--dir", str(tmp_path)])


def test_a_workload_that_fails_keeps_what_was_found_before(kept: Path, tmp_path: Path) -> None:
    assert run(tmp_path, "--write") == 0
    found = results.load(kept)["W1"].results
    assert [(result.question, result.failed) for result in found] == [
        ("a question", ""),
        ("the rest", "the server is gone"),
    ]


def test_a_workload_that_fails_does_not_stop_the_next(kept: Path, tmp_path: Path) -> None:
    run(tmp_path, "--write")
    assert list(results.load(kept)) == ["W1", "W2"]


def test_nothing_is_kept_unless_it_is_asked_for(kept: Path, tmp_path: Path) -> None:
    run(tmp_path)
    assert not kept.exists()


def test_only_the_workloads_that_are_named_are_run(kept: Path, tmp_path: Path) -> None:
    run(tmp_path, "W2", "--write")
    assert list(results.load(kept)) == ["W2"]


def test_the_data_are_removed_afterwards(kept: Path, tmp_path: Path) -> None:
    run(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_list_says_who_can_take_part_and_why_others_cannot(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    names = [fakes.named(fakes.Right), fakes.named(fakes.Absent)]
    monkeypatch.setattr(program, "CONTESTANTS", names)
    assert run(tmp_path, "--list") == 0
    shown = capsys.readouterr().out.splitlines()[-2:]
    assert shown == [f"{names[0]} a fake 1.0", f"{names[1]} missing: its server is not installed"]


@pytest.mark.parametrize("arguments", [["W99"], ["--only", "Oracle"]])
def test_what_there_is_not_is_refused(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        program.main(arguments)
    assert f"there is no {arguments[-1]!r}" in capsys.readouterr().err
