"""Whether there is one order of all changes in which every read makes sense.

The order is that of the acknowledged LSNs. Every read must show, of its series, exactly what some
beginning of that order leaves: nothing torn, nothing doubled, nothing of two moments. It may not be
older than what was acknowledged when it began, nor than what any read had shown that had ended.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass

from tests.histories.history import Change, History, Read, Rows


@dataclass(frozen=True, slots=True)
class _Seen:
    """A read, and after how many changes of the order its rows are right: from first to last."""

    read: Read
    first: int
    last: int


def anomalies(history: History) -> Iterator[str]:
    """What cannot have happened in a store that does one thing after the other."""
    changes = sorted((c for c in history.changes if c.lsn), key=lambda change: change.lsn)
    states = _states(changes)
    places: dict[tuple[tuple[str, ...], bool], dict[Hashable, tuple[int, int]]] = {}
    seen = []
    for read in sorted(history.reads, key=lambda read: read.begun):
        kind = (read.series, read.newest)
        if kind not in places:
            places[kind] = _places(states, *kind)
        place = places[kind].get(_frozen(read.rows))
        if place is None:
            yield f"a read shows what never was: {read}"
        else:
            seen.append(_Seen(read, *place))
    yield from _too_old(seen, changes)


def _states(changes: Sequence[Change]) -> list[Rows]:
    """What each beginning of the order leaves, from none of the changes to all of them."""
    states: list[Rows] = [{}]
    for change in changes:
        after = dict(states[-1])
        for name in change.series:
            rows = dict(after.get(name, {}))
            if change.number:
                rows[0] = rows[change.number] = float(change.number)
            after[name] = {m: close for m, close in rows.items() if m not in change.gone}
        states.append(after)
    return states


def _places(
    states: Sequence[Rows], series: tuple[str, ...], newest: bool
) -> dict[Hashable, tuple[int, int]]:
    """Where in the order a read of `series` brings which rows: at first, and at last."""
    found: dict[Hashable, tuple[int, int]] = {}
    for at, state in enumerate(states):
        rows = {name: state[name] for name in series if state.get(name)}
        if newest:
            rows = {name: {max(held): held[max(held)]} for name, held in rows.items()}
        shown = _frozen(rows)
        found[shown] = (found.get(shown, (at, at))[0], at)
    return found


def _frozen(rows: Rows) -> Hashable:
    return frozenset((name, frozenset(held.items())) for name, held in rows.items() if held)


def _too_old(seen: Sequence[_Seen], changes: Sequence[Change]) -> Iterator[str]:
    """Reads that miss what was acknowledged, or shown, before they began."""
    told = [(change.ended, at + 1) for at, change in enumerate(changes)]
    told += [(one.read.ended, one.first) for one in seen]
    told.sort()
    at = known = 0
    for one in seen:  # by their beginning
        while at < len(told) and told[at][0] < one.read.begun:
            known = max(known, told[at][1])
            at += 1
        if one.last < known:
            yield f"a read is as of change {one.last}, and {known} was known: {one.read}"
