"""What is no model says what to name instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from swarmformer import cli, hub
from swarmformer.errors import SpecError
from swarmformer.export.folder import Examples, export
from swarmformer.hub.source import weights_file
from tests.hub.models import complete_model


def finished(folder: Path, *, kept: bool) -> Path:
    """What tells the folder of a run that is finished."""
    folder.mkdir(parents=True)
    (folder / "result.json").touch()
    if kept:
        hub.save(complete_model("bag_of_embeddings"), folder / "model")
    return folder


@pytest.mark.parametrize("which", ["", "model.pt2"])
def test_an_export_names_the_model_that_it_was_made_of(
    which: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("swarmformer.export.measured.BUDGET_S", 0.0)
    out = tmp_path / "out"
    export(complete_model("bag_of_embeddings"), out, "torch-export", examples=Examples(), threads=1)
    for command in (["predict", str(out / which), "good"], ["evaluate", str(out / which), "--task", "imdb"]):
        assert cli.main(command) == 1
        said = capsys.readouterr().err
        assert f"{out / which}: " in said and "an export for programs without swarmformer: name the model that" in said
        assert said.rstrip().endswith("or export that with --format safetensors")


def test_an_export_of_weights_is_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("swarmformer.export.measured.BUDGET_S", 0.0)
    complete = complete_model("bag_of_embeddings")
    export(complete, tmp_path / "out", "safetensors", examples=Examples(), threads=1)
    for source in (tmp_path / "out", tmp_path / "out" / "model.safetensors"):
        assert weights_file(source) == tmp_path / "out" / "model.safetensors"


@pytest.mark.parametrize("above", ["runs/grid", "runs"])
def test_a_folder_of_runs_names_those_that_kept_a_model(above: str, tmp_path: Path) -> None:
    finished(tmp_path / "runs" / "grid" / "a-s0", kept=False)
    kept = finished(tmp_path / "runs" / "grid" / "a-s1", kept=True)
    with pytest.raises(SpecError) as caught:
        weights_file(tmp_path / above)
    assert str(caught.value).endswith(f"in this folder, but in runs below it: name one, {kept}")
    assert weights_file(kept) == kept / "model" / "model.safetensors"


def test_runs_that_kept_none_say_how_to_keep_one(tmp_path: Path) -> None:
    run = finished(tmp_path / "grid" / "a-s0", kept=False)
    with pytest.raises(SpecError, match=r"none of which kept its model: write keep_weights: best into a grid file"):
        weights_file(run.parent)
    with pytest.raises(SpecError, match=r"with keep_weights=true, in a grid file keep_weights: true$"):
        weights_file(run)
    (tmp_path / "empty").mkdir()
    with pytest.raises(SpecError, match=r"empty: no model\.safetensors in this folder$"):
        weights_file(tmp_path / "empty")
