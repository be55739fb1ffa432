"""Single-stream and offline, on texts whose lengths are known and models that say what they get."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from swarmformer.cost.probe import OutputError
from swarmformer.cost.rounds import SETTLE_BELOW_S, Samples
from swarmformer.cost.streams import MIN_QUERIES, StreamArm, measure_stream, stream_columns, stream_work
from swarmformer.cost.texts import TextSample
from swarmformer.data.cut import Cut
from swarmformer.data.encode import encode_vocabulary
from swarmformer.data.task import RawSplit

WORDS = ("[PAD]", "a", "b")
LENGTHS = [3, 9, 5, 1, 12, 7, 2, 4, 6, 8, 10, 11]
PER_TOKEN_S = 2 * SETTLE_BELOW_S


@pytest.fixture
def sample() -> TextSample:
    texts = [" ".join(["a"] * length) for length in LENGTHS]
    raw = RawSplit(texts, np.zeros(len(texts), dtype=np.int64), [f"test/{row}" for row in range(len(texts))])
    encoded = []

    def encode(given: RawSplit):
        encoded.append(len(given))
        return encode_vocabulary(given.texts, WORDS, Cut(16), given.ids)

    made = TextSample(raw, encode, None, 0)  # type: ignore[arg-type]
    made = TextSample(raw, encode, made.encoded(), 0)
    encoded.clear()
    made.encode.calls = encoded  # type: ignore[attr-defined]
    return made


@pytest.fixture
def stream(fake_model, clock, sample):
    """An arm that takes so many seconds for every position it is given, and tells the shapes it got."""

    def make(**options):
        seen = []

        def call(ids, mask):
            assert bool((ids[mask] == 1).all()) and bool((ids[~mask] == 0).all())
            seen.append(tuple(ids.shape))
            clock.advance(PER_TOKEN_S * ids.numel())

        model = fake_model(on_call=call)
        model.flops = lambda B, N: 100 * B * N
        model.honours_mask = options.pop("honours_mask", True)
        return SimpleNamespace(arm=StreamArm(model, sample, **options), seen=seen)

    return make


def test_single_stream_answers_one_text_after_another(stream, cpu):
    made = stream(lengths=(8, 16))
    found = measure_stream({"a": made.arm}, "single_stream", device=cpu, budget_s=1e9)["a"]
    assert found.seconds == pytest.approx([PER_TOKEN_S * length for length in LENGTHS])
    assert found.percentile(90) == pytest.approx(float(np.percentile([PER_TOKEN_S * length for length in LENGTHS], 90)))
    assert set(made.seen) == {(1, length) for length in LENGTHS}
    row = stream_columns(made.arm, "single_stream", found)
    assert (row["texts"], row["real_tokens"], row["measured_s"]) == (12, 78, pytest.approx(78 * PER_TOKEN_S))


def test_a_model_that_ignores_masks_is_padded_to_its_length(stream, cpu):
    made = stream(lengths=(16,), honours_mask=False)
    measure_stream({"a": made.arm}, "single_stream", device=cpu, budget_s=0.0)
    assert set(made.seen) == {(1, 16)}


def test_without_time_there_are_enough_texts_for_a_percentile(stream, cpu):
    found = measure_stream({"a": stream(lengths=(16,)).arm}, "single_stream", device=cpu, budget_s=0.0)
    assert found["a"].n == MIN_QUERIES


def test_offline_answers_all_texts_in_batches_by_length(stream, cpu, monkeypatch):
    monkeypatch.setenv("SWARMFORMER_FAST", "0")  # pads are computed as batches have them
    made = stream(lengths=(4, 16), batch_size=4)
    found = measure_stream({"a": made.arm}, "offline", device=cpu, budget_s=0.0)["a"]
    assert set(made.seen) == {(4, 4), (4, 16)}
    assert found.p50 == pytest.approx(PER_TOKEN_S * (4 * 4 + 2 * 4 * 16))
    row = stream_columns(made.arm, "offline", found)
    assert (row["texts"], row["real_tokens"], row["padded_tokens"]) == (12, 78, 144)
    assert row["texts_per_s"] == pytest.approx(12 / found.p50)


@pytest.mark.parametrize(("scenario", "texts_per_call"), [("single_stream", 1), ("offline", 12)])
def test_tokenising_is_part_of_every_call(scenario, texts_per_call, stream, sample, cpu):
    plain, tokenising = stream(lengths=(16,)), stream(lengths=(16,), tokenise=True)
    measure_stream({"plain": plain.arm}, scenario, device=cpu, budget_s=0.0)
    assert sample.encode.calls == []
    measure_stream({"plain": plain.arm, "tokenising": tokenising.arm}, scenario, device=cpu, budget_s=0.0)
    assert sample.encode.calls == [texts_per_call] * len(tokenising.seen) != []


def test_work_is_that_of_real_tokens(stream):
    arm = stream(lengths=(16,), honours_mask=False).arm
    offline = stream_work(arm, "offline", Samples((1.0,), (0.0, 0.0)))
    assert offline.flops == 100 * sum(LENGTHS)
    three = stream_work(arm, "single_stream", Samples((1.0,) * 3, (0.0, 0.0)))
    assert three.flops == 100 * 5
    weights = sum(weight.nbytes for weight in arm.model.parameters())
    assert three.least_bytes == 5 * 8 + weights + 3 * 4


def test_wrong_logits_are_not_timed(stream, cpu):
    arm = stream(lengths=(16,)).arm
    arm.model.on_call = lambda ids, mask: torch.full((len(ids), 3), float("nan"))
    for scenario in ("single_stream", "offline"):
        with pytest.raises(OutputError, match=f"a \\({scenario}\\): .*NaN"):
            measure_stream({"a": arm}, scenario, device=cpu, budget_s=0.0)


def test_bf16_weights(wrap, dims, sample, cpu):
    seen = set()

    class Body(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(8, 3)

        def forward(self, x_BND):
            out = self.linear(x_BND).mean(1)
            seen.add((x_BND.dtype, out.dtype))
            return out

    for precision in ("bf16", "bf16_weights"):
        arm = StreamArm(wrap(dims, Body()), sample, (16,))
        for scenario in ("single_stream", "offline"):
            measure_stream({"a": arm}, scenario, device=cpu, precision=precision, budget_s=0.0)
    assert seen == {(torch.float32, torch.bfloat16), (torch.bfloat16, torch.bfloat16)}
