"""Which websocket carries which stream, so that a stream that has stalled can be subscribed anew.

ccxt remembers what was subscribed to for as long as the socket lives, and so would never ask
again: a stream that the exchange has dropped comes back only on a new socket.
"""

from __future__ import annotations

from collections.abc import Hashable
from contextvars import ContextVar
from time import time_ns
from typing import Any

# The stream on whose behalf ccxt is being called, in that call's own task.
_ASKING: ContextVar[Hashable] = ContextVar("asking", default=None)


class Sockets:
    """The websockets of one ccxt instance. Belongs to one event loop."""

    def __init__(self, api: Any) -> None:
        self._api, self._open = api, api.client
        self._urls: dict[Hashable, str] = {}
        self._carrying: dict[Hashable, Any] = {}
        self._replaced: set[Hashable] = set()
        api.client = self._client

    async def watch(self, stream: Hashable, method: str, *args: Any) -> Any:
        """ccxt's `method`, noting which socket it takes. To be run as a task of its own."""
        _ASKING.set(stream)
        try:
            return await getattr(self._api, method)(*args)
        except Exception:
            self._carrying.pop(stream, None)  # whoever watched knows by this error
            raise

    def replaced(self, stream: Hashable) -> bool:
        """Whether `stream` has got another socket unnoticed since the last time this was asked.

        A socket may end between two calls of `watch`: ccxt dials again then, without a word.
        """
        found = stream in self._replaced
        self._replaced.discard(stream)
        return found

    def hang_up(self, stream: Hashable, error: Exception) -> bool:
        """Close the socket that carries `stream`; all who watch on it get `error`, and redial.

        Returns whether there was one.
        """
        client = self._of(stream)
        if client is None or client.closed():
            return False  # not there, or still being dialled: nothing to hang up
        client.on_error(error)
        return True

    def silent_for(self, stream: Hashable) -> float:
        """Seconds since anything, a heartbeat included, came on the socket of `stream`."""
        client = self._of(stream)
        heard = client and (client.last_message_at or client.connectionEstablished)
        # ccxt stamps messages with this machine's time, whatever the exchange's clock says.
        return (time_ns() // 1_000_000 - heard) / 1000 if heard else 0.0

    def _of(self, stream: Hashable) -> Any:
        return self._api.clients.get(self._urls.get(stream))

    def _client(self, url: str) -> Any:
        """In place of ccxt's `client`, which makes or finds the socket for an address."""
        stream, client = _ASKING.get(), self._open(url)
        if stream is not None:
            self._urls[stream] = url
            if self._carrying.get(stream, client) is not client:
                self._replaced.add(stream)
            self._carrying[stream] = client
        return client
