"""The example that comes along: unusual volumes are said once, and usual ones are not."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.support.rows import MINUTE, NOON_2024, candles, trades

from flightstore_server.triggers import TriggerBatch
from flightstore_server.triggers.volume_alert import VolumeAlert

BTC, ETH = "any:BTC/USD", "any:ETH/USD"


def _bars(first: int, volumes: Sequence[float], instrument: str = BTC) -> TriggerBatch:
    times = [NOON_2024 + minute * MINUTE for minute in range(first, first + len(volumes))]
    rows = candles(times, [volume / 2 for volume in volumes])
    return TriggerBatch("candles", instrument, "1m", 1, rows)


def _alerts(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def test_a_bar_of_unusual_volume_is_said(caplog: pytest.LogCaptureFixture) -> None:
    alert = VolumeAlert({"factor": 3, "window": 4})
    alert.on_batch(_bars(0, [10, 10, 10, 10]))
    alert.on_batch(_bars(4, [30, 50, 20]))
    assert _alerts(caplog) == [f"2024-01-01 12:05:00 {BTC}: 50, usually 15"]


def test_nothing_is_unusual_before_enough_is_known(caplog: pytest.LogCaptureFixture) -> None:
    alert = VolumeAlert({"factor": 3, "window": 4})
    alert.on_batch(_bars(0, [1, 1, 100]))
    alert.on_batch(_bars(0, [10, 10, 10, 10], ETH))
    assert _alerts(caplog) == []


def test_rows_that_come_again_do_not_count(caplog: pytest.LogCaptureFixture) -> None:
    alert = VolumeAlert({"factor": 3, "window": 4})
    for _ in range(2):
        alert.on_batch(_bars(0, [10, 10, 10, 10]))
        alert.on_batch(_bars(4, [100]))
    assert len(_alerts(caplog)) == 1


def test_trades_count_by_their_amount(caplog: pytest.LogCaptureFixture) -> None:
    alert = VolumeAlert({"factor": 3, "window": 2})
    rows = trades([(NOON_2024 + n, str(n), price) for n, price in enumerate([1.0, 1.0, 50.0])])
    alert.on_batch(TriggerBatch("trades", BTC, "", 1, rows))
    assert _alerts(caplog) == [f"2024-01-01 12:00:00 {BTC}: 100, usually 2"]


def test_what_is_deleted_is_nothing_new(caplog: pytest.LogCaptureFixture) -> None:
    alert = VolumeAlert({})
    alert.on_batch(TriggerBatch("candles", BTC, "1m", 1, candles([]), (None, None)))
    assert _alerts(caplog) == []


def test_alerts_go_to_a_file_as_well(tmp_path: Path) -> None:
    path = tmp_path / "alerts.txt"
    alert = VolumeAlert({"factor": 3, "window": 1, "file": str(path)})
    alert.on_batch(_bars(0, [1, 10, 100]))
    assert len(path.read_text().splitlines()) == 2
