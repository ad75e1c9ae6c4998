"""Sending an answer, or failing to as a fault wants it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from aiohttp import web

from flightstore_ingest.simulate.faults import Fault

JSON = "application/json;charset=UTF-8"


async def send(
    request: web.Request,
    text: str,
    status: int,
    headers: Mapping[str, str],
    fault: Fault | None,
    closing: asyncio.Event,
) -> web.StreamResponse:
    """Answer `request` with `text`. `closing` ends what a fault would draw out."""
    kind = fault.kind if fault else ""
    if fault is not None and kind == "slow":
        await _wait(closing, fault.seconds)
    elif kind == "hang":
        await _until_given_up(request, closing)
    elif kind == "reset":
        _hang_up(request)
    elif kind == "cut":
        text = text[: len(text) * 3 // 5]
    body = text.encode()
    headers = {"Content-Type": JSON, **headers}
    if kind == "truncated":
        return await _truncated(request, body, status, headers)
    return web.Response(body=body, status=status, headers=headers)


async def _wait(closing: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(closing.wait(), seconds)
    except TimeoutError:
        return


async def _until_given_up(request: web.Request, closing: asyncio.Event) -> None:
    while request.transport is not None and not closing.is_set():
        await _wait(closing, 0.05)


def _hang_up(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()


async def _truncated(
    request: web.Request, body: bytes, status: int, headers: Mapping[str, str]
) -> web.StreamResponse:
    response = web.StreamResponse(status=status, headers=headers)
    response.content_length = len(body)
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    _close_after_write(request)
    return response


def _close_after_write(request: web.Request) -> None:
    # close() and not abort(): what was written shall arrive.
    if request.transport is not None:
        request.transport.close()
