"""Which sub-commands there are, and loading one of them.

Every part of flightstore registers its commands as entry points. Listing them reads the package's
metadata and the source text of each command, so `flightstore --help` neither imports a server nor
fails for want of an extra; only the command that runs is imported.
"""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Sequence
from importlib.metadata import EntryPoint, PackageNotFoundError, entry_points, version
from pathlib import Path
from typing import Any

from flightstore_proto.errors import InternalError, MissingExtra

GROUP = "flightstore.commands"
_EXTRA_OF_PACKAGE = {
    "flightstore": "cli",
    "flightstore_server": "server",
    "flightstore_ingest": "ingest",
}
_OURS = {*_EXTRA_OF_PACKAGE, "flightstore_proto"}


def installed() -> dict[str, EntryPoint]:
    """The entry points of all sub-commands by name, in alphabetical order."""
    found = sorted(entry_points(group=GROUP), key=lambda point: point.name)
    return {point.name: point for point in found}


def installed_version() -> str:
    """The version of the installed distribution."""
    try:
        return version("flightstore")
    except PackageNotFoundError:
        return "unknown (not installed)"


def named_in(arguments: Sequence[str]) -> EntryPoint | None:
    """The command that `arguments` ask for, if there is one."""
    first = next((argument for argument in arguments if not argument.startswith("-")), "")
    return installed().get(first)


def load(point: EntryPoint) -> Any:
    """The function or typer app behind `point`. Raises MissingExtra if it needs one."""
    try:
        return point.load()
    except ImportError as error:
        raise missing_extra(error, point) from error
    except AttributeError as error:
        raise InternalError(f"flightstore {point.name} cannot be loaded: {error}.") from error


def missing_extra(error: ImportError, point: EntryPoint | None) -> MissingExtra | InternalError:
    """What to tell the user whose command `point` (None: all of them) failed with `error`."""
    asked = f"flightstore {point.name}" if point else "The flightstore command"
    module = (error.name or "").partition(".")[0]
    extra = _EXTRA_OF_PACKAGE.get(_package(point)) if point else "cli"
    if not module or module in _OURS:
        return InternalError(f"{asked} cannot be loaded: {error}.")
    if extra is None:
        return MissingExtra(f"{asked} needs the module {module}, which is not installed.")
    return MissingExtra(
        f"{asked} needs the {extra} extra: pip install 'flightstore[{extra}]' "
        f"(there is no usable module {module})"
    )


def _package(point: EntryPoint) -> str:
    return point.module.partition(".")[0]


def synopsis(point: EntryPoint) -> str:
    """The first line of the command's help, read from its source without importing it."""
    source = _source(point.module)
    if source is None:
        return ""
    for node in ast.parse(source.read_text("utf-8")).body:
        if isinstance(node, ast.FunctionDef) and node.name == point.attr:
            return (ast.get_docstring(node) or "").partition("\n")[0]
        if isinstance(node, ast.Assign) and _assigns(node, point.attr):
            return _help_argument(node.value).partition("\n")[0]
    return ""


def _source(module: str) -> Path | None:
    # The top package is only located, not imported: importing `a.b` would run `a` and `a.b`.
    package, *inner = module.split(".")
    spec = importlib.util.find_spec(package)
    for folder in (spec.submodule_search_locations if spec else None) or []:
        path = Path(folder, *inner)
        for candidate in (path.with_name(path.name + ".py"), path / "__init__.py"):
            if candidate.is_file():
                return candidate
    return None


def _assigns(node: ast.Assign, name: str) -> bool:
    return any(isinstance(target, ast.Name) and target.id == name for target in node.targets)


def _help_argument(value: ast.expr) -> str:
    """The text of `help=` in `snapshot = typer.Typer(help="...")`."""
    for keyword in value.keywords if isinstance(value, ast.Call) else []:
        if keyword.arg == "help" and isinstance(keyword.value, ast.Constant):
            return str(keyword.value.value)
    return ""
