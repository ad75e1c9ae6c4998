"""What SQL gives to the edge."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Prepared:
    """A query that was checked.

    `schema` is that of its answer, as far as it does not depend on parameters. `parameters` are
    called "1", "2", ... for `?`, and else as in `$name`; as text, since their types are not known.
    """

    query: str
    schema: pa.Schema
    parameters: pa.Schema


class Batches(Protocol):
    """An iterator of record batches that can be closed."""

    def __iter__(self) -> Iterator[pa.RecordBatch]: ...
    def __next__(self) -> pa.RecordBatch: ...
    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Answer:
    """The rows of a query, computed while they are fetched, in batches of at most 3 MiB.

    What the query holds is let go of when `batches` is exhausted, closed, or dropped.
    """

    schema: pa.Schema
    batches: Batches

    def close(self) -> None:
        """End the query. Harmless at any time."""
        self.batches.close()
