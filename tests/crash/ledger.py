"""What one writer did, and what a store that was killed may therefore hold."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from tests.support.rows import MINUTE, NOON_2024

import flightstore as fs

MINUTES = 8_192
Values = NDArray[np.float64]  # one per minute; NaN where there is no bar


@dataclass(frozen=True, slots=True)
class Change:
    """Bars of consecutive minutes with one value; None deletes them."""

    first: int
    count: int
    value: float | None

    @property
    def times(self) -> NDArray[np.int64]:
        return (np.arange(self.first, self.first + self.count) * MINUTE) + NOON_2024

    def apply(self, values: Values) -> Values:
        changed = values.copy()
        changed[self.first : self.first + self.count] = np.nan if self.value is None else self.value
        return changed


@dataclass(slots=True)
class Ledger:
    """The acknowledged state of one series, and changes that were sent and not acknowledged.

    A writer's changes are applied in order, each whole or not at all, so a store may hold the
    acknowledged state and any number of the first changes after it, and nothing else.

    doubtful   the power is being cut: an acknowledgement from now on is as good as none. Nobody
               would hear of it, and a sync can say that it is done while its file system is being
               shut down (seen on ext4 and XFS, once in a hundred cuts).
    """

    instrument: str
    acknowledged: Values = field(default_factory=lambda: np.full(MINUTES, np.nan))
    sent: list[Change] = field(default_factory=list)
    acknowledgements: int = 0
    doubtful: bool = False

    def confirm(self) -> None:
        """The oldest change that was sent is acknowledged."""
        if self.doubtful:
            return
        self.acknowledged = self.sent.pop(0).apply(self.acknowledged)
        self.acknowledgements += 1

    def possible(self) -> Iterator[Values]:
        state = self.acknowledged
        yield state
        for change in self.sent:
            state = change.apply(state)
            yield state

    def settle(self, found: Values) -> None:
        """Compare with what was `found`, from which it then goes on. Fails if it cannot be."""
        if any(np.array_equal(found, state, equal_nan=True) for state in self.possible()):
            self.acknowledged, self.sent, self.doubtful = found, [], False
            return
        wrong = np.flatnonzero(
            ~((found == self.acknowledged) | (np.isnan(found) & np.isnan(self.acknowledged)))
        )
        raise AssertionError(
            f"{self.instrument}: {len(wrong)} minutes from {wrong[:5]} on hold "
            f"{found[wrong[:5]]}, acknowledged were {self.acknowledged[wrong[:5]]}; "
            f"unacknowledged: {self.sent}"
        )


def digest(values: Values) -> bytes:
    """A few bytes that tell whether a series that nobody writes to any more is still the same."""
    return hashlib.blake2b(values.tobytes(), digest_size=16).digest()


def found(db: fs.Client, instrument: str) -> Values:
    """The bars that a store has of one series, having checked that none is torn or there twice."""
    try:
        table = db.candles(instrument, "1m", output="arrow")
    except (fs.UnknownInstrument, fs.UnknownDataset):
        return np.full(MINUTES, np.nan)
    ts = table.column("ts").to_numpy().astype(np.int64)
    close = table.column("close").to_numpy()
    assert (np.diff(ts) > 0).all(), f"{instrument} holds a row twice or out of order"
    for name, offset in (("open", -0.25), ("high", 1.0), ("low", -1.0)):
        assert (table.column(name).to_numpy() == close + offset).all(), "a row is torn"
    return placed(ts, close)


def placed(ts: NDArray[np.int64], close: Values) -> Values:
    """Bars by their minute."""
    values = np.full(MINUTES, np.nan)
    values[(ts - NOON_2024) // MINUTE] = close
    return values
