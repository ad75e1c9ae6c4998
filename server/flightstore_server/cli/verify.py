"""flightstore verify"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Protocol

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from flightstore.cli import options, output
from flightstore_server.engine.verify import verify_directory
from flightstore_server.storage.files import existing_root


class _Found(Protocol):
    """How far a verification has come, on this machine or on a server."""

    @property
    def files_done(self) -> int: ...
    @property
    def files_total(self) -> int: ...
    @property
    def bytes_done(self) -> int: ...
    @property
    def damage(self) -> list[str]: ...


def verify(
    data_dir: Annotated[Path, typer.Option(help="Directory that no server has open.")] = Path(
        "./data"
    ),
    uri: Annotated[
        str | None, typer.Option(help="Ask this server to verify its directory instead.")
    ] = None,
    token: options.Token = None,
    as_json: options.Json = False,
) -> None:
    """Check every stored byte against its checksum, and change nothing.

    Damage goes to stdout, one sentence a line, and makes the exit code 1.

    Examples:
      flightstore verify --data-dir ./data
      flightstore verify --uri grpc://127.0.0.1:8815
    """
    if uri is None:
        last = _watched(verify_directory(existing_root(data_dir)))
    else:
        with options.connect(uri, token) as db:
            last = _watched(db.verify())
    if as_json:
        facts: dict[str, Any] = {"files": last.files_done, "bytes": last.bytes_done}
        output.print_json({**facts, "damage": list(last.damage)})
    else:
        _print(last)
    if last.damage:
        raise typer.Exit(1)


def _watched(steps: Iterator[_Found]) -> _Found:
    """The last of `steps`, with a bar on stderr where someone can see it."""
    columns = (TextColumn("verifying"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    bar = Progress(
        *columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()
    )
    last: _Found | None = None
    with bar:
        task = bar.add_task("verifying", total=None)
        for last in steps:
            bar.update(task, completed=last.files_done, total=last.files_total)
    if last is None:
        raise RuntimeError("a verification ended without a verdict")
    return last


def _print(last: _Found) -> None:
    for sentence in last.damage:
        print(sentence)
    checked = f"{last.files_done} files, {output.size(last.bytes_done)}"
    if last.damage:
        output.remark(f"{len(last.damage)} findings in {checked}.")
    else:
        output.remark(f"{checked}: no damage.")
