"""Parts of a plan on a Ray cluster: as a Ray dataset, and as the workers of a sweep.

    import flightstore as fs
    import flightstore.ray

    parts = db.plan("binance:*/USDT", "1h", "2020", snapshot="paper-2026")
    flightstore.ray.dataset(parts).map_batches(...)
    flightstore.ray.sweep(crossover, parts, {"fast": [5, 10], "slow": [50, 100]})

Every machine of the cluster has to have flightstore installed and to reach the server under the
address that the client which made the plan was connected to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import replace
from functools import partial
from typing import Any

import polars as pl
import pyarrow as pa

from flightstore._client import Client
from flightstore._parts.part import Part
from flightstore._requests import Instruments
from flightstore._sweeps.grid import Grid
from flightstore._sweeps.sweep import sweep as _sweep
from flightstore._sweeps.trials import Strategy
from flightstore_proto.errors import BadRequest, MissingExtra

try:
    import ray
    import ray.data
    from ray.data.block import BlockMetadata
    from ray.exceptions import RayTaskError
except ImportError:
    raise MissingExtra("flightstore.ray needs Ray: pip install 'flightstore[ray]'.") from None

__all__ = ["dataset", "sweep"]


def dataset(parts: Sequence[Part]) -> Any:
    """The rows of `parts` as a ray.data.Dataset: one read task for each of them.

    A task streams its part into blocks, in bounded memory. `exchange` and `symbol` are text, and
    there even for one exact name: blocks do not stay in order.
    """
    if not parts:
        raise BadRequest("There are no parts to make a dataset of.")
    return ray.data.read_datasource(_Parts(parts), override_num_blocks=len(parts))


def sweep(
    strategy: Strategy,
    parts: Sequence[Part] | Instruments,
    grid: Grid,
    *,
    workers: int | None = None,
    progress: bool = True,
    db: Client | None = None,
    **selection: Any,
) -> pl.DataFrame:
    """As `flightstore.sweep`, by tasks of the Ray cluster, one for each part.

    `strategy` may also be a function of a notebook or of a script. `workers` bounds the tasks at a
    time; None: as many as the cluster has processors for.
    """
    try:
        return _sweep(
            strategy,
            parts,
            grid,
            executor=_Cluster(),
            workers=workers,
            progress=progress,
            db=db,
            **selection,
        )
    except RayTaskError as error:
        raise error.cause from error


class _Cluster(Executor):
    """Ray's tasks, as concurrent.futures has them."""

    def submit(self, work: Callable[..., Any], /, *arguments: Any, **keywords: Any) -> Future[Any]:
        future: Future[Any] = ray.remote(work).remote(*arguments, **keywords).future()
        return future


class _Parts(ray.data.Datasource):  # type: ignore[misc]
    """What Ray asks for when it reads."""

    def __init__(self, parts: Sequence[Part]) -> None:
        super().__init__()
        self._parts = list(parts)

    def get_name(self) -> str:
        return "flightstore"

    def estimate_inmemory_data_size(self) -> int | None:
        return None  # rows have a number of columns and lengths of text that the plan does not know

    def get_read_tasks(
        self, parallelism: int, per_task_row_limit: int | None = None, *_: Any, **__: Any
    ) -> list[ray.data.ReadTask]:
        # How many rows a part has is an estimate, which Ray would take for a count.
        unknown = BlockMetadata(num_rows=None, size_bytes=None, exec_stats=None, input_files=None)
        return [
            ray.data.ReadTask(
                partial(_blocks, part), unknown, per_task_row_limit=per_task_row_limit
            )
            for part in self._parts
        ]


def _blocks(part: Part) -> Iterator[pa.Table]:
    """The rows of `part`; its columns and types are those of every other part's."""
    with replace(part, single=False).batches() as batches:
        yield _plain(batches.schema.empty_table())  # the columns are known where no row follows
        for batch in batches:
            yield _plain(pa.Table.from_batches([batch]))


def _plain(table: pa.Table) -> pa.Table:
    # Each part numbers its names anew, and Ray does not join dictionaries that differ.
    fields = [
        field.with_type(field.type.value_type) if pa.types.is_dictionary(field.type) else field
        for field in table.schema
    ]
    return table.cast(pa.schema(fields))
