"""One front door: every command is found, has help that starts nothing, and ends with the same status for one fault."""

from __future__ import annotations

import argparse
import re
import runpy
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from experiments import benchmark, grid, scaling, train
from experiments.properties import __main__ as properties
from experiments.speed import accuracy
from swarmformer import cli
from swarmformer.cli.command import exit_status
from swarmformer.errors import InterruptedRunError, SpecError, UsageError
from tests.experiments.conftest import ROOT

LISTED = ("train", "grid", "report", "page", "trace", "bench", "check", "components", "variants", "show")
LISTINGS = ("components", "variants")
"""Commands that need no words: to list everything is no work."""
MODULES = {
    "experiments.train": train,
    "experiments.grid": grid,
    "experiments.benchmark": benchmark,
    "experiments.scaling": scaling,
    "experiments.properties": properties,
    "experiments.speed.accuracy": accuracy,
}


def test_it_opens_by_the_name_of_the_package_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["swarmformer", "--help"])
    with pytest.raises(SystemExit, match="0"):
        runpy.run_module("swarmformer", run_name="__main__")
    assert capsys.readouterr().out.startswith("usage: swarmformer COMMAND")


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing that is asked for help may leave anything behind."""
    monkeypatch.chdir(tmp_path)
    yield
    assert list(tmp_path.iterdir()) == []


def test_it_says_which_version_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    written = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"swarmformer {written}\n"


def test_the_overview_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert set(cli._points()) | set(cli.OWN) >= set(LISTED), "reinstall: pip install --no-deps -e ."
    for words in (["help"], ["-h"], ["--help"]):
        assert cli.main(words) == 0
        shown = capsys.readouterr().out
        assert all(f"\n{name} " in shown for name in LISTED)
    assert cli.main([]) == 2
    assert "usage: swarmformer COMMAND" in capsys.readouterr().err


@pytest.mark.parametrize("word", ["help", "-h", "--help"])
@pytest.mark.parametrize("command", LISTED)
def test_help_shows_usage_and_starts_nothing(command: str, word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([command, word]) == 0
    assert capsys.readouterr().out.startswith("usage: ")
    assert cli.main(["help", command]) == 0


@pytest.mark.parametrize("command", [name for name in LISTED if name not in LISTINGS])
def test_a_command_without_words_starts_nothing(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([command]) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.startswith("usage: ") and "error: " in said.err


@pytest.mark.parametrize("words", [["help"], ["-h"], ["--help"], []])
@pytest.mark.parametrize("module", MODULES)
def test_the_modules_behave_as_the_commands(
    module: str, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert MODULES[module].main(words) == (0 if words else 2)  # type: ignore[attr-defined]
    said = capsys.readouterr()
    assert (said.out if words else said.err).startswith("usage: ")


@pytest.mark.parametrize("words", [["quick", "help"], ["with", "help"], ["scaling", "help"], ["full", "--help"]])
def test_help_behind_another_word_measures_nothing(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["bench", *words]) == 0
    assert capsys.readouterr().out.startswith("usage: swarmformer bench")


@pytest.fixture
def parsers(monkeypatch: pytest.MonkeyPatch) -> list[argparse.ArgumentParser]:
    """Every parser that is made from here on, those of subcommands too."""
    made: list[argparse.ArgumentParser] = []
    before = argparse.ArgumentParser.__init__

    def init(parser: argparse.ArgumentParser, *arguments: object, **options: object) -> None:
        before(parser, *arguments, **options)  # type: ignore[arg-type]
        made.append(parser)

    monkeypatch.setattr(argparse.ArgumentParser, "__init__", init)
    return made


@pytest.mark.parametrize("command", [*cli.OWN, *cli._points()])
def test_no_command_takes_an_abbreviated_option(command: str, parsers: list[argparse.ArgumentParser]) -> None:
    """``--worker 2`` for ``--workers 2`` is a slip, and one for another option's name would start something else."""
    assert cli.main([command, "--help"]) == 0
    assert parsers and not any(parser.allow_abbrev for parser in parsers)


def test_every_parser_is_of_the_one_class() -> None:
    """So do those that have no command of their own."""
    folders = ("swarmformer", "experiments", "reports", "docs")
    files = [file for folder in folders for file in (ROOT / folder).rglob("*.py")]
    assert not [file for file in files if "ArgumentParser(" in file.read_text("utf-8")]


def test_every_command_writes_per_cent_behind_a_space() -> None:
    files = [file for folder in ("swarmformer/cli", "experiments") for file in (ROOT / folder).rglob("*.py")]
    assert not [file for file in files if re.search(r":[^{}]*%\}", file.read_text("utf-8"))]


def test_a_slip_in_an_option_of_a_subcommand_is_said(capsys: pytest.CaptureFixture[str], own_signals: None) -> None:
    assert cli.main(["grid", "run", "no_such_grid", "--worker", "2"]) == 2
    assert "unrecognized arguments: --worker 2" in capsys.readouterr().err


FAULTS = {
    "train": ["with", "variant=bse"],
    "grid": ["plan", "no_such_grid"],
    "report": ["no_such_folder", "--out", "report"],
    "page": ["no_such_folder", "--out", "page"],
    "trace": ["no_such_table", "1", "1"],
    "bench": ["with", "variants=bse"],
    "check": ["local.no_such"],
    "components": ["no_such_slot"],
    "show": ["bse"],
}


@pytest.mark.parametrize("command", FAULTS)
def test_a_fault_of_the_user_is_one_message_and_status_one(
    command: str, capsys: pytest.CaptureFixture[str], own_signals: None
) -> None:
    assert cli.main([command, *FAULTS[command]]) == 1
    assert capsys.readouterr().err.count("error: ") == 1


@pytest.mark.parametrize(
    "words",
    [["trian"], ["grid", "pln", "demo"], ["grid", "plan", "demo", "--worker", "x"], ["show"], ["check", "--al", "x"],
     ["train", "print", "with", "seed=1"], ["trace", "table1", "one", "1"], ["page", "runs"]],
)  # fmt: skip
def test_a_command_line_that_cannot_be_read_is_status_two(
    words: list[str], capsys: pytest.CaptureFixture[str], own_signals: None
) -> None:
    assert cli.main(words) == 2
    assert "error: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (SpecError("a"), 1), (FileNotFoundError("a"), 1), (UsageError("a"), 2), (KeyboardInterrupt(), 130),
        (InterruptedRunError(), 130), (SystemExit(2), 1), (SystemExit(0), 1), (BrokenPipeError(), 0),
    ],
)  # fmt: skip
def test_what_an_exit_status_means(
    fault: BaseException, status: int, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.dup2", lambda *descriptors: None)

    def run() -> None:
        raise fault

    assert exit_status(run) == status


def test_faults_of_the_code_pass() -> None:
    with pytest.raises(ZeroDivisionError):
        exit_status(lambda: 1 // 0)


def test_commands_of_other_packages_are_found_and_shadow_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    points = [
        EntryPoint("tune", "tests.cli.commands:main", cli.GROUP), EntryPoint("show", "a:b", cli.GROUP),
        EntryPoint("twice", "a:b", cli.GROUP), EntryPoint("twice", "c:d", cli.GROUP),
        EntryPoint("lost", "no_such_module:main", cli.GROUP),
    ]  # fmt: skip
    monkeypatch.setattr(cli, "entry_points", lambda group: points)
    monkeypatch.setattr(EntryPoint, "load", lambda point: __import__(point.module) and (lambda words: 7))
    monkeypatch.setitem(sys.modules, "tests.cli.commands", cli)
    assert cli.main(["tune", "x"]) == 7
    assert cli.main(["help"]) == 0 and "tests.cli.commands:main" in capsys.readouterr().out
    for name, words in (("show", "swarmformer's own"), ("twice", "declared twice"), ("lost", "cannot be loaded")):
        assert cli.main([name, "x"]) == 1
        assert words in capsys.readouterr().err


def test_help_needs_no_torch() -> None:
    code = "import sys; from swarmformer import cli; cli.main(['help']); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True).returncode == 0
