"""Recorded sessions of real exchanges, and a loopback server that says the same again.

A recording has a line for each thing said: "URL -> time: body" of REST, "URL <- time: text" for
what the recorder sent over a websocket and "time: text" for what it received there.
"""

from __future__ import annotations

import asyncio
import lzma
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import web

_ANSWER = re.compile(r"(https://\S+) -> [\d.]+: (.*)")
_RECEIVED = re.compile(r"[\d.]+: (.*)")


def answers(folder: Path, file: str) -> dict[str, str]:
    """The bodies of a REST recording by path and query; of several the last one counts."""
    found = (_ANSWER.match(line) for line in _lines(folder, file))
    return {_asked(match[1]): match[2] for match in found if match}


def frames(folder: Path, file: str) -> list[str]:
    """What was received over a recorded websocket, in order."""
    found = (_RECEIVED.match(line) for line in _lines(folder, file))
    return [match[1] for match in found if match]


def reply(folder: Path, file: str) -> str:
    """A REST reply that was recorded alone."""
    return lzma.decompress((folder / "wire" / file).read_bytes()).decode()


def _lines(folder: Path, file: str) -> list[str]:
    return lzma.decompress((folder / "wire" / file).read_bytes()).decode().splitlines()


def _asked(url: str) -> str:
    parts = urlsplit(url)
    return parts.path + (f"?{parts.query}" if parts.query else "")


class Player:
    """Says again what was recorded; `async with player.serve() as url`.

    said      bodies by path, or by path and query where that matters
    frames    sent, as they are, on the websocket on which the client has sent as many messages as
              `after` says; the connection ends with the last of them, and none is accepted later
    asked     path and query of every REST request so far
    """

    def __init__(
        self, said: Mapping[str, str], frames: Sequence[str] = (), *, after: int = 1
    ) -> None:
        self.asked: list[str] = []
        self._said, self._frames, self._after = said, frames, after
        self._over = False

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[str]:
        app = web.Application()
        app.router.add_get("/{tail:.*}", self._answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._play(request)
        self.asked.append(request.path_qs)
        body = self._said.get(request.path_qs, self._said.get(request.path))
        if body is None:
            return web.Response(status=404, text=f"{request.path_qs} was not recorded")
        return web.Response(text=body, content_type="application/json")

    async def _play(self, request: web.Request) -> web.StreamResponse:
        if self._over:
            return web.Response(status=503)
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        for _ in range(self._after):
            await socket.receive_str()
        self._over = True
        for frame in self._frames:
            await socket.send_str(frame)
            await asyncio.sleep(0)
        await socket.close()
        return socket
