"""flightstore serve"""

from __future__ import annotations

import ctypes
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import pyarrow as pa
import typer

from flightstore_proto.errors import FlightstoreError
from flightstore_server import config
from flightstore_server.access.gate import Gate
from flightstore_server.cli import arrow_memory, logs
from flightstore_server.cli.duties import Duties
from flightstore_server.cli.following import follow, make_ready
from flightstore_server.cli.operations import Operations
from flightstore_server.cli.publicity import refuse_public
from flightstore_server.engine.store import Store, open_store
from flightstore_server.flight.lifecycle import bind, run_until_signal
from flightstore_server.flight.listener import Listener
from flightstore_server.storage.descriptors import RESERVE

# With Python's default of 5 ms a thread that waits for the interpreter while another computes adds
# that much to an acknowledgement.
_SWITCH_SECONDS = 0.0005
# glibc's number for the parameter of mallopt(3), and how many threads may allocate at once.
_M_ARENA_MAX, _ARENAS = -8, 2


def serve(
    data_dir: Annotated[
        Path | None, typer.Option(help="Directory of the data; created if missing. [./data]")
    ] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on. [127.0.0.1]")] = None,
    port: Annotated[
        int | None, typer.Option(help="Port to listen on; 0 takes a free one. [8815]")
    ] = None,
    config_file: Annotated[
        Path | None, typer.Option("--config", help="TOML file; see config/server.toml.")
    ] = None,
    insecure: Annotated[
        bool | None,
        typer.Option("--insecure", help="Allow a public address without TLS and tokens."),
    ] = None,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error.")] = None,
    follow_uri: Annotated[
        str | None,
        typer.Option("--follow", help="Be a replica of that server: grpc://10.0.0.1:8815."),
    ] = None,
) -> None:
    """Serve a data directory.

    Example: flightstore serve --data-dir ./data --port 8815

    Prints one line, `listening on grpc://127.0.0.1:8815`, once it is ready. Stops on SIGTERM and
    Ctrl-C. Everything acknowledged is on the disk already.
    """
    flags = {
        "data_dir": data_dir,
        "host": host,
        "port": port,
        "insecure": insecure,
        "log_level": log_level,
        "replication.follow": follow_uri,
    }
    _serve(config.load(config_file, os.environ, flags))


def _serve(settings: config.Config) -> None:
    duties = Duties(settings)
    logs.to_stderr(settings.server.log_level, settings.server.log_format)
    refuse_public(settings)
    arrow_memory.limit()
    sys.setswitchinterval(_SWITCH_SECONDS)
    RESERVE.keep()
    _share_memory_between_threads()
    primary = make_ready(settings.server.data_dir, settings.replication)
    store = open_store(
        settings.server.data_dir, settings.engine_limits(), settings.retention_rules()
    )
    try:
        if primary is None:
            duties.begin(store)
        else:
            follow(store, primary, lambda: duties.begin(store))
        listener = _listening(store, settings)
        operations = Operations(store, settings, listener.usage)
    except FlightstoreError:
        duties.stop()
        store.close()
        raise

    def ready() -> None:
        print(f"listening on {listener.uri}", flush=True)
        operations.begin()

    def stop() -> None:
        operations.stop()
        duties.stop()

    run_until_signal(
        listener,
        store,
        shutdown_seconds=settings.server.shutdown_seconds,
        ready=ready,
        stop=stop,
    )


def _listening(store: Store, settings: config.Config) -> Listener:
    return bind(
        store,
        settings.server.host,
        settings.server.port,
        gate=Gate(store.files, replication_token=settings.replication.token.get_secret_value()),
        sql=settings.sql_limits(),
        edge=settings.edge_limits(),
        certificates=settings.tls.files(),
    )


def _share_memory_between_threads() -> None:
    """Have memory that one thread has let go of serve the others.

    Each stream has a thread of its own. Arrow's own allocator, and the system's unless told
    otherwise, keep for each thread what it once used: for 200 subscribers that was 1.7 GB.
    """
    pa.set_memory_pool(pa.system_memory_pool())
    with suppress(AttributeError):  # a C library without it has no arenas either
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, _ARENAS)
