"""Metrics: what is scraped, what is written about it, and that the numbers are true."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from tests.support.rows import MINUTE, candles
from tests.support.stores import BTC, put, stepped

from flightstore_proto.errors import BY_CODE
from flightstore_server.engine.scrubbing.scrub import Scrub
from flightstore_server.engine.store import Store
from flightstore_server.metrics.collector import registry_of
from flightstore_server.metrics.observed import Observed, unready

ROOT = Path(__file__).parents[3]
SERVER = ROOT / "server" / "flightstore_server"
DOCUMENT = (ROOT / "docs" / "operations.md").read_text()
ALERTS = (ROOT / "config" / "alerts.yml").read_text()
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


class Unlimited:
    """Limits and their use, as the edge tells them."""

    def limits(self) -> dict[str, int]:
        return {"streams_max": 256}

    def used(self) -> dict[str, int]:
        return {"streams": 3}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = stepped(tmp_path)
    opened.scrub = Scrub(opened, bytes_per_second=1, interval_days=1)
    yield opened
    opened.close()


def scraped(store: Store) -> Samples:
    text = generate_latest(registry_of(lambda: Observed(store, Unlimited()))).decode()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def names_of(samples: Samples) -> set[str]:
    """The metrics by the names that people use: a histogram has one."""
    return {re.sub(r"_seconds_(bucket|sum|count)$", "_seconds", name) for name, _ in samples}


def everything(store: Store) -> Samples:
    """A scrape in which every metric has a sample."""
    store.served.sent("read", 1, 8)
    store.served.ended("read", 0.1)
    store.served.failed("corrupt")
    return scraped(store)


def test_every_metric_is_documented_and_every_documented_one_exists(store: Store) -> None:
    documented = set(re.findall(r"`((?:flightstore|process)_\w+)[`{]", DOCUMENT))
    assert names_of(everything(store)) == documented


def test_alerts_name_only_metrics_that_exist(store: Store) -> None:
    named = set(re.findall(r"\b((?:flightstore|process)_\w+)", ALERTS))
    known = {name for name, _ in everything(store)}
    assert named <= known
    assert named


def test_alerts_and_their_explanations_are_the_same() -> None:
    alerts = re.findall(r"alert: (\w+)", ALERTS)
    table = DOCUMENT.partition("## Alarms")[2].partition("## ")[0].splitlines()
    names = " ".join(line.split("|")[1] for line in table if line.startswith("|"))
    assert sorted(alerts) == sorted(re.findall(r"Flightstore\w+", names))


def test_codes_in_alerts_are_codes_of_errors() -> None:
    assert set(re.findall(r'code="(\w+)"', ALERTS)) <= set(BY_CODE)


def logged_errors() -> Iterator[tuple[str, str]]:
    """(where, the longest constant part) of every message at level ERROR and above."""
    for path in sorted(SERVER.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and ast.unparse(node.func) in ("log.error", "log.critical", "log.exception")
                and isinstance(node.args[0], ast.Constant)
            ):
                parts = re.split(r"%\w", str(node.args[0].value))
                yield f"{path.name}:{node.lineno}", max(parts, key=len).strip(" :,")


def test_every_error_line_of_the_log_is_explained() -> None:
    explained = DOCUMENT.partition("## Lines of the log")[2]
    missing = [(where, text) for where, text in logged_errors() if text not in explained]
    assert not missing


def test_puts_and_flushes_are_counted(store: Store) -> None:
    put(store, candles([0, MINUTE]), put_id=7)
    put(store, candles([0, MINUTE]), put_id=7)
    put(store, candles([2 * MINUTE]), put_id=8)
    store.flush()
    found = scraped(store)

    def value(metric: str, **labels: str) -> float:
        return found[f"flightstore_{metric}", frozenset(labels.items())]

    assert value("puts_total") == 2
    assert value("put_rows_total") == 3
    assert value("puts_repeated_total") == 1
    assert value("log_sync_seconds_count") == 2
    assert value("log_lsn") == value("log_flushed_lsn") == 2
    assert value("log_written_bytes_total") == value("log_bytes") - 8
    assert value("upkeep_runs_total", work="flush") == 1
    assert value("upkeep_files_total", work="flush") == value("segments") == 1
    assert value("upkeep_bytes_total", work="flush") == value("segment_bytes") > 0
    assert value("limit", name="streams_max") == 256
    assert value("used", name="streams") == 3


def test_compactions_are_counted(store: Store) -> None:
    for number in range(3):
        put(store, candles([number * MINUTE]))
        store.flush()
    store.compact(full=True)
    work = store.maintenance.merging.done
    assert (work.runs, work.files) == (1, 1)
    assert work.bytes > 0


def test_a_store_that_refuses_writes_is_not_ready_and_says_why(store: Store) -> None:
    assert unready(store) == ""
    store.committer.poison("writing the log", OSError("the disk is gone"))
    assert "the disk is gone" in unready(store)
    found = scraped(store)
    assert found["flightstore_writes_refused", frozenset()] == 1
    assert found["flightstore_ready", frozenset()] == 0


def test_a_replica_is_ready_once_it_follows(store: Store) -> None:
    store.replica = SimpleNamespace(state="connecting", error="", stop=lambda: None)
    assert unready(store) == "the replica is connecting: its primary has not answered yet"
    store.replica.state, store.replica.error = "diverged", "another history"
    assert unready(store) == "the replica is diverged: another history"
    store.replica.state = "running"
    assert unready(store) == ""
    store.replica = None


def test_only_the_metrics_package_knows_prometheus() -> None:
    users = {
        path.parent.name for path in SERVER.rglob("*.py") if "prometheus_client" in path.read_text()
    }
    assert users == {"metrics"}


def test_a_consumer_is_as_far_behind_as_the_records_it_has_not_dealt_with(store: Store) -> None:
    class Slow:
        name, kind, lsn, state, error, errors = "replica x", "replica", 1, "running", "", 4

    store.consumers.register(Slow())
    for number in range(3):
        put(store, candles([number * MINUTE]), instrument=BTC)
    labels = frozenset({("consumer", "replica x"), ("kind", "replica")})
    found = scraped(store)
    assert found["flightstore_consumer_lag_records", labels] == 2
    assert found["flightstore_consumer_errors_total", labels] == 4
