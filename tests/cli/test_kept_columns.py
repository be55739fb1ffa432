"""``swarmformer predict --keep`` where a table's columns are called like those of answers."""

from __future__ import annotations

import datetime
import json
import math
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from swarmformer import cli
from swarmformer.hub import save
from tests.hub.conftest import toy_data as toy_data
from tests.hub.models import CLASSES, complete_model

ROW = {"text": "a good film .", "loss": "3", "correct": "yes", "probability_of_rain": "0.5", "label": "mine",
       f"probability_{CLASSES[0]}": "theirs", "probabilities": "many"}  # fmt: skip


@pytest.fixture
def model(tmp_path: Path, toy_data: None, monkeypatch: pytest.MonkeyPatch) -> str:
    save(complete_model("bag_of_embeddings"), tmp_path / "model")
    (tmp_path / "in.jsonl").write_text(json.dumps(ROW) + "\n")
    monkeypatch.chdir(tmp_path)
    return "model"


@pytest.mark.parametrize("output", ["out.csv", "out.parquet"])
@pytest.mark.parametrize("column", ["label", "probabilities", f"probability_{CLASSES[0]}"])
def test_a_column_that_answers_have_too_is_not_kept(
    model: str, tmp_path: Path, column: str, output: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["predict", model, "in.jsonl", "--output", output]
    for more in (["--keep", f"text,{column}"], ["--text", column]):
        assert cli.main([*words, *more]) == 2
        said = capsys.readouterr().err
        assert f"column {column!r} cannot be kept beside answers, which have one of that name" in said
        assert "rename it, or --keep others" in said and "Traceback" not in said
    assert not (tmp_path / output).exists()


def test_names_of_flat_columns_are_free_where_probabilities_are_one(model: str, tmp_path: Path) -> None:
    column = f"probability_{CLASSES[0]}"
    assert cli.main(["predict", model, "in.jsonl", "--keep", column, "--output", "out.jsonl"]) == 0
    row = json.loads((tmp_path / "out.jsonl").read_text())
    assert list(row) == [column, "label", "probabilities"] and row[column] == "theirs"


def test_text_on_standard_output_has_no_columns(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["predict", model, "in.jsonl", "--text", "label"]) == 0
    assert capsys.readouterr().out.endswith("\tmine\n")


@pytest.mark.parametrize("more", [[], ["--keep", "loss"], ["--keep", "loss,correct,probability_of_rain,loss"]])
def test_kept_columns_are_text_whatever_they_are_called(model: str, tmp_path: Path, more: list[str]) -> None:
    words = ["predict", model, "in.jsonl", "--text", "loss", *more]
    assert cli.main([*words, "--output", "out.parquet"]) == 0
    [row] = pq.read_table(tmp_path / "out.parquet").to_pylist()
    own = ["label", *(f"probability_{name}" for name in CLASSES)]
    kept = [name for name in row if name not in own]
    assert kept == (["loss", "correct", "probability_of_rain"] if "rain" in str(more) else ["loss"])
    assert {name: row[name] for name in kept} == {name: ROW[name] for name in kept}
    assert all(type(row[name]) is float for name in own[1:])


def test_kept_values_that_json_has_nothing_for_are_text_and_numbers_that_are_none_null(
    model: str, tmp_path: Path
) -> None:
    row = {"text": "good", "day": datetime.date(2024, 2, 29), "price": Decimal("1.50"), "raw": b"x", "nan": math.nan,
           "many": [1.5, math.inf], "n": 3}  # fmt: skip
    pq.write_table(pa.Table.from_pylist([row]), tmp_path / "in.parquet")
    words = ["predict", model, "in.parquet", "--keep", ",".join(row), "--output", "out.jsonl"]
    assert cli.main(words) == 0

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    found = json.loads((tmp_path / "out.jsonl").read_text(), parse_constant=refuse)
    assert {name: found[name] for name in row} == {
        "text": "good", "day": "2024-02-29", "price": "1.50", "raw": "b'x'", "nan": None, "many": [1.5, None], "n": 3,
    }  # fmt: skip
