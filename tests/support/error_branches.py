"""Lists every `raise` and `except` of the storage and the engine that no test has reached.

    make coverage

runs the tests and then this. It prints one line for each, and ends with 1 if there are any.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import coverage

PLACES = ("server/flightstore_server/storage", "server/flightstore_server/engine")


def unreached(data: coverage.Coverage) -> Iterator[str]:
    """`file:line: statement` of each that was measured to be missed."""
    for file in sorted(data.get_data().measured_files()):
        path = Path(file)
        if any(place in file for place in PLACES):
            missing = set(data.analysis2(file)[3])
            source = path.read_text()
            for line in sorted(_errors(ast.parse(source)) & missing):
                yield f"{file}:{line}: {source.splitlines()[line - 1].strip()}"


def _errors(tree: ast.AST) -> set[int]:
    """The lines of `raise`, and those that `except` leads to."""
    lines = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise):
            lines.add(node.lineno)
        elif isinstance(node, ast.ExceptHandler):
            lines.add(node.body[0].lineno)
    return lines


def main(data_file: str) -> int:
    data = coverage.Coverage(data_file=data_file)
    data.load()
    found = list(unreached(data))
    sys.stdout.writelines(f"{line}\n" for line in found)
    sys.stdout.write(f"{len(found)} error branches that no test has reached\n")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
