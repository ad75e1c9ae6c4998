"""A segment's trailer: what the file says of itself, so that a lost catalog can be rebuilt.

The last record batch of a segment file has no rows. Its custom metadata hold, as text,

    "FSSEG001 " | bytes of the JSON, 8 hex digits | " " | its CRC-32C, 8 hex digits | " " | JSON

with the segment's and its series' identity, the checksum of the file's head (magic and schema), and
the index with every batch's checksum. Only repair reads it; readers of Feather files see an empty
batch.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, fields

import pyarrow as pa

from flightstore_proto import instrument as instruments
from flightstore_server.storage import layout
from flightstore_server.storage.checksum import crc

_KEY = "flightstore.segment"
_MAGIC = b"FSSEG001 "
_HEAD_BYTES = len(_MAGIC) + 18


@dataclass(frozen=True, slots=True)
class SeriesIdentity:
    """The words and numbers by which the log and the catalog know a series."""

    series: int
    dataset: int
    dataset_name: str
    key_has_id: bool
    instrument: str
    timeframe: str
    free_grid: bool

    @property
    def folder(self) -> str:
        return layout.series_dir(
            self.dataset_name, instruments.parse(self.instrument), self.timeframe
        )


@dataclass(frozen=True, slots=True)
class Trailer:
    """`max_lsn` is 0 for a bulk put's segment: its LSN is not known while it is written."""

    id: int
    identity: SeriesIdentity
    max_lsn: int
    codec: str
    head_crc: int
    index: bytes


def custom_metadata(trailer: Trailer) -> dict[str, str]:
    """`trailer` as the custom metadata of a record batch."""
    values = {
        **_shallow(trailer),
        "identity": _shallow(trailer.identity),
        "index": base64.b64encode(trailer.index).decode(),
    }
    text = json.dumps(values)
    return {_KEY: f"{_MAGIC.decode()}{len(text):08x} {crc(text.encode()):08x} {text}"}


def _shallow(record: SeriesIdentity | Trailer) -> dict[str, object]:
    """As asdict(), which copies every value and takes ten times as long."""
    return {field.name: getattr(record, field.name) for field in fields(record)}


def find(data: pa.Buffer) -> Trailer | None:
    """The trailer of a whole segment file, or None if there is no intact one."""
    view = data.to_pybytes()
    at = view.rfind(_MAGIC)
    if at < 0:
        return None
    try:
        size, checksum = (int(part, 16) for part in view[at : at + _HEAD_BYTES].split()[1:3])
        text = view[at + _HEAD_BYTES : at + _HEAD_BYTES + size]
        if len(text) != size or crc(text) != checksum:
            return None
        values = json.loads(text)
    except ValueError:
        return None
    values["index"] = base64.b64decode(values["index"])
    values["identity"] = SeriesIdentity(**values["identity"])
    return Trailer(**values)
