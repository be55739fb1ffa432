"""Disks that are full and files that are cut: what was there stays, what is cut is named, nothing is half read."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from swarmformer import hub, records
from swarmformer.data.array_store import read_arrays, write_arrays
from swarmformer.data.augmentations.synonyms import Synonyms
from swarmformer.data.locate import located
from swarmformer.data.tasks.images_sources import source_of
from swarmformer.data.tasks.language_model import LanguageModel
from swarmformer.data.tokenizer import tokenizer_file
from swarmformer.errors import DataError, SpecError, SwarmformerError
from swarmformer.hub.source import weights_file
from swarmformer.settings import cache_dir
from swarmformer.training import checkpoint
from swarmformer.training.journal import Journal
from tests.hub.models import complete_model
from tests.records.test_integrity import finished

RUN = checkpoint.CheckpointIdentity("key", 1, "data")
TENSORS = {"a": torch.ones(9000)}
Kind = tuple[Callable[[Path], Any], Callable[[Path], Any]]


def _plan(path: Path) -> None:
    records.save(path, records.Failure(run_key="k", arm="a", seed=1, cause="c" * 9000, step=3))


def _arrays(path: Path) -> None:
    write_arrays(path, {"ids": np.arange(9000), "names": np.array(["a", "b"])}, {"key": "k", "facts": {"n": 2}})


def _predictions(path: Path) -> None:
    path.mkdir(exist_ok=True)
    logits = np.random.default_rng(0).normal(size=(4000, 2)).astype(np.float32)
    records.save_predictions(path, records.Predictions(np.arange(4000).astype(str), np.zeros(4000, int), logits))


def _model(path: Path) -> None:
    hub.save(complete_model(num_layers=1, vocab_size=30522), path)


KINDS: dict[str, Kind] = {
    "record": (_plan, lambda path: records.load(path, records.Failure)),
    "predictions": (_predictions, records.read_predictions),
    "checkpoint": (lambda path: checkpoint.save_checkpoint(path, RUN, TENSORS, checkpoint.TrainingState()),
                   lambda path: checkpoint.load_checkpoint(path, RUN)),
    "cache": (_arrays, read_arrays),
    "model": (_model, hub.read),
}  # fmt: skip


@contextmanager
def full_disk(size: int = 4096) -> Iterator[None]:
    """No file grows beyond ``size``: the write stops in its middle, as on a full disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("kind", KINDS)
def test_a_full_disk_stops_a_write_and_leaves_what_was_there(tmp_path: Path, kind: str) -> None:
    write, read = KINDS[kind]
    place = tmp_path / "place"
    with full_disk(), pytest.raises((OSError, DataError), match=r"File too large|cannot be written: .* make room"):
        write(place)
    assert not [path for path in contents(tmp_path) if path.name != "tokenizer.json"], "no half of anything"
    if kind == "cache":  # is never written over
        return
    write(place)
    before = contents(tmp_path)
    with full_disk(), pytest.raises(OSError, match="File too large"):
        write(place)
    assert contents(tmp_path) == before and read(place) is not None


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_is_cut_is_refused_by_name_or_says_the_same(tmp_path: Path, kind: str) -> None:
    """After nothing, a byte, within a header, in the middle, and before the last bytes."""
    write, read = KINDS[kind]
    place = tmp_path / "place"
    write(place)
    for path, whole in contents(tmp_path).items():
        if path.name == "README.md":
            continue
        for length in (0, 1, 7, 8, 60, len(whole) // 2, len(whole) - 2):
            path.write_bytes(whole[:length])
            with pytest.raises(SwarmformerError) as caught:
                read(place)
            assert (place if kind == "cache" else path).name in str(caught.value), "a cache is deleted whole"
        path.write_bytes(whole)
    assert read(place) is not None


def test_a_curve_that_is_cut_anywhere_gives_whole_lines_and_is_told_from_the_whole(tmp_path: Path) -> None:
    journal = Journal(tmp_path / records.CURVE)
    for step in (5, 10):
        journal.append("train", step=step, loss=0.5, norm=1.0, lr=0.1)
    made, whole = finished(tmp_path / "done"), (tmp_path / records.CURVE).read_bytes()
    lines = records.read_curve(tmp_path)
    for length in range(len(whole)):
        (tmp_path / records.CURVE).write_bytes(whole[:length])
        assert records.read_curve(tmp_path) == lines[: (length >= whole.index(b"}") + 1) + (length >= len(whole) - 1)]
    curve = tmp_path / "done" / records.CURVE
    curve.write_bytes(curve.read_bytes()[:0])
    with pytest.raises(records.UnreadableFileError, match="not the file that the cell's result was written with"):
        records.read_curve(tmp_path / "done", made)


def test_every_flipped_bit_of_the_cache_is_found_or_changes_nothing(tmp_path: Path) -> None:
    ids = np.arange(40)
    write_arrays(tmp_path / "c", {"ids": ids}, {"key": "k", "pad_id": 3, "facts": {"n": [1, 2]}})
    _, told = read_arrays(tmp_path / "c")
    for path, whole in contents(tmp_path).items():
        for bit in range(0, 8 * len(whole), 23):
            damaged = bytearray(whole)
            damaged[bit // 8] ^= 1 << bit % 8
            path.write_bytes(damaged)
            try:
                arrays, manifest = read_arrays(tmp_path / "c")
            except DataError as error:
                assert "Delete this folder" in str(error)
            else:
                assert {key: manifest[key] for key in told} == told and np.array_equal(arrays["ids"], ids)
        path.write_bytes(whole)


def test_a_user_without_a_home_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWARMFORMER_CACHE", "~nobody-of-this-name/cache")
    with pytest.raises(SpecError, match="no such home directory; set SWARMFORMER_CACHE to a folder"):
        cache_dir()


@pytest.mark.parametrize("read", [
    weights_file, tokenizer_file, lambda name: located(name, "data.task.train"),
    lambda name: source_of("train", name, ("image", "label")), lambda name: Synonyms(file=name).path,
    lambda name: LanguageModel(corpus="own", train=name).paths,
])  # fmt: skip
def test_a_path_of_a_user_who_is_not_there_is_told(read: Callable[[str], object]) -> None:
    with pytest.raises(SpecError, match="~nobody-of-this-name/x: there is no such home directory; write the whole"):
        read("~nobody-of-this-name/x")


@pytest.fixture
def old(tmp_path: Path) -> Path:
    folder = tmp_path / "below" / "folder"
    folder.mkdir(parents=True)
    (folder / "a").write_text("old")
    (folder / "b").write_text("old")
    return folder


def test_a_folder_is_replaced_whole(old: Path) -> None:
    with records.folder_written_whole(old) as new:
        (new / "a").write_text("new")
        assert (old / "a").read_text() == "old"
    assert [path.name for path in old.iterdir()] == ["a"] and (old / "a").read_text() == "new"
    assert [path.name for path in old.parent.iterdir()] == ["folder"]


@pytest.mark.parametrize("where", ["in the block", "in the last renaming"])
def test_an_exception_leaves_the_folder_that_was_there_and_nothing_else(
    old: Path, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = Path.rename

    def fails(self: Path, target: Path) -> Path:
        if self.name == "new" and target == old:
            raise OSError("no")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fails)
    with pytest.raises(OSError, match="no"), records.folder_written_whole(old) as new:
        (new / "a").write_text("new")
        if where == "in the block":
            raise OSError("no")
    assert {path.name: path.read_text() for path in old.iterdir()} == {"a": "old", "b": "old"}
    assert [path.name for path in old.parent.iterdir()] == ["folder"]


KILLED = """
import os, signal, sys
from pathlib import Path
from swarmformer.records import folder_written_whole

with folder_written_whole(Path(sys.argv[1])) as new:
    (new / "a").write_text("new")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_kill_leaves_the_folder_that_was_there_and_the_next_one_does_not_mind(old: Path) -> None:
    for _ in range(2):
        assert subprocess.run([sys.executable, "-c", KILLED, old]).returncode == -signal.SIGKILL
    assert {path.name: path.read_text() for path in old.iterdir()} == {"a": "old", "b": "old"}
    with records.folder_written_whole(old) as new:
        (new / "a").write_text("new")
    assert (old / "a").read_text() == "new"
