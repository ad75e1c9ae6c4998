"""The progress bar: for a person at a terminal, and for nobody else."""

from __future__ import annotations

import sys

from flightstore.cli.progress import Progress


def test_a_terminal_sees_rows_and_rate(capsys, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with Progress("[btc].csv", total=100) as progress:
        progress.advance(1_500, done=50)
        progress.advance(1_500, done=100)
    out, err = capsys.readouterr()
    assert out == ""
    assert "[btc].csv" in err
    assert "3,000 rows" in err
    assert "100%" in err


def test_without_a_terminal_nothing_is_printed(capsys):
    with Progress("btc.csv") as progress:
        progress.advance(7)
    assert progress.rows == 7
    assert capsys.readouterr() == ("", "")
