"""Power cuts after every operation on the disk, with everything that each of them could leave.

The last tests take one precaution away from the store at a time: the explorer must notice each.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.crash_explorer import explore, kill_ask_again_and_cut, run_workload
from tests.support.crash_files import CrashFile, CrashFiles
from tests.support.seeds import generator, scaled

from flightstore_proto.errors import FlightstoreError
from flightstore_server.storage.log import group


def test_after_any_power_cut_all_that_was_acknowledged_is_there_and_nothing_by_halves(
    tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    share = scaled(pytestconfig, ci=20, nightly=1)
    states = explore(run_workload(tmp_path), generator("cuts during recovery"), share=share)
    assert states > 1000


def test_what_a_killed_server_left_unsynced_is_safe_before_its_writer_is_told_that_it_is_there(
    tmp_path: Path,
) -> None:
    """A process dies between write and sync. The next one finds the record in the kernel's cache,
    the writer sends it again and is told that it is there; then the power goes."""
    assert kill_ask_again_and_cut(run_workload(tmp_path)) > 5


def _forget_file_syncs(patch: pytest.MonkeyPatch) -> None:
    sync = CrashFile.sync

    def forget(file: CrashFile) -> None:
        if not any(n.startswith("log/") and i == file.inode for n, i in file.names()):
            sync(file)

    patch.setattr(CrashFile, "sync", forget)


def _forget_folder_syncs(prefix: str) -> Callable[[pytest.MonkeyPatch], None]:
    def sabotage(patch: pytest.MonkeyPatch) -> None:
        sync_dir = CrashFiles.sync_dir

        def forget(files: CrashFiles, name: str) -> None:
            if not name.startswith(prefix):
                sync_dir(files, name)

        patch.setattr(CrashFiles, "sync_dir", forget)

    return sabotage


def _leave_torn_tails(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(CrashFiles, "truncate", lambda files, name, size: None)


def _believe_payloads(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(group, "payload_is_intact", lambda data, offset, head: True)


@pytest.mark.parametrize(
    "sabotage",
    [
        _forget_file_syncs,
        _forget_folder_syncs("log"),
        _forget_folder_syncs("segments"),
        _leave_torn_tails,
        _believe_payloads,
    ],
    ids=["no log sync", "no log folder sync", "no segment folder sync", "torn tails", "no CRC"],
)
def test_a_store_without_one_of_its_precautions_is_found_out(
    sabotage: Callable[[pytest.MonkeyPatch], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sabotage(monkeypatch)
    # Not only Violation: some sabotage shows as a refusal to start, which is a promise broken, too.
    with pytest.raises((AssertionError, FlightstoreError, ValueError)):
        explore(run_workload(tmp_path), random.Random(0), share=10)


def test_a_store_that_believes_what_the_kernels_cache_shows_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_workload(tmp_path)
    monkeypatch.setattr(CrashFiles, "settle", lambda files, name: None)
    with pytest.raises(AssertionError, match="rows are gone"):
        kill_ask_again_and_cut(run)
