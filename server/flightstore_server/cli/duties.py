"""What only a server that takes writes does, and a replica from its promotion on."""

from __future__ import annotations

from flightstore_server.config import Config
from flightstore_server.engine.store import Store
from flightstore_server.triggers.configured import Triggers


class Duties:
    """The configured rules and triggers of one server."""

    def __init__(self, settings: Config) -> None:
        """Raises ConfigError if a trigger is wrong."""
        self._rules = settings.derivation_rules()
        self._specs = settings.trigger_specs()
        self._triggers: Triggers | None = None

    def begin(self, store: Store) -> None:
        """Put the rules in force and start the triggers. Raises what a rule is refused with."""
        store.rules.configure(self._rules)
        self._triggers = Triggers(store, self._specs)
        self._triggers.start()

    def stop(self) -> None:
        """Stop the triggers within a few seconds. Harmless if none were started."""
        if self._triggers is not None:
            self._triggers.stop()
