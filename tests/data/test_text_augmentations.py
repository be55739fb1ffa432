"""The three published augmentations of texts, each against what its description says."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from swarmformer.data.augmentations.recombination import CONTRASTING, JOINING, Recombination
from swarmformer.data.augmentations.sentence_shuffle import SentenceShuffle, sentences
from swarmformer.data.augmentations.synonyms import Synonyms, base_forms, read_senses
from swarmformer.data.task import RawSplit
from swarmformer.errors import DataError, SpecError
from swarmformer.schema import check_options
from tests.data.toy_tasks import make_split

ROWS = [
    ("good", "a", "sound|well made"), ("film", "n", "movie|motion picture"), ("film", "v", "shoot"),
    ("see", "v", "watch"), ("i", "n", "iodine"), ("br", "n", "bromine"),
    ("new york", "n", "Big Apple"), ("quickly", "r", "fast"),
]  # fmt: skip

SOUND = ("sound", "well made")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    lines = ["lemma\tpos\tsense\tsynset\tsynonyms", *(f"{word}\t{pos}\t1\tx\t{others}" for word, pos, others in ROWS)]
    path = tmp_path / "synonyms.tsv.gz"
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    return path


def generator() -> np.random.Generator:
    return np.random.default_rng(0)


def train_of(texts: list[str]) -> RawSplit:
    return make_split("train", texts)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ('He said "no." Then he left.', ['He said "no."', "Then he left."]),
        ("Mr. Smith met J. Doe. It was fun.", ["Mr. Smith met J. Doe.", "It was fun."]),
        ("It cost 3.50 euros, e.g. nothing...  <br />Good.", ["It cost 3.50 euros, e.g. nothing...", "<br />Good."]),
        ("no end", ["no end"]),
        ("", [""]),
    ],
)
def test_sentences(text: str, parts: list[str]) -> None:
    assert sentences(text) == parts


def test_shuffled_texts_keep_their_sentences_and_many_pairs() -> None:
    texts = [" ".join(f"Sentence {number} of {row}." for number in range(12)) for row in range(400)]
    found = list(SentenceShuffle().added(train_of(texts), generator()))
    assert abs(len(found) / 400 - 0.3) < 4 * (0.3 * 0.7 / 400) ** 0.5
    pairs = steps = 0
    for text, (row,) in found:
        assert sorted(sentences(text)) == sorted(sentences(texts[row])) and text != texts[row]
        order = [int(sentence.split()[1]) for sentence in sentences(text)]
        pairs += sum(after == before + 1 for before, after in pairwise(order))
        steps += 11
    # chunks of two with p 0.7 (of the last sentence none): about 12 · 0.7 / 1.7 pairs within chunks of each text
    assert 0.7 / 1.7 * 12 / 11 - 0.05 < pairs / steps < 0.7 / 1.7 * 12 / 11 + 0.12


def test_no_pairs_and_all_pairs() -> None:
    text = "A a. B b. C c. D d. E e. F f."
    together = [new for new, _ in SentenceShuffle(p=1.0, pair_p=1.0).added(train_of([text] * 20), generator())]
    assert all("A a. B b." in new and "C c. D d." in new and "E e. F f." in new for new in together)
    apart = {new for new, _ in SentenceShuffle(p=1.0, pair_p=0.0).added(train_of([text] * 50), generator())}
    assert any("A a. B b." not in new for new in apart) and len(apart) > 30


def test_short_texts_are_added_unchanged_as_a_fault_alone() -> None:
    short = train_of(["One. Two.", "One."])
    assert list(SentenceShuffle(p=1.0).added(short, generator())) == []
    assert [text for text, _ in SentenceShuffle(p=1.0, faults=True).added(short, generator())] == ["One. Two.", "One."]


def test_synonyms_of_every_part_of_speech_in_the_case_of_the_word(file: Path) -> None:
    def every(text: str, **options: Any) -> set[str]:
        made = Synonyms(p=1.0, word_p=1.0, file=str(file), **options)
        return {new for new, _ in made.added(train_of([text] * 60), generator())}

    assert every("GOOD, old thing.") == {"SOUND, old thing.", "WELL MADE, old thing."}
    assert every("Films!") == {"Movie!", "Motion picture!", "Shoot!"}
    assert every("films", parts="v") == {"shoot"}
    assert every("nothing known") == set()
    assert every("(new york)") == set()
    assert every("I film<br />") == {"I movie<br />", "I motion picture<br />", "I shoot<br />"}


def test_a_part_of_a_word_is_no_word(file: Path) -> None:
    def every(text: str) -> set[str]:
        made = Synonyms(p=1.0, word_p=1.0, parts="a", file=str(file))
        return {new for new, _ in made.added(train_of([text] * 30), generator())}

    for text in ("100good", "good2", "abc_good", "good_abc", "A-good", "O'Good", "X’good", "well-good2", "good-2"):
        assert every(text) == set(), text
    assert every("(good)--'good'-") == {f"({one})--'{other}'-" for one in SOUND for other in SOUND}
    assert every("good<br />good.") == {f"{one}<br />{other}." for one in SOUND for other in SOUND}


def test_only_our_own_reading_of_words_is_in_the_identity(file: Path) -> None:
    """Data of published recipes keep their key."""
    ours, published = (Synonyms(faults=faults, file=str(file)).identity() for faults in (False, True))
    assert ours == {**published, "reading": 2} and published.keys() == {"file"}


def test_published_faults_of_synonyms(file: Path) -> None:
    made = Synonyms(p=1.0, word_p=1.0, faults=True, file=str(file))
    found = {new for new, _ in made.added(train_of(["Films  good, quickly"] * 80), generator())}
    assert found == {f"{word} good, fast" for word in ("movie", "motion_picture", "shoot", "film")}
    assert {new for new, _ in made.added(train_of(["<br />I"] * 9 + ["I <br />"] * 9), generator())} == {
        "<br />I", "iodine <br />", "i <br />"
    }  # fmt: skip
    assert [new for new, _ in made.added(train_of(["unknown words"]), generator())] == ["unknown words"]


def test_shares_of_texts_and_words(file: Path) -> None:
    text = " ".join(["quickly"] * 50)
    found = list(Synonyms(file=str(file)).added(train_of([text] * 600), generator()))
    assert abs(len(found) / 600 - 0.3) < 4 * (0.3 * 0.7 / 600) ** 0.5
    replaced = sum(new.split().count("fast") for new, _ in found) / (50 * len(found))
    assert abs(replaced - 0.1) < 4 * (0.1 * 0.9 / (50 * len(found))) ** 0.5


@pytest.mark.parametrize(
    ("word", "part", "base"),
    [("churches", "n", "church"), ("women", "n", "woman"), ("berries", "n", "berry"), ("tried", "v", "tri"),
     ("making", "v", "make"), ("nicest", "a", "nice"), ("quickly", "r", "quickly")],
)  # fmt: skip
def test_base_forms_are_those_of_wordnets_rules(word: str, part: str, base: str) -> None:
    assert base in base_forms(word, part)


def test_recombined_texts_are_of_one_label_and_joined() -> None:
    train = train_of([f"text {row}" for row in range(40)])
    found = list(Recombination(share=5.0).added(train, generator()))
    assert len(found) == 200
    used = set()
    for text, rows in found:
        assert len(set(train.labels[list(rows)])) == 1 and len(set(rows)) == len(rows) in (2, 3)
        assert text.startswith(f"text {rows[0]} ")
        for row in rows[1:]:
            before = text[: text.index(f"text {row}", 5)]
            used.add(next(word for word in JOINING if before.endswith(f" {word}")))
    assert used == set(JOINING)
    assert abs(np.mean([train.labels[rows[0]] for _, rows in found]) - 0.5) < 4 * 0.5 / 200**0.5
    faulty = " ".join(text for text, _ in Recombination(share=5.0, faults=True).added(train, generator()))
    assert all(word in faulty for word in (*JOINING, *CONTRASTING))


def test_too_few_texts_of_any_class_are_refused() -> None:
    with pytest.raises(DataError, match="recombination needs a class with 3 training texts"):
        list(Recombination().added(train_of(["a", "b"]), generator()))


def test_a_missing_file_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWARMFORMER_DATA", str(tmp_path))
    with pytest.raises(DataError, match=r"oewn_synonyms.tsv.gz not found. Put a file of synonyms.*leave synonyms out"):
        Synonyms().identity()
    monkeypatch.delenv("SWARMFORMER_DATA")
    with pytest.raises(DataError, match="SWARMFORMER_DATA is not set"):
        Synonyms().identity()


@pytest.mark.parametrize("content", [b"word\tother\n", b"\x1f\x8bno", b"lemma\tpos\tsense\tsynset\tsynonyms\na\tn\n"])
def test_another_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / ("s.tsv.gz" if content.startswith(b"\x1f") else "s.tsv")
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"line [12]: expected the columns|cannot be read"):
        read_senses(path, str(content))


def test_options_are_checked() -> None:
    for cls, wrong in ((SentenceShuffle, {"p": 1.5}), (Recombination, {"share": 0.0}), (Synonyms, {"parts": "x"})):
        with pytest.raises(SpecError):
            check_options(cls, wrong, (), lambda path: "")


def test_the_real_wordnet(real_data: Callable[[str], Path]) -> None:
    path = real_data("wordnet/oewn_synonyms.tsv.gz")
    senses = read_senses(path, "real")
    assert len(senses) > 50_000
    assert {"movie", "picture"} <= {name for sense in senses["film", "n"] for name in sense}
    assert {part for _, part in senses} == {"n", "v", "a", "r"}
