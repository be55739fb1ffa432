"""Values of a command line: Python literals that can be stored, else text; anything else is refused with its key."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.execute import find_executor, options_of
from experiments.store import read_updates
from swarmformer.cli.examples import _chosen
from swarmformer.errors import SpecError

REFUSED = ("1j", "2+3j", "b'x'", "{1, 2}", "...", "1e999", "-1e999", "[1, 2j]", "{1: 2}", "{'a': {2: 1}}", "(1, b'')",
           "{[]: 1}", "{{}}")  # fmt: skip


@pytest.mark.parametrize("text", REFUSED)
def test_what_no_configuration_can_hold_is_refused_with_its_key(text: str) -> None:
    with pytest.raises(SpecError, match=r"command line: data\.task\.label: "):
        read_updates(["data.task=files", f"data.task.label={text}"])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1), ("1.5", 1.5), ("True", True), ("None", None), ("true", True), ("null", None),
        ("'true'", "true"), ("'1j'", "1j"), ("nan", "nan"), ("label", "label"),
        ("[1, 'a']", [1, "a"]), ("(1, 2)", [1, 2]), ("{'a': (1,)}", {"a": [1]}), ("", ""), ("a=b", "a=b"),
        (str(10**30), 10**30), ("{'py/object': 'os.system'}", {"py/object": "os.system"}), ("[base,windowed]",
         "[base,windowed]"),
    ],
)  # fmt: skip
def test_what_can_be_stored_is_read_as_it_is_written(text: str, value: Any) -> None:
    assert read_updates([f"data.label={text}"]) == {"data": {"label": value}}


def test_a_component_by_name_and_its_options_stand_side_by_side() -> None:
    words = ["data.task=files", "data.task.label=x", "seed = 3", "model.dims.d_model=8"]
    assert read_updates(words) == {
        "data": {"task": {"name": "files", "label": "x"}}, "seed": 3, "model": {"dims": {"d_model": 8}},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["seed=1", "threads=2", "seed=2"], "seed is given twice, as '1' and as '2'; give it once"),
        (["train.lr=0.1", "train.lr = 0.2"], r"train\.lr is given twice, as '0\.1' and as '0\.2'"),
        (["data.task=files", "data.task=imdb"], r"data\.task is given twice, as 'files' and as 'imdb'"),
        (["data.task=files", "data.task.label=x", "data.task.name=imdb"], r"data\.task\.name is given twice"),
        (["seed=1", "seed=1"], "seed is given twice, as '1' and as '1'"),
        (["train={'lr': 0.1}", "train.lr=0.2"], r"train\.lr is given twice, as '0\.1' and as '0\.2'"),
        (["train.lr=0.2", "train={'epochs': 1, 'lr': 0.1}"], r"train\.lr is given twice, as '0\.2' and as '0\.1'"),
    ],
)
def test_a_key_is_given_once(words: list[str], message: str) -> None:
    with pytest.raises(SpecError, match=f"^command line: {message}"):
        read_updates(words)


def test_so_is_an_option_of_an_executor_and_of_a_task() -> None:
    with pytest.raises(SpecError, match=r"^--option: time is given twice, as '1' and as '2'"):
        options_of(find_executor("slurm"), "slurm", ["time=1", "time=2"])
    with pytest.raises(SpecError, match=r"^--task imdb: limit is given twice, as '10' and as '20'"):
        _chosen(["imdb", "limit=10", "limit=20"])


def test_a_word_without_a_value_is_refused() -> None:
    with pytest.raises(SpecError, match="'seed': write KEY=VALUE"):
        read_updates(["seed"])


@given(st.text())
def test_any_text_is_read_or_refused_in_words(text: str) -> None:
    try:
        assert set(read_updates([f"key={text}"])) == {"key"}
    except SpecError as error:
        assert re.match("command line: key: ", str(error))
