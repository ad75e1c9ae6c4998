"""flightstore repair"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from flightstore.cli import options, output
from flightstore_proto.errors import BadRequest
from flightstore_server.engine.repair import repair as repair_directory
from flightstore_server.storage.files import existing_root


def repair(
    data_dir: Annotated[Path, typer.Option(help="Directory that no server has open.")] = Path(
        "./data"
    ),
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: options.Json = False,
) -> None:
    """Make a damaged directory open again, keeping all that is intact.

    What cannot be read is moved into damaged/ inside of it and never deleted. Prints what was done
    and what was lost. Copy the directory first if you can, and prefer a backup if you have one.

    Examples:
      flightstore verify --data-dir ./data
      flightstore repair --data-dir ./data
    """
    files = existing_root(data_dir)
    if not yes:
        _confirm(f"Repair {files.root}? Unreadable parts of the log and of segments are taken out.")
    said = repair_directory(files)
    if as_json:
        output.print_json({"done": said})
        return
    for sentence in said:
        print(sentence)
    output.remark("The directory verifies." if said else "There was nothing to repair.")


def _confirm(question: str) -> None:
    if not sys.stdin.isatty():
        raise BadRequest("Nobody is here to confirm a repair: give --yes.")
    if not typer.confirm(question, err=True):
        raise typer.Exit(1)
