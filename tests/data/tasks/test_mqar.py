from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from swarmformer.data.predictors import compute_predictors
from swarmformer.data.split import load_splits
from swarmformer.data.tasks.mqar import Mqar
from swarmformer.data.tasks.mqar_sampling import Layout, distinct, places
from swarmformer.errors import DataError, SpecError
from swarmformer.rehearsal import rehearse
from swarmformer.variants import resolve_run

SMALL: dict[str, Any] = {"num_train": 300, "num_validation": 40, "num_test": 50}


def read(text: str, pairs: int) -> tuple[dict[str, str], list[str]]:
    """The pairs at the start, and what stands after them."""
    tokens = text.split(" ")
    return dict(zip(tokens[0 : 2 * pairs : 2], tokens[1 : 2 * pairs : 2], strict=True)), tokens[2 * pairs :]


@pytest.mark.parametrize(("size", "length", "pairs"), [("64/4", 64, 4), ("128/8", 128, 8), ("256/16", 256, 16)])
@pytest.mark.parametrize("fillers", ["blank", "random"])
def test_every_text_by_plain_reading(size: Any, length: int, pairs: int, fillers: Any) -> None:
    task = Mqar(size=size, fillers=fillers, **SMALL)
    splits = load_splits(task, validation_fraction=0.1, split_seed=0)
    assert {name: len(split) for name, split in splits.items()} == {"train": 300, "validation": 40, "test": 50}
    for split in splits.values():
        assert split.questions is not None
        for row, text in enumerate(split.texts):
            told, rest = read(text, pairs)
            assert len(text.split(" ")) == length
            assert len(told) == len(set(told.values())) == pairs, "keys and values are distinct"
            assert all(key[0] == "k" and value[0] == "v" for key, value in told.items())
            mine = slice(split.questions.offsets[row], split.questions.offsets[row + 1])
            asked = split.questions.positions[mine].tolist()
            assert sorted(text.split(" ")[at] for at in asked) == sorted(told), "each key is asked for once"
            for at, label in zip(asked, split.labels[mine], strict=True):
                assert at >= 2 * pairs and at % 2 == 0
                assert told[text.split(" ")[at]] == f"v{label}"
            others = [token for at, token in enumerate(rest, start=2 * pairs) if at not in asked]
            assert (set(others) == {"_"}) == (fillers == "blank")


def test_vocabulary_and_classes_are_counted_as_zoology_does() -> None:
    task = Mqar(vocab_size=64)
    assert task.vocabulary is not None and task.num_classes == 32
    assert task.vocabulary[:3] == ("[PAD]", "_", "k0") and task.vocabulary[-1] == "v31"
    assert len(task.vocabulary) == len(set(task.vocabulary)) == 64 + 1
    drawn = Mqar(vocab_size=32, length=256, pairs=2, fillers="random", num_train=4000).load()["train"]
    rest = [token for text in drawn.texts for token in text.split(" ")[4:]]
    assert set(rest) == set(Mqar(vocab_size=32).vocabulary or ()) - {"[PAD]"}


def test_gaps_follow_the_power_law() -> None:
    """First gap: p(i) ∝ i^(a − 1). Second: Σ p(i) p(j) / (1 − p(i)) over i ≠ j. Both by χ²."""
    layout = Layout(vocab_size=64, length=36, pairs=2, power=0.01, random_fillers=False)
    found = places(layout, 200_000, np.random.default_rng(0))
    assert (found[:, 0] != found[:, 1]).all() and layout.gaps == 16
    p = np.array([1.0 / i**0.99 for i in range(1, 17)])
    p /= p.sum()
    second = np.array([sum(p[i] * p[j] / (1 - p[i]) for i in range(16) if i != j) for j in range(16)])
    for column, expected in ((found[:, 0], p), (found[:, 1], second)):
        counts = np.bincount(column, minlength=16)
        assert stats.chisquare(counts, expected * len(column)).pvalue > 1e-3


@pytest.mark.parametrize(("population", "size"), [(5, 5), (6, 3), (1000, 4)])
def test_samples_without_replacement_are_distinct_and_uniform(population: int, size: int) -> None:
    drawn = distinct(population, size, 60_000, np.random.default_rng(1))
    assert all(len(set(row)) == size for row in drawn[:500].tolist())
    for column in drawn.T:
        assert stats.chisquare(np.bincount(column, minlength=population)).pvalue > 1e-4


def test_keys_and_values_are_drawn_independently() -> None:
    train = Mqar(vocab_size=16, num_train=20_000, fillers="random").load()["train"]
    table = np.zeros((7, 8))
    for text in train.texts:
        key, value = text.split(" ", 2)[:2]
        table[int(key[1:]), int(value[1:])] += 1
    assert stats.chi2_contingency(table).pvalue > 1e-3
    assert stats.chisquare(table.sum(1)).pvalue > 1e-3 and stats.chisquare(table.sum(0)).pvalue > 1e-3


def guess_by_place(length: int, pairs: int, draws: int) -> float:
    """Accuracy of naming the likeliest pair at every gap, from draws one after another by numpy's own choice."""
    rng = np.random.default_rng(7)
    gaps = (length - 2 * pairs) // 2
    p = np.arange(1, gaps + 1) ** (0.01 - 1)
    counts = np.zeros((gaps, pairs))
    for _ in range(draws):
        counts[rng.choice(gaps, size=pairs, replace=False, p=p / p.sum()), np.arange(pairs)] += 1
    return float(counts.max(axis=1).sum() / counts.sum())


@pytest.mark.parametrize(("length", "pairs"), [(64, 4), (32, 2)])
def test_baselines_and_oracle_are_where_arithmetic_puts_them(length: int, pairs: int) -> None:
    task = Mqar(length=length, pairs=pairs, num_test=4000)
    rows = {row["name"]: row for row in compute_predictors(task, validation_fraction=0.1, split_seed=0)}
    assert list(rows) == [
        "majority class", "a value of the text (the first)", "value of the pair usual at this position",
        "look-up of the key",
    ]  # fmt: skip
    assert {row["n"] for row in rows.values()} == {4000 * pairs}
    assert rows["majority class"]["accuracy"] == pytest.approx(1 / 256, abs=0.003)
    assert rows["a value of the text (the first)"]["accuracy"] == 1 / pairs, "each pair is asked for exactly once"
    expected = guess_by_place(length, pairs, 20_000)
    assert rows["value of the pair usual at this position"]["accuracy"] == pytest.approx(expected, abs=0.015)
    assert (rows["look-up of the key"]["accuracy"], rows["look-up of the key"]["kind"]) == (1.0, "oracle")


def test_splits_do_not_depend_on_each_others_sizes() -> None:
    small, large = Mqar(**SMALL).load(), Mqar(**{**SMALL, "num_train": 600}).load()
    assert small["test"].texts == large["test"].texts and small["validation"].texts == large["validation"].texts
    assert not set(small["test"].texts) & set(small["train"].texts)
    assert Mqar(**SMALL, seed=1).load()["test"].texts != small["test"].texts
    assert Mqar(**SMALL, seed=-1).load()["test"].texts != Mqar(**SMALL, seed=1).load()["test"].texts


def test_every_option_that_changes_examples_changes_the_identity() -> None:
    options: list[dict[str, Any]] = [
        {}, {"size": "128/8"}, {"length": 80}, {"pairs": 3}, {"vocab_size": 64}, {"power": 0.5},
        {"fillers": "random"}, {"num_train": 7}, {"num_test": 7}, {"num_validation": 7}, {"seed": 1},
    ]  # fmt: skip
    found = [repr(Mqar(**option).identity()) for option in options]
    assert len(set(found)) == len(options)
    assert Mqar(length=64, pairs=4).identity() == Mqar().identity()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"vocab_size": 9}, "vocab_size must be even"),
        ({"vocab_size": 8}, "at least 10 for 4 distinct keys"),
        ({"pairs": 17}, "need 68 tokens, length is 64"),
        ({"power": 0.0}, "power must be more than 0"),
        ({"num_test": -1}, "num_test must be at least 1"),
        ({"pairs": -1}, "at least 1"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecError, match=f"task mqar: .*{words}"):
        Mqar(**options)


def test_texts_that_occur_twice_are_refused() -> None:
    with pytest.raises(DataError, match=r"texts occurred before: raise vocab_size"):
        Mqar(length=4, pairs=1, vocab_size=6, num_train=500).load()


def test_only_models_that_answer_at_tokens_are_let_near_it() -> None:
    patch: dict[str, Any] = {"data": {"task": {"name": "mqar"}}, "model": {"dims": {"seq_len": 64}}}
    with pytest.raises(SpecError, match=r"set model\.pooling: tokens"):
        rehearse(resolve_run("base", [(patch, "test")]))
    patch["model"]["pooling"] = "tokens"
    spec = resolve_run("base", [(patch, "test")])
    rehearse(spec)
    assert (spec.model.dims.num_classes, spec.model.dims.vocab_size) == (256, 513)
