"""The floors: what the bytes of the same rows cost when nothing is done with them.

No store that copies or sends its rows can be below them. They hold the right answers, made before
anyone asks, as Arrow's own stream of bytes, and hand them out by the least that the machine offers:
one copy within memory, or one loopback TCP connection, into a new buffer (a user gets a new frame
each time); one append to a file and fdatasync for each batch. What has come is used where it lies.
"""

from __future__ import annotations

import os
import socket
from typing import ClassVar

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa

from bench.peers import inputs
from bench.peers.contestant import Contestant, way
from bench.peers.contestants.child import Child
from bench.peers.contestants.floor_server import SIZE_BYTES


class Floor(Contestant):
    durable: ClassVar[str] = "fdatasync of each batch"

    def open(self) -> None:
        self.title = f"the floor: memcpy, loopback TCP, fdatasync (Linux {os.uname().release})"
        self._held: dict[str, np.ndarray] = {}
        self._server = Child("bench.peers.contestants.floor_server", str(self.folder))
        self._socket = socket.create_connection(("127.0.0.1", self._server.port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def close(self) -> None:
        self._socket.close()
        self._server.close()

    def processes(self) -> list[int]:
        return [self._server.pid]

    def load_history(self) -> None:
        self._hold("history", inputs.table(self.inputs, "history"))

    def load_wide(self) -> None:
        rows = inputs.table(self.inputs, "wide").combine_chunks()
        names = rows["symbol"].dictionary_encode()
        self._hold("wide", rows.set_column(0, "symbol", names))
        self._names = names.unique().to_pylist()
        self._times = pd.DatetimeIndex(rows["ts"].to_numpy(), tz="UTC", name="ts")
        self._columns = pd.Index(rows.column_names[2:])
        # As pandas keeps the values of a frame: a column after the other in one block.
        self._values = np.stack([column.to_numpy() for column in rows.columns[2:]])

    def load_years(self) -> None:
        years = pl.DataFrame(inputs.table(self.inputs, "years"))
        self._hold("tail", _arrow(years.tail(100)))
        self._hold("day", _arrow(inputs.day(years)))

    def load_joining(self) -> None:
        self._hold("joined", _arrow(inputs.joined(self.inputs)))

    def _hold(self, name: str, rows: pa.Table) -> None:
        """Here for memcpy, and in the file that the other end of the socket reads."""
        with pa.ipc.new_stream(str(self.folder / name), rows.schema) as writer:
            writer.write_table(rows)
        self._held[name] = np.fromfile(self.folder / name, np.uint8)
        self._received(name)  # the other end has it in memory from now on

    def _copied(self, name: str) -> pa.Table:
        return _rows(self._held[name].copy())

    def _received(self, name: str) -> pa.Table:
        self._socket.sendall(f"{name}\n".encode())
        head = self._socket.recv(SIZE_BYTES, socket.MSG_WAITALL)
        bytes_ = np.empty(int.from_bytes(head, "little"), np.uint8)
        rest = memoryview(bytes_)
        while rest:
            rest = rest[self._socket.recv_into(rest) :]
        return _rows(bytes_)

    @way("history_polars", "memcpy")
    def history_copied(self) -> pa.Table:
        return self._copied("history")

    @way("history_polars", "loopback")
    def history_received(self) -> pa.Table:
        return self._received("history")

    @way("history_pandas", "memcpy")
    def history_copied_too(self) -> pa.Table:
        return self._copied("history")

    @way("history_pandas", "loopback")
    def history_received_too(self) -> pa.Table:
        return self._received("history")

    @way("wide_frame", "memcpy")
    def wide_copied(self) -> pa.Table:
        return self._copied("wide")

    @way("wide_frame", "loopback")
    def wide_received(self) -> pa.Table:
        return self._received("wide")

    @way("wide_frames", "pandas alone")
    def wide_frames_made(self) -> dict[str, pd.DataFrame]:
        """The frames' constructors: the values are here as pandas has them, and are not copied."""
        rows = len(self._times) // len(self._names)
        cuts = [slice(at * rows, (at + 1) * rows) for at in range(len(self._names))]
        return {
            name: pd.DataFrame(self._values[:, cut].T, self._times[cut], self._columns, copy=False)
            for name, cut in zip(self._names, cuts, strict=True)
        }

    def new_trades(self) -> None:
        """A first batch makes the file."""

    @way("write_main", "fdatasync")
    def append_main(self) -> None:
        self._append("main")

    @way("write_late", "fdatasync")
    def append_late(self) -> None:
        self._append("late")

    def _append(self, name: str) -> None:
        file = os.open(self.folder / "trades", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        try:
            for batch in inputs.batches(self.inputs, name):
                rest = memoryview(batch.serialize())
                while rest:
                    rest = rest[os.write(file, rest) :]
                os.fdatasync(file)
        finally:
            os.close(file)

    def trades(self) -> pa.Table:
        schema, parts = inputs.table(self.inputs, "main").schema, []
        with pa.OSFile(str(self.folder / "trades")) as file:
            while file.tell() < file.size():
                parts.append(pa.ipc.read_record_batch(pa.ipc.read_message(file), schema))
        return pa.Table.from_batches(parts, schema)

    @way("tail", "loopback")
    def tail_received(self) -> pa.Table:
        return self._received("tail")

    @way("day", "loopback")
    def day_received(self) -> pa.Table:
        return self._received("day")

    @way("asof", "memcpy")
    def joined_copied(self) -> pa.Table:
        return self._copied("joined")

    @way("asof", "loopback")
    def joined_received(self) -> pa.Table:
        return self._received("joined")


def _arrow(frame: pl.DataFrame) -> pa.Table:
    return frame.to_arrow(compat_level=pl.CompatLevel.oldest()).combine_chunks()


def _rows(stream: np.ndarray) -> pa.Table:
    """The rows of Arrow's stream format, in place."""
    return pa.ipc.open_stream(pa.py_buffer(stream)).read_all()
