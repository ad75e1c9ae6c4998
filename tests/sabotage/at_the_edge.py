"""Defects of what is believed of those who call: commits, schemas, tokens."""

from __future__ import annotations

import pyarrow as pa
import pytest
from tests.sabotage.defect import Defect

from flightstore_proto import flightstore_pb2 as pb
from flightstore_server.access.gate import Gate
from flightstore_server.access.grants import Access, Scope
from flightstore_server.engine.puts import Preparer
from flightstore_server.flight import puts

PUTS = "tests/contract/test_puts.py::"


def _any_commit_fits(patch: pytest.MonkeyPatch) -> None:
    put_of = puts.put_of

    def altered(dataset: str, batches: list[pa.RecordBatch], data: bytes) -> object:
        commit = pb.PutCommit.FromString(data)
        commit.rows = commit.series[0].rows = sum(batch.num_rows for batch in batches)
        return put_of(dataset, batches, commit.SerializeToString())

    patch.setattr(puts, "put_of", altered)


def _read_any_schema(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Preparer, "check_schema", lambda self, dataset, schema: None)


def _every_role_may(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Access, "require", lambda self, role: None)


def _every_name_is_in_reach(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Scope, "has", lambda self, dataset, instrument: True)
    patch.setattr(Scope, "check", lambda self, dataset, instrument: None)


def _let_revoked_tokens_stay(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Gate, "check", lambda self, access: None)


DEFECTS = [
    Defect(
        "no commit check",
        "A put counts as whole although its commit speaks of other rows.",
        _any_commit_fits,
        f"{PUTS}test_a_commit_of_another_number_of_rows_is_refused",
    ),
    Defect(
        "no schema check",
        "Batches are read with whatever schema a writer sends.",
        _read_any_schema,
        "tests/contract/test_bad_input.py::"
        "test_columns_of_other_types_are_refused_before_a_row_is_read",
    ),
    Defect(
        "no role check",
        "A token that may read may also do what takes an administrator.",
        _every_role_may,
        "tests/contract/test_access_matrix.py::"
        "test_just_the_calls_that_a_credential_allows_are_let_through",
    ),
    Defect(
        "limits of a token ignored",
        "A token that is limited to some instruments reads all of them.",
        _every_name_is_in_reach,
        "tests/contract/test_access_scopes.py::"
        "test_a_name_out_of_reach_is_refused_whether_or_not_it_exists",
    ),
    Defect(
        "revoked token goes on",
        "An open writer outlives the token it was opened with.",
        _let_revoked_tokens_stay,
        "tests/contract/test_access_changes.py::"
        "test_an_open_writer_writes_nothing_more_once_its_token_is_revoked",
    ),
]
