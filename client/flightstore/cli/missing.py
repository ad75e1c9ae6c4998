"""What is missing, as people read it: the longest gaps for each reason, and how many there are."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from flightstore.cli import output
from flightstore.cli.values import plain_rows
from flightstore_proto.reasons import REASONS
from flightstore_proto.timerange import TS_MAX

SHOWN = 10


def print_gaps(gaps: pa.Table, limit: int | None) -> None:
    """Print the longest of `gaps` for each reason, and a line for each reason."""
    if not gaps.num_rows:
        output.remark("No gaps.")
        return
    shown = longest(gaps, limit or SHOWN)
    rows = [list(row.values()) for row in plain_rows(shown)]
    output.print_table(("from", "to", "absent", "reason"), rows)
    output.print_table(("reason", "gaps", "absent"), _by_reason(gaps))
    if shown.num_rows < gaps.num_rows:
        output.remark(
            f"{shown.num_rows:,} of {gaps.num_rows:,} gaps are shown, the longest for each reason: "
            "--limit shows more, --json all."
        )


def longest(gaps: pa.Table, limit: int) -> pa.Table:
    """The `limit` longest of `gaps` for each reason, in order of time."""
    # As floats, since all of time is longer than int64 can say; no digit matters here.
    start, end = (
        pc.fill_null(gaps.column(name).cast(pa.int64()), TS_MAX).cast(pa.float64(), safe=False)
        for name in ("start", "end")
    )
    length, reason = pc.subtract(end, start), gaps.column("reason")
    chosen = []
    for one in reason.unique():
        rows = pc.indices_nonzero(pc.equal(reason, one))
        order = pc.sort_indices(length.take(rows), sort_keys=[("", "descending")])
        chosen.append(rows.take(order[:limit]))
    return gaps.take(pa.concat_arrays(chosen).sort()) if chosen else gaps


def _by_reason(gaps: pa.Table) -> list[list[object]]:
    counted = gaps.group_by("reason").aggregate([("missing", "count"), ("missing", "sum")])
    rows = [
        [row["reason"], row["missing_count"], row["missing_sum"]] for row in counted.to_pylist()
    ]
    return sorted(
        rows, key=lambda row: REASONS.index(row[0]) if row[0] in REASONS else len(REASONS)
    )
