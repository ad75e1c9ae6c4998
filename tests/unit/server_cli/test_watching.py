"""The bar that verify and restore show: at a terminal, and nowhere else."""

from __future__ import annotations

import sys

import pytest

from flightstore_server.cli.watching import watched


def seen(step: int) -> tuple[str, int, int]:
    return "verifying", step, 3


def test_the_last_step_is_the_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    assert watched(iter([1, 2, 3]), seen) == 3
    assert capsys.readouterr() == ("", "")


def test_at_a_terminal_there_is_a_bar_on_stderr(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    watched(iter([1, 2, 3]), seen)
    said = capsys.readouterr()
    assert said.out == ""
    assert "verifying" in said.err
    assert "3/3" in said.err
