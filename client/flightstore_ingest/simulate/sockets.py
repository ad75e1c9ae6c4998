"""Websocket connections: what was subscribed to is sent as it happens on the tape."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from aiohttp import WSCloseCode, WSMsgType, web

from flightstore_ingest.simulate.candles import grid, open_time
from flightstore_ingest.simulate.faults import WEBSOCKET_KINDS, Fault
from flightstore_ingest.simulate.mishaps import Mishaps
from flightstore_ingest.simulate.requests import Request
from flightstore_ingest.simulate.tape import Tape
from flightstore_ingest.simulate.wire import Subscription

if TYPE_CHECKING:
    from flightstore_ingest.simulate.exchange import SimulatedExchange

PUMP_SECONDS = 0.005
CANDLE_SECONDS = 0.25  # between two states of an open bar
FAREWELL_SECONDS = 1.0  # for a client to answer that the connection is closed
MESSAGE_BYTES_MAX = 1 << 20
IN_SESSION = tuple(kind for kind in WEBSOCKET_KINDS if kind != "refuse")
CONNECTED, MESSAGE, CLOSED, BROKEN = 101, 0, 1000, 1006


async def serve_socket(exchange: SimulatedExchange, request: web.Request) -> web.StreamResponse:
    """Answer a websocket's handshake and stay with it to its end."""
    refused = _refusal(exchange, request.path)
    if refused is not None:
        _log(exchange, request.path, refused.status, "refuse")
        headers = dict(refused.headers)
        if refused.retry_after is not None:
            headers["Retry-After"] = f"{refused.retry_after:g}"
        return web.Response(status=refused.status, headers=headers)
    if "upgrade" not in request.headers.get("Connection", "").lower():
        return web.Response(status=404)
    # Compression would cost more than everything else, and no client of an exchange asks for it.
    socket = web.WebSocketResponse(
        timeout=FAREWELL_SECONDS, compress=False, max_msg_size=MESSAGE_BYTES_MAX
    )
    await socket.prepare(request)
    connection = Connection(exchange, request, socket)
    exchange.connections.add(connection)
    _log(exchange, request.path, CONNECTED)
    try:
        await connection.run()
    finally:
        exchange.connections.discard(connection)
        broken = connection.fault_of_end is not None or socket.close_code == BROKEN
        _log(exchange, request.path, BROKEN if broken else CLOSED, connection.fault_of_end)
    return socket


def _refusal(exchange: SimulatedExchange, path: str) -> Fault | None:
    if exchange.down():
        return Fault("refuse", status=503)
    return exchange.faults.take(path, ("refuse",))


def _log(
    exchange: SimulatedExchange,
    path: str,
    status: int,
    fault: str | None = None,
    query: Mapping[str, str] | None = None,
) -> None:
    entry = Request(time.monotonic(), exchange.now(), "WS", path, query or {}, status, fault)
    exchange.log.append(entry)


class Connection:
    """One client's websocket: a `wire.Session`. Lives in the exchange's event loop."""

    def __init__(
        self, exchange: SimulatedExchange, request: web.Request, socket: web.WebSocketResponse
    ) -> None:
        self.exchange = exchange
        self.path, self.query = request.path, dict(request.query)
        self.subscriptions: dict[str, Subscription] = {}
        self.fault_of_end: str | None = None
        self._socket, self._transport = socket, request.transport
        self._numbers = itertools.count(1)
        # What is said in answer goes out before what happens after it.
        self._answers: list[str] = []
        self._mishaps = Mishaps()
        self._met: list[Fault] = []
        self._next_candles = self._next_heartbeat = 0.0

    # ---- what wires ask

    def subscribe(
        self, key: str, channel: str, tape: Tape, timeframe: str = "", note: Any = None
    ) -> Subscription:
        now = self.exchange.now()
        new = Subscription(key, channel, tape, timeframe, note)
        new.position = tape.visible(now)
        if channel == "aggregates":
            new.position = tape.aggregates().visible(new.position)
        if timeframe:
            new.closed_until = open_time(now, grid(timeframe))
        self.subscriptions[key] = new
        return new

    def unsubscribe(self, key: str) -> Subscription | None:
        return self.subscriptions.pop(key, None)

    def number(self) -> int:
        return next(self._numbers)

    # ---- its life

    async def run(self) -> None:
        """Read and write until one side has had enough."""
        self._answers += self.exchange.wire.on_connect(self)
        pump = asyncio.create_task(self._pump())
        # Nobody shall wait for what no longer comes.
        pump.add_done_callback(lambda _: self._hang_up())
        try:
            async for message in self._socket:
                if message.type == WSMsgType.TEXT:
                    _log(self.exchange, self.path, MESSAGE, None, {"text": message.data})
                    self._answers += self.exchange.wire.on_message(message.data, self)
        finally:
            pump.cancel()
            await _ended(pump)

    async def close(self) -> None:
        await self._socket.close(code=WSCloseCode.GOING_AWAY)

    async def _pump(self) -> None:
        exchange, wire = self.exchange, self.exchange.wire
        self._next_heartbeat = time.monotonic() + wire.heartbeat_seconds
        while not self._socket.closed:
            answers, self._answers = self._answers, []
            for text in answers:
                await self._socket.send_str(text)
            fault = exchange.faults.take(self.path, IN_SESSION, self._met)
            if fault is not None:
                self._mishaps.begin(fault)
            if exchange.down():
                self._mishaps.begin(Fault("close"))
            for text in self._mishaps.through(self._news()):
                await self._socket.send_str(text)
            if self._mishaps.closed:
                self._break()
                return
            await asyncio.sleep(PUMP_SECONDS)

    def _break(self) -> None:
        """End as connections do that break: without a farewell."""
        self.fault_of_end = "close"
        self._hang_up()

    def _hang_up(self) -> None:
        if self._transport is not None:
            self._transport.close()

    # ---- what is new on the tapes

    def _news(self) -> Iterator[str]:
        now, real = self.exchange.now(), time.monotonic()
        candles = real >= self._next_candles
        if candles:
            self._next_candles = real + CANDLE_SECONDS
        for subscription in list(self.subscriptions.values()):
            if subscription.channel == "trades":
                yield from self._trades(subscription, now)
            elif subscription.channel == "aggregates":
                yield from self._aggregates(subscription, now)
            elif subscription.channel == "candles" and candles:
                yield from self._candles(subscription, now)
        wire = self.exchange.wire
        if wire.heartbeat_seconds and real >= self._next_heartbeat:
            self._next_heartbeat = real + wire.heartbeat_seconds
            yield from wire.heartbeat_frames(self)

    def _trades(self, subscription: Subscription, now: int) -> Iterable[str]:
        tape, first = subscription.tape, subscription.position
        end = tape.visible(now)
        if end <= first:
            return ()
        subscription.position = end
        return self.exchange.wire.trade_frames(tape.rows(first, end), subscription, self.exchange)

    def _aggregates(self, subscription: Subscription, now: int) -> Iterable[str]:
        aggregates, first = subscription.tape.aggregates(), subscription.position
        end = aggregates.visible(subscription.tape.visible(now))
        if end <= first:
            return ()
        subscription.position = end
        rows = aggregates.rows(first, end)
        return self.exchange.wire.aggregate_frames(rows, subscription, self.exchange)

    def _candles(self, subscription: Subscription, now: int) -> Iterator[str]:
        """Bars that closed since the last look, and the open one if it has changed."""
        tape, step_ns = subscription.tape, grid(subscription.timeframe).step_ns
        wire = self.exchange.wire
        for bar in tape.bars(subscription.timeframe, subscription.closed_until, now + 1, now=now):
            final = bar.ts + step_ns <= now
            if final:
                subscription.closed_until = bar.ts + step_ns
            elif bar == subscription.bar:
                continue
            subscription.bar = bar
            yield from wire.candle_frames(bar, final, subscription, self.exchange)


async def _ended(pump: asyncio.Task[None]) -> None:
    """Wait for `pump`. That the client has gone is no error; anything else is one of ours."""
    await asyncio.wait([pump])
    error = None if pump.cancelled() else pump.exception()
    if error is not None and not isinstance(error, ConnectionError):
        raise error
