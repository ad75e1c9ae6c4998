"""What a data directory holds, in a few numbers: to prove that two hold the same.

Every row is read as a reader would, each batch compared with its checksum on the way, and what is
read is summed up for each series: how many rows, and a CRC-32C of them, of what is known complete,
and of the metadata.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from flightstore_server.engine.reads import read
from flightstore_server.engine.recovery import replay, restore
from flightstore_server.engine.reservations import Reservations
from flightstore_server.engine.series import SeriesView
from flightstore_server.engine.state import State
from flightstore_server.storage.catalog import Catalog
from flightstore_server.storage.checksum import crc
from flightstore_server.storage.files import Files
from flightstore_server.storage.segment.store import SegmentStore

_MAPS_MAX = 64


@dataclass(frozen=True, slots=True)
class SeriesSum:
    """One series: its rows, and the checksum of all that is known of it."""

    rows: int
    crc: int


@dataclass(slots=True)
class Fingerprint:
    """A directory: its newest record, how many series it has, and those read so far by name."""

    lsn: int
    series_total: int
    series: dict[str, SeriesSum] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        return sum(each.rows for each in self.series.values())

    @property
    def crc(self) -> int:
        """One checksum for all."""
        said = (f"{name} {each.rows} {each.crc}\n" for name, each in sorted(self.series.items()))
        return crc("".join(said).encode())


def fingerprint(files: Files, catalog: Catalog) -> Iterator[Fingerprint]:
    """The fingerprint of what `catalog` and the log say is in `files`, growing series by series.

    The first one has no series yet. Raises Corrupt for damage.
    """
    segments = SegmentStore(files, maps_max=_MAPS_MAX)
    state = State(segments, remembered_puts=0)
    restore(state, catalog)
    replay(state, files, catalog, Reservations())
    every = list(state.names.by_id.values())
    found = Fingerprint(state.last_lsn, len(every))
    yield found
    for series in every:
        found.series[str(series)] = _sum(series.view(), segments)
        yield found


def _sum(view: SeriesView, segments: SegmentStore) -> SeriesSum:
    rows, checksum = 0, crc(repr((view.coverage, sorted(view.series.metadata.items()))).encode())
    for batch in read(view, segments, -(2**63), 2**63):
        rows += batch.num_rows
        checksum = crc(batch.serialize(), checksum)
    return SeriesSum(rows, checksum)
