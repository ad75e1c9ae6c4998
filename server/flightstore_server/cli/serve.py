"""flightstore serve"""

from __future__ import annotations

import ctypes
import ipaddress
import logging
import os
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import pyarrow as pa
import typer

from flightstore_proto.errors import ConfigError, FlightstoreError
from flightstore_server import config
from flightstore_server.cli.duties import Duties
from flightstore_server.cli.following import follow, make_ready
from flightstore_server.engine.store import Store, open_store
from flightstore_server.flight.lifecycle import bind, run_until_signal
from flightstore_server.flight.service import Service

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
        typer.Option("--insecure", help="Allow an address that other machines can reach."),
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
    settings = config.load(config_file, os.environ, flags)
    duties = Duties(settings)
    _log_to_stderr(settings.server.log_level)
    _refuse_public(settings.server.host, insecure=settings.server.insecure)
    sys.setswitchinterval(_SWITCH_SECONDS)
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
        service = _listening(store, settings)
    except FlightstoreError:
        duties.stop()
        store.close()
        raise
    uri = f"grpc://{settings.server.host}:{service.port}"
    run_until_signal(
        service,
        store,
        shutdown_seconds=settings.server.shutdown_seconds,
        ready=lambda: print(f"listening on {uri}", flush=True),
        stop=duties.stop,
    )


def _listening(store: Store, settings: config.Config) -> Service:
    return bind(
        store,
        settings.server.host,
        settings.server.port,
        replication_token=settings.replication.token.get_secret_value(),
        sql=settings.sql_limits(),
    )


def _share_memory_between_threads() -> None:
    """Have memory that one thread has let go of serve the others.

    Each stream has a thread of its own. Arrow's own allocator, and the system's unless told
    otherwise, keep for each thread what it once used: for 200 subscribers that was 1.7 GB.
    """
    pa.set_memory_pool(pa.system_memory_pool())
    with suppress(AttributeError):  # a C library without it has no arenas either
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, _ARENAS)


def _log_to_stderr(level: str) -> None:
    logging.basicConfig(
        stream=sys.stderr,
        level=level.upper(),
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
    )


def _refuse_public(host: str, *, insecure: bool) -> None:
    """Until there are TLS and tokens, nobody serves other machines by accident."""
    if insecure or all(ipaddress.ip_address(a).is_loopback for a in _addresses(host)):
        return
    raise ConfigError(
        f"{host} can be reached from other machines, and this server has no access control; listen "
        "on 127.0.0.1, or say --insecure if the network itself is trusted."
    )


def _addresses(host: str) -> list[str]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError as error:
        raise ConfigError(f"{host} is not an address: {error.strerror}.") from None
    return [str(info[4][0]) for info in found]
