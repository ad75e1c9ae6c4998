"""The port: one Service after another, since Flight fixes certificates when it makes a server.

The next one takes over the port as soon as the one before has stopped to listen. That one goes on
with the streams it has until they end; a client's next call finds the new one by itself.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from flightstore_proto.errors import ConfigError
from flightstore_server.access.certificates import CertificateFiles, Certificates
from flightstore_server.flight.authentication import AUTHORIZATION, Door, Handshakes
from flightstore_server.flight.backend import Backend
from flightstore_server.flight.limits.admission import Admission
from flightstore_server.flight.limits.usage import Usage
from flightstore_server.flight.service import Service
from flightstore_server.sql.engine import SqlEngine

log = logging.getLogger(__name__)
# How long the port may take to become free, and how often it is tried meanwhile.
_FREE_SECONDS, _TRY_SECONDS = 5.0, 0.005


@dataclass(frozen=True, slots=True)
class _Terms:
    """What a Service was made with, and the next one may have otherwise."""

    certificates: Certificates | None
    takes_credentials: bool

    def options(self, backend: Backend) -> dict[str, Any]:
        """The same in Flight's words."""
        options: dict[str, Any] = {}
        if self.takes_credentials:
            options["middleware"] = {AUTHORIZATION: Door(backend.gate)}
            options["auth_handler"] = Handshakes()
        if self.certificates is not None:
            options["tls_certificates"] = [(self.certificates.chain, self.certificates.key)]
            if self.certificates.client_ca is not None:
                options["verify_client"] = True
                options["root_certificates"] = self.certificates.client_ca
        return options


class Listener:
    """Serves a backend on one port, from now on. Used by one thread."""

    def __init__(
        self, backend: Backend, host: str, port: int, certificates: CertificateFiles | None
    ) -> None:
        """Raises ConfigError if the certificates are no good or the port cannot be had."""
        self._backend = backend
        self._host = f"[{host}]" if ":" in host else host
        self._files = certificates
        self._seen = certificates.identity() if certificates else ()
        self._certificates = certificates.read() if certificates else None
        terms = _Terms(self._certificates, backend.gate.takes_credentials)
        self._terms: _Terms | None = terms  # None: the port is not open
        self._failed: _Terms | None = None
        self._closing: list[threading.Thread] = []
        try:
            self._service = self._opened(port, terms)
        except (OSError, pa.ArrowException) as error:
            raise ConfigError(
                f"Cannot listen on {self._host}:{port}: the port is in use or the address is not "
                "this machine's; stop the other process, or choose another with --host or --port "
                "(--port 0 takes a free one)."
            ) from error
        self.port: int = self._service.port

    @property
    def uri(self) -> str:
        return f"{self._scheme}://{self._host}:{self.port}"

    @property
    def sql(self) -> SqlEngine:
        return self._backend.sql

    @property
    def admission(self) -> Admission:
        return self._backend.admission

    @property
    def usage(self) -> Usage:
        return self._backend.usage

    @property
    def is_tls(self) -> bool:
        return self._files is not None

    @property
    def _scheme(self) -> str:
        return "grpc+tls" if self.is_tls else "grpc"

    def refresh(self) -> None:
        """Have the port take new certificates and tokens, if there are any. Never raises.

        Certificates that are no good leave those of before in force.
        """
        self._look_at_certificates()
        self._backend.gate.look()
        terms = _Terms(self._certificates, self._backend.gate.takes_credentials)
        if terms not in (self._terms, self._failed):
            self._reopen(terms)

    def shutdown(self) -> None:
        """Stop serving; returns once all streams have ended."""
        self._backend.close()
        self._service.shutdown()
        for thread in self._closing:
            thread.join()

    def _look_at_certificates(self) -> None:
        if self._files is None or (seen := self._files.identity()) == self._seen:
            return
        self._seen = seen
        try:
            self._certificates = self._files.read()
        except ConfigError as error:
            log.error("the certificates of before stay in force: %s", error.message)

    def _reopen(self, terms: _Terms) -> None:
        closing = threading.Thread(target=self._service.shutdown, name="closing", daemon=True)
        closing.start()
        self._closing = [thread for thread in self._closing if thread.is_alive()] + [closing]
        for these in (terms, self._terms or terms):  # as it was is better than not at all
            try:
                self._service = self._taken_over(these)
            except (OSError, pa.ArrowException):
                log.exception("the port could not be opened anew")
                continue
            self._terms, self._failed = these, None if these == terms else terms
            log.info("the port was opened anew, for new certificates or tokens")
            return
        self._terms = self._failed = None  # so that the next refresh tries again

    def _taken_over(self, terms: _Terms) -> Service:
        """A new service on the port, which becomes free at any moment."""
        until = time.monotonic() + _FREE_SECONDS
        while True:
            try:
                return self._opened(self.port, terms)
            except (OSError, pa.ArrowException):
                if time.monotonic() >= until:
                    raise
                time.sleep(_TRY_SECONDS)

    def _opened(self, port: int, terms: _Terms) -> Service:
        location = f"{self._scheme}://{self._host}:{port}"
        return Service(self._backend, location, **terms.options(self._backend))
