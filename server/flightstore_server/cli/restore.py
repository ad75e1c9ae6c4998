"""flightstore restore"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from flightstore.cli import options, output
from flightstore_server.cli.watching import watched
from flightstore_server.engine.restore import Proof, Step
from flightstore_server.engine.restore import restore as restored
from flightstore_server.storage.files import existing_root


def restore(
    backup: Annotated[
        Path, typer.Argument(metavar="BACKUP", help="What `flightstore backup` has made.")
    ],
    data_dir: Annotated[Path, typer.Option(help="A new directory, for a server to open.")],
    link: Annotated[
        bool, typer.Option("--link", help="Hard links in the place of copies, on one disk.")
    ] = False,
    check: Annotated[
        bool, typer.Option("--check/--no-check", help="Compare all rows of the two as well.")
    ] = True,
    as_json: options.Json = False,
) -> None:
    """Make a backup a data directory again, and prove that it holds the same.

    Every checksum of the copy is verified, and every row of both is read and compared; with
    --no-check only the former. Prints what was proved. Nothing is left behind if it fails.

    Examples:
      flightstore restore /backups/2026-02-01 --data-dir ./data
    """
    steps = restored(existing_root(backup), data_dir, link=link, compare=check)
    proof = watched(steps, _seen).proof
    if proof is None:
        raise RuntimeError("a restore ended without a proof")
    facts = _facts(proof)
    if as_json:
        output.print_json(facts)
        return
    output.print_facts(facts)
    if proof.compared is None:
        output.remark(f"{data_dir} holds the backup: every checksum is right.")
    else:
        output.remark(f"{data_dir} holds the backup: every checksum is right, every row the same.")
    output.remark("Tokens are no part of a backup: nobody needs one here until there are some.")


def _seen(step: Step) -> tuple[str, int, int]:
    return step.what, step.done, step.total


def _facts(proof: Proof) -> dict[str, Any]:
    facts: dict[str, Any] = {"files": proof.files, "bytes": proof.bytes, "lsn": proof.lsn}
    if proof.compared is not None:
        facts["series"] = len(proof.compared.series)
        facts["rows"] = proof.compared.rows
        facts["content"] = f"crc32c {proof.compared.crc:08x}"
    return facts
