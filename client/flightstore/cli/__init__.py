"""The `flightstore` command.

    commands    which sub-commands there are: entry points, loaded one at a time
    program     the command line around them: --help, --version, near names (needs typer)
    options     what commands share: --uri, --token, --json, --dataset, ...
    output      tables for people, JSON for machines
    catalog     ls, status, gaps, coverage; `missing` prints gaps
    rows        head, tail; `following` prints what comes
    sql         sql
    export      export, with `sinks` writing the files
    load        import, with the package `loading` reading the files
    admin       delete, snapshot, backup, compact
    rules       rules add, list, remove
    consumers   sync, promote

This module imports neither typer nor rich, so that it can say which extra is missing.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from flightstore_proto.errors import BadRequest, FlightstoreError, MissingExtra

DEBUG = "FLIGHTSTORE_DEBUG"
FAILED, WRONG_USAGE, INTERRUPTED = 1, 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return the process's exit code.

    0 done, 1 failed, 2 asked for wrongly, 130 interrupted. An error of flightstore is one line on
    stderr; FLIGHTSTORE_DEBUG=1 shows where it was raised.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        return _run(arguments)
    except FlightstoreError as error:
        if os.environ.get(DEBUG) == "1":
            raise
        print(f"error: {error.message}", file=sys.stderr)
        return WRONG_USAGE if isinstance(error, BadRequest | MissingExtra) else FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        _close_stdout_quietly()
        return FAILED
    except OSError as error:
        if os.environ.get(DEBUG) == "1":
            raise
        print(f"error: {_sentence(error)}", file=sys.stderr)
        return FAILED


def _run(arguments: Sequence[str]) -> int:
    from flightstore.cli import commands

    try:
        from flightstore.cli import program
    except ImportError as error:
        raise commands.missing_extra(error, commands.named_in(arguments)) from error
    code = program.run(arguments)
    # Here rather than at exit, where nobody could answer for a reader that has gone.
    sys.stdout.flush()
    return code


def _close_stdout_quietly() -> None:
    # The interpreter flushes stdout once more when it exits, and would complain.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _sentence(error: OSError) -> str:
    what = error.strerror or str(error)
    return f"{error.filename}: {what}" if error.filename else what
