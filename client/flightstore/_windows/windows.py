"""Windows: what `Client.windows` returns, an iterable of arrays."""

from __future__ import annotations

import importlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Protocol

from flightstore_proto.errors import MissingExtra

if TYPE_CHECKING:  # so that importing flightstore does not import numpy
    from flightstore._windows.order import Order
    from flightstore._windows.places import Int64s, Places, Spots
    from flightstore._windows.values import Floats

# Large enough that a request costs little beside its rows, small enough that three of them do not
# matter: one is handed out, two are on their way.
_REQUEST_BYTES = 8 * 1024 * 1024
_REQUESTS_AHEAD = 2
WINDOWS_MAX = 65_536  # of one request


class Read(Protocol):
    """Windows that were read, to be taken in parts: (windows, columns, length).

    `is_streamed` says whether the server had to be waited for, which is worth doing beforehand.
    """

    is_streamed: bool

    def values(self, span: slice) -> Floats: ...
    def starts(self, span: slice) -> Int64s: ...


class Source(Protocol):
    """Where the rows of windows come from."""

    def read(self, spots: Spots) -> Read: ...


class Windows(Iterable[Any]):
    """Windows of rows, from `Client.windows`: arrays of float64, (length, columns) each.

    columns     what the last axis holds
    length      rows of each window
    total       windows of all shards together

    With `batch` each item is (batch, length, columns), and the last one may be shorter. `len()` is
    the number of items. Iterating again gives the same order again; `epoch(n)` has others. Several
    iterations may go on at once.

    In memory the values of a column of a window lie together: arrays are transposed views of
    (batch, columns, length), which is what convolutions take.
    """

    def __init__(
        self,
        source: Source,
        places: Places,
        order: Order,
        *,
        columns: tuple[str, ...],
        length: int,
        batch: int | None,
        torch: bool,
    ) -> None:
        self.columns, self.length, self.total = columns, length, places.total
        self._source, self._places, self._order = source, places, order
        self._batch = batch
        self._torch = torch
        self._converted = _from_numpy() if torch else None

    def __len__(self) -> int:
        return -(-len(self._order) // (self._batch or 1))

    def __iter__(self) -> Iterator[Any]:
        for _, read, span in self._items():
            yield self._shown(read.values(span))

    def with_names(self) -> Iterator[tuple[Any, Any, Any]]:
        """The same items, each as (values, instrument, start).

        `start` is the `ts` of the window's first row (numpy datetime64[ns], UTC). With `batch`,
        both are one per window: a list of names and an array of times.
        """
        for spots, read, span in self._items():
            values = self._shown(read.values(span))
            names = self._places.instruments(spots, span)
            times = read.starts(span).view("datetime64[ns]")
            yield (values, names, times) if self._batch else (values, names[0], times[0])

    def epoch(self, number: int) -> Windows:
        """The same windows in the order of epoch `number`; the order of epoch 0 is the first."""
        return Windows(
            self._source,
            self._places,
            self._order.at_epoch(number),
            columns=self.columns,
            length=self.length,
            batch=self._batch,
            torch=self._torch,
        )

    def __repr__(self) -> str:
        return (
            f"<flightstore.Windows: {len(self._order)} of {self.total}, each {self.length} rows "
            f"of {', '.join(self.columns)}>"
        )

    def _shown(self, values: Floats) -> Any:
        transposed = values.transpose(0, 2, 1)
        shown = transposed if self._converted is None else self._converted(transposed)
        return shown if self._batch else shown[0]

    def _items(self) -> Iterator[tuple[Spots, Read, slice]]:
        """What was read, and which part of it is the next item."""
        size = self._batch or 1
        for spots, read in self._reads():
            for at in range(0, len(spots.first), size):
                yield spots, read, slice(at, at + size)

    def _reads(self) -> Iterator[tuple[Spots, Read]]:
        size = self._batch or 1
        window_bytes = 8 * self.length * len(self.columns)
        windows = min(WINDOWS_MAX, _REQUEST_BYTES // window_bytes) // size * size or size
        count = len(self._order)
        spans = (range(at, min(at + windows, count)) for at in range(0, count, windows))
        return _read_ahead(self._read, spans)

    def _read(self, span: range) -> tuple[Spots, Read]:
        spots = self._places.of(self._order.numbers(span))
        return spots, self._source.read(spots)


def _read_ahead(
    work: Callable[[range], tuple[Spots, Read]], spans: Iterable[range]
) -> Iterator[tuple[Spots, Read]]:
    """What `work` reads of each span, in order; begun beforehand once something is streamed."""
    pool = ThreadPoolExecutor(_REQUESTS_AHEAD, thread_name_prefix="windows")
    begun: deque[Future[tuple[Spots, Read]]] = deque()
    ahead = 0
    try:
        for span in spans:
            if not ahead:
                found = work(span)
                ahead = _REQUESTS_AHEAD if found[1].is_streamed else 0
                yield found
                continue
            begun.append(pool.submit(work, span))
            if len(begun) > ahead:
                yield begun.popleft().result()
        while begun:
            yield begun.popleft().result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _from_numpy() -> Callable[[Any], Any]:
    try:
        found: Callable[[Any], Any] = importlib.import_module("torch").from_numpy
    except ImportError:
        raise MissingExtra("torch=True needs PyTorch: pip install torch.") from None
    return found
