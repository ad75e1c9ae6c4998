"""A proxy that stands between genuine clients and a server and writes down what they send."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc
from tests.fuzz.calls import SERVICE, Call

_THREADS = 64


class Recorder(grpc.GenericRpcHandler):
    """Hands every call on as it is; `calls` are all that came."""

    def __init__(self, uri: str) -> None:
        self._channel = grpc.insecure_channel(uri.removeprefix("grpc://"))
        self.calls: list[Call] = []

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        method = details.method

        def behaviour(sent: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
            messages: list[bytes] = []
            onward = self._channel.stream_stream(method)(_kept(sent, messages))
            context.add_callback(onward.cancel)
            try:
                yield from onward
            except grpc.RpcError:
                context.set_trailing_metadata(tuple(onward.trailing_metadata() or ()))
                context.abort(onward.code(), onward.details() or "")
            finally:
                self.calls.append(Call(method.removeprefix(SERVICE), tuple(messages)))

        return grpc.stream_stream_rpc_method_handler(behaviour)

    def close(self) -> None:
        self._channel.close()


def _kept(sent: Iterator[bytes], messages: list[bytes]) -> Iterator[bytes]:
    for message in sent:
        messages.append(message)
        yield message


@contextmanager
def recorded(uri: str) -> Iterator[tuple[str, list[Call]]]:
    """The address of a proxy in front of the server at `uri`, and the calls that went through."""
    recorder = Recorder(uri)
    server = grpc.server(ThreadPoolExecutor(_THREADS), handlers=[recorder])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"grpc://127.0.0.1:{port}", recorder.calls
    finally:
        server.stop(grace=None).wait()
        recorder.close()
