"""Comparing what writers have noted with what a server holds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from tests.crash.ledger import MINUTES, Ledger, Values
from tests.support.rows import MINUTE, NOON_2024, bars_of

import flightstore as fs


def settle(uri: str, ledgers: Sequence[Ledger]) -> None:
    """Fails unless the server holds what is acknowledged and nothing else, all of it intact."""
    with fs.connect(uri, same_host=False) as db:
        for ledger in ledgers:
            ledger.settle(found(db, ledger.instrument))
        *_, verdict = db.verify()
    assert verdict.finished
    assert list(verdict.damage) == []


def found(db: fs.Client, instrument: str) -> Values:
    """The bars of one series, one value per minute."""
    values = np.full(MINUTES, np.nan)
    try:
        table = db.candles(instrument, "1m", output="arrow")
    except (fs.UnknownInstrument, fs.UnknownDataset):
        return values
    bars = bars_of(table.to_batches())
    times = np.array([ts for ts, _ in bars], np.int64)
    assert (np.diff(times) > 0).all(), f"{instrument} holds a row twice or out of order"
    values[(times - NOON_2024) // MINUTE] = [close for _, close in bars]
    return values
