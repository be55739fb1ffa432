from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sklearn.datasets import _twenty_newsgroups as reference

from swarmformer.data.split import load_splits
from swarmformer.data.tasks import newsgroups as parts
from swarmformer.data.tasks.newsgroups import GROUPS, Newsgroups
from swarmformer.errors import DataError

MESSAGE = """From: a@b.c (A B)
Subject: Re: RE: The  sky
Lines: 5

In article <1> x@y writes:
> it is blue

It is grey.

--
A B, somewhere
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SWARMFORMER_DATA", str(tmp_path))
    (tmp_path / "20newsgroups").mkdir()
    for split, count in (("train", 40), ("test", 5)):
        texts = [MESSAGE.replace("The  sky", f"Thread {row // 4}") for row in range(count)]
        texts = [text.replace("grey", f"grey {row}") for row, text in enumerate(texts)]
        write(tmp_path / "20newsgroups" / f"{split}.parquet", texts, [row % 2 for row in range(count)])
    return tmp_path / "20newsgroups"


def write(path: Path, texts: list[str], labels: list[int]) -> None:
    ids = [f"{GROUPS[label % 20]}/{path.stem}{row}" for row, label in enumerate(labels)]
    pyarrow.parquet.write_table(pyarrow.table({"text": texts, "label": labels, "id": ids}), path)


def test_parts_of_a_message() -> None:
    body = parts.without_headers(MESSAGE)
    assert body.startswith("In article") and "Subject" not in body
    assert parts.without_quotes(parts.without_footer(body)).strip() == "It is grey."
    assert parts.thread(MESSAGE) == "the  sky"
    assert parts.thread("From: x\n\nSubject: of the text") == ""
    assert parts.thread("SUBJECT: re[2]: Re:  x \n\n") == "x"


LINES = ("From: a", "Subject: b", "", "-", "--", " ", "> q", "|x", "he wrote:", "In article <1>", "text", " >")
PIECES = st.lists(st.sampled_from(LINES), max_size=12).map("\n".join)


@given(PIECES)
@example("")
@example("a\n\n")
@example("\n\nb")
@example("-- \nsigned")
def test_what_is_removed_is_what_scikit_learn_removes(message: str) -> None:
    assert parts.without_headers(message) == reference.strip_newsgroup_header(message)
    assert parts.without_footer(message) == reference.strip_newsgroup_footer(message)
    assert parts.without_quotes(message) == reference.strip_newsgroup_quoting(message)


def test_the_body_alone_is_kept_unless_asked(folder: Path) -> None:
    assert Newsgroups().load()["test"].texts[1].strip() == "It is grey 1."
    whole = Newsgroups(keep_headers=True, keep_footers=True, keep_quotes=True).load()["test"].texts[0]
    assert whole == MESSAGE.replace("The  sky", "Thread 0").replace("grey", "grey 0")
    assert "Subject" in Newsgroups(keep_headers=True).load()["test"].texts[0]
    assert "somewhere" in Newsgroups(keep_footers=True).load()["test"].texts[0]
    assert "> it is blue" in Newsgroups(keep_quotes=True).load()["test"].texts[0]
    options: list[dict[str, Any]] = [{}, {"keep_headers": True}, {"keep_footers": True}, {"keep_quotes": True}]
    assert len({repr(Newsgroups(**option).identity()) for option in options}) == 4


def test_a_limit_takes_a_fixed_sample(folder: Path) -> None:
    small, whole = Newsgroups(limit=7).load()["train"], Newsgroups().load()["train"]
    assert len(small) == 7 and Newsgroups(limit=9).load()["train"].ids[:7] == small.ids
    found = dict(zip(whole.ids, whole.texts, strict=True))
    assert [found[name] for name in small.ids] == small.texts
    assert Newsgroups(limit=7).identity() != Newsgroups().identity()


def test_no_thread_is_on_both_sides_of_the_validation_cut(folder: Path) -> None:
    splits = load_splits(Newsgroups(), validation_fraction=0.3, split_seed=0)
    train, validation = splits["train"].groups, splits["validation"].groups
    assert train and validation and not set(train) & set(validation)
    assert {group.split(" ", 1)[1] for group in train} <= {f"thread {number}" for number in range(10)}
    assert splits["test"].ids[0] == "test/alt.atheism/test0"


def test_changed_files_change_the_identity(folder: Path) -> None:
    before = Newsgroups().identity()
    write(folder / "test.parquet", ["other"], [3])
    assert Newsgroups().identity() != before


def test_bad_files_are_named(folder: Path) -> None:
    write(folder / "test.parquet", ["x"], [20])
    with pytest.raises(DataError, match=r"test.parquet, row 0: label 20, expected one of 0 \(alt.atheism\)"):
        Newsgroups().load()
    (folder / "train.parquet").unlink()
    with pytest.raises(DataError, match=r"train.parquet not found.*20newsgroups/.*scikit-learn's download"):
        Newsgroups().identity()


def test_without_a_folder_scikit_learn_downloads_raw_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    import sklearn.datasets

    def fetch(*, subset: str, shuffle: bool, remove: tuple[str, ...]) -> Any:
        assert not shuffle and remove == ()
        names = [f"/x/20news-bydate-{subset}/sci.med/{number}" for number in (5, 7)]
        texts, target = [MESSAGE, "x\n\ny"], np.array([13, 13])
        return SimpleNamespace(data=texts, target=target, filenames=names, target_names=GROUPS)

    monkeypatch.delenv("SWARMFORMER_DATA", raising=False)
    monkeypatch.setattr(sklearn.datasets, "fetch_20newsgroups", fetch)
    test = Newsgroups().load()["test"]
    assert (test.texts[1], test.ids, test.labels.tolist()) == ("y", ["test/sci.med/5", "test/sci.med/7"], [13, 13])
    assert reference.ARCHIVE.checksum in Newsgroups().identity()["archive"]


def test_without_folder_and_network_it_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    import sklearn.datasets

    def offline(**_: object) -> None:
        raise ConnectionError("no route")

    monkeypatch.delenv("SWARMFORMER_DATA", raising=False)
    monkeypatch.setattr(sklearn.datasets, "fetch_20newsgroups", offline)
    with pytest.raises(DataError, match=r"no route.*set SWARMFORMER_DATA"):
        Newsgroups().load()


def test_the_real_messages(real_data: Callable[[str], Path]) -> None:
    labels = real_data("20newsgroups/labels.txt").read_text().split()
    assert tuple(labels) == GROUPS
    task = Newsgroups(keep_headers=True, keep_footers=True, keep_quotes=True)
    splits = task.load()
    assert {name: len(split) for name, split in splits.items()} == {"train": 11_314, "test": 7_532}
    assert np.bincount(splits["train"].labels).min() == 377 and np.bincount(splits["test"].labels).max() == 399
    bodies = Newsgroups().load()["test"].texts
    for raw, body in zip(splits["test"].texts[:500], bodies[:500], strict=True):
        stripped = reference.strip_newsgroup_footer(reference.strip_newsgroup_header(raw))
        assert body == reference.strip_newsgroup_quoting(stripped)
