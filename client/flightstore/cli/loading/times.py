"""Times of a file, as `timestamp[ns, UTC]`.

A `Reading` is decided once, on the first rows, and holds for the whole file: numbers since 1970 by
their magnitude, ISO text with or without a zone, or timestamps as Parquet and Arrow hold them. A
later number of another magnitude is refused and not guessed again, since some published dumps
change from milliseconds to microseconds on the way.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from zoneinfo import available_timezones

import pyarrow as pa
import pyarrow.compute as pc

from flightstore_proto.errors import BadRequest, did_you_mean, near, shown

UTC_NS = pa.timestamp("ns", "UTC")
NS_PER_UNIT = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}
_WORDS = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
# A number of each unit that means a day from 1973 to 5138.
_UPPER = {"s": 10**11, "ms": 10**14, "us": 10**17, "ns": 2**63}
_LOWEST = 10**8
_DECIMALS = pa.decimal128(28, 9)

_WHOLE = re.compile(r"[+-]?[0-9]+")
_DECIMAL = re.compile(r"[+-]?[0-9]*\.?[0-9]+(?:[eE][+-]?[0-9]+)?")
_ZONED = re.compile(r".*[T ][0-9:.]+ ?(?:Z|UTC|[+-][0-9]{2}(?::?[0-9]{2})?)")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ][0-9]{2}(?::?[0-9]{2}.*)?)?")


@dataclass(frozen=True, slots=True)
class Reading:
    """How one file writes its times. `unit` for numbers, `zone` for times that name none."""

    kind: str  # whole, decimal, float, zoned, text, stamp, naive (a stamp without a zone)
    unit: str = ""
    zone: str = "UTC"
    guessed: bool = False

    def __str__(self) -> str:
        if self.unit:
            return f"{_WORDS[self.unit]} since 1970"
        return {
            "zoned": "text with its zone",
            "text": f"text in {self.zone}",
            "stamp": "timestamps with their zone",
            "naive": f"timestamps in {self.zone}",
        }[self.kind]

    @property
    def csv_type(self) -> pa.DataType:
        """The type to parse the column of a CSV file as."""
        return pa.int64() if self.kind == "whole" else pa.utf8()

    def convert(self, column: pa.ChunkedArray) -> pa.ChunkedArray:
        """`column` as timestamps in UTC. Raises BadRequest if a value is not such a time."""
        if column.null_count:
            raise BadRequest(f"{column.null_count} rows have no time.")
        try:
            return self._converted(column)
        except pa.ArrowInvalid as error:
            raise BadRequest(f"Not every time is {self}: {str(error).splitlines()[0]}") from error

    def _converted(self, column: pa.ChunkedArray) -> pa.ChunkedArray:
        if self.kind in ("whole", "decimal", "float"):
            return self._from_numbers(column)
        if self.kind == "zoned":
            return _plain_text(column).cast(UTC_NS)
        if self.kind == "stamp":
            return column.cast(UTC_NS)
        naive = _plain_text(column) if self.kind == "text" else column
        return pc.assume_timezone(naive.cast(pa.timestamp("ns")), self.zone).cast(UTC_NS)

    def _from_numbers(self, column: pa.ChunkedArray) -> pa.ChunkedArray:
        if not _is_number(column.type):
            kind = pa.int64() if self.kind == "whole" else _DECIMALS
            column = pc.utf8_trim_whitespace(column.cast(pa.utf8())).cast(kind)
        if self.guessed:
            self._check_magnitude(column)
        scale = NS_PER_UNIT[self.unit]
        if self.kind == "whole":
            whole = pc.multiply_checked(column.cast(pa.int64()), scale)
        elif self.kind == "decimal":
            whole = _from_decimals(column, scale)
        else:
            whole = _from_floats(column, scale)
        return whole.cast(pa.timestamp("ns")).cast(UTC_NS)

    def _check_magnitude(self, column: pa.ChunkedArray) -> None:
        extremes = pc.min_max(column)
        for extreme in (extremes["min"].as_py(), extremes["max"].as_py()):
            if unit_of(float(extreme)) != self.unit:
                raise BadRequest(
                    f"The file starts with {_WORDS[self.unit]} and later says {extreme}: "
                    "split it, or settle it with --time-unit."
                )


def unit_of(number: float) -> str | None:
    """The unit in which `number` is a day from 1973 on; None for smaller numbers."""
    size = abs(number)
    if size < _LOWEST:
        return None
    return next((unit for unit, upper in _UPPER.items() if size < upper), None)


def reading_of(sample: pa.Array, unit: str, zone: str) -> Reading:
    """How the times of `sample`, the file's first rows, are written.

    `unit` is auto, s, ms, us or ns; `zone` is meant where a time names none. Raises BadRequest if
    it cannot be told.
    """
    _check_options(unit, zone)
    values = sample.drop_null()
    kind = _kind(values, unit)
    if kind not in ("whole", "decimal", "float"):
        return Reading(kind, zone=zone)
    return Reading(kind, _unit(values, unit), zone, guessed=unit == "auto")


def _check_options(unit: str, zone: str) -> None:
    if unit != "auto" and unit not in NS_PER_UNIT:
        raise BadRequest(f"--time-unit {unit} is not auto, s, ms, us or ns.")
    if zone not in available_timezones():
        hint = did_you_mean(near(zone, available_timezones()))
        raise BadRequest(f"--tz {zone} is not a time zone: UTC, Europe/Berlin, ...{hint}")


def _kind(values: pa.Array, unit: str) -> str:
    kind = values.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return "stamp" if getattr(kind, "tz", None) else "naive"
    if pa.types.is_integer(kind):
        return "whole"
    if pa.types.is_floating(kind):
        return "float"
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        raise BadRequest(f"The time column holds {kind}, which is not a time.")
    texts = [text.strip() for text in values.to_pylist()]
    for name, form in (
        ("whole", _WHOLE),
        ("decimal", _DECIMAL),
        ("zoned", _ZONED),
        ("text", _DATE),
    ):
        if all(form.fullmatch(text) for text in texts):
            return name
    odd = next((text for text in texts if not _DATE.match(text)), texts[0])
    raise BadRequest(
        f"{shown(odd)} in the time column is not a number or ISO text (2024-02-01 12:30:00): "
        "name another column with --columns ts=NAME."
    )


def _unit(values: pa.Array, unit: str) -> str:
    if unit != "auto":
        return unit
    numbers: list[Any] = [float(value) for value in values.to_pylist()]
    units = {unit_of(number) for number in numbers}
    if len(units) == 1 and (only := units.pop()) is not None:
        return only
    raise BadRequest(
        f"The times start with {values[0]}, whose unit is not clear: "
        "settle it with --time-unit s, ms, us or ns."
        if numbers
        else "There are no rows to tell the unit of time by: settle it with --time-unit."
    )


def _plain_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    text = pc.utf8_trim_whitespace(column.cast(pa.utf8()))
    return pc.replace_substring_regex(text, " ?(?:UTC|Z)$", "Z")


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _from_decimals(column: pa.ChunkedArray, scale: int) -> pa.ChunkedArray:
    if scale > 1:
        # One digit fewer, as the product of 28 and 10 digits would need 39, one more than there is.
        factor = pa.scalar(Decimal(scale), pa.decimal128(10, 0))
        column = pc.multiply(column.cast(pa.decimal128(27, 9)), factor)
    return column.cast(pa.int64())


def _from_floats(column: pa.ChunkedArray, scale: int) -> pa.ChunkedArray:
    numbers = column.cast(pa.float64())
    if pc.all(pc.equal(pc.floor(numbers), numbers)).as_py():
        return pc.multiply_checked(numbers.cast(pa.int64()), scale)
    # A float of today's seconds is good to 0.2 microseconds: more digits would be noise.
    micros = pc.round(pc.multiply(numbers, scale / 1000)).cast(pa.int64())
    return pc.multiply_checked(micros, 1000)
