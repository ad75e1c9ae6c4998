"""What people see while series are filled."""

from __future__ import annotations

import io
import json
import logging
from types import SimpleNamespace

import pytest
from rich.console import Console

from flightstore_ingest.cli import logs
from flightstore_ingest.cli.bars import Bars
from flightstore_ingest.cli.lines import Lines
from flightstore_ingest.cli.measures import Measures, duration, seconds_left
from flightstore_ingest.progress import Progress
from flightstore_ingest.source import Series


def session_of(count: int, waiting: str = "", trouble: str = "") -> SimpleNamespace:
    """What a display sees of a session: `count` series, of which each has half of its rows."""
    series = [Series("candles", f"binance:S{number:03}/USDT", "1m") for number in range(count)]
    keepers = [
        SimpleNamespace(
            series=s,
            progress=Progress(s, rows=500, pages=1, wanted_ns=100, done_ns=50, doing="fetching"),
        )
        for s in series
    ]
    source = SimpleNamespace(waiting=lambda: waiting)
    feed = SimpleNamespace(name="binance", keepers=keepers, source=source, refused={})
    return SimpleNamespace(feeds=[feed], sink=SimpleNamespace(trouble=trouble))


def terminal(height: int = 20) -> Console:
    return Console(
        file=io.StringIO(), force_terminal=True, width=160, height=height, color_system=None
    )


def drawn(session: SimpleNamespace, console: Console) -> str:
    bars = Bars(console)
    bars.show(Measures(session))
    bars.stop()
    return console.file.getvalue().rpartition("\x1b[")[0] or console.file.getvalue()


def test_a_bar_has_rows_rate_share_and_what_it_waits_for():
    console = terminal()
    text = drawn(session_of(1, waiting="12 s: 429 from the exchange"), console)
    assert "binance:S000/USDT 1m" in text
    assert "50%" in text
    assert "500 rows" in text
    assert "rows/s" in text
    assert "left" in text
    assert "waits 12 s: 429 from the exchange" in text


def test_a_store_that_is_away_is_what_everything_waits_for():
    assert "waits for the store: gone" in drawn(session_of(1, trouble="gone"), terminal())


def test_more_series_than_lines_are_the_busy_ones_and_a_total():
    session = session_of(50)
    for keeper in session.feeds[0].keepers[:45]:
        keeper.progress.doing = "complete"
    text = drawn(session, terminal(height=10))
    assert "50 series" in text
    assert "45 complete" in text
    assert all(f"S{number:03}/" in text for number in range(45, 50))
    assert "S010/" not in text


def test_lines_say_the_same_without_a_terminal(capsys):
    session = session_of(2)
    session.feeds[0].keepers[0].progress.doing = "complete"
    measures, lines = Measures(session), Lines()
    for _ in range(3):
        lines.show(measures)
    err = capsys.readouterr().err.splitlines()
    assert err.count("binance:S000/USDT 1m: 500 rows, complete") == 1
    assert sum(line.startswith("binance:S001/USDT 1m: 500 rows, ") for line in err) == 2
    assert "2 series: 1,000 rows" in err[-1]
    assert "75%, 1 complete" in err[-1]


def test_an_exchange_that_is_not_open_yet_says_why(capsys):
    session = session_of(0)
    session.feeds[0].refused["binance"] = "no route"
    measures, lines = Measures(session), Lines()
    lines.show(measures)
    lines.show(measures)
    assert capsys.readouterr().err == "binance: opening, no route\n"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "-:--"), (0, "0:00"), (75, "1:15"), (3723, "1:02:03"), (259_200, "3.0 d")],
)
def test_lengths_of_time_as_people_read_them(seconds, text):
    assert duration(seconds) == text


def test_time_left_is_unknown_at_first():
    assert seconds_left(0.0, 10) is None
    assert seconds_left(0.25, 10) == pytest.approx(30)


@pytest.fixture
def _logging_as_before():
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.usefixtures("_logging_as_before")
def test_a_line_of_json_has_time_level_and_message(capsys):
    logs.to_stderr("info", "json")
    try:
        raise ValueError("broken")
    except ValueError:
        logging.getLogger("flightstore_ingest.x").exception("it is %s", "bad")
    logging.getLogger("flightstore_ingest.x").debug("not this")
    [line] = capsys.readouterr().err.splitlines()
    fields = json.loads(line)
    assert fields["time"].endswith("Z")
    assert (fields["level"], fields["message"]) == ("error", "it is bad")
    assert "ValueError: broken" in fields["exception"]
