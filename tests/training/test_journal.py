"""The curve of a run as it is written, and as a run that goes on finds it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from swarmformer.errors import SpecError
from swarmformer.training.journal import Journal

METRICS = {"accuracy": 0.5, "precision": 0.5, "recall": 0.5, "f1": 0.5, "loss": 0.7, "n": 4}


def test_journal_rewinds_to_steps_and_epochs(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "curve.jsonl")
    journal.rewind(0, 0)
    for step in (5, 10):
        journal.append("train", step=step, loss=0.5, norm=1.0, lr=0.1, **{"0/temperature": 0.7})
        journal.append("validation", step=step, epoch=step // 5, **METRICS)
    whole = (tmp_path / "curve.jsonl").read_text()
    with (tmp_path / "curve.jsonl").open("a") as stream:
        stream.write('{"kind": "train", "st')
    journal.rewind(10, 2)
    assert (tmp_path / "curve.jsonl").read_text() == whole
    journal.rewind(10, 1)
    assert [(e["kind"], e["step"]) for e in map(json.loads, (tmp_path / "curve.jsonl").read_text().splitlines())] == [
        ("train", 5), ("validation", 5), ("train", 10),
    ]  # fmt: skip
    journal.rewind(0, 0)
    assert (tmp_path / "curve.jsonl").read_text() == ""


def test_a_journal_keeps_what_its_checkpoint_knows_or_says_that_it_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "curve.jsonl"
    journal = Journal(path)
    for step in (5, 10):
        journal.append("train", step=step, loss=0.5, norm=1.0, lr=0.1)
    mark, whole = journal.mark(), path.read_bytes()
    journal.append("train", step=15, loss=0.5, norm=1.0, lr=0.1)
    journal.append("test", step=10, epoch=1, **METRICS)
    again = Journal(path)
    again.rewind(10, 1, mark)
    assert path.read_bytes().startswith(whole) and path.read_bytes().count(b"\n") == 3
    assert [line["step"] for line in again.tests] == [10], "a reading that no checkpoint knows of counts too"
    for damaged in (whole[:40] + bytes([whole[40] ^ 1]) + whole[41:], whole[:-1], b""):
        path.write_bytes(damaged)
        with pytest.raises(SpecError, match=r"curve\.jsonl: not what was written before the checkpoint"):
            Journal(path).rewind(10, 1, mark)


def test_a_journal_without_a_file_writes_nothing(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    journal = Journal(None)
    journal.append("train", step=1, loss=0.5, norm=1.0, lr=0.1)
    journal.rewind(0, 0)
    assert not list(tmp_path.iterdir())
