from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits

from swarmformer.data.predictors import compute_predictors
from swarmformer.data.tasks import digits
from swarmformer.data.tasks.digits import Digits
from swarmformer.errors import DataError, SpecError

SPLITS = Digits().load()


def test_every_image_is_in_one_split_pixel_for_pixel() -> None:
    source = load_digits()
    seen = []
    for split in SPLITS.values():
        for text, label, name in zip(split.texts, split.labels, split.ids, strict=True):
            row = int(name.removeprefix("digits/"))
            seen.append(row)
            image = np.array([int(token) for token in text.split(" ")]).reshape(8, 8)
            assert (image == source.images[row]).all() and label == source.target[row]
            assert set(text.split(" ")) <= set(Digits.vocabulary[1:])
    assert sorted(seen) == list(range(1797))
    assert len({text for split in SPLITS.values() for text in split.texts}) == 1797, "no image is there twice"


def test_each_digit_is_shared_out_alike() -> None:
    total = np.bincount(load_digits().target)
    for name, share in {"test": 0.3, "validation": 0.1, "train": 0.6}.items():
        counts = np.bincount(SPLITS[name].labels, minlength=10)
        assert (np.abs(counts - share * total) <= 1).all()


def test_another_seed_is_another_split_and_another_identity() -> None:
    same, other = Digits(seed=0), Digits(seed=-1)
    assert same.load()["test"].ids == SPLITS["test"].ids and same.identity() == Digits().identity()
    overlap = set(other.load()["test"].ids) & set(SPLITS["test"].ids)
    assert other.identity() != same.identity() and 0.2 < len(overlap) / 539 < 0.4, "0.3 by chance"


def test_pixels_in_place_tell_the_digit_and_a_bag_of_them_hardly() -> None:
    rows = compute_predictors(Digits(), validation_fraction=0.1, split_seed=0)
    found = {row["name"]: row["accuracy"] for row in rows}
    assert found["majority class"] == pytest.approx(np.bincount(SPLITS["test"].labels).max() / 539)
    assert 0.2 < found["bag of pixels (logistic regression on counts of grey levels)"] < 0.4
    assert found["logistic regression on pixels in place"] > 0.95


def test_a_bag_is_blind_to_places() -> None:
    train, test = SPLITS["train"], SPLITS["test"].take(np.arange(40))
    turned = [" ".join(reversed(text.split(" "))) for text in test.texts]
    bag, placed = Digits().trivial_predictors(train).values()
    other = type(test)(turned, test.labels, test.ids)
    assert (bag(test) == bag(other)).all() and (placed(test) != placed(other)).any()


def test_shares_that_leave_nothing_and_other_images_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SpecError, match=r"task digits: test \(0.7\) and validation \(0.3\)"):
        Digits(test=0.7, validation=0.3)
    monkeypatch.setattr(digits, "SHA256", "0" * 64)
    with pytest.raises(DataError, match="install another version of scikit-learn"):
        Digits().load()
