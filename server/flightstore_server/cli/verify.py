"""flightstore verify"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Protocol

import typer

from flightstore.cli import options, output
from flightstore_server.cli.watching import watched
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
        last: _Found = watched(verify_directory(existing_root(data_dir)), _seen)
    else:
        with options.connect(uri, token) as db:
            last = watched(db.verify(), _seen)
    if as_json:
        facts: dict[str, Any] = {"files": last.files_done, "bytes": last.bytes_done}
        output.print_json({**facts, "damage": list(last.damage)})
    else:
        _print(last)
    if last.damage:
        raise typer.Exit(1)


def _seen(found: _Found) -> tuple[str, int, int]:
    return "verifying", found.files_done, found.files_total


def _print(last: _Found) -> None:
    for sentence in last.damage:
        print(sentence)
    checked = f"{last.files_done} files, {output.size(last.bytes_done)}"
    if last.damage:
        output.remark(f"{len(last.damage)} findings in {checked}.")
    else:
        output.remark(f"{checked}: no damage.")
