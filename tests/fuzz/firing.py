"""Many calls at once on one server, and what came of them."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType

from tests.fuzz.calls import Call, Caller, Outcome
from tests.fuzz.verdict import OPEN_ENDED

_CONNECTIONS = 4
# Of those that may be without an end, and of those that have to answer.
_PATIENCE, _SECONDS = 0.3, 60.0


class Battery:
    """Connections that share calls among them; what happens at once is left to chance."""

    def __init__(self, uri: str) -> None:
        self._callers = [Caller(uri) for _ in range(_CONNECTIONS)]
        self._threads = ThreadPoolExecutor(_CONNECTIONS)

    def fire(self, calls: Sequence[Call]) -> list[tuple[Call, Outcome]]:
        """Make all of `calls`, and say how each ended."""
        shares = [calls[at::_CONNECTIONS] for at in range(_CONNECTIONS)]
        done = self._threads.map(_make_all, self._callers, shares)
        return [result for results in done for result in results]

    def __enter__(self) -> Battery:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._threads.shutdown()
        for caller in self._callers:
            caller.close()


def _make_all(caller: Caller, calls: Sequence[Call]) -> list[tuple[Call, Outcome]]:
    return [(call, caller.make(call, _seconds(call))) for call in calls]


def _seconds(call: Call) -> float:
    return _PATIENCE if call.method in OPEN_ENDED else _SECONDS
