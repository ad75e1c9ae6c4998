"""The simulated exchange: tapes, a clock and one wire, behind REST routes and websockets."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from email.utils import formatdate
from typing import Any

from aiohttp import web

from flightstore_ingest.simulate.answering import send
from flightstore_ingest.simulate.clock import Clock
from flightstore_ingest.simulate.faults import REST_KINDS, ROW_FAULTS, Fault, Faults
from flightstore_ingest.simulate.limits import Limit
from flightstore_ingest.simulate.requests import Request, RequestLog
from flightstore_ingest.simulate.sockets import Connection, serve_socket
from flightstore_ingest.simulate.spoiling import PROXY_PAGE, spoiled
from flightstore_ingest.simulate.tape import Market, Tape
from flightstore_ingest.simulate.wire import Asked, Reply, Route, Wire
from flightstore_ingest.simulate.wires import wire_of
from flightstore_proto.timeframe import SECOND_NS

_COMPACT = (",", ":")
# Query values, of whatever exchange, that tell one page from the next.
_PAGING = {
    *("startTime", "endTime", "fromId", "since", "start", "end", "after", "before"),
    *("limit", "count", "sort"),
}


class SimulatedExchange:
    """One exchange that speaks like the real one of that ccxt `name`.

    `page_cap` is the most rows that a page gets, whatever was asked for and without a word about
    it. Raises ValueError for an unknown name and for two tapes of one market.
    """

    def __init__(
        self,
        name: str,
        tapes: Iterable[Tape],
        *,
        clock: Clock | None = None,
        limit: Limit | None = None,
        faults: Faults | None = None,
        page_cap: int | None = None,
    ) -> None:
        self.wire: Wire = wire_of(name)
        self.clock = clock or Clock()
        self.limit = limit or Limit()
        self.faults = faults or Faults()
        self.log = RequestLog()
        self.page_cap = page_cap
        self._tapes: dict[str, Tape] = {}
        self._by_id: dict[str, Tape] = {}
        for tape in tapes:
            self.list_market(tape)
        self._pages: dict[str, Reply] = {}  # the last of each series
        self.connections: set[Connection] = set()
        self.closing = asyncio.Event()

    def list_market(self, tape: Tape) -> None:
        """Trade one market more. Raises ValueError if it is there already."""
        market = tape.market
        market_id = market.id or self.wire.market_id(market)
        if market.symbol in self._tapes or market_id in self._by_id:
            raise ValueError(f"{self.wire.name} trades {market.symbol} already.")
        tape.quiet = tape.quiet or self.wire.quiet
        self._tapes[market.symbol] = self._by_id[market_id] = tape

    @property
    def name(self) -> str:
        return self.wire.name

    @property
    def tapes(self) -> Mapping[str, Tape]:
        """By symbol."""
        return self._tapes

    # ---- what wires ask

    def now(self) -> int:
        return self.clock.now()

    def told(self) -> int:
        return self.clock.told()

    def tape(self, market_id: str | None) -> Tape | None:
        tape = self._by_id.get(market_id or "")
        return tape if tape is not None and tape.market.listed_ns <= self.now() else None

    def markets(self) -> Sequence[tuple[str, Market]]:
        now = self.now()
        return [(i, t.market) for i, t in self._by_id.items() if t.market.listed_ns <= now]

    def page(self, asked: int | None, default: int, most: int) -> int:
        rows = min(asked if asked is not None and asked > 0 else default, most)
        return rows if self.page_cap is None else min(rows, self.page_cap)

    def down(self) -> bool:
        """Whether the whole exchange is in an outage."""
        now = self.now()
        return bool(self._tapes) and all(
            any(start <= now < end for start, end in tape.outages) for tape in self._tapes.values()
        )

    # ---- the web application

    def app(self) -> web.Application:
        """An aiohttp application that serves this exchange, once."""
        self.closing = asyncio.Event()
        app = web.Application()
        socket_paths = list(self.wire.ws_paths)
        for path in socket_paths:
            app.router.add_get(path, self._socket)
        for route in self.wire.routes():
            if route.path not in socket_paths:
                app.router.add_get(route.path, self._handler(route))
        app.router.add_route("*", "/{tail:.*}", self._handler(None))
        app.on_shutdown.append(self._close)
        return app

    async def _close(self, _: web.Application) -> None:
        self.closing.set()
        for connection in list(self.connections):
            await connection.close()

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        return await serve_socket(self, request)

    def _handler(self, route: Route | None) -> Any:
        async def handle(request: web.Request) -> web.StreamResponse:
            asked = Asked(
                request.path,
                dict(request.query),
                dict(request.match_info),
                {name.lower(): value for name, value in request.headers.items()},
            )
            fault = self.faults.take(request.path, REST_KINDS)
            reply = self._reply(route, asked, fault)
            self._record(request, asked, reply, fault)
            headers = {"Date": formatdate(self.told() // SECOND_NS, usegmt=True)}
            headers.update(self.wire.limit_headers(self.limit.used()))
            headers.update(reply.headers)
            return await send(request, text_of(reply), reply.status, headers, fault, self.closing)

        return handle

    def _record(
        self, request: web.Request, asked: Asked, reply: Reply, fault: Fault | None
    ) -> None:
        self.log.append(
            Request(
                time.monotonic(),
                self.now(),
                request.method,
                request.path,
                asked.query,
                reply.status,
                fault.kind if fault else None,
                reply.rows,
            )
        )

    def _reply(self, route: Route | None, asked: Asked, fault: Fault | None) -> Reply:
        if self.down():
            return self.wire.maintenance()
        verdict = self.limit.spend(route.weight if route else 1)
        if verdict is not None:
            until = self.told() + int(verdict.retry_after * self.clock.speed * SECOND_NS)
            return self.wire.limited(verdict.retry_after, until if verdict.banned else None)
        if fault is not None:
            instead = self._instead(asked, fault)
            if instead is not None:
                return instead
        if route is None:
            return self.wire.failed(404)
        reply = route.handler(asked, self)
        self._pages[_series(asked)] = reply
        if fault is not None and fault.kind in ROW_FAULTS:
            reply = spoiled(reply, fault.kind, self.wire.layout(asked.path))
        return reply

    def _instead(self, asked: Asked, fault: Fault) -> Reply | None:
        """What a fault says in place of the true answer, if it does."""
        if fault.kind == "status":
            return self._failed(fault)
        if fault.kind == "html":
            return Reply(PROXY_PAGE, headers={"Content-Type": "text/html"})
        if fault.kind == "empty":
            return self.wire.empty(asked)
        if fault.kind == "maintenance":
            return self.wire.maintenance()
        if fault.kind == "bad_symbol":
            return self.wire.bad_symbol()
        if fault.kind == "repeat":
            return self._pages.get(_series(asked))
        return None

    def _failed(self, fault: Fault) -> Reply:
        if fault.status in (418, 429):
            wait = fault.retry_after if fault.retry_after is not None else 1.0
            until = self.told() + int(wait * self.clock.speed * SECOND_NS)
            reply = self.wire.limited(wait, until if fault.status == 418 else None)
            if fault.retry_after is None:
                reply.headers.pop("Retry-After", None)
        else:
            reply = self.wire.failed(fault.status)
            if fault.retry_after is not None:
                reply.headers["Retry-After"] = f"{fault.retry_after:g}"
        body = reply.body if fault.body is None else fault.body
        return Reply(body, fault.status, {**reply.headers, **fault.headers})


def _series(asked: Asked) -> str:
    """The request without what makes it one page of many."""
    rest = sorted((k, v) for k, v in asked.query.items() if k not in _PAGING)
    return f"{asked.path} {rest}"


def text_of(reply: Reply) -> str:
    if isinstance(reply.body, str):
        return reply.body
    return json.dumps(reply.body, separators=_COMPACT)
