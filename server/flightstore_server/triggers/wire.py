"""What a server and the process of a trigger say to each other, over a pair of connected sockets.

    server   {"run", "options", "log_level"}                            make the trigger
             {"dataset", "instrument", "timeframe", "lsn", "deleted"}   a batch; its rows follow
             {"timeout_seconds"} in both: how long it may take
    process  {}                                                         done
             {"error", "traceback"}                                     a sentence, and many lines

A message is two lengths, a JSON object, and an Arrow stream or nothing. Each is answered before the
next is sent. The end of the stream tells the process to end.
"""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from flightstore_server.triggers.interface import TriggerBatch

_LENGTHS = struct.Struct("<II")
Message = tuple[dict[str, Any], bytearray]


def send(connection: socket.socket, head: Mapping[str, object], body: bytes = b"") -> None:
    """Send one message. Raises TimeoutError or ConnectionError as the socket does."""
    text = json.dumps(head).encode()
    connection.sendall(_LENGTHS.pack(len(text), len(body)) + text)
    if body:  # or else a send of nothing might find that whoever has the rest is gone
        connection.sendall(body)


def receive(connection: socket.socket) -> Message | None:
    """The next message; None if the other side is gone. Raises TimeoutError."""
    try:
        lengths = _exactly(connection, _LENGTHS.size)
        if len(lengths) < _LENGTHS.size:
            return None
        head_bytes, body_bytes = _LENGTHS.unpack(lengths)
        data = _exactly(connection, head_bytes + body_bytes)
    except ConnectionError:  # it went away with something of ours unread
        return None
    if len(data) < head_bytes + body_bytes:
        return None
    return json.loads(data[:head_bytes]), data[head_bytes:]


def _exactly(connection: socket.socket, size: int) -> bytearray:
    """`size` bytes; fewer at the end of the stream."""
    data = bytearray(size)
    filled = 0
    while filled < size:
        count = connection.recv_into(memoryview(data)[filled:])
        if not count:
            return data[:filled]
        filled += count
    return data


def pack(batch: TriggerBatch) -> tuple[dict[str, object], bytes]:
    """A batch as a message."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.rows.schema) as stream:
        stream.write_batch(batch.rows)
    head: dict[str, object] = {
        "dataset": batch.dataset,
        "instrument": batch.instrument,
        "timeframe": batch.timeframe,
        "lsn": batch.lsn,
        "deleted": batch.deleted,
    }
    return head, sink.getvalue()


def unpack(message: Message) -> TriggerBatch:
    """The reverse of pack()."""
    head, body = message
    deleted = head["deleted"]
    return TriggerBatch(
        head["dataset"],
        head["instrument"],
        head["timeframe"],
        head["lsn"],
        pa.ipc.open_stream(pa.py_buffer(body)).read_next_batch(),
        None if deleted is None else (deleted[0], deleted[1]),
    )
