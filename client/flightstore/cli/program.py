"""The command line around the sub-commands, made with typer.

A sub-command is a plain function with typer's annotations, or a typer app for a group of commands.
The part of its docstring from the line `Examples:` on is shown under the options, line by line.
"""

from __future__ import annotations

import inspect
import sys
import warnings
from collections.abc import Callable, Sequence
from importlib.metadata import EntryPoint
from typing import Annotated, Any, TextIO

import typer
from typer.core import TyperCommand, TyperGroup

from flightstore.cli import INTERRUPTED, commands
from flightstore_proto.errors import BadRequest, did_you_mean, near

# ClickException: typer brings its own click in new versions and not in old ones, and this base of a
# public class is the one way to name it in both.
_UsageProblem: type[Exception] = typer.BadParameter.__mro__[2]
_EXAMPLES = "Examples:"


class LazyGroup(TyperGroup):
    """Sub-commands that are loaded when they run, and listed without being loaded."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(commands.installed())

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        # Called to list commands in --help and completion; running one goes through
        # resolve_command.
        point = commands.installed().get(cmd_name)
        return TyperCommand(cmd_name, help=commands.synopsis(point)) if point else None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, *rest = args
        point = commands.installed().get(name)
        if point is not None:
            return name, _command(point), rest
        if ctx.resilient_parsing:  # completing a name that is not finished
            return None, None, rest
        suggestions = near(name, commands.installed())
        raise BadRequest(
            f"There is no command {name!r}.{did_you_mean(suggestions)} "
            "`flightstore --help` lists them.",
            suggestions=suggestions,
        )


app = typer.Typer(cls=LazyGroup, rich_markup_mode=None)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"flightstore {commands.installed_version()}")
        raise typer.Exit


@app.callback(
    invoke_without_command=True,
    epilog="`flightstore COMMAND --help` shows a command's options and an example.",
)
def flightstore(
    ctx: typer.Context,
    version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_show_version, help="Show the version."),
    ] = False,
) -> None:
    """A market-data store: candles and trades of many exchanges."""
    if ctx.invoked_subcommand is None:
        print(ctx.get_help())


def run(arguments: Sequence[str]) -> int:
    """Run the command line `arguments` and return its exit code."""
    group = typer.main.get_command(app)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            outcome = group.main(
                args=list(arguments), prog_name="flightstore", standalone_mode=False
            )
    except typer.Abort:
        return INTERRUPTED
    except _UsageProblem as problem:
        raise BadRequest(_usage(problem)) from problem
    return outcome if isinstance(outcome, int) else 0


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    # Such as a PartialReadWarning. Where in our code it was noticed does not matter to the user.
    print(f"warning: {message}", file=sys.stderr)


def _usage(problem: Any) -> str:
    context = getattr(problem, "ctx", None)
    hint = f" See `{context.command_path} --help`." if context else ""
    return f"{problem.format_message()}{hint}"


def _command(point: EntryPoint) -> Any:
    loaded = commands.load(point)
    if isinstance(loaded, typer.Typer):
        group = loaded
    else:
        group = typer.Typer()
        group.command(point.name)(loaded)
    group.rich_markup_mode = None
    group._add_completion = False
    for info in group.registered_commands:
        _set_examples_apart(info)
    return typer.main.get_command(group)


def _set_examples_apart(info: Any) -> None:
    text, examples = split_help(info.callback)
    info.help = info.help or text
    info.epilog = info.epilog or examples


def split_help(command: Callable[..., Any]) -> tuple[str, str | None]:
    """The docstring of `command` up to its examples, and the examples with their line breaks."""
    text, found, examples = (inspect.getdoc(command) or "").partition(_EXAMPLES)
    # click re-wraps a paragraph unless it starts with \b.
    return text.strip(), f"\b\n{_EXAMPLES}{examples.rstrip()}" if found else None
