"""What a stream of trades proves by itself, where each trade's id is the one before plus one.

A run of ids without a gap, seen from its first to its last trade, leaves nothing out in between;
so the time between the two is complete, without asking the exchange again.
"""

from __future__ import annotations

from collections.abc import Iterable

MS = 1_000_000
# Left out at both ends of a run: trades of one instant may lie on both sides of its end, and
# exchanges have numbered trades that came close together in another order than that of their times.
MARGIN_NS = 1_000_000_000


class Claims:
    """Follows the ids of one stream, through lost connections too: the ids tell what was lost.

    A claim builds on the trades of earlier calls: whoever drops some of them has to distrust
    claims that begin before them.
    """

    def __init__(self) -> None:
        self._next: int | None = None  # the id that goes on with the run
        self._from = 0  # ns from which nothing is claimed yet

    def after(self, trades: Iterable[tuple[int, int]]) -> tuple[tuple[int, int] | None, bool]:
        """The ns [start, end) that are complete with `trades`, pairs of id and ns, and whether
        ids are missing before or among them. What was seen already changes nothing.
        """
        lost, newest = False, 0
        for number, ts in sorted(trades):
            if self._next is not None and number < self._next:
                continue
            if number != self._next:
                lost = lost or self._next is not None
                self._from = max(self._from, (ts + MARGIN_NS) // MS * MS)
            self._next, newest = number + 1, max(newest, ts)
        start, end = self._from, (newest - MARGIN_NS) // MS * MS
        if end <= start:
            return None, lost
        self._from = end
        return (start, end), lost
