"""Tickhouse, the vendor of docs/sources.md, on the loopback: it fails, garbles and delists."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

KEY = "a key"
DAY_MS = 86_400_000
FIRST = 1_704_067_200_000  # 2024-01-01 00:00 UTC
LAST = FIRST + 365 * DAY_MS  # its last bar; later ranges are complete and empty
LIMIT = 100


def bar(t: int) -> dict[str, Any]:
    """The bar of a stock that rises by a cent each day; `t` in ms."""
    price = round(100 + (t - FIRST) / DAY_MS / 100, 2)
    return {"t": t, "o": price, "h": price + 1, "l": price - 1, "c": price, "v": 1_000}


class Tickhouse:
    """`mishaps` are what the next requests for bars meet, each with one: a name below, or "".

    down       503
    busy       429, and how long to wait
    proxy      a page of HTML in the answer's place
    inverted   one bar whose high is below its low
    shapeless  JSON without bars
    """

    def __init__(self, mishaps: list[str]) -> None:
        self.mishaps = deque(mishaps)
        self.asked = 0

    async def symbols(self, request: web.Request) -> web.Response:
        self._check_key(request)
        names = ("AAPL", "GONE")
        return web.json_response({"symbols": [{"symbol": n, "first_bar": FIRST} for n in names]})

    async def bars(self, request: web.Request) -> web.Response:
        self._check_key(request)
        if request.query["symbol"] == "GONE":
            raise web.HTTPGone
        self.asked += 1
        mishap = self.mishaps.popleft() if self.mishaps else ""
        if mishap == "down":
            raise web.HTTPServiceUnavailable
        if mishap == "busy":
            raise web.HTTPTooManyRequests(headers={"Retry-After": "0.05"})
        if mishap == "proxy":
            return web.Response(text="<html>Please log in.</html>", content_type="text/html")
        if mishap == "shapeless":
            return web.json_response({"error": None})
        return web.json_response(self._answer(request, mishap))

    def _answer(self, request: web.Request, mishap: str) -> dict[str, Any]:
        start, end = int(request.query["from"]), int(request.query["to"])
        start = max(start + -(start - FIRST) % DAY_MS, FIRST)
        times = range(start, min(end, LAST + 1), DAY_MS)
        bars = [bar(t) for t in times[:LIMIT]]
        if mishap == "inverted":
            bars[len(bars) // 2]["h"] = 1.0
        return {"bars": bars, "complete": len(times) <= LIMIT}

    def _check_key(self, request: web.Request) -> None:
        if request.headers.get("X-Api-Key") != KEY:
            raise web.HTTPUnauthorized


@asynccontextmanager
async def serving(vendor: Tickhouse) -> AsyncIterator[str]:
    """The vendor's address."""
    app = web.Application()
    app.router.add_get("/v1/symbols", vendor.symbols)
    app.router.add_get("/v1/bars", vendor.bars)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        [address] = runner.addresses
        yield f"http://127.0.0.1:{address[1]}"
    finally:
        await runner.cleanup()
