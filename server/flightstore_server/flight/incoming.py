"""What comes over a stream of puts, before any of it is believed."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.flight as fl

from flightstore_proto.errors import BadRequest, Overloaded
from flightstore_proto.schemas import COLUMNS_MAX, plain
from flightstore_server.flight.limits.admission import Admission


class Incoming:
    """One stream: its schema, and its chunks one by one, held against the limits."""

    def __init__(
        self, reader: fl.MetadataRecordBatchReader, admission: Admission, peer: str
    ) -> None:
        self._reader = reader
        self._admission = admission
        self._peer = peer
        self.gathered = admission.gathering.begin()

    def schema(self) -> pa.Schema:
        """The columns that the stream says it has. Raises BadRequest if it does not say it rightly.

        To be compared before the first chunk: with a hostile schema Arrow's reader is not safe.
        """
        try:
            columns = len(self._reader.schema)
            if columns > COLUMNS_MAX:  # before each of them becomes an object
                raise BadRequest(
                    f"The put's stream has {columns} columns, and a dataset has {COLUMNS_MAX} at "
                    "most."
                )
            schema = plain(self._reader.schema)
            _ = schema.names  # which may be anything until they are decoded
            return schema
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise _unreadable(error) from None

    def chunk(self) -> fl.FlightStreamChunk | None:
        """What comes next, or None at the end.

        Raises BadRequest for what is not Arrow data or a commit too large to parse, Overloaded for
        what takes more memory than there is for it.
        """
        try:
            chunk = self._reader.read_chunk()
        except StopIteration:
            return None
        except fl.FlightError:  # the connection
            raise
        except MemoryError:
            raise Overloaded(
                "A batch of the put takes more memory, once it is decompressed, than the server "
                "has for what is being received; send smaller batches."
            ) from None
        except (pa.ArrowException, OSError) as error:
            raise _unreadable(error) from None
        self._admission.arrivals.heard(self._peer)
        self._admission.check_memory()
        if chunk.app_metadata is not None:
            self._admission.check_request(chunk.app_metadata)
        return chunk


def _unreadable(error: Exception) -> BadRequest:
    return BadRequest(
        f"What the put's stream holds is not the Arrow data that it says it is ({error}); nothing "
        "of this put was written."
    )
