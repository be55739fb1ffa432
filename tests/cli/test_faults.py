"""What must not pass for success, and outputs that take no more or another encoding."""

from __future__ import annotations

import argparse
import io
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from experiments import train
from experiments.progress import terminal_log
from swarmformer import cli
from swarmformer.cli.command import exit_status
from tests.experiments.conftest import TINY
from tests.processes import ROOT

DEMO = ROOT / "reports" / "results" / "demo"


@pytest.mark.parametrize(("words", "status"), [(["--help"], 0), (["--nope"], 2)])
def test_a_parser_may_end_a_command_and_a_component_may_not(
    words: list[str], status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_status(lambda: argparse.ArgumentParser().parse_args(words) and None) == status
    assert exit_status(lambda: sys.exit(0)) == 1
    assert "test_faults ended the program (sys.exit(0)); nothing is finished" in capsys.readouterr().err


def test_a_module_that_ends_the_program_when_it_is_imported_is_no_success(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ends_at_import.py").write_text("import sys\nsys.exit(0)\n")
    monkeypatch.syspath_prepend(tmp_path)
    grid = tmp_path / "tiny.yaml"
    arm = {"name": "x", "variant": "base", "model": {"local": "ends_at_import:X"}}
    grid.write_text(yaml.safe_dump({**TINY, "arms": [arm], "base": None}))
    for words in (["check", "ends_at_import:X"], ["grid", "plan", str(grid), "--runs", str(tmp_path / "runs")]):
        assert cli.main(words) == 1
        assert "ends the program when it is imported (sys.exit(0))" in capsys.readouterr().err


@pytest.mark.parametrize(("words", "said"), [
    (["check", "local.identity", "--slot", "nope"], "unknown slot 'nope'"),
    (["check", "local.identity", "--slot", "local"], "leave --slot out"),
    (["check", "--all", "--slot", "local"], "leave --slot out"),
    (["generate", "nothing", "hi", "--threads", "-3"], "--threads: '-3' is no number of things"),
    (["export", "nothing", "--out", "{}/new", "--threads", "-3"], "--threads: '-3' is no number of things"),
    (["export", "nothing", "--out", "{}/new", "--split", "train"], "--split is of a --task, and none is given"),
    (["export", "nothing", "--out", "{}/new", "--label", "stars"], "--quote are of a FILE, and none is given"),
    (["serve", "nothing", "--batch-size", "8"], "unrecognized arguments: --batch-size"),
    (["tokenizer", "{}/new.json", "--size", "300", "--task", "language_model", "train=["], "train=[: not YAML: "),
    (["tokenizer", "{}/new.json", "--size", "-1"], "--size: '-1' is no number of things"),
    (["tokenizer", "{}/new.json", "--size", "9" * 30], "--size: must be at most 16,777,216"),
    (["report", str(DEMO), "--out", "{}/new", "--tables", "/nonexistent"], "/nonexistent: no such folder"),
    (["page", str(DEMO), "--out", "{}/new", "--tables", "{}"], "no definitions (*.yaml)"),
])  # fmt: skip
def test_what_cannot_be_done_is_not_passed_over(
    words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([word.format(tmp_path) for word in words]) in (1, 2)
    assert said in capsys.readouterr().err and not list(tmp_path.iterdir())


def test_a_tokenizer_is_not_trained_for_a_place_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "texts.txt").write_text("a text\n" * 200)
    monkeypatch.setattr("swarmformer.data.tokenizer.train_bpe", None)
    own = ["language_model", "corpus=own", f"train={tmp_path / 'texts.txt'}"]
    words = ["tokenizer", str(tmp_path / "texts.txt" / "new.json"), "--size", "270", "--task", *own]
    assert cli.main(words) == 1
    assert "texts.txt: nothing can be written there (" in capsys.readouterr().err


def test_a_current_folder_that_was_deleted_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "deleted").mkdir()
    monkeypatch.chdir(tmp_path / "deleted")
    (tmp_path / "deleted").rmdir()
    assert cli.main(["variants"]) == 1
    assert capsys.readouterr().err == "error: the current folder was deleted; change to one that is there\n"


def test_an_output_in_another_encoding_shows_code_points(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.TextIOWrapper(io.BytesIO(), "ascii")
    monkeypatch.setattr(sys, "stdout", out)
    assert exit_status(lambda: print("平 — \ud83d")) == 0
    assert out.buffer.getvalue() == b"\\u5e73 \\u2014 \\ud83d\n"  # type: ignore[attr-defined]


@pytest.mark.parametrize("flag", ["-s", "-S", "-t", "-C", "-P", "-b", "-l", "-e", "-m", "-F", "-d", "-u", "--sql"])
def test_a_flag_of_sacreds_own_is_refused(flag: str, capsys: pytest.CaptureFixture[str], own_signals: None) -> None:
    assert train.main([flag, "x", "with", "variant=base"]) == 2
    assert f"{flag}: no flag is read but --help" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["with"], ["print_config", "with"]])
def test_nothing_on_a_command_line_is_unpickled_or_made_an_object(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], own_signals: None
) -> None:
    """What sacred's own reading would run writes a file; no word may lead there."""
    written = tmp_path / "written"
    code = f"cos\nsystem\n(S'touch {written}'\ntR.".encode()
    (tmp_path / "x.pickle").write_bytes(code)
    reduce = f'{{"py/reduce": [{{"py/function": "os.system"}}, {{"py/tuple": ["touch {written}"]}}]}}'
    (tmp_path / "x.json").write_text(f'{{"train": {reduce}}}')
    for word in (str(tmp_path / "x.pickle"), str(tmp_path / "x.json"), f"train={reduce}", f"seed={reduce}"):
        assert train.main([*command, "data.task=listops", word]) == 1
        assert "command line: " in capsys.readouterr().err
    assert not written.exists()


@pytest.mark.waits
def test_outputs_that_take_no_more_end_a_command_quietly() -> None:
    code = "import sys; from swarmformer.cli.command import exit_status; sys.exit(exit_status(lambda: print('words')))"
    words = [sys.executable, "-c", code]
    reader, writer = os.pipe()
    os.close(reader)
    closed = subprocess.Popen(words, stdout=writer, stderr=subprocess.PIPE, cwd=ROOT, text=True)
    with open("/dev/full", "w") as full:
        filled = subprocess.Popen(words, stdout=full, stderr=subprocess.PIPE, cwd=ROOT, text=True)
    assert closed.communicate()[1] == "" and closed.returncode == 0
    assert filled.communicate()[1] == "error: [Errno 28] No space left on device\n" and filled.returncode == 1
    os.close(writer)


def test_a_log_that_was_shown_leaves_the_logger_as_it_was() -> None:
    logger = logging.getLogger("swarmformer")
    before = logger.level, list(logger.handlers)
    with terminal_log():
        assert logger.isEnabledFor(logging.INFO) and len(logger.handlers) == len(before[1]) + 1
    assert (logger.level, logger.handlers) == before
