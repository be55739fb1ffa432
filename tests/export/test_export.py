"""What is exported gives what the model gives, to somebody who has onnxruntime, tokenizers and the folder alone."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

import swarmformer
from swarmformer import cli, registry
from swarmformer.errors import SpecError
from swarmformer.export import formats, measured
from swarmformer.export.check import TEXTS, Checker
from swarmformer.export.folder import Examples, export
from swarmformer.hub import CompleteModel, save
from swarmformer.hub.config import read_json
from swarmformer.models.swarmformer import SwarmFormer
from swarmformer.pipeline import TextClassifier
from swarmformer.records import load_json
from swarmformer.variants import list_variants
from tests.hub.conftest import toy_data as toy_data
from tests.hub.models import DIMS, complete_model

ASKED = ["a good film .", "bad", "", "good bad films " * 30, "film " * 9, "a film . good"]


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measured, "BUDGET_S", 0.0)


def written(complete: CompleteModel, out: Path, name: str, **options: Any) -> dict[str, Any]:
    examples = Examples.of(complete, options.pop("texts", ASKED), options.pop("labels", None))
    return export(complete, out, name, examples=examples, threads=1, **options)


def by_onnxruntime(folder: Path, texts: list[str]) -> np.ndarray:
    """As the guide tells somebody without swarmformer."""
    onnxruntime, tokenizers = pytest.importorskip("onnxruntime"), pytest.importorskip("tokenizers")
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])
    encoded = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json")).encode_batch(texts)
    ids, mask = ([getattr(one, name) for one in encoded] for name in ("ids", "attention_mask"))
    inputs = {"input_ids": np.array(ids, np.int64), "attention_mask": np.array(mask, np.int64)}
    found: np.ndarray = session.run(["logits"], inputs)[0]
    return found


def test_onnx_gives_what_the_model_gives(tmp_path: Path) -> None:
    pytest.importorskip("onnxscript")
    complete = complete_model("base+positions", num_layers=1)
    record = written(complete, tmp_path / "out", "onnx")
    expected = np.stack(list(TextClassifier(complete, "cpu", "fp32").logits(ASKED)))
    np.testing.assert_allclose(by_onnxruntime(tmp_path / "out", ASKED), expected, atol=1e-5)
    for text, logits_K in zip(ASKED, expected, strict=True):
        np.testing.assert_allclose(by_onnxruntime(tmp_path / "out", [text])[0], logits_K, atol=1e-5)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "model.onnx", "tokenizer.json", "config.json", "export.json",
    }  # fmt: skip
    kept = load_json(tmp_path / "out" / "export.json")
    assert kept == {"schema": 1, **record}
    assert kept["bytes"]["model.onnx"] == (tmp_path / "out" / "model.onnx").stat().st_size
    assert all(found["difference"] < 1e-4 and found["by_padding"] < 1e-4 for found in kept["checks"].values())
    assert {(row["arm"], row["batch"]) for row in kept["speed"]} == {
        (arm, batch) for arm in ("model", "exported") for batch in (1, 32)
    }
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["classes"] == list(complete.classes)
    assert "checksum" in config and read_json(tmp_path / "out" / "config.json") is not None


@pytest.mark.slow
def test_int8_is_smaller_and_held_to_accuracy(tmp_path: Path) -> None:
    pytest.importorskip("onnxscript")
    complete = complete_model("bag_of_embeddings", vocab_size=999)
    found = np.stack(list(TextClassifier(complete, "cpu", "fp32").logits(ASKED)))
    lead = np.diff(np.sort(found, axis=1))[:, -1]
    clear = [text for text, by in zip(ASKED, lead, strict=True) if by > 0.2]  # the others are nearly ties
    labels = found[lead > 0.2].argmax(axis=1).tolist()
    record = written(complete, tmp_path / "out", "onnx", int8=True, texts=clear, labels=labels)
    arms = {"model", "exported", "exported, fp32"}
    assert len(clear) > 2 and record["accuracy"] == {"texts": len(clear), **dict.fromkeys(arms, 1.0)}
    assert record["int8"] and record["bytes"]["model.onnx"] < record["weights_bytes"]
    assert {row["arm"] for row in record["speed"]} == arms
    by_int8 = by_onnxruntime(tmp_path / "out", clear)
    assert by_int8.argmax(axis=1).tolist() == labels
    alone = np.concatenate([by_onnxruntime(tmp_path / "out", [text]) for text in clear])
    np.testing.assert_allclose(alone, by_int8, atol=1e-4)


@pytest.mark.slow
def test_a_graph_of_torch_pads_where_pads_count(tmp_path: Path) -> None:
    """The published model averages pads in: it was trained with all of them, and the graph adds them itself."""
    complete = complete_model("original", lengths=(32,), num_layers=1)
    written(complete, tmp_path / "out", "torch-export")
    program = torch.export.load(tmp_path / "out" / "model.pt2").module()
    expected = list(TextClassifier(complete, "cpu", "fp32").logits(ASKED))
    checker, examples = Checker(complete.model, 0), Examples.of(complete, ASKED)
    for width in (1, 6):
        for start in range(0, 6, width):
            ids, mask = (torch.from_numpy(array) for array in checker.batch(examples.rows[start : start + width]))
            with torch.no_grad():
                np.testing.assert_allclose(program(ids, mask), np.stack(expected[start : start + width]), atol=1e-5)


def test_pads_that_count_and_differ_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"pads a text to the next of \(8, 16, 32\) tokens, which one graph cannot"):
        written(complete_model("original"), tmp_path / "out", "torch-export")
    assert not list(tmp_path.glob("*out*"))


def test_what_no_graph_can_hold_says_so_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    complete = complete_model("bag_of_embeddings")
    pooling = complete.model.pooling.forward
    by_number = lambda x, mask: pooling(x, mask) * (2 if float(x.sum()) > 0 else 1)  # noqa: E731
    monkeypatch.setattr(complete.model.pooling, "forward", by_number)
    with pytest.raises(SpecError, match=r"cannot be exported as one graph for every length: .*--format safetensors"):
        written(complete, tmp_path / "out", "torch-export")
    assert not list(tmp_path.glob("*out*"))


def test_a_value_that_nothing_uses_is_named_where_torch_cannot_leave_it_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    complete = complete_model("bag_of_embeddings")
    pooling = complete.model.pooling.forward

    def looked_at(x_BND: torch.Tensor, mask_BN: torch.Tensor | None = None) -> torch.Tensor:
        with torch.no_grad():
            x_BND.amax(-1).mean()
        return pooling(x_BND, mask_BN)

    monkeypatch.setattr(complete.model.pooling, "forward", looked_at)
    try:
        written(complete, tmp_path / "out", "torch-export")
    except SpecError as error:
        assert "made under torch.no_grad that nothing uses? make it in training alone" in str(error)
        assert not list(tmp_path.glob("*out*"))


@pytest.mark.parametrize("opens", [True, False])
def test_a_graph_that_onnxruntime_does_not_run_says_so(opens: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*given: object) -> None:
        raise RuntimeError("[ONNXRuntimeError] : 1 : FAIL : Reshape node\nmore")

    session = SimpleNamespace(run=refuse)
    fake = SimpleNamespace(SessionOptions=SimpleNamespace,
                           InferenceSession=lambda *given, **named: session if opens else refuse())  # fmt: skip
    monkeypatch.setitem(sys.modules, "onnxruntime", fake)
    ids = np.ones((1, 2), dtype=np.int64)
    with pytest.raises(SpecError, match=r"cannot run this graph: RuntimeError: .*Reshape node\. Try --format torch"):
        formats._open_onnx(Path("model.onnx"), 1)(ids, ids)


def test_a_translation_that_gives_nothing_is_a_fault_and_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(formats, "require", lambda *names: None)
    monkeypatch.setattr("torch.onnx.export", lambda *given, **named: None)
    with pytest.raises(SpecError, match="gave no program"):
        written(complete_model("bag_of_embeddings"), tmp_path / "out", "onnx")
    assert not list(tmp_path.glob("*out*"))


def test_a_difference_that_is_too_large_is_never_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measured, "TOLERANCE", -1.0)
    with pytest.raises(SpecError, match=r"differs from the model by .*: nothing written"):
        written(complete_model(), tmp_path / "out", "safetensors")
    assert not list(tmp_path.glob("*out*"))


def test_accuracy_that_falls_is_refused() -> None:
    class Told(Checker):
        def answers(self, run: Any, rows: Any) -> list[np.ndarray]:
            return [np.eye(2)[label] for label in run]

    labels = np.zeros(1000, int)
    runs: dict[str, Any] = {"model": [0] * 1000, "exported": [0] * 997 + [1] * 3}
    checker = Told(complete_model().model, 0)
    assert measured.accuracy(checker, runs, [], labels)["exported"] == 0.997
    with pytest.raises(SpecError, match=r"falls from 1\.0000 to 0\.9960, more than 0\.3 points"):
        measured.accuracy(checker, {**runs, "exported": [0] * 996 + [1] * 4}, [], labels)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    save(complete_model(), "model")
    Path("own.csv").write_text("text,label\na good film,good\nbad,bad\n")
    wanted = ["export", "model", "--format", "safetensors", "--out", "out"]
    assert cli.main([*wanted, "own.csv", "--threads", "1"]) == 0
    said = capsys.readouterr().out
    assert "logits differ by 0 at most" in said and "accuracy on 2 texts: model" in said and "texts/s" in said
    assert cli.main(["predict", "out", "a good film"]) == 0
    assert not list(tmp_path.glob(".out*"))
    assert cli.main([*wanted[:-1], "other", "--quantize", "int8"]) == 1
    assert "is there for --format onnx, not for safetensors" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    assert cli.main(["export", "model", "--out", "new"]) == 1
    assert "pip install 'swarmformer[export]'" in capsys.readouterr().err


@pytest.mark.parametrize("there", ["an export", "a folder", "a file", "a link to nothing"])
def test_what_is_there_is_never_replaced(there: str, tmp_path: Path) -> None:
    complete, out = complete_model("bag_of_embeddings"), tmp_path / "out"
    if there == "an export":
        written(complete, out, "safetensors")
    elif there == "a folder":
        out.mkdir()
        (out / "own").write_text("mine")
    elif there == "a file":
        out.write_text("mine")
    else:
        out.symlink_to(tmp_path / "gone")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(SpecError, match=r"out: is there already; choose another --out, or move it away$"):
        written(complete_model("bag_of_embeddings", num_layers=1), out, "safetensors")
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    assert out.is_symlink() == (there == "a link to nothing")


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    written(complete_model("bag_of_embeddings"), tmp_path / "out", "safetensors")
    assert (tmp_path / "out" / "export.json").is_file()


def test_the_current_folder_is_refused_before_anything_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    monkeypatch.setattr("swarmformer.export.folder._made", None)
    with pytest.raises(SpecError, match="is the folder that you are in, which cannot be replaced; choose another"):
        written(complete_model("bag_of_embeddings"), Path(), "safetensors")


PARTS = [(entry.slot, entry.name) for entry in registry.list_components() if entry.slot in SwarmFormer.slots]
BESIDE = ["base+neighbours", "base+shuffled", "base+uniform_window", "base+coherence_signal", "base+ngrams"]
"""Factors that change what is computed, and are not in ``enhanced``."""


@pytest.mark.slow
@pytest.mark.parametrize(("slot", "part"), PARTS)
def test_every_component_can_be_exported(slot: str, part: str, tmp_path: Path) -> None:
    complete = complete_model("base", lengths=(32,), num_layers=1)
    torch.manual_seed(0)
    model = swarmformer.build_model("base", dims={**DIMS, "num_layers": 1}, **{slot: part}).eval()
    record = export(replace(complete, model=model), tmp_path / "out", "onnx", examples=Examples(), threads=1)
    assert record["checks"]["random tokens"]["difference"] < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("name", ["onnx", "torch-export"])
@pytest.mark.parametrize("variant", [*list_variants(), *BESIDE])
def test_every_variant_can_be_exported(variant: str, name: str, tmp_path: Path) -> None:
    complete = complete_model(variant, lengths=(32,), num_layers=2)
    record = export(complete, tmp_path / "out", name, examples=Examples.of(complete, TEXTS), threads=1)
    assert all(found["difference"] < 1e-4 for found in record["checks"].values())
