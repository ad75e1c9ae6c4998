"""The server of bare_flight.py: `python -m bench.peers.contestants.bare_flight_server`."""

from __future__ import annotations

import json
import threading
from dataclasses import asdict, dataclass

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.flight as fl

from bench.peers.contestants.child import serve_until_orphaned


@dataclass(frozen=True)
class Range:
    """What a ticket names: a table, or its last `tail` rows, or those of a time."""

    name: str
    tail: int | None = None
    start_ns: int | None = None
    end_ns: int | None = None

    def ticket(self) -> bytes:
        return json.dumps(asdict(self)).encode()

    def of(self, table: pa.Table) -> pa.Table:
        if self.tail is not None:
            return table.slice(table.num_rows - self.tail)
        if self.start_ns is not None:
            ts = table["ts"].cast(pa.int64())
            inside = pc.and_(
                pc.greater_equal(ts, self.start_ns), pc.less(ts, pa.scalar(self.end_ns, pa.int64()))
            )
            return table.filter(inside)
        return table


class Server(fl.FlightServerBase):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__("grpc://127.0.0.1:0")
        self._tables: dict[str, pa.Table] = {}
        self._changing = threading.Lock()

    def do_put(
        self,
        context: fl.ServerCallContext,
        descriptor: fl.FlightDescriptor,
        reader: fl.MetadataRecordBatchReader,
        writer: fl.FlightMetadataWriter,
    ) -> None:
        name, rows = descriptor.path[0].decode(), reader.read_all()
        with self._changing:
            known = self._tables.get(name)
            self._tables[name] = rows if known is None else pa.concat_tables([known, rows])

    def do_get(self, context: fl.ServerCallContext, ticket: fl.Ticket) -> fl.FlightDataStream:
        asked = Range(**json.loads(ticket.ticket))
        return fl.RecordBatchStream(asked.of(self._tables[asked.name]))


if __name__ == "__main__":
    server = Server()
    serve_until_orphaned(server.port, server.serve)
