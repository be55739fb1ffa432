"""SST-2: sentences and phrases of film reviews, negative or positive (Socher et al. 2013; GLUE 2019)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from swarmformer.data.files import file_hash
from swarmformer.data.sources import (
    check_limit,
    class_labels,
    from_hub,
    limit_options,
    limited_splits,
    local_folder,
    read_columns,
)
from swarmformer.data.task import RawSplit, Task
from swarmformer.registry import register

HUB_GLUE, GLUE_REVISION = "stanfordnlp/sst2", "8d51e7e4887a4caaa95b3fbebbf53c0490b58bbb"
"""Training phrases and development sentences; its test labels are hidden."""
HUB_TEST, TEST_REVISION = "SetFit/sst2", "00ea8ccb7a54b4e3780a3e51aa3f80361ff849c0"
"""The test sentences with the labels that the treebank itself published."""
SPLITS = ("train", "validation", "test")
MEANINGS = ("negative", "positive")


@register("task", "sst2")
class Sst2(Task):
    """Sentiment of sentences from film reviews, 2 classes: 67,349 phrases, 872 and 1,821 whole sentences.

    Trains on GLUE's phrases, validates on its development set, and tests on the treebank's test sentences
    with their published labels (GLUE hides them), so figures compare with papers on the test set, not with GLUE
    papers that report the development set. No split is cut here: many training phrases are parts of one
    sentence, and a random cut would leak. Blanks at the ends of texts are dropped.

    Reads ``$SWARMFORMER_DATA/sst2/{train,validation,test}.parquet`` (columns ``text``, ``label``); without that
    variable, the hub's ``stanfordnlp/sst2``, and ``SetFit/sst2`` for the test sentences.

    Args:
        limit: 0 for everything, else so many examples of every split, drawn with a fixed seed.
        whole_test: the limit is not for test, which stays whole.
    """

    num_classes = 2
    classes = MEANINGS
    test_options = ({"limit": 200},)

    def __init__(self, *, limit: int = 0, whole_test: bool = False) -> None:
        check_limit("sst2", limit)
        self.limit, self.whole_test = limit, whole_test

    def identity(self) -> dict[str, Any]:
        """Options and either the hashes of the files or the hub's revisions."""
        options = limit_options(self.limit, self.whole_test)
        folder = _folder()
        if folder is None:
            return {**options, "hub": {HUB_GLUE: GLUE_REVISION, HUB_TEST: TEST_REVISION}}
        return {**options, "files": {split: file_hash(folder / f"{split}.parquet") for split in SPLITS}}

    def load(self) -> dict[str, RawSplit]:
        folder = _folder()
        splits = _from_hub() if folder is None else {split: _from_file(folder, split) for split in SPLITS}
        return limited_splits(splits, self.limit, self.whole_test)


def _folder() -> Path | None:
    files = [f"{split}.parquet" for split in SPLITS]
    contents = "the sentences as parquet with columns text and label (0 or 1 in test too)"
    return local_folder("sst2", files, contents, f"the hub's {HUB_GLUE} and {HUB_TEST}")


def _from_file(folder: Path, split: str) -> RawSplit:
    path = folder / f"{split}.parquet"
    table = read_columns(path, ("text", "label"))
    return _split(split, table.column("text").to_pylist(), table.column("label").to_pylist(), path)


def _from_hub() -> dict[str, RawSplit]:
    files = "sst2/train.parquet, sst2/validation.parquet and sst2/test.parquet"
    train, validation = from_hub(HUB_GLUE, GLUE_REVISION, ("train", "validation"), files)
    (test,) = from_hub(HUB_TEST, TEST_REVISION, ("test",), files)
    return {
        "train": _split("train", train["sentence"], train["label"], HUB_GLUE),
        "validation": _split("validation", validation["sentence"], validation["label"], HUB_GLUE),
        "test": _split("test", test["text"], test["label"], HUB_TEST),
    }


def _split(name: str, texts: Any, labels: Any, origin: Path | str) -> RawSplit:
    kept = [text.strip() for text in texts]
    return RawSplit(kept, class_labels(list(labels), MEANINGS, origin), [f"{name}/{row}" for row in range(len(kept))])
