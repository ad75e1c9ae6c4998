"""InfluxDB's HTTP interface: "/write" with line protocol, "/query" answered as JSON or as CSV."""

from __future__ import annotations

import json
from http import HTTPStatus
from http.client import HTTPConnection, HTTPResponse
from typing import Any
from urllib.parse import urlencode

import pyarrow as pa
from pyarrow import csv

DATABASE = "bench"
_PRECISION = "ms"
_JSON = "application/json"
_TIME = pa.timestamp("ms", "UTC")
_BLOCK_BYTES = 4 << 20
_BUSY = ("CompactionsActive", "CompactionsQueue", "CompactionQueue")  # endings of names of counters


class NotStored(Exception):
    """InfluxDB did not acknowledge a write, or has not all that it acknowledged."""


class Connection:
    """One connection that is kept open, for one thread."""

    def __init__(self, port: int) -> None:
        self._http = HTTPConnection("127.0.0.1", port)

    def close(self) -> None:
        self._http.close()

    def write(self, lines: bytes) -> None:
        """Points with times in milliseconds; returns once they are durable. Raises NotStored.

        Only 204 says that all are: "Write data with the InfluxDB API", HTTP response summary.
        """
        response = self._sent("POST", "/write", {"precision": _PRECISION}, body=lines)
        said = response.read()
        if response.status != HTTPStatus.NO_CONTENT:
            raise NotStored(f"InfluxDB answered a write with {response.status}: {said[:500]!r}")

    def rows(self, statement: str) -> list[list[Any]]:
        """Run any statement; the values of the first series that it gives."""
        answer = json.load(self._asked("POST", "/query", {"q": statement, "epoch": _PRECISION}))
        result = answer["results"][0]
        if "error" in result:
            raise RuntimeError(f"{statement}: {result['error']}")
        found: list[list[Any]] = result["series"][0]["values"] if "series" in result else []
        return found

    def table(self, statement: str, columns: pa.Schema) -> pa.Table:
        """What a SELECT gives, time as `ts`; `tags` is there if `columns` has it.

        It comes in chunks, as "Query data with the InfluxDB API" advises for many rows: they are
        parsed while the next ones are made, and the server need not hold all of them at once.
        """
        asked = {"q": statement, "epoch": _PRECISION, "chunked": "true"}
        response = self._asked("GET", "/query", asked, accept="application/csv")
        kinds = pa.schema([("time", pa.int64()), *columns])
        table = csv.read_csv(
            response,
            read_options=csv.ReadOptions(block_size=_BLOCK_BYTES),
            convert_options=csv.ConvertOptions(column_types=kinds, include_columns=kinds.names),
        )
        return table.set_column(0, "ts", table["time"].cast(_TIME))

    def compacting(self) -> bool:
        """Whether files are compacted or wait to be."""
        answer = json.load(self._asked("POST", "/query", {"q": "SHOW STATS FOR 'tsm1_engine'"}))
        for series in answer["results"][0].get("series", []):
            counters = zip(series["columns"], series["values"][0], strict=True)
            if any(value for name, value in counters if name.endswith(_BUSY)):
                return True
        return False

    def _asked(
        self, method: str, path: str, parameters: dict[str, str], *, accept: str = _JSON
    ) -> HTTPResponse:
        response = self._sent(method, path, parameters, accept=accept)
        if response.status != HTTPStatus.OK:
            raise RuntimeError(f"InfluxDB: {response.status} {response.read(500)!r}")
        return response

    def _sent(
        self,
        method: str,
        path: str,
        parameters: dict[str, str],
        *,
        body: bytes | None = None,
        accept: str = _JSON,
    ) -> HTTPResponse:
        target = f"{path}?{urlencode({'db': DATABASE, **parameters})}"
        self._http.request(method, target, body, {"Accept": accept})
        return self._http.getresponse()
