"""Runs that were given texts without labels say so, and are comparable with those that were not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from experiments.runner import run_cell
from swarmformer.records import Result
from swarmformer.variants import resolve_run
from tests.data.toy_tasks import WORDS

SIZES = {"d_model": 8, "num_layers": 1, "cluster_size": 4, "seq_len": 16}


@pytest.fixture
def reviews(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "data" / "imdb"
    folder.mkdir(parents=True)
    (folder.parent / "bert-base-uncased-vocab.txt").write_text("\n".join(WORDS) + "\n")
    words = {"train": "a", "test": "bad"}
    texts = {split: [f"{'good ' * row} {word} film" for row in range(12)] for split, word in words.items()}
    for split, given in texts.items():
        pyarrow.parquet.write_table(pyarrow.table({"text": given, "label": [0, 1] * 6}), folder / f"{split}.parquet")
    spare = [*texts["test"][:5], "good a", "a film film", "bad bad a"]
    pyarrow.parquet.write_table(pyarrow.table({"text": spare}), folder / "unsupervised.parquet")
    monkeypatch.setenv("SWARMFORMER_DATA", str(folder.parent))


def finished(folder: Path, **train: Any) -> Result:
    patch = {"model": {"dims": SIZES}, "data": {"task": "imdb"}, "train": {"epochs": 1, "batch_size": 8, **train}}
    spec = resolve_run("base+ngrams", [({**patch, "model": {"dims": SIZES, "channel": {"buckets": 32}}}, "test")])
    result = run_cell(folder, "base", spec, "cpu", keep_weights=False)
    assert result is not None
    return result


def test_results_say_which_track_they_are_of(tmp_path: Path, reviews: None) -> None:
    plain, labelled, more = (
        finished(tmp_path / str(number), **train)
        for number, train in enumerate((
            {}, {"stages": ["masked_tokens", "supervised"]},
            {"stages": [{"name": "masked_tokens", "texts": "unlabelled"}, "supervised"]},
        ))
    )  # fmt: skip
    assert [result.track for result in (plain, labelled, more)] == ["L", "L", "U"]
    assert more.unlabelled is not None and (more.unlabelled.texts, more.unlabelled.copies) == (3, 5)
    assert plain.unlabelled is None and plain.data_key == labelled.data_key == more.data_key
    assert len({result.run_key for result in (plain, labelled, more)}) == 3
    assert plain.parameters.channel == len(WORDS) + 32 + 1
