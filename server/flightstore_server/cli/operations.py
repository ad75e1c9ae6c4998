"""What surrounds a server that is up: metrics, the background check, the service manager."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flightstore_server.cli import service_manager
from flightstore_server.config import Config
from flightstore_server.engine.scrubbing.scrub import Scrub
from flightstore_server.engine.store import Store
from flightstore_server.metrics.observed import Observed, Usage

if TYPE_CHECKING:
    from flightstore_server.metrics.http import MetricsServer


class Operations:
    """Begins with the server and ends before its store is closed."""

    def __init__(self, store: Store, settings: Config, usage: Usage) -> None:
        """Raises ConfigError if the address of the metrics cannot be had."""
        self._metrics: MetricsServer | None = None
        self._scrub: Scrub | None = None
        store.served.slow_seconds = settings.server.log_slow_seconds
        if settings.metrics.listen:
            # Loaded only where it is wanted: a start without it is a little sooner ready.
            from flightstore_server.metrics.http import MetricsServer

            self._metrics = MetricsServer(settings.metrics.listen, lambda: Observed(store, usage))
        if settings.scrub.bytes_per_second:
            self._scrub = Scrub(store, **settings.scrub.model_dump())

    def begin(self) -> None:
        """The server listens."""
        if self._metrics is not None:
            self._metrics.start()
        if self._scrub is not None:
            self._scrub.start()
        service_manager.tell(service_manager.READY)

    def stop(self) -> None:
        """The server stops. Whoever asks whether it is ready gets no answer from here on."""
        service_manager.tell(service_manager.STOPPING)
        if self._metrics is not None:
            self._metrics.stop()
        if self._scrub is not None:
            self._scrub.stop()
