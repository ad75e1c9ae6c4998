"""What a server tells those who watch: over HTTP, and about calls that were made over the wire."""

from __future__ import annotations

import json
import logging
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.support.rows import MINUTE, candles
from tests.support.server_process import running
from tests.support.serving import Serving
from tests.support.stores import BTC

import flightstore as fs
from flightstore_proto.errors import ConfigError, UnknownInstrument
from flightstore_server.metrics.http import MetricsServer, _Handler
from flightstore_server.metrics.observed import Observed

_SOON_SECONDS = 20


@pytest.fixture
def watched(serving: Serving) -> Iterator[str]:
    """The address at which the metrics of `serving` are."""
    server = MetricsServer("127.0.0.1:0", lambda: Observed(serving.store, serving.service.usage))
    server.start()
    yield f"http://{server.address}"
    server.stop()


def asked(url: str) -> tuple[int, str]:
    """Status and text of an answer."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def wait_for(what: Callable[[], object]) -> None:
    until = time.monotonic() + _SOON_SECONDS
    while not what():
        assert time.monotonic() < until, "it did not come about"
        time.sleep(0.01)


def traffic(serving: Serving, kind: str) -> tuple[int, int]:
    """(calls, rows) of a kind."""
    found = serving.store.served.by_kind().get(kind)
    return (0, 0) if found is None else (found.calls, found.rows)


def test_a_scrape_has_what_was_written_and_read(serving: Serving, watched: str) -> None:
    serving.db.write(BTC, candles([0, MINUTE, 2 * MINUTE]), timeframe="1m")
    assert serving.db.candles(BTC, "1m").height == 3
    # The server learns of the end of a stream a moment after its client.
    wait_for(lambda: 'flightstore_calls_total{kind="read"} 1.0' in asked(f"{watched}/metrics")[1])
    code, text = asked(f"{watched}/metrics")
    assert code == 200
    assert "flightstore_put_rows_total 3.0\n" in text
    assert 'flightstore_sent_rows_total{kind="read"} 3.0\n' in text
    assert 'flightstore_limit{name="streams_max"}' in text


def test_kinds_of_reads_are_told_apart(serving: Serving) -> None:
    serving.db.write(BTC, candles([0, MINUTE]), timeframe="1m")
    serving.db.candles(BTC, "1m", tail=1)
    serving.db.series()
    serving.db.latest(BTC, "1m")
    serving.db.sql("select close from candles")
    wait_for(lambda: traffic(serving, "sql")[0])
    assert traffic(serving, "read") == (1, 1)
    assert traffic(serving, "catalog") == (1, 1)
    assert traffic(serving, "latest") == (1, 1)
    assert traffic(serving, "sql") == (1, 2)


def test_a_live_stream_counts_while_it_is_open(serving: Serving) -> None:
    serving.db.write(BTC, candles([0, MINUTE]), timeframe="1m")
    with serving.db.live(BTC, "1m", start=0) as live:
        next(iter(live))
        assert traffic(serving, "subscribe") == (0, 2)
    wait_for(lambda: traffic(serving, "subscribe")[0] == 1 or serving.upkeep())


def test_an_error_is_counted_once_under_its_code(serving: Serving) -> None:
    with pytest.raises(UnknownInstrument):
        serving.db.candles("no:SUCH/THING", "1m")
    with pytest.raises(fs.FlightstoreError):
        serving.db.sql("select * from nowhere")
    assert serving.store.served.by_code() == {"unknown_instrument": 1, "unknown_dataset": 1}


def test_readiness_tells_the_reason(serving: Serving, watched: str) -> None:
    assert asked(f"{watched}/ready") == (200, "ready\n")
    serving.store.committer.poison("writing the log", OSError("no disk"))
    code, text = asked(f"{watched}/ready")
    assert (code, "no disk" in text) == (503, True)
    assert asked(f"{watched}/health") == (200, "alive\n")


def test_other_paths_are_not_there(watched: str) -> None:
    code, text = asked(f"{watched}/etc/passwd")
    assert (code, text) == (404, "There are /metrics, /health and /ready.\n")


def test_connections_that_ask_nothing_do_not_keep_others_from_asking_for_ever(
    watched: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_Handler, "timeout", 0.2)
    host, port = watched.removeprefix("http://").split(":")
    silent = [socket.create_connection((host, int(port))) for _ in range(20)]

    def answers() -> bool:
        try:
            return asked(f"{watched}/health")[0] == 200
        except OSError:  # all places are taken: the connection is closed
            return False

    wait_for(answers)
    for connection in silent:
        connection.close()


def test_an_address_in_use_is_a_mistake_of_the_configuration(
    serving: Serving, watched: str
) -> None:
    taken = watched.removeprefix("http://")
    with pytest.raises(ConfigError, match=r"listen in \[metrics\]"):
        MetricsServer(taken, lambda: Observed(serving.store, serving.service.usage))


def test_slow_calls_are_logged_without_what_was_asked(
    serving: Serving, caplog: pytest.LogCaptureFixture
) -> None:
    serving.store.served.slow_seconds = 1e-9
    serving.db.write(BTC, candles([0]), timeframe="1m")
    with caplog.at_level(logging.WARNING, "flightstore_server"):
        serving.db.sql("select close from candles where close <> 123456")
        wait_for(lambda: [r for r in caplog.records if r.fields["kind"] == "sql"])
    [record] = [r for r in caplog.records if r.fields["kind"] == "sql"]
    assert record.fields["rows"] == 1
    assert record.fields["code"] == "ok"
    assert "123456" not in caplog.text
    assert not [r for r in caplog.records if r.fields["kind"] == "put"], "a put stream has no end"


def test_a_server_with_metrics_and_logs_as_json(tmp_path: Path) -> None:
    config = (
        '[server]\nlog_format = "json"\nlog_slow_seconds = 1e-9\n'
        '[metrics]\nlisten = "127.0.0.1:0"\n[scrub]\nbytes_per_second = 1\n'
    )
    data = tmp_path / "data"
    with running(data, config) as server:
        with fs.connect(server.uri) as db:
            db.write(BTC, candles([0]), timeframe="1m")
            db.candles(BTC, "1m")
        server.terminate()
        lines = [json.loads(line) for line in server.log().splitlines()]
    read = next(line for line in lines if line.get("kind") == "read")
    assert (read["level"], read["rows"], read["code"]) == ("warning", 1, "ok")
    assert read["logger"] == "flightstore_server.flight.calls"
