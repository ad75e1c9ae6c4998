"""Sources by name: what installed packages register in the entry point group."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Any

from flightstore_ingest.source import Source
from flightstore_proto.errors import ConfigError, did_you_mean, near

GROUP = "flightstore.sources"


def make(name: str, exchange: str, arguments: dict[str, Any]) -> Source:
    """The source called `name`, made for `exchange`. Raises ConfigError if it cannot be made."""
    points = {point.name: point for point in entry_points(group=GROUP)}
    if name not in points:
        suggestions = near(name, points)
        raise ConfigError(
            f"There is no source {name!r}; installed are {', '.join(sorted(points))}."
            f"{did_you_mean(suggestions)}",
            suggestions=suggestions,
        )
    kind = points[name].load()
    try:
        source: Source = kind(exchange, **arguments)
    except TypeError as error:
        raise ConfigError(
            f"The source {name!r} cannot be made with these settings: {error}."
        ) from error
    return source
