from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from swarmformer.data.batching import Batch, Batches, bucket_lengths
from swarmformer.data.encoded import Split
from swarmformer.errors import DataError

PAD = 7


def split_of(lengths: list[int]) -> Split:
    """Row i holds the tokens 100 i, 100 i + 1, …; its label is i mod 3."""
    ids = np.concatenate([100 * row + np.arange(length) for row, length in enumerate(lengths)])
    n = len(lengths)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    return Split(ids.astype(np.int32), offsets, np.arange(n) % 3, np.array([f"x/{i}" for i in range(n)]), 0)


def batches_of(lengths: list[int], batch_size: int = 4, seed: int | None = 0) -> Batches:
    return Batches(split_of(lengths), batch_size=batch_size, lengths=(8, 16, 32), pad_id=PAD, seed=seed)


def same(first: Batch, second: Batch) -> bool:
    return all(
        torch.equal(getattr(first, name), getattr(second, name))
        for name in ("ids_BN", "mask_BN", "labels_M", "index_M")
    )


sizes = st.lists(st.integers(1, 32), min_size=1, max_size=300)


@settings(deadline=None, max_examples=40)
@given(lengths=sizes, batch_size=st.integers(1, 9), seed=st.none() | st.integers(0, 99), epoch=st.integers(0, 5))
def test_an_epoch_holds_every_example_once_and_whole(
    lengths: list[int], batch_size: int, seed: int | None, epoch: int
) -> None:
    batches = batches_of(lengths, batch_size, seed)
    seen, padded = [], 0
    produced = list(batches(epoch))
    for batch in produced:
        assert batch.ids_BN.shape == batch.mask_BN.shape
        assert batch.ids_BN.dtype == batch.labels_M.dtype == batch.index_M.dtype == torch.int64
        longest = max(lengths[row] for row in batch.index_M.tolist())
        assert batch.ids_BN.shape[1] == min(length for length in (8, 16, 32) if length >= longest)
        for ids, mask, label, row in zip(batch.ids_BN, batch.mask_BN, batch.labels_M, batch.index_M, strict=True):
            row, length = int(row), lengths[int(row)]
            assert ids[:length].tolist() == [100 * row + place for place in range(length)]
            assert (ids[length:] == PAD).all()
            assert mask[:length].all() and not mask[length:].any()
            assert int(label) == row % 3
            seen.append(row)
        padded += batch.ids_BN.numel()
    assert sorted(seen) == list(range(len(lengths)))
    assert len(produced) == len(batches) == -(-len(lengths) // batch_size)
    assert sorted(len(batch.index_M) for batch in produced)[1:] == [batch_size] * (len(produced) - 1)
    count = batches.tokens(epoch)
    assert (count.real, count.padded) == (sum(lengths), padded)


LENGTHS = np.random.default_rng(5).integers(1, 33, 1000).tolist()


def test_order_depends_on_seed_and_epoch_alone() -> None:
    def order(seed: int, epoch: int) -> list[int]:
        batches = batches_of(LENGTHS, seed=seed)
        batches.plan(3)  # nothing is left over from other epochs
        return [row for rows, _ in batches.plan(epoch) for row in rows]

    assert order(0, 1) == order(0, 1)
    assert order(0, 1) != order(0, 2)
    assert order(0, 1) != order(1, 1)


@pytest.mark.parametrize("start", [0, 1, 17, 249, 250])
def test_resuming_gives_the_rest_of_the_epoch(start: int) -> None:
    whole = list(batches_of(LENGTHS)(epoch=2))
    rest = list(batches_of(LENGTHS)(epoch=2, start=start))
    assert len(rest) == 250 - start
    assert all(same(a, b) for a, b in zip(whole[start:], rest, strict=True))


def test_start_outside_the_epoch_is_refused() -> None:
    with pytest.raises(ValueError, match=r"0…250"):
        batches_of(LENGTHS)(start=251)


def test_sorting_saves_padding_and_stays_random() -> None:
    lengths = np.random.default_rng(0).integers(1, 33, 4000).tolist()
    batches = batches_of(lengths, batch_size=16)
    unsorted = 4000 * 32
    count = batches.tokens(0)
    assert count.real < count.padded < 0.75 * unsorted
    padded_to = [length for _, length in batches.plan(0)]
    assert padded_to != sorted(padded_to), "the order of batches is shuffled"
    together = [set(rows.tolist()) for rows, _ in batches.plan(0)]
    assert not any(set(rows.tolist()) in together for rows, _ in batches.plan(1)), "batches are formed anew"


def test_padding_to_the_maximum_is_one_length() -> None:
    batches = Batches(split_of(LENGTHS), batch_size=8, lengths=(32,), pad_id=PAD, seed=0)
    assert {length for _, length in batches.plan(0)} == {32}
    assert batches.tokens().padded == 1000 * 32


def test_an_example_too_long_is_named() -> None:
    with pytest.raises(DataError, match="'x/1' has 33 tokens, more than 32"):
        batches_of([5, 33, 8])


@pytest.mark.parametrize(
    ("seq_len", "buckets", "multiple", "expected"),
    [
        (256, 4, 8, (64, 128, 192, 256)),
        (768, 3, 8, (256, 512, 768)),
        (100, 4, 8, (32, 56, 80, 100)),
        (10, 4, 8, (8, 10)),
        (8, 4, 8, (8,)),
        (256, 1, 8, (256,)),
    ],
)
def test_bucket_lengths(seq_len: int, buckets: int, multiple: int, expected: tuple[int, ...]) -> None:
    assert bucket_lengths(seq_len, buckets, multiple) == expected


@pytest.mark.parametrize("bad", [{"batch_size": 0}, {"lengths": ()}, {"lengths": (16, 8)}])
def test_nonsense_is_refused(bad: dict[str, object]) -> None:
    given_ = {"batch_size": 4, "lengths": (8,), "pad_id": 0, "seed": 0, **bad}
    with pytest.raises(ValueError, match=r"batch_size|lengths"):
        Batches(split_of([3]), **given_)  # type: ignore[arg-type]
