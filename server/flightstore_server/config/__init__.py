"""Configuration: one TOML file, read once into frozen values; environment and flags override it.

sections   the keys of each section, with their ranges
settings   all sections together, and what they mean to the parts of the server
loading    where values come from, and what is said of wrong ones
"""

from flightstore_server.config.loading import load
from flightstore_server.config.sections import (
    ReplicationSection,
    RetentionSection,
    RuleSection,
    TriggerSection,
)
from flightstore_server.config.settings import Config

__all__ = [
    "Config",
    "ReplicationSection",
    "RetentionSection",
    "RuleSection",
    "TriggerSection",
    "load",
]
