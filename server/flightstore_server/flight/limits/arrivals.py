"""How often a handler heard from each connection. Who sends without being heard is a suspect."""

from __future__ import annotations

from collections.abc import Container

import pyarrow.flight as fl


class Arrivals:
    """Counts per connection. An update that is lost to another thread does no harm."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}

    def heard(self, peer: str) -> None:
        """A call of `peer` has come, or a message of one."""
        self._counts[peer] = self._counts.get(peer, 0) + 1

    def count(self, peer: str) -> int:
        """How often `peer` was heard."""
        return self._counts.get(peer, 0)

    def keep(self, peers: Container[str]) -> None:
        """Forget all others."""
        for peer in [known for known in list(self._counts) if known not in peers]:
            self._counts.pop(peer, None)


def peer_of(context: fl.ServerCallContext) -> str:
    """Who calls, as address:port. Flight says ipv4:10.0.0.1:55 or ipv6:%5B::1%5D:55."""
    peer: str = context.peer()
    return peer.partition(":")[2].replace("%5B", "").replace("%5D", "")
