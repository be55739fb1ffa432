"""A flipped bit anywhere in what becomes a number is found, with the file named, or changes nothing."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from swarmformer import records
from swarmformer.records import CURVE, PREDICTIONS, RESULT, Metrics, Predictions, Result, UnreadableFileError
from tests.reports import synthetic_runs as runs

LOGITS_NK = np.array([[0.0, 2.0], [1.0, 0.5], [0.25, 3.0], [2.0, 1.0]], dtype=np.float32)
LABELS = np.array([1, 0, 0, 0])
LOSS = float(np.mean([np.log(1 + np.exp(d)) for d in (-2.0, -0.5, 2.75, -1.0)]))
TEST = Metrics(accuracy=0.75, precision=0.5, recall=0.5, f1=0.5, loss=LOSS, n=4)


def flipped(content: bytes, bit: int) -> bytes:
    damaged = bytearray(content)
    damaged[bit // 8] ^= 1 << bit % 8
    return bytes(damaged)


def finished(folder: Path) -> Result:
    """A cell with its curve and predictions."""
    folder.mkdir(exist_ok=True)
    (folder / CURVE).write_text(records.TestLine(kind="test", step=4, epoch=1, **TEST.model_dump()).to_line())
    records.save_predictions(folder, Predictions(np.array(list("abcd")), LABELS, LOGITS_NK))
    made = Result.model_validate_json(json.dumps(runs.result("base", 0, 0.75)))
    files = records.hashes_of(folder, (CURVE, PREDICTIONS, records.LOSSES))
    made = made.model_copy(update={"metrics": records.SplitMetrics(validation=TEST, test=TEST), "files": files})
    records.save(folder / RESULT, made)
    return made


def flips(path: Path, read: Callable[[], Any], same: Callable[[Any], bool], stride: int) -> int:
    """Flip every ``stride``-th bit; how many were found. The others change nothing."""
    whole, found = path.read_bytes(), 0
    for bit in range(0, 8 * len(whole), stride):
        path.write_bytes(flipped(whole, bit))
        try:
            value = read()
        except UnreadableFileError as error:
            assert error.path == path and "\n" not in error.reason
            found += 1
        else:
            assert same(value), f"bit {bit} of {path.name} gave another value in silence"
    path.write_bytes(whole)
    return found


@pytest.mark.parametrize("stride", [67, pytest.param(1, marks=pytest.mark.slow)])
def test_every_flipped_bit_of_a_result_is_found_or_changes_nothing(tmp_path: Path, stride: int) -> None:
    made, path = finished(tmp_path), tmp_path / RESULT
    found = flips(path, lambda: records.load(path, Result), made.__eq__, stride)
    assert found > 0.75 * 8 * path.stat().st_size / stride  # the rest is the layout


def test_every_flipped_bit_of_a_curve_and_of_predictions_is_found(tmp_path: Path) -> None:
    made = finished(tmp_path)
    for name, read in ((CURVE, records.read_curve), (PREDICTIONS, records.read_predictions)):
        path = tmp_path / name
        assert flips(path, lambda read=read: read(tmp_path, made), lambda value: False, 67)  # type: ignore[misc]
        path.write_bytes(path.read_bytes()[:-1])
        with pytest.raises(UnreadableFileError, match="not the file that the cell's result was written with"):
            read(tmp_path, made)
    (tmp_path / CURVE).unlink()
    with pytest.raises(UnreadableFileError, match="missing: the file that the cell's result was written with"):
        records.read_curve(tmp_path, made)


@pytest.mark.parametrize("document", [
    records.Trial(run_key="k", arm="a", seed=1, task="t", validation=TEST, data_key="d", code_revision="c",
                  device="cpu", seconds=records.Seconds(train=1.0, total=2.0)),
    records.Plan.model_validate_json(json.dumps(runs.plan(["base", "x"], [0, 1]))).hashed(),
    records.Tuning(grid="g", metric="accuracy", rule="r", options={"train.lr": (0.1, 0.2)}, seeds=(3,), arms=(
        records.TunedArm(arm="a", chosen=0, tried=(records.Tried(values={"train.lr": 0.1}, trials=(
            records.TrialScore(cell="c", seed=3, run_key="k", score=0.5),)),)),)),
    records.Failure(run_key="k", arm="a", seed=1, cause="the loss became nan", step=3),
], ids=lambda document: type(document).__name__)  # fmt: skip
def test_so_is_one_of_every_other_record(tmp_path: Path, document: records.Document) -> None:
    path = tmp_path / "file.json"
    records.save(path, document)
    assert flips(path, lambda: records.load(path, type(document)), document.__eq__, 67)


def test_a_new_layout_changes_nothing_and_a_new_value_is_found(tmp_path: Path) -> None:
    made, path = finished(tmp_path), tmp_path / RESULT
    raw = json.loads(path.read_text())
    path.write_text(json.dumps(dict(reversed(raw.items())), indent=4).replace("\n", "\r\n"))
    assert records.load(path, Result) == made
    raw["metrics"]["test"]["accuracy"] = 0.875
    path.write_text(json.dumps(raw))
    with pytest.raises(UnreadableFileError, match="its checksum differs; restore it from a copy, or move it away"):
        records.load(path, Result)
    path.write_text(json.dumps({key: value for key, value in raw.items() if key != "checksum"}))
    with pytest.raises(UnreadableFileError, match="has no checksum, as files of schema 2 have"):
        records.load(path, Result)
    path.write_text(json.dumps({"schema": 1}))
    with pytest.raises(UnreadableFileError, match="Field required"):
        records.load(path, Result)


@pytest.mark.parametrize(("change", "reason"), [
    ({"logits_NK": LOGITS_NK[:, ::-1]}, r"gives accuracy 0\.25, but result\.json says 0\.75"),
    ({"logits_NK": 2 * LOGITS_NK}, "gives loss"),
    ({"logits_NK": LOGITS_NK * np.float32("nan")}, "no table of finite numbers"),
    ({"logits_NK": LOGITS_NK[:, 0]}, "no table of finite numbers"),
    ({"labels": np.array([1, 0, 0, 2])}, "a label is none of its 2 classes"),
    ({"labels": np.array(list("1000"))}, "labels has type <U1"),
], ids=["reversed", "scaled", "nan", "flat", "label", "type"])  # fmt: skip
def test_valid_predictions_of_another_run_are_refused(tmp_path: Path, change: dict[str, Any], reason: str) -> None:
    """An older result, which knows no checksums, is held against its metrics."""
    older = finished(tmp_path).model_copy(update={"files": {}})
    assert records.read_predictions(tmp_path, older) is not None
    given = {"names": np.array(list("abcd")), "labels": LABELS, "logits_NK": LOGITS_NK, **change}
    records.save_predictions(tmp_path, Predictions(**given))
    with pytest.raises(UnreadableFileError, match=reason):
        records.read_predictions(tmp_path, older)


@pytest.mark.parametrize("labels", [LABELS.view("<u8"), LABELS[:, None]], ids=["type", "shape"])
def test_a_checksum_is_of_type_and_shape_too(tmp_path: Path, labels: np.ndarray) -> None:
    """The bytes of the labels are those that were written."""
    finished(tmp_path)
    with np.load(tmp_path / PREDICTIONS) as stored:
        arrays = dict(stored)
    assert labels.tobytes() == arrays["labels"].tobytes()
    np.savez(tmp_path / PREDICTIONS, **{**arrays, "labels": labels})
    with pytest.raises(UnreadableFileError, match="its checksum differs"):
        records.read_predictions(tmp_path)


def test_losses_of_another_run_are_refused(tmp_path: Path) -> None:
    older = finished(tmp_path).model_copy(update={"files": {}})
    names, tokens = np.array(["t/0", "t/1"]), np.array([3, 1])
    records.save_predictions(tmp_path, records.TokenLosses(names, tokens, np.array([3 * LOSS, LOSS])))
    assert records.read_losses(tmp_path, older) is not None
    for changed, reason in ((records.TokenLosses(names, tokens, np.array([LOSS, LOSS])), "gives loss"),
                            (records.TokenLosses(names, tokens + 1, np.array([3 * LOSS, LOSS])), "gives tokens 6")):
        records.save_predictions(tmp_path, changed)
        with pytest.raises(UnreadableFileError, match=reason):
            records.read_losses(tmp_path, older)


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    """3 MB that would become 3 GB; the archive says so before a byte of it is unpacked."""
    zeros = b"\0" * (1 << 24)
    with zipfile.ZipFile(tmp_path / PREDICTIONS, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("names.npy", zeros)
    content = (tmp_path / PREDICTIONS).read_bytes()
    claimed = (3 << 30).to_bytes(4, "little")
    (tmp_path / PREDICTIONS).write_bytes(content.replace((1 << 24).to_bytes(4, "little"), claimed))
    with pytest.raises(UnreadableFileError, match=r"would unpack to 3,221,225,472 bytes"):
        records.read_predictions(tmp_path)
