"""Word dropout against a loop over tokens."""

from __future__ import annotations

import pytest
import torch

from swarmformer.data.batching import Batch
from swarmformer.errors import SpecError
from swarmformer.testing import DIMS
from swarmformer.training.augmentations.word_dropout import WordDropout

LENGTHS = (30, 1, 12, 30, 2)


def texts(repeat: int = 1) -> Batch:
    """Every token of a text another number, so that it can be told what was lost."""
    lengths = torch.tensor(LENGTHS * repeat)
    mask = torch.arange(30) < lengths[:, None]
    ids = (torch.arange(30) + 5).expand(len(lengths), 30)
    rows = torch.arange(len(lengths))
    return Batch(ids.masked_fill(~mask, 0), mask, rows % 2, rows)


def by_hand(batch: Batch, rate: float, seed: int, replace_by: int) -> list[list[int]]:
    """One text, one token at a time, with the same draws."""
    drawn = torch.rand(batch.ids_BN.shape, generator=torch.Generator().manual_seed(seed)).tolist()
    rows = []
    for row, (ids, draws) in enumerate(zip(batch.ids_BN.tolist(), drawn, strict=True)):
        length = int(batch.mask_BN[row].sum())
        ids, draws = ids[:length], draws[:length]
        kept = [draw >= rate for draw in draws]
        if not any(kept):
            kept[draws.index(max(draws))] = True
        if replace_by >= 0:
            rows.append([token if keep else replace_by for token, keep in zip(ids, kept, strict=True)])
        else:
            rows.append([token for token, keep in zip(ids, kept, strict=True) if keep])
    return rows


@pytest.mark.parametrize("replace_by", [-1, 3])
@pytest.mark.parametrize("rate", [0.0, 0.3, 0.95, 1.0])
def test_as_by_hand(rate: float, replace_by: int) -> None:
    for seed in range(5):
        generator = torch.Generator().manual_seed(seed)
        changed = WordDropout(DIMS, rate=rate, replace_by=replace_by).apply(texts(), generator)
        rows = [ids[mask].tolist() for ids, mask in zip(changed.ids_BN, changed.mask_BN, strict=True)]
        assert rows == by_hand(texts(), rate, seed, replace_by)
        if rate == 1.0:
            assert all(sum(token != replace_by for token in row) == 1 for row in rows)


def test_every_place_is_lost_as_often_as_the_rate_says() -> None:
    changed = WordDropout(DIMS, rate=0.3, replace_by=1).apply(texts(400), torch.Generator().manual_seed(0))
    long = changed.ids_BN[changed.mask_BN.sum(1) == 30]
    assert (long == 1).float().mean(0) == pytest.approx(torch.full((30,), 0.3), abs=0.08)
    assert (long == 1).float().mean().item() == pytest.approx(0.3, abs=0.01)


def test_tasks_that_ask_at_tokens_can_use_it_where_nothing_moves() -> None:
    assert WordDropout(DIMS, replace_by=1).keeps_places and not WordDropout(DIMS).keeps_places
    with pytest.raises(SpecError, match=r"replace_by = 40, but the vocabulary has 40"):
        WordDropout(DIMS, replace_by=40)
