"""Live streams as a test tells a fake server to send them."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from flightstore_proto import flightstore_pb2 as pb


@dataclass
class Step:
    """One message of a stream: rows of series, after deletes."""

    lsn: int
    rows: dict[str, pa.Table] = field(default_factory=dict)
    history: bool = False
    deletes: list[tuple[str, int | None, int | None]] = field(default_factory=list)


class LiveScript:
    """Answers each subscription with the next episode: steps, and errors that break it off.

    A step may also be a raw message, or None for an end without a word. After its last step an
    episode waits for more, and says every 10 ms that it is alive.
    """

    def __init__(self, server: Any, stream: Any, schema: pa.Schema) -> None:
        self.schema = schema
        self._server, self._stream = server, stream
        self._episodes: queue.Queue[queue.Queue[Any]] = queue.Queue()
        server.script.read = self._answer

    def episode(self, *steps: Any) -> queue.Queue[Any]:
        """What the next subscription gets; more can be put into it later."""
        made: queue.Queue[Any] = queue.Queue()
        for step in steps:
            made.put(step)
        self._episodes.put(made)
        return made

    @property
    def asked(self) -> list[pb.SubscribeRequest]:
        """All subscriptions so far."""
        return [t.subscribe for t in self._server.tickets if t.HasField("subscribe")]

    def _answer(self, _ticket: pb.Ticket) -> Any:
        steps = self._episodes.get_nowait()
        if isinstance(first := steps.queue[0] if steps.queue else None, Exception):
            raise first
        return self._stream(self.schema, self._sent(steps))

    def _sent(self, steps: queue.Queue[Any]) -> Iterator[tuple[pa.RecordBatch, bytes]]:
        names: dict[str, int] = {}
        alive = Step(0, history=True)
        while not self._server.release.is_set():
            try:
                step = steps.get(timeout=0.01)
            except queue.Empty:
                yield message(self.schema, alive, names)
                continue
            if isinstance(step, Exception):
                raise step
            if step is None:
                return
            if isinstance(step, Step):
                alive = Step(step.lsn, history=step.history)
                step = message(self.schema, step, names)
            yield step


def message(schema: pa.Schema, step: Step, names: dict[str, int]) -> tuple[pa.RecordBatch, bytes]:
    """`step` as it goes over the wire; `names` are those that the stream has numbered."""
    said = pb.LiveBatch(lsn=step.lsn, history=step.history)
    for name in [*step.rows, *(name for name, _, _ in step.deletes)]:
        if name not in names:
            names[name] = len(names)
            said.instruments.append(name)
    for name, table in step.rows.items():
        said.series.append(names[name])
        said.rows.append(table.num_rows)
    for name, start, end in step.deletes:
        gone = said.deletes.add(series=names[name])
        if start is not None:
            gone.range.start = start
        if end is not None:
            gone.range.end = end
    tables = [schema.empty_table(), *step.rows.values()]
    [batch] = pa.concat_tables(tables).combine_chunks().to_batches() or [None]
    return batch or pa.RecordBatch.from_pylist([], schema), said.SerializeToString()
