"""The part of the client that joins rows with what was in force at their time."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import polars as pl

from flightstore._connection import Connection
from flightstore._frames import OUTPUTS, Frame, in_zone, to_output
from flightstore._joining import Side, join
from flightstore._layouts import laid_out, long
from flightstore._named_rows import Rows
from flightstore._reading import Fetched, fetch
from flightstore._requests import choice, message, window
from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto.errors import BadRequest, shown
from flightstore_proto.timerange import TS_MAX, to_ns

_LENGTH = re.compile(r"[0-9]{1,6}(ms|[smhdw])")


class AsOf:
    """As-of joins; part of Client."""

    _connection: Connection

    def asof(
        self,
        left: Rows | Frame,
        right: Rows | Frame,
        start: Any = None,
        end: Any = None,
        *,
        tolerance: str | timedelta | int | None = None,
        suffix: str = "_right",
        snapshot: str | None = None,
        tz: str | None = None,
        output: str = "polars",
    ) -> Frame:
        """The rows of `left`, each with the row of `right` that was in force at its time.

            db.asof(fs.Rows("trades", "binance:BTC/USDT"),
                    fs.Rows("candles", "binance:BTC/USDT", "1m", label="close"), "2024-08-09")

        In force is the last row of `right` at or before the time of the row of `left`; of several
        at one time, the last. Where there is none its columns are null.

        LOOK-AHEAD: a bar's `ts` is when it opens, and its close, high, low and volume are known
        only when it is over. Joined by its open time a bar tells a trade inside of it how the
        minute will end. Say `label="close"` for bars on the right side: then they count from their
        end on.

        left, right  Rows, which are joined on the server, or a frame (polars, pandas, Arrow) with
                     `ts`, sorted; naive times are UTC. For a frame, what is needed of the other
                     side is read, and joined here
        start, end   the rows of `left` in [start, end), as in `read`
        tolerance    rows of `right` that are older than this do not count: "5m", a timedelta, or
                     nanoseconds
        suffix       goes to columns of `right` that `left` has too
        snapshot     read the data as pinned by this snapshot
        tz, output   as in `read`

        Rows are joined by instrument, unless `right` is of a single one, which then goes with all;
        frames by `exchange` and `symbol`, if both have them. Every row of `left` is in the result,
        in its order.
        """
        choice("output", output, OUTPUTS)
        tolerance_ns = tolerance_of(tolerance)
        span = window(start, end)
        if isinstance(left, Rows) and isinstance(right, Rows):
            request = message(
                pb.AsOfRequest,
                left=left.request(span, snapshot=snapshot),
                right=right.request(snapshot=snapshot),
                tolerance_ns=tolerance_ns,
                suffix=suffix,
            )
            fetched = self._fetched(pb.Ticket(asof=request), left)
            fetched.table = in_zone(fetched.table, tz)
            return laid_out(fetched, output, "long")
        joined = self._joined_here(left, right, span, snapshot, tolerance_ns, suffix)
        if output == "polars" and tz is None:
            return joined
        table = joined.to_arrow(compat_level=pl.CompatLevel.oldest())
        return to_output(in_zone(table, tz), output)

    def _joined_here(
        self,
        left: Rows | Frame,
        right: Rows | Frame,
        span: pb.TimeRange,
        snapshot: str | None,
        tolerance_ns: int | None,
        suffix: str,
    ) -> pl.DataFrame:
        if isinstance(left, Rows):
            rows = Side.of("left", self._frame(left, left.request(span, snapshot=snapshot)))
        else:
            rows = Side.of("left", left).within(span)
        if isinstance(right, Rows):
            needed = self._needed(right, rows, snapshot)
            in_force = Side.of("right", needed, keeps_ts=right.names_ts)
        else:
            in_force = Side.of("right", right)
        return join(rows, in_force, tolerance_ns, suffix)

    def _needed(self, right: Rows, left: Side, snapshot: str | None) -> pl.DataFrame:
        """The rows of `right` that may be in force at the times of `left`."""
        if not right.is_single and not left.has_identity:
            raise BadRequest(
                "The left frame has no columns 'exchange' and 'symbol' to tell which of several "
                "instruments to join: add them, or name a single instrument."
            )
        low, high = left.extent()
        # A bar is over after it was opened, so of two opened by then the first one is over.
        before = right.request(
            _up_to(low), tail=2 if right.label == "close" else 1, snapshot=snapshot
        )
        after = _up_to(high)
        after.start = low + 1
        parts = [self._frame(right, before)]
        if low < high:
            parts.append(self._frame(right, right.request(after, snapshot=snapshot)))
        return pl.concat(parts)

    def _frame(self, rows: Rows, request: pb.ReadRequest) -> pl.DataFrame:
        frame: pl.DataFrame = long(self._fetched(pb.Ticket(read=request), rows), "polars")
        return frame

    def _fetched(self, ticket: pb.Ticket, rows: Rows) -> Fetched:
        fetched = fetch(self._connection, ticket.SerializeToString(), runs=not rows.is_single)
        fetched.warn()
        return fetched


def _up_to(ns: int) -> pb.TimeRange:
    """Every time up to and including `ns`."""
    return pb.TimeRange(end=ns + 1) if ns < TS_MAX else pb.TimeRange()


def tolerance_of(value: str | timedelta | int | None) -> int | None:
    """`value` as nanoseconds. Raises BadRequest for what is not a length of time."""
    if value is None:
        return None
    ns = -1
    if isinstance(value, timedelta):
        ns = (value.days * 86_400 + value.seconds) * 10**9 + value.microseconds * 1_000
        ns += getattr(value, "nanoseconds", 0)  # a pandas.Timedelta has them
    elif isinstance(value, str) and _LENGTH.fullmatch(value):
        ns = to_ns(f"+{value}", now_ns=0)
    elif isinstance(value, int) and not isinstance(value, bool):
        ns = value
    if not 0 <= ns <= TS_MAX:
        raise BadRequest(
            f"tolerance={shown(value)} is not a length of time: write 30s or 5m, or give a "
            "timedelta or nanoseconds."
        )
    return ns
