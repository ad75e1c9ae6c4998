"""The part of the client that asks in SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from flightstore._connection import Connection
from flightstore._frames import OUTPUTS, Frame, to_output
from flightstore._reading import fetch
from flightstore._requests import choice, message
from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto.errors import BadRequest, shown


class Sql:
    """SQL; part of Client."""

    _connection: Connection

    def sql(
        self,
        query: str,
        parameters: Sequence[Any] | Mapping[str, Any] | None = None,
        *,
        snapshot: str | None = None,
        timeout: float | None = None,
        explain: bool = False,
        output: str = "polars",
    ) -> Frame:
        """The answer to one SELECT, in DuckDB's dialect, computed by the server.

            db.sql("select symbol, max(high) from candles where timeframe = '1h' group by symbol")

        query       tables are the datasets: `candles`, `trades`, your own. Beside its own columns
                    each has `exchange`, `symbol` and `timeframe` (text) and `ts_ns` (int64, exact);
                    `ts` has microseconds, as SQL's functions of time want it
        parameters  values for `?` in their order, or for `$name` by name
        snapshot    read the data as pinned by this snapshot
        timeout     seconds after which the server gives up; its own limit is the most there is
        explain     return the plan, as text, instead of running the query
        output      "polars"; "pandas", with `ts` as index if there is one; "arrow"

        Times come back as timestamp[ns, UTC]. Only what the WHERE clause needs is read, so say
        which series and what time you mean. Raises BadRequest for what is not a SELECT or does not
        fit, UnknownDataset and UnknownColumn with near names, DeadlineExceeded, and Overloaded
        where the query takes more memory than SQL has.
        """
        choice("output", output, OUTPUTS)
        request = message(
            pb.SqlRequest,
            query=query,
            parameters=_packed(parameters),
            snapshot=snapshot or "",
            timeout_seconds=timeout or 0.0,
            explain=explain,
        )
        ticket = pb.Ticket(sql=request).SerializeToString()
        table = fetch(self._connection, ticket, runs=False).table
        return table.column("plan")[0].as_py() if explain else to_output(table, output)


def _packed(parameters: Sequence[Any] | Mapping[str, Any] | None) -> bytes:
    """The parameters as an Arrow IPC stream of one row; nothing if there are none."""
    if not parameters:
        return b""
    if isinstance(parameters, str) or not isinstance(parameters, Sequence | Mapping):
        raise BadRequest("parameters is a list of values, or a mapping of names to values.")
    if isinstance(parameters, Mapping):
        names, values = [str(name) for name in parameters], list(parameters.values())
    else:
        names, values = [str(n) for n in range(1, len(parameters) + 1)], list(parameters)
    columns = [_column(name, value) for name, value in zip(names, values, strict=True)]
    row = pa.RecordBatch.from_arrays(columns, names=names)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, row.schema) as writer:
        writer.write_batch(row)
    packed: bytes = sink.getvalue().to_pybytes()
    return packed


def _column(name: str, value: Any) -> pa.Array:
    try:
        return pa.array([value])
    except (pa.ArrowException, OverflowError) as error:
        raise BadRequest(f"The parameter {shown(name)} is {shown(value)}: {error}.") from None
