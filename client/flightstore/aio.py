"""The client for programs that live in an event loop.

    async with fs.aio.connect() as db:
        btc = await db.candles("binance:BTC/USDT", "1m", "-1d")
        async for batch in db.batches("binance:BTC/USDT", "1m"):
            ...

Every method of `Client` is here as a coroutine that takes the same arguments, done by a thread of
the loop's default executor. Cancelling the coroutine frees the caller at once; the call itself
ends by itself or at its deadline. `live` and `live_many` are not coroutines: what they return is
iterated with `async for`, and its threads are its own, so that any number of streams can wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterator
from functools import wraps
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

from flightstore._client import Client
from flightstore._client import connect as _connect
from flightstore._follows import Follows
from flightstore._live.event_loop import AsyncLive
from flightstore._live.iterator import Live
from flightstore._rules import Rules
from flightstore._writer import Writer

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S")  # the synchronous class


def _threaded(
    method: Callable[Concatenate[S, P], R],
) -> Callable[Concatenate[Any, P], Coroutine[Any, Any, R]]:
    """`method` of the synchronous class as a coroutine of its twin."""

    @wraps(method)
    async def call(self: Any, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return await asyncio.to_thread(method, self._sync, *args, **kwargs)

    return cast("Callable[Concatenate[Any, P], Coroutine[Any, Any, R]]", call)


def _iterated(
    method: Callable[Concatenate[S, P], Iterator[R]],
) -> Callable[Concatenate[Any, P], AsyncIterator[R]]:
    """`method`, which gives an iterator, as an asynchronous generator that closes it at the end."""

    @wraps(method)
    async def iterate(self: Any, /, *args: P.args, **kwargs: P.kwargs) -> AsyncIterator[R]:
        iterator: Any = await asyncio.to_thread(method, self._sync, *args, **kwargs)
        try:
            while (item := await asyncio.to_thread(next, iterator, None)) is not None:
                yield item
        finally:
            iterator.close()

    return cast("Callable[Concatenate[Any, P], AsyncIterator[R]]", iterate)


def _followed(
    method: Callable[Concatenate[Follows, P], Live],
) -> Callable[Concatenate[Any, P], AsyncLive]:
    """`method`, which gives a live stream, without the wait until that is open."""

    @wraps(method)
    def follow(self: Any, /, *args: P.args, **kwargs: P.kwargs) -> AsyncLive:
        return AsyncLive(method(_Impatient(self._sync), *args, **kwargs))

    return cast("Callable[Concatenate[Any, P], AsyncLive]", follow)


class _Impatient(Follows):
    def __init__(self, sync: Client) -> None:
        self._connection = sync._connection

    def _ready(self, live: Live) -> Live:
        return live


class AsyncRules:
    """Rules for an event loop."""

    def __init__(self, sync: Rules) -> None:
        self._sync = sync

    add = _threaded(Rules.add)
    list = _threaded(Rules.list)
    remove = _threaded(Rules.remove)


class AsyncWriter:
    """Writer for an event loop: `pending = await w.write(...)`, later `ack = await pending`."""

    def __init__(self, sync: Writer) -> None:
        self._sync = sync

    write = _threaded(Writer.write)
    write_many = _threaded(Writer.write_many)
    flush = _threaded(Writer.flush)
    close = _threaded(Writer.close)

    async def __aenter__(self) -> AsyncWriter:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await asyncio.to_thread(self._sync.__exit__, kind, error, trace)


class AsyncClient:
    """Client for an event loop. Made by `aio.connect`; an asynchronous context manager."""

    def __init__(self, sync: Client) -> None:
        self._sync = sync

    @property
    def uri(self) -> str:
        """The server's address."""
        return self._sync.uri

    series = _threaded(Client.series)
    read = _threaded(Client.read)
    candles = _threaded(Client.candles)
    trades = _threaded(Client.trades)
    batches = _iterated(Client.batches)
    latest = _threaded(Client.latest)
    asof = _threaded(Client.asof)
    scan = _threaded(Client.scan)
    sql = _threaded(Client.sql)
    plan = _threaded(Client.plan)
    live = _followed(Client.live)
    live_many = _followed(Client.live_many)
    windows = _threaded(Client.windows)
    gaps = _threaded(Client.gaps)
    coverage = _threaded(Client.coverage)
    write = _threaded(Client.write)
    write_many = _threaded(Client.write_many)
    delete = _threaded(Client.delete)
    describe = _threaded(Client.describe)
    health = _threaded(Client.health)
    status = _threaded(Client.status)
    snapshot = _threaded(Client.snapshot)
    snapshots = _threaded(Client.snapshots)
    drop_snapshot = _threaded(Client.drop_snapshot)
    sync = _threaded(Client.sync)
    promote = _threaded(Client.promote)
    flush = _threaded(Client.flush)
    compact = _threaded(Client.compact)
    verify = _iterated(Client.verify)
    backup = _threaded(Client.backup)
    close = _threaded(Client.close)

    @property
    def rules(self) -> AsyncRules:
        """As `Client.rules`; its methods are coroutines."""
        return AsyncRules(self._sync.rules)

    def writer(self, dataset: str = "candles", timeframe: str | None = None) -> AsyncWriter:
        """As `Client.writer`; its `write` is a coroutine, what it returns can be awaited."""
        return AsyncWriter(self._sync.writer(dataset, timeframe))

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()


class _Connecting:
    """What `connect` returns: to be awaited, or entered with `async with`."""

    def __init__(self, start: Callable[[], Client]) -> None:
        self._start = start
        self._client: AsyncClient | None = None

    async def _connected(self) -> AsyncClient:
        return AsyncClient(await asyncio.to_thread(self._start))

    def __await__(self) -> Generator[Any, None, AsyncClient]:
        return self._connected().__await__()

    async def __aenter__(self) -> AsyncClient:
        self._client = await self._connected()
        return self._client

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._client is not None:
            await self._client.close()


def _connecting(method: Callable[P, Client]) -> Callable[P, _Connecting]:
    @wraps(method)
    def connect(*args: P.args, **kwargs: P.kwargs) -> _Connecting:
        return _Connecting(lambda: method(*args, **kwargs))

    return connect


connect = _connecting(_connect)

__all__ = ["AsyncClient", "AsyncLive", "AsyncRules", "AsyncWriter", "connect"]
