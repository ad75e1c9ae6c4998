"""What the figures were measured on."""

from __future__ import annotations

import os
import platform
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_PACKAGES = ("flightstore", "pyarrow", "polars", "pandas", "numpy", "duckdb")


def describe(folder: Path) -> str:
    """The machine, its software and its load now, as Markdown; `folder` is where the data lie."""
    file_system, device = mount_of(folder)
    load = ", ".join(f"{value:.2f}" for value in os.getloadavg())
    facts = {
        "measured": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, load before the run {load}",
        "processor": f"{os.cpu_count()} x {_first('/proc/cpuinfo', 'model name')}",
        "memory": _first("/proc/meminfo", "MemTotal"),
        "disk": f"{file_system} on {device}",
        "system": f"{platform.system()} {platform.release()}, Python {sys.version.split()[0]}",
        "packages": ", ".join(filter(None, map(_installed, _PACKAGES))),
    }
    return "\n".join(f"* {name}: {text}" for name, text in facts.items())


def mount_of(folder: Path) -> tuple[str, str]:
    """The file system and the device that `folder` lies on."""
    found = ("unknown", "unknown")
    longest = -1
    for line in Path("/proc/mounts").read_text().splitlines():
        device, point, kind = line.split()[:3]
        if folder.resolve().is_relative_to(point) and len(point) > longest:
            found, longest = (kind, device), len(point)
    return found


def _installed(name: str) -> str:
    """A package with its version; nothing where it is not installed."""
    try:
        return f"{name} {version(name)}"
    except PackageNotFoundError:
        return ""


def _first(path: str, key: str) -> str:
    for line in Path(path).read_text().splitlines():
        name, _, text = line.partition(":")
        if name.strip() == key:
            return text.strip()
    return "unknown"
