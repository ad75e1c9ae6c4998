"""Gaps and their reasons, against a walk over every minute."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.rows import MINUTE, candles
from tests.support.seeds import generator, scaled
from tests.support.stores import BTC, NOW, put, stepped, view

from flightstore_proto.reasons import REASONS
from flightstore_proto.timerange import format_ns
from flightstore_server.engine.gaps import Gaps, gaps

END = 60


def _minutes(found: Gaps) -> dict[int, str]:
    """The reason of each minute that lies in a gap."""
    rows = zip(found.start, found.end, found.missing, found.reason, strict=True)
    reasons: dict[int, str] = {}
    for start, end, missing, reason in rows:
        assert (end - start) // MINUTE == missing > 0
        for minute in range(start // MINUTE, end // MINUTE):
            assert minute not in reasons
            reasons[minute] = REASONS[reason]
    return reasons


def _expected(
    bars: set[int], covered: set[int], listed: int, ended: int, *, confirmed: bool
) -> dict[int, str]:
    reasons = {}
    for minute in set(range(END)) - bars:
        if minute in covered and not confirmed:
            continue
        reason = "no trades" if minute in covered else "not fetched"
        reason = "after delisting" if minute >= ended else reason
        reasons[minute] = "before listing" if minute < listed else reason
    return reasons


def test_every_minute_has_the_reason_that_a_walk_finds(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    rng = generator("gaps")
    for case in range(scaled(request.config, ci=40, nightly=1_000)):
        store = stepped(tmp_path / str(case))
        bars = set(rng.sample(range(END), rng.randrange(1, END)))
        spans = [sorted(rng.sample(range(END + 1), 2)) for _ in range(rng.randrange(4))]
        covered = {minute for low, high in spans for minute in range(low, high)}
        listed, ended = rng.randrange(-5, END), rng.randrange(END + 5)
        put(
            store,
            candles([minute * MINUTE for minute in sorted(bars)]),
            covers=[(low * MINUTE, high * MINUTE) for low, high in spans],
        )
        life = {"listed": format_ns(listed * MINUTE), "ended": format_ns(ended * MINUTE)}
        store.describe("candles", BTC, "1m", life)
        for confirmed in (False, True):
            found = gaps(
                view(store), store.segments, 0, END * MINUTE, now_ns=NOW, confirmed=confirmed
            )
            expected = _expected(bars, covered, listed, ended, confirmed=confirmed)
            found_minutes = {
                m: "no trades" if r == "likely an outage" else r for m, r in _minutes(found).items()
            }
            assert found_minutes == expected, (case, sorted(bars), spans, life)
        store.close()
