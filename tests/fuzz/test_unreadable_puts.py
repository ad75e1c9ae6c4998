"""Puts whose stream is not Arrow data: the caller is told so, and the server's log is not filled.

Each of these was an "unexpected OSError" (or ArrowInvalid, ArrowKeyError, UnicodeDecodeError) to
its client and a traceback in the log, as if the server had a defect.
"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pytest
from google.protobuf.message import DecodeError
from tests.fuzz.calls import Call, Caller, Outcome
from tests.fuzz.genuine import genuine_calls
from tests.fuzz.protobuf import BYTES, Field, joined, parsed
from tests.support.serving import Serving

from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto.schemas import CANDLES

_HEADER, _BODY = 2, 1000


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    served = Serving(tmp_path_factory.mktemp("unreadable") / "data")
    yield served
    served.close()


@pytest.fixture(scope="module")
def put(serving: Serving) -> Call:
    """A genuine put of minute bars: their schema first, then rows with a commit."""
    calls = [c for c in genuine_calls(serving.uri) if c.method == "DoPut" and len(c.messages) > 1]
    return next(call for call in calls if _commits(call) and b"1m" in call.messages[1])


def _commits(call: Call) -> bool:
    fields = parsed(call.messages[1]) or []
    try:
        return any(pb.PutCommit.FromString(f.data).put_id for f in fields if f.number == 3)
    except DecodeError:
        return False


def _made(serving: Serving, call: Call) -> Outcome:
    caller = Caller(serving.uri)
    try:
        return caller.make(call, seconds=30)
    finally:
        caller.close()


def _with(message: bytes, number: int, data: bytes) -> bytes:
    kept = [field for field in parsed(message) or [] if field.number != number]
    return joined([*kept, Field(number, BYTES, data)])


def _code(outcome: Outcome) -> str:
    return pb.ErrorDetail.FromString(outcome.detail).code


@pytest.mark.parametrize(
    ("number", "data"), [(_BODY, b"cut"), (_BODY, b""), (_HEADER, b"\x10\0\0\0not a flatbuffer")]
)
def test_rows_that_are_no_arrow_data_are_the_callers_fault(
    serving: Serving, put: Call, number: int, data: bytes
) -> None:
    broken = _with(put.messages[1], number, data)
    outcome = _made(serving, Call("DoPut", (put.messages[0], broken)))
    assert _code(outcome) == "bad_request"
    assert "nothing of this put was written" in outcome.message


def test_a_name_of_a_column_that_is_no_text_is_the_callers_fault(
    serving: Serving, put: Call
) -> None:
    header = CANDLES.serialize().to_pybytes()[8:].replace(b"volume", b"\xff\xfeolum")
    schema = _with(put.messages[0], _HEADER, header)
    assert _code(_made(serving, Call("DoPut", (schema, *put.messages[1:])))) == "bad_request"


def test_a_dictionary_that_was_not_announced_is_the_callers_fault(
    serving: Serving, put: Call
) -> None:
    encoded = pa.record_batch({"x": pa.array(["a", "b"]).dictionary_encode()})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, encoded.schema) as writer:
        writer.write_batch(encoded)
    messages = list(pa.ipc.MessageReader.open_stream(sink.getvalue()))
    dictionary = next(m for m in messages if m.type == "dictionary")
    sent = joined(
        [
            Field(_HEADER, BYTES, dictionary.metadata.to_pybytes()),
            Field(_BODY, BYTES, dictionary.body.to_pybytes()),
        ]
    )
    assert _code(_made(serving, Call("DoPut", (put.messages[0], sent)))) == "bad_request"
