"""No validation or test text reaches training, whatever a recipe adds; copies that the source has are counted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from swarmformer import registry
from swarmformer.contracts import Added, TextAugmentation
from swarmformer.data.augment import Augmentations, Chosen, augmented, check_text, origins
from swarmformer.data.augmentations.recombination import Recombination
from swarmformer.data.augmentations.sentence_shuffle import SentenceShuffle
from swarmformer.data.augmentations.synonyms import Synonyms
from swarmformer.data.encoding import load_encoded
from swarmformer.data.leakage import HeldOut, normalised, shared_texts
from swarmformer.data.split import load_splits, without_copies
from swarmformer.data.task import RawSplit, Task
from swarmformer.data.tasks.imdb import Imdb
from swarmformer.data.tasks.listops import ListOps
from swarmformer.data.tasks.newsgroups import Newsgroups
from swarmformer.data.tasks.sst2 import Sst2
from swarmformer.errors import DataError, SpecError
from tests.data.toy_tasks import Toy, make_split

DRAW: dict[str, Any] = {"validation_fraction": 0.1, "split_seed": 0}
SYNONYMS = "lemma\tpos\tsense\tsynset\tsynonyms\ngood\ta\t1\t1-a\tsound|well made\nfilm\tn\t1\t1-n\tmovie\n"


def all_three(folder: Path, **options: Any) -> Augmentations:
    file = folder / "synonyms.tsv"
    file.write_text(SYNONYMS)
    made: list[TextAugmentation] = [
        SentenceShuffle(p=1.0, **options),
        Synonyms(p=1.0, word_p=1.0, file=str(file), **options),
        Recombination(**options),
    ]
    return {one.registered_name: Chosen(one, {"name": one.registered_name}) for one in made}


def reviews(prefix: str, n: int) -> list[str]:
    return [f"A good film {prefix} {row}. It was fun! Who would not like it?" for row in range(n)]


def leaking() -> Toy:
    """Training texts stand in test exactly, and written otherwise."""
    task = Toy()
    copies = ["Good film. Bad film.", "ＧＯＯＤ   film: bad film", "a bad film!"]
    task.splits = {
        "train": make_split("train", [*reviews("train", 40), *copies]),
        "validation": make_split("validation", reviews("validation", 10)),
        "test": make_split("test", ["Good film. Bad film.", "A bad film", "", *reviews("test", 10)]),
    }
    return task


@pytest.mark.parametrize(
    ("one", "other"),
    [("A  good\tfilm.", "a good film"), ("Caf\u00e9", "CAFE\u0301"), ("\uff21\uff22!", "ab"), ("a<br />", "A br")],
)
def test_writing_alone_is_no_difference(one: str, other: str) -> None:
    assert normalised(one) == normalised(other)


@pytest.mark.parametrize("texts", [("काला", "कोला", "किला"), ("ดี", "ดุ"), ("שָׁלוֹם", "שְׁלוֹם")])
def test_marks_that_belong_to_a_letter_tell_words_apart(texts: tuple[str, ...]) -> None:
    assert len({normalised(text) for text in texts}) == len(texts)
    assert normalised(f"«{texts[0]}»!") == normalised(texts[0])


def test_copies_are_counted_exactly_and_after_normalisation() -> None:
    task = leaking()
    facts = shared_texts(load_splits(task, **DRAW), task)
    assert facts["shared"]["train in test"] == {"exact": 1, "normalised": 3}
    assert facts["shared"]["train in validation"] == {"exact": 0, "normalised": 0}
    assert facts["empty"] == {"train": 0, "validation": 0, "test": 1}


@pytest.mark.parametrize("faults", [False, True])
def test_nothing_held_out_reaches_training(tmp_path: Path, faults: bool) -> None:
    task = leaking()
    splits = without_copies(load_splits(task, **DRAW), task)
    held_out = HeldOut(splits, task)
    train, counts = augmented(splits["train"], all_three(tmp_path, faults=faults), held_out, 0)
    assert sum(counts.values()) == len(train) - 40 and all(counts.values())
    theirs = {normalised(text) for name in ("validation", "test") for text in splits[name].texts} - {""}
    assert not theirs & {normalised(text) for text in train.texts}
    known = set(splits["train"].ids)
    assert all(origin in known for example in train.ids for origin in origins(example))
    assert len(set(train.ids)) == len(train.ids)


def test_a_training_split_that_only_has_copies_is_told_as_such() -> None:
    task = leaking()
    task.splits = {**task.splits, "test": task.splits["train"]}
    with pytest.raises(DataError, match="every training text also stands in validation or test: nothing is left"):
        load_splits(task, **DRAW, drop_copies=True)


class Leaker(TextAugmentation):
    """Comes out with a test text."""

    def added(self, train: RawSplit, rng: np.random.Generator) -> Iterator[Added]:
        yield Added("a BAD film…", (0,))
        yield Added("a fine film", (0,))


def test_a_text_that_comes_out_as_one_of_test_is_not_added() -> None:
    task = leaking()
    splits = load_splits(task, **DRAW)
    train, counts = augmented(splits["train"], {"leaker": Chosen(Leaker(), {})}, HeldOut(splits, task), 0)
    assert counts == {"leaker": 1} and train.texts[-1] == "a fine film" and train.labels[-1] == 0


class Mixer(TextAugmentation):
    """Forgets the labels."""

    def added(self, train: RawSplit, rng: np.random.Generator) -> Iterator[Added]:
        yield Added("both", (0, 1))


def test_texts_of_two_labels_are_refused() -> None:
    splits = load_splits(leaking(), **DRAW)
    with pytest.raises(DataError, match="mixer put texts of 2 labels together"):
        augmented(splits["train"], {"mixer": Chosen(Mixer(), {})}, HeldOut(splits, leaking()), 0)


def test_added_texts_are_encoded_after_the_others_and_held_out_splits_stay(
    toy: Toy, cache: Path, vocabulary: Path, tmp_path: Path
) -> None:
    toy.splits = {"train": make_split("train", reviews("x", 30)), "test": make_split("test", reviews("y", 5))}
    settings: dict[str, Any] = {"tokenizer": "bert", "seq_len": 16, **DRAW}
    plain, more = load_encoded(toy, **settings), load_encoded(toy, augment=all_three(tmp_path), **settings)
    assert plain.key == plain.source_key == more.source_key != more.key
    for name in ("validation", "test"):
        for column in ("ids", "offsets", "labels", "names"):
            assert np.array_equal(getattr(plain.splits[name], column), getattr(more.splits[name], column))
    train, n = more.splits["train"], len(plain.splits["train"])
    assert train.names[:n].tolist() == plain.splits["train"].names.tolist()
    assert len(train) - n == sum(more.facts["added"].values()) > n
    label_of = dict(zip(train.names[:n].tolist(), train.labels[:n].tolist(), strict=True))
    for name, label in zip(train.names[n:].tolist(), train.labels[n:].tolist(), strict=True):
        assert {label_of[origin] for origin in origins(name)} == {label}
    again = load_encoded(toy, augment=all_three(tmp_path), **settings)
    assert toy.loads == 2 and again.facts == more.facts


def test_options_and_files_of_an_augmentation_are_part_of_the_key(
    toy: Toy, cache: Path, vocabulary: Path, tmp_path: Path
) -> None:
    settings: dict[str, Any] = {"tokenizer": "bert", "seq_len": 16, **DRAW}

    def key(content: dict[str, Any], synonyms: str = SYNONYMS) -> str:
        (tmp_path / "s.tsv").write_text(synonyms)
        made = Synonyms(file=str(tmp_path / "s.tsv"))
        return load_encoded(toy, augment={"synonyms": Chosen(made, content)}, **settings).key

    keys = [key({"name": "synonyms"}), key({"name": "synonyms", "options": {"p": 1}}),
            key({"name": "synonyms"}, SYNONYMS + "bad\ta\t1\t2-a\tpoor\n")]  # fmt: skip
    assert len(set(keys)) == 3


def test_a_task_without_text_is_refused() -> None:
    with pytest.raises(SpecError, match="task 'listops' has tokens of its own and no text: synonyms cannot change it"):
        check_text(ListOps(), "listops", ["synonyms"])


# The split that every run draws anew.


def test_a_split_of_the_run_is_drawn_by_its_seed_and_shares_its_source(
    toy: Toy, cache: Path, vocabulary: Path
) -> None:
    settings: dict[str, Any] = {"tokenizer": "bert", "seq_len": 8, "validation_fraction": 0.1}
    fixed = load_encoded(toy, **settings, split_seed=1)
    first, second = (load_encoded(toy, **settings, split_seed=seed, redrawn=True) for seed in (1, 2))
    assert first.source_key == second.source_key != fixed.source_key
    assert len({first.key, second.key, fixed.key}) == 3
    names = [data.splits["validation"].names.tolist() for data in (fixed, first, second)]
    assert names[0] == names[1] != names[2]


def test_a_source_with_a_split_of_its_own_draws_nothing_anew() -> None:
    with pytest.raises(DataError, match="split_seed: run, but the task has a validation split of its own"):
        load_splits(leaking(), **DRAW, redrawn=True)


# What is shipped, on the real data where it is there.

REAL: list[tuple[type[Task], dict[str, Any], str]] = [
    (Imdb, {"limit": 1500}, "imdb/train.parquet"), (Sst2, {"limit": 3000}, "sst2/train.parquet"),
    (Newsgroups, {"limit": 1000}, "20newsgroups/train.parquet"),
]  # fmt: skip


@pytest.mark.parametrize(("cls", "options", "file"), REAL, ids=[cls.__name__ for cls, _, _ in REAL])
def test_nothing_held_out_reaches_training_on_real_texts(
    cls: Callable[..., Task], options: dict[str, Any], file: str, real_data: Callable[[str], Path]
) -> None:
    real_data(file), real_data("wordnet/oewn_synonyms.tsv.gz")
    task = cls(**options)
    splits = load_splits(task, validation_fraction=0.1, split_seed=3, drop_copies=True)
    names = [entry.name for entry in registry.list_components("text_augmentation")]
    every = {name: Chosen(registry.get("text_augmentation", name)(), {}) for name in names}
    train, counts = augmented(splits["train"], every, HeldOut(splits, task), 3)
    assert len(counts) >= 3 and sum(counts.values()) > len(splits["train"]) / 4
    theirs = {normalised(text) for name in ("validation", "test") for text in splits[name].texts} - {""}
    assert not theirs & {normalised(text) for text in train.texts}
    held_out = {example for name in ("validation", "test") for example in splits[name].ids}
    assert not held_out & {origin for example in train.ids for origin in origins(example)}


@pytest.mark.slow
def test_the_copies_that_imdb_has_are_counted(real_data: Callable[[str], Path]) -> None:
    real_data("imdb/train_meta.parquet")
    task = Imdb()
    facts = shared_texts(load_splits(task, validation_fraction=0.1, split_seed=0), task)
    assert facts["shared"]["train in test"]["exact"] == 112
    assert facts["shared"]["validation in test"]["exact"] == 11
    assert facts["shared"]["train in validation"]["exact"] == 0
