"""A simulated exchange from the command line, and what it invites to."""

from __future__ import annotations

import re
import shlex

import pytest


def invitation(child) -> list[str]:
    """The lines it prints once it is ready."""
    lines: list[str] = []
    while not lines or "ingest live" not in lines[-1]:
        line = child.stdout.readline()
        assert line, child.communicate()
        lines.append(line.strip())
    return lines


def test_the_command_it_prints_fills_the_store(process, cli, store):
    child = process("simulate", "binance", "kraken", "--port", "0", "--days-of-history", "0.02",
                    "--symbols", "SOL/USDT", "--seed", "7", "--trades-per-minute", "10",
                    "--faults", "60", "--limit", "50/s")  # fmt: skip
    lines = invitation(child)
    assert lines[0].startswith("binance is simulated at http://127.0.0.1:")
    [command] = [line.removeprefix("Try: flightstore ingest ") for line in lines if "Try" in line]
    result = cli(*shlex.split(command))
    assert result.code == 0, result.err
    found = store.db.series().select("exchange", "symbol", "dataset").unique().rows()
    expected = [(e, "SOL/USDT", d) for e in ("binance", "kraken") for d in ("candles", "trades")]
    assert sorted(found) == expected
    child.terminate()
    _, err = child.communicate(timeout=30)
    assert (child.returncode, err) == (0, "")


def test_a_recording_is_played_from_a_file(process, cli, store, tmp_path):
    file = tmp_path / "bars.csv"
    first = 1_700_006_400_000
    rows = [f"{first + 60_000 * i},1.0,2.0,0.5,1.5,3.0" for i in range(30)]
    file.write_text("\n".join(["ts,open,high,low,close,volume", *rows]))
    child = process("simulate", "bitfinex", "--port", "0", "--symbols", "BTC/USD", "--data", file)
    lines = invitation(child)
    [command] = [line.removeprefix("Try: flightstore ingest ") for line in lines if "Try" in line]
    result = cli(*shlex.split(command), "--until", "2023-11-15T00:20")
    assert result.code == 0, result.err
    assert store.db.candles("bitfinex:BTC/USD", "1m").height == 20


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["binanse"], "'binanse' is not simulated; there are binance, .* Did you mean binance?"),
        (["binance", "--symbols", "BTCUSDT"], "--symbols BTCUSDT: what is traded is BASE/QUOTE"),
        (["binance", "--limit", "fast"], "--limit fast is not a number of requests"),
        (["binance", "--data", "x.xlsx"], "x.xlsx is neither"),
    ],
)
def test_wrong_usage_is_one_sentence(cli, arguments, sentence):
    result = cli("simulate", *arguments)
    assert result.code == 2
    assert result.err.count("\n") == 1
    assert re.search(sentence, result.err)
