"""Reading the configuration: a TOML file, then the environment, then flags.

An environment variable FLIGHTSTORE_<SECTION>_<KEY> overrides a key, a command-line flag overrides
both. An unknown key is an error that shows the nearest known one.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from flightstore_proto.errors import ConfigError, did_you_mean, near
from flightstore_server.config.sections import RetentionSection, RuleSection, TriggerSection
from flightstore_server.config.settings import Config

ENV_PREFIX = "FLIGHTSTORE_"


def load(path: Path | None, environment: Mapping[str, str], overrides: Mapping[str, Any]) -> Config:
    """The configuration in `path` (None: only defaults), overridden by environment and flags.

    `overrides` are the keys given on the command line, those of other sections than [server] as
    section.key; None values are not given.
    Raises ConfigError naming the file, the key and the nearest known key.
    """
    values = _read(path) if path else {}
    source = str(path) if path else "the environment"
    for section, key, text in _from_environment(environment):
        values.setdefault(section, {})[key] = text
    for name, value in overrides.items():
        section, _, key = name.rpartition(".")
        if value is not None:
            values.setdefault(section or "server", {})[key] = value
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        raise ConfigError(_explain(error, source)) from None


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not TOML: {error}.") from None


def _from_environment(environment: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """(section, key, text) of every variable that names a section of the configuration.

    Raises ConfigError for a section of which there may be several.
    """
    found = []
    for name, text in environment.items():
        section, _, key = name.removeprefix(ENV_PREFIX).lower().partition("_")
        if not (name.startswith(ENV_PREFIX) and key and section in Config.model_fields):
            continue
        if section in _LISTED:
            raise ConfigError(
                f"{name} says not which of the [[{section}]] it means; write them in the file."
            )
        found.append((section, key, text))
    return found


def _explain(error: ValidationError, source: str) -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        suggestions = near(str(first["loc"][-1]), _known_keys(first["loc"]))
        return f"{source}: there is no key {where!r}.{did_you_mean(suggestions)}"
    if first["loc"] == ("replication", "token"):  # secrets are not repeated
        return f"{source}: {where}: {first['msg']}."
    return f"{source}: {where}: {first['msg']} (got {first['input']!r})."


# Sections of which there may be any number.
_LISTED = {"retention": RetentionSection, "rules": RuleSection, "triggers": TriggerSection}


def _known_keys(location: tuple[int | str, ...]) -> list[str]:
    """The keys there are beside the one at `location`."""
    model: Any = Config
    for part in location[:-1]:
        if isinstance(part, str):
            kind = model.model_fields[part].annotation
            model = _LISTED.get(part, kind)
    return list(model.model_fields)
