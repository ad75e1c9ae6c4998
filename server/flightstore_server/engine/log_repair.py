"""Making a damaged log readable again: what continues the catalog stays, the rest is set aside."""

from __future__ import annotations

from flightstore_proto.errors import Corrupt
from flightstore_server.storage.damaged import DamagedFolder
from flightstore_server.storage.files import Files
from flightstore_server.storage.log import salvage
from flightstore_server.storage.log.reader import LogEnd, log_files, scan


def repair_log(files: Files, flushed_lsn: int, damaged: DamagedFolder) -> list[str]:
    """Keep the records that follow `flushed_lsn` without a hole. Returns what was done and lost."""
    problem = _problem(files, flushed_lsn)
    if problem is None:
        return []
    groups = salvage.intact_groups(files)
    kept = salvage.continuing(groups, flushed_lsn)
    last = kept[-1].next_lsn - 1 if kept else flushed_lsn
    newest = max((found.next_lsn - 1 for found in groups), default=0)
    aside = salvage.keep_only(files, kept, damaged)
    said = [problem, f"The log now ends with record {last}; {', '.join(aside)} is what it was."]
    if newest > max(last, flushed_lsn):
        said.append(
            f"Lost: the writes of records {last + 1} to {newest}, which follow the damage. Fetch "
            "or write again what they held."
        )
    elif last <= flushed_lsn:
        said.append("Nothing is known to be lost: segments hold every record that could be read.")
    return said


def _problem(files: Files, flushed_lsn: int) -> str | None:
    """Why the log does not read from its first record on up to beyond `flushed_lsn`."""
    found = log_files(files)
    if not found:
        return None
    end = LogEnd(found[0].first_lsn, None, 0, 0)
    try:
        for _ in scan(files, end, after_lsn=min(found[0].first_lsn - 1, flushed_lsn)):
            pass
    except Corrupt as error:
        return error.message
    if end.next_lsn <= flushed_lsn:
        return (
            f"The log ends with record {end.next_lsn - 1} at offset {end.intact_bytes} of "
            f"{end.file}, though segments hold everything up to record {flushed_lsn}."
        )
    return None
