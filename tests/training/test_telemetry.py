"""What components measure of themselves, against weights, gates and entropies worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

import swarmformer
from swarmformer.components.cluster.attention import ClusterAttention
from swarmformer.components.feedback.gated_mlp import GatedMLP
from swarmformer.components.local.rolling_shift import RollingShift
from swarmformer.components.local.windowed_attention import WindowedAttention
from swarmformer.components.router.fixed_chunk import ChunkAssignment
from swarmformer.components.router.learned import Learned
from swarmformer.contracts import Component, Dims
from swarmformer.contracts.component import components_within
from swarmformer.contracts.measure import watching
from swarmformer.spec import ModelSpec
from swarmformer.training.loop import Trainer
from swarmformer.training.telemetry import telemetry
from tests.helpers import prefix_mask
from tests.training.toys import toy_data, toy_run

CPU = torch.device("cpu")
D = 8
DIMS = Dims(vocab_size=40, d_model=D, num_layers=2, cluster_size=4, seq_len=40, num_classes=2)


def told(component: Component, *inputs: object) -> dict[str, float | None]:
    component.eval()
    with watching({"it": component}) as watched, torch.no_grad():
        component(*inputs)
    assert component.watched is None
    return {name: mean.value for name, mean in watched["it"].means.items()}


def zeroed(module: nn.Module) -> None:
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()


def test_even_attention_has_spread_one_and_the_rest_of_the_window_elsewhere() -> None:
    module = WindowedAttention(DIMS, window=1, heads=2)
    zeroed(module)
    found = told(module, torch.randn(2, 5, D), prefix_mask([5, 1], 5))
    # Two ends see two tokens, three see three; the text of one token has no choice and does not count.
    assert found == {"spread": pytest.approx(1.0), "elsewhere": pytest.approx((2 * 1 / 2 + 3 * 2 / 3) / 5)}


def test_attention_to_itself_alone_is_nowhere_else() -> None:
    module = ClusterAttention(DIMS, tie="qkv_pure")
    zeroed(module)
    with torch.no_grad():
        module.projections.shared.weight.copy_(100 * torch.eye(D))  # type: ignore[union-attr]
    clusters = torch.eye(D)[None, :4]
    found = told(module, clusters, torch.ones(1, 4, dtype=torch.bool))
    assert found == {"spread": pytest.approx(0, abs=1e-6), "elsewhere": pytest.approx(0, abs=1e-6)}


def test_entropy_is_over_that_of_even_weights() -> None:
    module = ClusterAttention(DIMS)
    c, mask = torch.randn(3, 6, D), prefix_mask([6, 3, 2], 6)
    found = told(module, c, mask)
    q, k, _ = module.projections(c)
    entropies = []
    for text, length in enumerate((6, 3, 2)):
        weights = (q[text, :length] @ k[text, :length].T / math.sqrt(D)).softmax(dim=-1)
        entropies += (-(weights * weights.log()).sum(dim=-1) / math.log(length)).tolist()
    assert found["spread"] == pytest.approx(sum(entropies) / len(entropies), rel=1e-5)


def test_a_closed_gate_is_seen_and_pads_are_not() -> None:
    module = RollingShift(DIMS, T_local=2, closed=True)
    x, mask = torch.randn(2, 6, D), prefix_mask([6, 2], 6)
    with torch.no_grad():
        for layer in (module.gate.net[0], module.gate.net[2]):
            layer.weight.zero_()  # type: ignore[operator, union-attr]
    assert told(module, x, mask) == {"openness": pytest.approx(1 / (1 + math.exp(2)))}
    torch.nn.init.normal_(module.gate.net[0].weight)  # type: ignore[arg-type]
    torch.nn.init.normal_(module.gate.net[2].weight)  # type: ignore[arg-type]
    other = torch.where(mask.unsqueeze(-1), x, torch.randn_like(x))
    assert told(module, x, mask)["openness"] == pytest.approx(told(module, other, mask)["openness"], rel=1e-5)


def test_a_small_update_is_measured_against_its_token() -> None:
    module, mask = GatedMLP(DIMS, dropout=0.0).eval(), torch.ones(2, 8, dtype=torch.bool)
    x, c, assignment = torch.randn(2, 8, D), torch.randn(2, 2, D), ChunkAssignment(8, 4, mask)
    with torch.no_grad():
        moved = module(x, c, assignment) - x
    assert told(module, x, c, assignment)["update"] == pytest.approx(
        float((moved.norm(dim=-1) / x.norm(dim=-1)).mean()), rel=1e-3
    )


def test_routing_tells_its_distance_as_released() -> None:
    module = Learned(DIMS, logits="content", release=3.0)
    module.set_progress(0.5)
    found = told(module, torch.randn(2, 8, D), None, 4)
    assert found["agreement"] == 1.0 and found["distance"] == pytest.approx(4 * math.exp(-1.5), rel=1e-5)


@pytest.mark.parametrize("at_once", [1, 2, 6])
def test_agreement_is_one_count_over_all_tokens_whatever_their_batches(at_once: int) -> None:
    """Texts of one cluster, which cannot but agree, and long ones, whose tokens go anywhere."""
    torch.manual_seed(0)
    module, lengths = Learned(DIMS, logits="content", distance=0.0, frozen=True).eval(), [40, 38, 3, 2, 1, 39]
    texts = [torch.randn(1, length, D) for length in lengths]
    agrees = [module(x, None, 4).weights[0].argmax(dim=-1) == torch.arange(x.shape[1]) // 4 for x in texts]
    share = float(torch.cat(agrees).float().mean())
    assert share < 0.3 < 0.5 < float(torch.stack([of_text.float().mean() for of_text in agrees]).mean())
    with watching({"it": module}) as watched, torch.no_grad():
        for start in range(0, len(texts), at_once):
            batch = texts[start : start + at_once]
            x = nn.utils.rnn.pad_sequence([x[0] for x in batch], batch_first=True)
            module(x, prefix_mask(lengths[start : start + at_once], x.shape[1]), 4)
    assert watched["it"].means["agreement"].value == pytest.approx(share)


def weights_off_chunk(module: Learned, x: Tensor) -> float:
    weights = module.eval()(x, None, 4).weights
    own = torch.arange(8) // 4
    return float(1 - weights[:, torch.arange(8), own].mean())


def test_release_lets_tokens_go_without_training_and_none_is_the_old_arithmetic() -> None:
    torch.manual_seed(0)
    held, free = Learned(DIMS, logits="content"), Learned(DIMS, logits="content", release=8.0)
    free.load_state_dict(held.state_dict())
    x = torch.randn(2, 8, D)
    with torch.no_grad():
        assert torch.equal(held(x, None, 4).weights, free(x, None, 4).weights), "they start alike"
        for module in (held, free):
            module.set_progress(1.0)
        assert weights_off_chunk(held, x) < 0.02 and weights_off_chunk(free, x) > 0.4


def test_a_channel_beside_a_model_leaves_its_measures() -> None:
    spec = toy_run("enhanced")
    beside = ModelSpec.from_dict({**spec.model.to_dict(), "channel": {"name": "ngrams", "buckets": 64}})
    data = toy_data()
    alone, both = (Trainer(spec.model_copy(update={"model": model}), data, CPU) for model in (spec.model, beside))
    found = [telemetry(trainer.model, trainer.batches["validation"], CPU, "fp32") for trainer in (alone, both)]
    rows = [[(row.slot, row.component, row.measure) for row in each] for each in found]
    assert rows[0] and rows[0] == rows[1] and all(row.place.startswith("trunk.") for row in found[1])


@pytest.mark.parametrize("variant", ["base", "enhanced", "base+windowed_gate", "base+shuffled"])
def test_components_measure_what_they_declare_and_nothing_else_changes(variant: str) -> None:
    sizes = {"vocab_size": 40, "d_model": 16, "cluster_size": 4, "seq_len": 16}
    model = swarmformer.build_model(variant, dims=sizes).eval()
    ids, mask = torch.randint(40, (3, 16)), prefix_mask([16, 5, 1], 16)
    parts = dict(components_within(model))
    with torch.no_grad():
        before = model(ids, mask)
        with watching(dict(parts)) as watched:
            after = model(ids, mask)
    assert torch.equal(before, after)
    for name, part in parts.items():
        assert set(watched[name].means) <= set(part.measures), name
        # Nothing is measured where the pyramid leaves one cluster, which has no other to attend to.
        assert all(mean.value is None or math.isfinite(mean.value) for mean in watched[name].means.values())
    assert any(watched[name].means for name in parts)


def test_texts_whose_pass_the_memory_ended_count_once() -> None:
    """In the second layer, after the first has measured all of them; the batch is then read in halves."""
    sizes = {"d_model": 16, "num_layers": 2, "cluster_size": 4, "seq_len": 16}
    trainer = Trainer(toy_run("enhanced", model={"dims": sizes}, eval_batch_size=8), toy_data(), CPU)
    validation = trainer.batches["validation"]
    whole = telemetry(trainer.model, validation, CPU, "fp32")
    ended: list[int] = []

    def end(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if len(inputs[0]) > 4 and not ended:
            ended.append(len(inputs[0]))
            raise torch.OutOfMemoryError("CUDA out of memory")

    trainer.model.get_submodule("layers.1.local").register_forward_pre_hook(end)
    parted = telemetry(trainer.model, validation, CPU, "fp32")
    assert ended == [8] and [row.place for row in parted] == [row.place for row in whole]
    assert [row.value for row in parted] == pytest.approx([row.value for row in whole], rel=1e-5)
