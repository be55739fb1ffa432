"""Test splits of other tasks: whose labels mean the same, encoded as the run's own, and which are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from swarmformer.data.classes import check_readable, own_classes
from swarmformer.data.encoding import load_encoded
from swarmformer.data.out_of_domain import copies_of, load_out_of_domain, raw_out_of_domain
from swarmformer.errors import SpecError
from swarmformer.spec import DataSpec
from tests.data.toy_tasks import Toy, make_split

ENCODING: dict[str, Any] = {"tokenizer": "bert", "seq_len": 4}


class Reviews(Toy):
    classes = ("negative", "positive")


class Turned(Toy):
    """The same classes, counted the other way round."""

    classes = ("positive", "negative")

    def __init__(self) -> None:
        super().__init__()
        self.version = 2
        self.splits["test"] = make_split("test", ["good film", "bad film", "a bad film . film film"])


def test_labels_are_in_the_classes_of_the_run(cache: Path, vocabulary: Path) -> None:
    task, other = Reviews(), Turned()
    assert own_classes(other, task.class_names, "turned").tolist() == [1, 0]
    loaded = load_out_of_domain(task, {"turned": other}, **ENCODING)["turned"]
    found = loaded.split
    meant = ["positive", "negative", "positive"]  # labels 0, 1, 0 of the other
    assert [task.class_names[label] for label in found.labels] == meant
    assert raw_out_of_domain(task, {"turned": other})["turned"].labels.tolist() == found.labels.tolist()
    alone = load_encoded(other, **ENCODING, validation_fraction=0.1, split_seed=0).splits["test"]
    np.testing.assert_array_equal(found.ids, alone.ids)
    assert found.truncated == 1 and alone.labels.tolist() == [0, 1, 0]


def test_of_another_task_nothing_but_test_is_needed(cache: Path, vocabulary: Path) -> None:
    """Validation is not cut off its training texts, which may be too few for that."""
    other = Turned()
    other.splits["train"] = make_split("train", ["good", "bad"])
    assert len(load_out_of_domain(Reviews(), {"turned": other}, **ENCODING)["turned"].split) == 3
    load_out_of_domain(Reviews(), {"turned": other}, **ENCODING)
    assert other.loads == 1


def test_what_cannot_be_answered_is_refused() -> None:
    class Other(Reviews):
        classes = ("bad", "good")

    class Letters(Reviews):
        vocabulary = ("pad", "x")

    class AtTokens(Reviews):
        per_token = True

    with pytest.raises(SpecError, match="task 'o' has classes bad, good, but the model knows negative, positive"):
        check_readable(Reviews(), Other(), "o")
    with pytest.raises(SpecError, match="task 'o' has other tokens than the run's"):
        check_readable(Reviews(), Letters(), "o")
    with pytest.raises(SpecError, match="task 'o' asks at tokens"):
        check_readable(Reviews(), AtTokens(), "o")
    with pytest.raises(SpecError, match="answers at tokens"):
        check_readable(AtTokens(), Reviews(), "o")
    check_readable(Reviews(), Turned(), "o")


def test_copies_are_counted_however_they_are_written() -> None:
    train = make_split("train", ["A good film!", "bad", ""])
    other = make_split("test", ["a GOOD film", "good", "", "bad.", "bad"])
    task = Toy()
    task.splits["train"] = train
    assert copies_of(task, other) == 3


def spec_of(*others: Any) -> DataSpec:
    return DataSpec.from_dict({"task": "sst2", "out_of_domain": list(others)})


def test_it_is_no_part_of_a_key_and_names_each_task_once() -> None:
    asked = spec_of("imdb", {"name": "sst2", "limit": 10})
    assert [other.name for other in asked.out_of_domain] == ["imdb", "sst2"]
    assert asked.key_content() == spec_of().key_content()
    assert DataSpec.from_dict(asked.to_dict()) == asked
    with pytest.raises(SpecError, match=r"data\.out_of_domain: two tasks are called 'imdb'"):
        spec_of("imdb", {"name": "imdb", "limit": 10})
    alike = [{"name": "files", "title": title, "train": "a.csv"} for title in ("my plots", "my/plots")]
    with pytest.raises(SpecError, match=r"two tasks are called 'my plots' or alike"):
        spec_of(*alike)
    with pytest.raises(SpecError, match=r"data\.out_of_domain: expected a list of tasks.*got 'imdb'"):
        DataSpec.from_dict({"task": "sst2", "out_of_domain": "imdb"})
    with pytest.raises(SpecError, match=r"data\.out_of_domain\.0\.limt.*limit"):
        spec_of({"name": "imdb", "limt": 10})
