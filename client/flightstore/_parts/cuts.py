"""Where to cut a read, into groups of series or at times, so that all parts cost about the same."""

from __future__ import annotations

from collections.abc import Sequence

from flightstore._parts.held import Held


def grouped(held: Sequence[Held], parts: int) -> list[list[Held]]:
    """`held` in its order, in at most `parts` groups of about as many rows each."""
    weights = [max(one.rows, 1) for one in held]
    total, passed = sum(weights), 0
    groups: dict[int, list[Held]] = {}
    for one, weight in zip(held, weights, strict=True):
        # A series belongs to the share of the rows that its middle falls into.
        share = parts * (2 * passed + weight) // (2 * total)
        groups.setdefault(share, []).append(one)
        passed += weight
    return list(groups.values())


def cuts(held: Sequence[Held], parts: int, step: int, offset: int) -> list[int]:
    """At most `parts` - 1 times between which `held` has about as many rows each.

    They are multiples of `step` from `offset` on (ns), after the first row, in order.
    """
    lives = [one for one in held if one.rows and one.end > one.first]
    if not lives:
        return []
    first, share = min(one.first for one in lives), sum(one.rows for one in lives) / parts
    at, density, passed, wanted = first, 0.0, 0.0, 1
    found: set[int] = set()
    for time, change in _changes(lives):
        rows = density * (time - at)
        while rows > 0 and wanted < parts and passed + rows >= share * wanted:
            ideal = at + int((share * wanted - passed) / density)
            found.add(ideal - (ideal - offset) % step)
            wanted += 1
        at, density, passed = time, density + change, passed + rows
    return sorted(time for time in found if time > first)


def _changes(lives: Sequence[Held]) -> list[tuple[int, float]]:
    """When the number of rows per nanosecond changes, and by how much."""
    changes = []
    for one in lives:
        density = one.rows / (one.end - one.first)
        changes += [(one.first, density), (one.end, -density)]
    return sorted(changes)
