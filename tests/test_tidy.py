"""Style is a test: sizes, names, layers, the seam to the disk, and documents that match the code.

A limit may get an exception only with its reason, in EXCEPTIONS.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import flightstore
from flightstore_proto import errors
from flightstore_server.config import Config, RetentionSection, RuleSection, TriggerSection

ROOT = Path(__file__).parents[1]
PROTO = ROOT / "proto" / "flightstore_proto"
SERVER = ROOT / "server" / "flightstore_server"
INGEST = ROOT / "client" / "flightstore_ingest"
FOLDERS = ("proto", "client", "server", "tests", "bench", "examples")
SOURCES = sorted(
    path
    for folder in FOLDERS
    for path in (ROOT / folder).rglob("*.py")
    if not path.name.endswith("_pb2.py")
)
INSIDE = [
    path
    for part in ("storage", "engine", "sql", "flight")
    for path in (SERVER / part).rglob("*.py")
]
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60
LINE_CHARACTERS_MAX = 100
# "file" or "file:function" -> why it may be longer.
EXCEPTIONS: dict[str, str] = {}
Function = ast.FunctionDef | ast.AsyncFunctionDef


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def functions(tree: ast.AST) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def code_lines(function: Function) -> int:
    """Its lines without the docstring: a long explanation is no reason to split a function."""
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    if ast.get_docstring(function) is not None:
        docstring = function.body[0]
        lines -= (docstring.end_lineno or docstring.lineno) - docstring.lineno + 1
    return lines


def test_files_are_short() -> None:
    lengths = {named(path): len(path.read_text().splitlines()) for path in SOURCES}
    long = {f: n for f, n in lengths.items() if n > FILE_LINES_MAX and f not in EXCEPTIONS}
    assert not long, f"more than {FILE_LINES_MAX} lines: {long}"


def test_functions_are_short() -> None:
    lengths = {
        f"{named(path)}:{function.name}": code_lines(function)
        for path in SOURCES
        for function in functions(tree_of(path))
    }
    long = {f: n for f, n in lengths.items() if n > FUNCTION_LINES_MAX and f not in EXCEPTIONS}
    assert not long, f"more than {FUNCTION_LINES_MAX} lines: {long}"


def test_lines_are_short() -> None:
    long = [
        f"{named(path)}:{number}"
        for path in SOURCES
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if len(line) > LINE_CHARACTERS_MAX
    ]
    assert not long, f"more than {LINE_CHARACTERS_MAX} characters: {long}"


def test_every_exception_is_still_needed() -> None:
    files = {named(path): path for path in SOURCES}
    for name in EXCEPTIONS:
        file, _, function = name.partition(":")
        tree = tree_of(files[file])
        lengths = [code_lines(f) for f in functions(tree) if f.name == function]
        lines = len(files[file].read_text().splitlines())
        assert max(lengths) > FUNCTION_LINES_MAX if function else lines > FILE_LINES_MAX, name


def test_modules_are_named_after_what_they_hold() -> None:
    vague = {"util", "utils", "helper", "helpers", "manager", "managers", "common", "misc"}
    found = [named(path) for path in SOURCES if vague & {path.stem.strip("_"), path.parent.name}]
    assert not found


# What touches a file, a folder or its name. `open` counts where it is the built-in, or a method
# called like Path.open(): without arguments or with a mode.
DISK_METHODS = {
    *("read_text", "read_bytes", "write_text", "write_bytes", "unlink", "mkdir", "rmdir", "touch"),
    *("rename", "iterdir", "glob", "rglob", "symlink_to", "hardlink_to", "chmod", "copyfile"),
    *("memory_map", "create_memory_map", "OSFile", "input_stream", "output_stream", "rmtree"),
}
DISK_MODULES = {"shutil", "tempfile", "mmap", "fcntl", "glob", "io"}
HARMLESS_OS = {"_exit", "environ", "fspath", "strerror"}


def disk_accesses(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            for name in imported(node):
                if name.partition(".")[0] in DISK_MODULES:
                    yield f"{node.lineno}: import {name}"
        elif isinstance(node, ast.Attribute):
            of_os = isinstance(node.value, ast.Name) and node.value.id == "os"
            if (of_os and node.attr not in HARMLESS_OS) or node.attr in DISK_METHODS:
                yield f"{node.lineno}: {ast.unparse(node)}"
        elif isinstance(node, ast.Call) and opens(node):
            yield f"{node.lineno}: {ast.unparse(node)}"


def opens(call: ast.Call) -> bool:
    if isinstance(call.func, ast.Name):
        return call.func.id == "open"
    if not (isinstance(call.func, ast.Attribute) and call.func.attr == "open"):
        return False
    return not call.args or isinstance(call.args[0], ast.Constant)


def imported(node: ast.Import | ast.ImportFrom) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]


def imports_of(path: Path) -> set[str]:
    nodes = [n for n in ast.walk(tree_of(path)) if isinstance(n, ast.Import | ast.ImportFrom)]
    return {name for node in nodes for name in imported(node)}


def test_one_module_touches_the_disk() -> None:
    # The second one only reads what the system tells of the process.
    seams = {SERVER / "storage" / name for name in ("files.py", "process.py")}
    found = [
        f"{named(path)}:{access}"
        for path in INSIDE
        if path not in seams
        for access in disk_accesses(tree_of(path))
    ]
    assert not found, "only storage/files.py opens, renames, removes or maps files"


@pytest.mark.parametrize(
    "code",
    [
        "open(name)",
        "path.open()",
        "path.open('rb')",
        "os.open(name, flags)",
        "os.rename(a, b)",
        "path.read_bytes()",
        "path.unlink()",
        "pa.memory_map(name)",
        "import shutil",
        "from tempfile import mkdtemp",
    ],
)
def test_the_search_for_disk_access_finds(code: str) -> None:
    assert list(disk_accesses(ast.parse(code)))


def test_the_search_for_disk_access_lets_segments_be_opened() -> None:
    assert not list(disk_accesses(ast.parse("store.open(segment, schema)")))


def test_only_the_catalog_speaks_to_sqlite() -> None:
    users = {named(path) for path in SERVER.rglob("*.py") if "sqlite3" in imports_of(path)}
    storage = "server/flightstore_server/storage"
    assert users == {
        f"{storage}/{name}.py" for name in ("catalog", "catalog_file", "catalog_upgrade")
    }


def test_only_the_edge_speaks_flight() -> None:
    users = [
        named(path)
        for path in SERVER.rglob("*.py")
        if SERVER / "flight" not in path.parents and "pyarrow.flight" in imports_of(path)
    ]
    assert not users, "only server/.../flight imports pyarrow.flight"


def test_one_module_of_the_ingestion_imports_ccxt_and_not_before_it_is_used() -> None:
    users = {
        named(path)
        for path in SOURCES
        if path.is_relative_to(INGEST) and any(is_ccxt(name) for name in imports_of(path))
    }
    assert users == {"client/flightstore_ingest/ccxt_source/instance.py"}
    early = [
        node
        for node in tree_of(ROOT / users.pop()).body
        if isinstance(node, ast.Import | ast.ImportFrom) and any(map(is_ccxt, imported(node)))
    ]
    assert not early, "the import of ccxt takes a second: only functions do it"


def is_ccxt(name: str) -> bool:
    return name == "ccxt" or name.startswith("ccxt.")


def test_layers_import_one_way(tmp_path: Path) -> None:
    command = [Path(sys.executable).with_name("lint-imports"), "--cache-dir", tmp_path]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_generated_code_is_fresh(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "ignore", "-m", "grpc_tools.protoc", f"-I{PROTO}"]
    outputs = [f"--python_out={tmp_path}", f"--pyi_out={tmp_path}", "flightstore.proto"]
    subprocess.run([*command, *outputs], check=True)
    for name in ("flightstore_pb2.py", "flightstore_pb2.pyi"):
        assert (PROTO / name).read_text() == (tmp_path / name).read_text(), "run `make proto`"


# A class says what it is for unless its name and fields do; a function that is more than a line or
# two says what it promises. Errors are described once, in the tree at the top of errors.py.
BODY_LINES_WITHOUT_DOCSTRING = 10
DESCRIBED = [
    path
    for folder in (PROTO, SERVER / "storage", SERVER / "engine", SERVER / "sql")
    for path in folder.rglob("*.py")
    if path in SOURCES
]


def undescribed(path: Path) -> Iterator[str]:
    tree = tree_of(path)
    if tree.body and ast.get_docstring(tree) is None:
        yield "the module"
    for node in ast.walk(tree):
        if not isinstance(node, ast.ClassDef | Function) or node.name.startswith("_"):
            continue
        if ast.get_docstring(node) is None and needs_docstring(node):
            yield f"{node.name} in line {node.lineno}"


def needs_docstring(node: ast.ClassDef | Function) -> bool:
    if isinstance(node, ast.ClassDef):
        return any(isinstance(member, Function) for member in node.body)
    first, last = node.body[0], node.body[-1]
    return (last.end_lineno or last.lineno) - first.lineno + 1 > BODY_LINES_WITHOUT_DOCSTRING


def test_what_is_public_says_what_it_is_for() -> None:
    found = [f"{named(path)}: {what}" for path in DESCRIBED for what in undescribed(path)]
    assert not found


def test_the_error_tree_is_drawn_as_it_is() -> None:
    drawn = re.findall(r"^[ │├└─]*([A-Z]\w+)", (errors.__doc__ or "").split("On the wire")[0], re.M)
    assert drawn[1:] == [cls.__name__ for cls in errors.BY_CODE.values()]


def test_exported_names_stand_by_subject_and_are_complete() -> None:
    exported = flightstore.__all__
    assert len(set(exported)) == len(exported)
    assert all(hasattr(flightstore, name) for name in exported)
    errors_exported = [name for name in exported if name in vars(errors)]
    assert exported[-len(errors_exported) :] == errors_exported, "errors stand last"
    assert errors_exported == [cls.__name__ for cls in errors.BY_CODE.values()]


def shipped_config() -> str:
    return (ROOT / "config" / "server.toml").read_text()


def test_the_shipped_configuration_has_every_key_with_its_default() -> None:
    shipped = tomllib.loads(shipped_config())
    assert Config.model_validate(shipped) == Config()
    defaults = Config().model_dump(exclude=set(LISTED))
    assert {s: list(keys) for s, keys in shipped.items()} == {
        section: list(keys) for section, keys in defaults.items()
    }


# Sections of which there may be any number: shipped as a comment, up to the next empty line.
LISTED = {"retention": RetentionSection, "rules": RuleSection, "triggers": TriggerSection}


@pytest.mark.parametrize("section", LISTED)
def test_the_shipped_example_has_every_key_of(section: str) -> None:
    commented = shipped_config().partition(f"# [[{section}]]")[2].partition("\n\n")[0]
    example = tomllib.loads(re.sub(r"^# ?", "", commented, flags=re.M))
    assert set(example) == set(LISTED[section].model_fields)
    LISTED[section].model_validate(example)


DOCUMENTS = sorted(
    path
    for folder in ("*.md", "proto/*.md", "server/*.md", "tests/*.md", "docs/*.md", "client/*/*.md")
    for path in ROOT.glob(folder)
)


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_documents_name_files_that_exist(document: Path) -> None:
    text = document.read_text()
    links = [document.parent / link for link in re.findall(r"\]\((?!http)([^)#]+)", text)]
    quoted = re.findall(r"`((?:tests|config|proto|client|server|docs)/[\w./-]+)`", text)
    missing = [str(path) for path in links if not path.exists()]
    missing += [path for path in quoted if not (ROOT / path).exists()]
    assert not missing


@pytest.mark.parametrize("host", ["py" + "pi.org", "python" + "hosted.org", "ana" + "conda.org"])
def test_no_package_host_is_named(host: str) -> None:
    """Where packages come from is the machine's business: pip's own configuration says it."""
    files = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.*")]
    files += [path for path in ROOT.iterdir() if path.is_file()]
    files += [path for folder in ("config", ".ci") for path in (ROOT / folder).rglob("*")]
    texts = {".py", ".pyi", ".md", ".toml", ".proto", ""}
    found = [
        named(path)
        for path in files
        if path.is_file() and path.suffix in texts and host in path.read_text(errors="replace")
    ]
    assert not found
