"""How far a sweep has come, as a terminal shows it."""

from __future__ import annotations

import io
import sys

import pytest

from flightstore._sweeps.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def _shown(monkeypatch: pytest.MonkeyPatch, stream: io.StringIO, *, show: bool = True) -> str:
    monkeypatch.setattr(sys, "stderr", stream)
    with Progress("parts", 2, show=show) as bar:
        bar.advance()
        bar.advance()
    return stream.getvalue()


def test_a_terminal_shows_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    shown = _shown(monkeypatch, Terminal())
    assert "parts" in shown
    assert "100%" in shown


def test_without_rich_it_shows_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rich.console", None)
    assert _shown(monkeypatch, Terminal()) == "\r1 of 2 parts\r2 of 2 parts\n"


def test_a_log_file_gets_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _shown(monkeypatch, io.StringIO()) == ""


def test_who_does_not_want_it_gets_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _shown(monkeypatch, Terminal(), show=False) == ""
