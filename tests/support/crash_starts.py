"""What starts from simulated disks find, each start that can differ taken once.

A start depends on nothing but what it looks at: the catalog, the files it reads, the folders it
lists. So known starts form a tree. A node says what is looked at next, and a branch what was seen
there; a disk that shows the same at every node of a branch leads to what was found at its end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from tests.support.crash_files import DiskState, Look

T = TypeVar("T")


@dataclass(slots=True)
class Known(Generic[T]):
    """A node (`look` is what comes next), or the end of a branch (`outcome`)."""

    look: Look | None = None
    branches: dict[int, Known[T]] = field(default_factory=dict)
    outcome: T | None = None

    def find(self, state: DiskState) -> Known[T] | None:
        """The end of the branch that a start from `state` takes; None if there is none yet."""
        node: Known[T] | None = self
        while node is not None and node.look is not None:
            node = node.branches.get(node.look.seen_on(state))
        return node if node is not None and node.outcome is not None else None

    def add(self, looks: Sequence[Look], state: DiskState, outcome: T) -> Known[T]:
        """Remember that a start from `state` looked at `looks`, and what came of it."""
        node = self
        for look in looks:
            assert node.outcome is None, "a start looked further than one that saw the same"
            assert node.look in (None, look), "a start depends on something that it did not look at"
            node.look = look
            node = node.branches.setdefault(look.seen_on(state), Known())
        assert node.look is None, "a start looked at less than one that saw the same"
        node.outcome = outcome
        return node
