"""20 Newsgroups, split by date (Lang 1995; Rennie): 11,314 messages for training, 7,532 for testing."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from swarmformer.data.files import file_hash
from swarmformer.data.sources import (
    check_limit,
    class_labels,
    limit_options,
    limited_splits,
    local_folder,
    read_columns,
)
from swarmformer.data.task import RawSplit, Task
from swarmformer.errors import DataError
from swarmformer.registry import register
from swarmformer.settings import DATA_VARIABLE

ARCHIVE = "20news-bydate.tar.gz 8f1b2514ca22a5ade8fbb9cfa5727df95fa587f4c87b786e15c759fa66d95610"
"""What scikit-learn downloads: name and SHA-256, which it checks."""
SPLITS = ("train", "test")
GROUPS = (
    "alt.atheism", "comp.graphics", "comp.os.ms-windows.misc", "comp.sys.ibm.pc.hardware",
    "comp.sys.mac.hardware", "comp.windows.x", "misc.forsale", "rec.autos", "rec.motorcycles",
    "rec.sport.baseball", "rec.sport.hockey", "sci.crypt", "sci.electronics", "sci.med", "sci.space",
    "soc.religion.christian", "talk.politics.guns", "talk.politics.mideast", "talk.politics.misc",
    "talk.religion.misc",
)  # fmt: skip
"""Index = label."""
QUOTED = re.compile(r"writes in|writes:|wrote:|says:|said:|^In article|^Quoted from|^\||^>")
"""Lines that quote or announce a quotation."""
SUBJECT = re.compile(r"^Subject:[ \t]*(.*)$", re.MULTILINE | re.IGNORECASE)
REPLY = re.compile(r"^(?:re(?:\[\d+\])?:\s*)+", re.IGNORECASE)


@register("task", "newsgroups")
class Newsgroups(Task):
    """Which of 20 newsgroups a message was sent to; validation shares no thread of a newsgroup with training.

    Reads ``$SWARMFORMER_DATA/20newsgroups/{train,test}.parquet`` (columns ``text``, ``label``, ``id``), raw
    messages; without that variable, what scikit-learn downloads. Headers, signatures and quotations are
    removed: names and addresses in them tell the group without any reading, and scores with them are far
    higher. Some messages are empty afterwards; they stay and count.

    Args:
        keep_headers, keep_footers, keep_quotes: leave these parts in, to compare with figures that had them.
        limit: 0 for everything, else so many messages of train and of test, drawn with a fixed seed.
        whole_test: the limit is not for test, which stays whole.
    """

    num_classes = len(GROUPS)
    classes = GROUPS
    test_options = ({"limit": 200},)

    def __init__(
        self, *, keep_headers: bool = False, keep_footers: bool = False, keep_quotes: bool = False,
        limit: int = 0, whole_test: bool = False,
    ) -> None:  # fmt: skip
        check_limit("newsgroups", limit)
        self.limit, self.whole_test = limit, whole_test
        self.keep_headers, self.keep_footers, self.keep_quotes = keep_headers, keep_footers, keep_quotes

    def identity(self) -> dict[str, Any]:
        kept = {"headers": self.keep_headers, "footers": self.keep_footers, "quotes": self.keep_quotes}
        options = {"kept": kept, **limit_options(self.limit, self.whole_test)}
        folder = _folder()
        if folder is None:
            return {**options, "archive": ARCHIVE}
        return {**options, "files": {split: file_hash(folder / f"{split}.parquet") for split in SPLITS}}

    def load(self) -> dict[str, RawSplit]:
        folder = _folder()
        raw = {split: _from_scikit_learn(split) if folder is None else _from_file(folder, split) for split in SPLITS}
        limited = limited_splits(raw, self.limit, self.whole_test)
        return {name: self._body(split) for name, split in limited.items()}

    def _body(self, split: RawSplit) -> RawSplit:
        return replace(split, texts=[self._kept(message) for message in split.texts])

    def _kept(self, message: str) -> str:
        if not self.keep_headers:
            message = without_headers(message)
        if not self.keep_footers:
            message = without_footer(message)
        return message if self.keep_quotes else without_quotes(message)


def _folder() -> Path | None:
    files = [f"{split}.parquet" for split in SPLITS]
    contents = "the messages, split by date, as parquet with columns text, label and id"
    return local_folder("20newsgroups", files, contents, "scikit-learn's download")


def _from_file(folder: Path, split: str) -> RawSplit:
    path = folder / f"{split}.parquet"
    table = read_columns(path, ("text", "label", "id"))
    labels = class_labels(table.column("label").to_pylist(), GROUPS, path)
    return _split(split, table.column("text").to_pylist(), labels, table.column("id").to_pylist())


def _from_scikit_learn(split: str) -> RawSplit:
    from sklearn.datasets import fetch_20newsgroups

    try:
        found = fetch_20newsgroups(subset=split, shuffle=False, remove=())
    except Exception as error:  # a download fails in many ways; all mean the same here
        raise DataError(
            f"scikit-learn could not download 20 Newsgroups ({type(error).__name__}: {error}). Without network, set "
            f"{DATA_VARIABLE} to a folder with 20newsgroups/train.parquet and 20newsgroups/test.parquet."
        ) from error
    if tuple(found.target_names) != GROUPS:
        raise DataError(f"scikit-learn's newsgroups are not the twenty: {', '.join(found.target_names)}")
    ids = ["/".join(Path(path).parts[-2:]) for path in found.filenames]
    return _split(split, list(found.data), np.asarray(found.target, dtype=np.int64), ids)


def _split(name: str, messages: list[str], labels: np.ndarray, numbers: list[str]) -> RawSplit:
    """Whole messages; those of one thread are a group, one without a subject is its own."""
    subjects = [thread(message) for message in messages]
    found = zip(labels.tolist(), subjects, numbers, strict=True)
    groups = [f"{label} {subject or number}" for label, subject, number in found]
    return RawSplit(messages, labels, [f"{name}/{number}" for number in numbers], groups)


# What is removed of a message follows scikit-learn's fetch_20newsgroups(remove=…), so that numbers can be compared
# with those published for it.


def without_headers(message: str) -> str:
    """What follows the first empty line; nothing where there is none."""
    return message.partition("\n\n")[2]


def without_footer(message: str) -> str:
    """Without the last block, if a line that is empty or of dashes alone stands before it: most are signatures."""
    lines = message.strip().split("\n")
    rules = [number for number, line in enumerate(lines) if not line.strip().strip("-")]
    return "\n".join(lines[: rules[-1]]) if rules and rules[-1] > 0 else message


def without_quotes(message: str) -> str:
    """Without quoted lines and those that announce them."""
    return "\n".join(line for line in message.split("\n") if not QUOTED.search(line))


def thread(message: str) -> str:
    """The subject, without marks of a reply and in lower case; empty where the headers have none."""
    found = SUBJECT.search(message.partition("\n\n")[0])
    return REPLY.sub("", found[1].strip()).strip().lower() if found else ""
