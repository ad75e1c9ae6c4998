"""A client that keeps what it is told and answers what it is given."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Self

import pyarrow as pa

HOUR = 3_600 * 10**9


@dataclass(frozen=True)
class Ack:
    lsn: int
    rows: int
    duplicates: int


@dataclass
class Pending:
    ack: Ack

    def result(self) -> Ack:
        return self.ack


@dataclass
class Recorder:
    """`calls` are (method, arguments, options); `answers` are what methods return or raise."""

    calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = field(default_factory=list)
    answers: dict[str, Any] = field(default_factory=dict)
    connected: tuple[str, str | None] | None = None
    writes: list[tuple[str, pa.Table, dict[str, Any]]] = field(default_factory=list)

    def connect(self, uri: str, token: str | None = None, tls: object = None) -> Self:
        self.connected = (uri, token)
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        def call(*arguments: Any, **options: Any) -> Any:
            self.calls.append((name, arguments, options))
            answer = self.answers.get(name)
            if isinstance(answer, BaseException):
                raise answer
            return answer

        return call

    @property
    def rules(self) -> Rules:
        return Rules(self)

    def writer(self, dataset: str = "candles", timeframe: str | None = None) -> Self:
        self.calls.append(("writer", (dataset, timeframe), {}))
        return self

    def write(self, instrument: str, table: pa.Table, **options: Any) -> Pending:
        if isinstance(error := self.answers.get("write"), BaseException):
            raise error
        self.writes.append((instrument, table, options))
        return Pending(Ack(len(self.writes), table.num_rows, 0))

    @property
    def written(self) -> pa.Table:
        """All rows written, in order."""
        return pa.concat_tables([table for _, table, _ in self.writes])

    def batches(self, *arguments: Any, **options: Any) -> Stream:
        self.calls.append(("batches", arguments, options))
        return Stream(self.answers["schema"], self.answers.get("batches", []))


@dataclass
class Rules:
    """`Client.rules`: its calls are recorded as rules.add, rules.list and rules.remove."""

    recorder: Recorder

    def __getattr__(self, name: str) -> Any:
        return self.recorder.__getattr__(f"rules.{name}")


@dataclass
class Stream:
    """What `batches` and `live` answer with: batches, and among them what is raised."""

    schema: pa.Schema
    answers: list[Any]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        for answer in self.answers:
            if isinstance(answer, BaseException):
                raise answer
            yield answer
