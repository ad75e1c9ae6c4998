"""The command line around the commands: what it loads, what it says, and its exit codes."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import warnings
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

import flightstore.cli
from flightstore.cli import commands
from flightstore_proto.errors import Corrupt, InternalError, UnknownInstrument

PACKAGES = os.pathsep.join(
    str(Path(package.__path__[0]).parent)
    for package in (__import__("flightstore"), __import__("flightstore_proto"))
)


def test_help_lists_every_command_with_one_line(cli):
    result = cli("--help")
    assert result.code == 0
    for name in ("ls", "import", "export", "snapshot", "serve"):
        assert f"\n  {name} " in result.out
    assert "List the stored series." in result.out
    assert "Pin a version of the data" in result.out


def test_no_arguments_show_the_help(cli):
    assert cli() == cli("--help")


def test_every_command_has_an_example_in_its_help(cli, entry_points):
    ours = {point.name for point in entry_points if point.value.startswith("flightstore.cli.")}
    assert len(ours) == 18
    for name in ours - {"snapshot", "rules"}:
        result = cli(name, "--help")
        assert result.code == 0, name
        assert f"Examples:\n    flightstore {name}" in result.out
        assert "--uri" in result.out
        assert "FLIGHTSTORE_TOKEN" in result.out
    for verb in ("create", "list", "drop"):
        assert f"flightstore snapshot {verb}" in cli("snapshot", verb, "--help").out
    for verb in ("add", "list", "remove"):
        assert f"flightstore rules {verb}" in cli("rules", verb, "--help").out


def test_an_unknown_command_is_answered_with_near_names(cli):
    result = cli("stauts")
    assert result.code == 2
    assert "There is no command 'stauts'. Did you mean status?" in result.err


def test_a_wrong_option_is_one_line_and_code_2(cli):
    result = cli("ls", "--nope")
    assert result.code == 2
    assert result.err.startswith("error: ")
    assert result.err.count("\n") == 1
    assert "flightstore ls --help" in result.err


def test_an_error_of_the_server_is_one_line_and_code_1(cli, db):
    db.answers["status"] = Corrupt("segments/x.arrow is damaged at offset 17.")
    assert cli("status") == (1, "", "error: segments/x.arrow is damaged at offset 17.\n")


def test_a_bad_request_is_code_2(cli, db):
    db.answers["series"] = UnknownInstrument("There is no kraken:X.")
    assert cli("ls", "kraken:X") == (2, "", "error: There is no kraken:X.\n")


def test_debug_shows_where_an_error_was_raised(cli, db, monkeypatch):
    monkeypatch.setenv("FLIGHTSTORE_DEBUG", "1")
    db.answers["status"] = Corrupt("damaged")
    with pytest.raises(Corrupt):
        cli("status")
    db.answers["status"] = PermissionError(13, "Permission denied", "/x")
    with pytest.raises(PermissionError):
        cli("status")


def test_an_error_of_the_operating_system_is_one_line(cli, db):
    db.answers["status"] = PermissionError(13, "Permission denied", "/etc/x")
    assert cli("status") == (1, "", "error: /etc/x: Permission denied\n")


def test_a_warning_is_one_line(cli, db, monkeypatch):
    def half(*_: object, **__: object) -> object:
        warnings.warn("1 of 2 instruments could not be served.", UserWarning, stacklevel=1)
        raise Corrupt("x")

    monkeypatch.setattr(type(db), "status", half, raising=False)
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        err = cli("status").err
    assert err == "warning: 1 of 2 instruments could not be served.\nerror: x\n"


def test_ctrl_c_is_quiet_and_130(cli, db):
    db.answers["status"] = KeyboardInterrupt()
    result = cli("status")
    assert result.code == 130
    assert result.err.strip() == ""


def test_ctrl_c_while_a_command_is_loaded_is_quiet_and_130(cli, monkeypatch):
    def interrupted(_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(flightstore.cli, "_run", interrupted)
    assert cli("status") == (130, "", "")


def test_end_of_input_at_a_question_is_130(cli, db, monkeypatch):
    import typer

    db.answers["status"] = typer.Abort()
    assert cli("status").code == 130


def test_the_token_and_the_uri_come_from_the_environment(cli, db, monkeypatch):
    db.answers["status"] = Corrupt("x")
    cli("status")
    assert db.connected == ("grpc://127.0.0.1:8815", None)
    monkeypatch.setenv("FLIGHTSTORE_URI", "grpc://data01:8815")
    monkeypatch.setenv("FLIGHTSTORE_TOKEN", "secret")
    cli("status")
    assert db.connected == ("grpc://data01:8815", "secret")
    assert "secret" not in cli("status", "--help").out


@pytest.mark.parametrize(
    ("module", "extra"),
    [
        ("flightstore.x", "cli"),
        ("flightstore_server.x", "server"),
        ("flightstore_ingest", "ingest"),
    ],
)
def test_a_missing_module_names_the_extra_that_brings_it(module, extra):
    point = EntryPoint("serve", f"{module}:serve", commands.GROUP)
    error = ModuleNotFoundError("No module named 'pydantic.x'", name="pydantic.x")
    message = commands.missing_extra(error, point).message
    assert message.startswith(
        f"flightstore serve needs the {extra} extra: pip install 'flightstore[{extra}]'"
    )


def test_a_missing_module_of_somebody_elses_command_is_named():
    point = EntryPoint("extra", "plugin.commands:run", commands.GROUP)
    error = ModuleNotFoundError("No module named 'scipy'", name="scipy")
    message = commands.missing_extra(error, point).message
    assert message == "flightstore extra needs the module scipy, which is not installed."


def test_a_missing_module_of_our_own_is_a_defect_and_not_a_missing_extra():
    point = EntryPoint("ls", "flightstore.cli.nowhere:ls", commands.GROUP)
    with pytest.raises(InternalError, match="nowhere"):
        commands.load(point)


def test_a_command_that_its_module_does_not_have_is_a_defect():
    with pytest.raises(InternalError, match="cannot be loaded"):
        commands.load(EntryPoint("ls", "flightstore.cli.values:nothing", commands.GROUP))


def test_a_command_without_source_has_no_synopsis():
    for value in ("nowhere.at.all:x", "flightstore.cli.values:nothing", "sys:exit"):
        assert commands.synopsis(EntryPoint("x", value, commands.GROUP)) == ""


def test_the_version_of_an_uninstalled_tree_is_said_to_be_unknown(monkeypatch):
    def nothing(_: str) -> str:
        raise commands.PackageNotFoundError

    monkeypatch.setattr(commands, "version", nothing)
    assert "not installed" in commands.installed_version()


def run_installed(
    tmp_path: Path, arguments: list[str], *, commands: str = "", before: str = "", **options
) -> subprocess.CompletedProcess[str]:
    """`flightstore ARGUMENTS` in a process of its own, with entry points from real metadata."""
    site = tmp_path / "site"
    info = site / "flightstore-9.8.7.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: flightstore\nVersion: 9.8.7\n")
    (info / "entry_points.txt").write_text(f"[flightstore.commands]\n{commands}")
    (site / "flightstore_server.py").write_text("import pydantic_that_is_absent\n")
    (site / "probe.py").write_text(
        "import sys\n"
        "def loaded():\n"
        '    """Say what is loaded."""\n'
        "    print(*(m for m in ('pyarrow.csv', 'rich.table') if m in sys.modules))\n"
        "def endless():\n"
        '    """Print for ever."""\n'
        "    while True:\n"
        "        print('x' * 1000)\n"
    )
    code = textwrap.dedent(before) + (
        f"\nimport sys; from flightstore.cli import main; sys.exit(main({arguments!r}))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), PACKAGES])}
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, text=True, timeout=30,
        stderr=subprocess.PIPE, **({"stdout": subprocess.PIPE} | options),
    )  # fmt: skip


LISTED = (
    "ls = flightstore.cli.catalog:ls\nloaded = probe:loaded\nendless = probe:endless\n"
    "serve = flightstore_server:serve\n"
)


def test_one_command_is_loaded_and_no_other(tmp_path):
    done = run_installed(tmp_path, ["loaded"], commands=LISTED)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "", "")


def test_a_command_whose_extra_is_missing_answers_with_the_pip_command(tmp_path):
    done = run_installed(tmp_path, ["serve"], commands=LISTED)
    assert done.returncode == 2
    assert "flightstore serve needs the server extra: pip install 'flightstore[server]'" in (
        done.stderr
    )
    assert "Traceback" not in done.stderr


def test_help_lists_a_command_whose_extra_is_missing(tmp_path):
    done = run_installed(tmp_path, ["--help"], commands=LISTED)
    assert done.returncode == 0, done.stderr
    assert "serve" in done.stdout


NO_TYPER = """
    import sys
    sys.modules["typer"] = None
"""


@pytest.mark.parametrize(("arguments", "extra"), [([], "cli"), (["serve"], "server")])
def test_without_typer_the_command_says_which_extra_it_needs(tmp_path, arguments, extra):
    done = run_installed(tmp_path, arguments, commands=LISTED, before=NO_TYPER)
    assert done.returncode == 2
    assert f"pip install 'flightstore[{extra}]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_version_is_that_of_the_installed_distribution(tmp_path):
    done = run_installed(tmp_path, ["--version"], commands=LISTED)
    assert done.stdout == "flightstore 9.8.7\n"


@pytest.mark.parametrize("arguments", [["endless"], ["--help"]])
def test_a_reader_that_goes_away_is_no_error_to_talk_about(tmp_path, arguments):
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as gone:
        done = run_installed(tmp_path, arguments, commands=LISTED, stdout=gone)
    assert done.returncode == 1
    assert done.stderr == ""


def test_completion_offers_the_names_of_commands(tmp_path):
    before = """
        import os
        os.environ.update(_FLIGHTSTORE_COMPLETE="complete_bash", COMP_WORDS="flightstore lo",
                          COMP_CWORD="1")
    """
    done = run_installed(tmp_path, [], commands=LISTED, before=before)
    assert done.stdout.split() == ["loaded"]
