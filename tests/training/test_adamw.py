"""AdamW: which parameters decay and by which rate they are updated."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

import swarmformer
from swarmformer.training.optimisers.adamw import AdamW

CPU = torch.device("cpu")


def test_norms_biases_gates_and_vectors_are_not_decayed() -> None:
    model = swarmformer.build_model("base+windowed+layer_norm+tied_qkv+positions", dims={"vocab_size": 9, "d_model": 8})
    optimiser = AdamW(weight_decay=0.3, beta1=0.8, beta2=0.9).build([model], CPU)
    names = {id(p): name for name, p in model.named_parameters()}
    decay = {names[id(p)]: group["weight_decay"] for group in optimiser.param_groups for p in group["params"]}
    assert decay.keys() == set(names.values()), "every parameter is in one group"
    assert sum(len(group["params"]) for group in optimiser.param_groups) == len(decay)
    matrices = {"embedding.embed.weight", "embedding.position_ND", "classifier.weight"}
    for layer in range(3):
        parts = ("local.qkv.weight", "local.out.weight", "cluster.projections.shared.weight", "feedback.linear.weight")
        matrices |= {f"layers.{layer}.{part}" for part in parts}
    assert {name for name, value in decay.items() if value} == matrices
    assert {value for value in decay.values()} == {0.0, 0.3}
    assert optimiser.param_groups[0]["betas"] == (0.8, 0.9)


def test_embedding_and_trunk_have_rates_and_decays_of_their_own() -> None:
    """Against two optimisers of torch, one for each, over a few steps."""
    options: dict[str, Any] = {"lr": 0.05, "weight_decay": 0.4, "schedule": "linear", "warmup": 0.5}
    ours, theirs = (swarmformer.build_model("base+positions", dims={"vocab_size": 9, "d_model": 8}) for _ in range(2))
    theirs.load_state_dict(ours.state_dict())
    optimiser = AdamW(**options, embedding_lr_factor=10.0, embedding_decay_factor=0.25)
    built = optimiser.build([ours], CPU)
    spared = theirs.undecayed()
    parts = [
        torch.optim.AdamW(
            [p for name, p in theirs.named_parameters() if name.startswith("embedding.") == inside
             and (name in spared) == vector], weight_decay=0.0 if vector else decay,
        )
        for inside, decay in ((True, 0.1), (False, 0.4)) for vector in ((False,) if inside else (False, True))
    ]  # fmt: skip
    for step in range(6):
        for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
            a.grad = torch.randn_like(a)
            b.grad = a.grad.clone()
        optimiser.before_step(built, step, 6)
        rate = [0.05 / 3, 0.1 / 3, 0.05, 0.05, 0.1 / 3, 0.05 / 3][step]
        for part, factor in zip(parts, (10, 1, 1), strict=True):
            part.param_groups[0]["lr"] = rate * factor
            part.step()
        built.step()
    for (name, a), b in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-6), name
    assert optimiser.learning_rate(2, 6) == pytest.approx(0.05), "the rate of the trunk is what is written down"


def test_all_parameters_alike_as_the_published_script_has_them() -> None:
    model = swarmformer.build_model("base", dims={"vocab_size": 9, "d_model": 8})
    groups = AdamW(weight_decay=0.3, decay_vectors=True).build([model], CPU).param_groups
    assert {group["weight_decay"] for group in groups if group["params"]} == {0.3}


@pytest.mark.parametrize(("warmup", "total"), [(0.0, 10), (0.06, 50), (0.25, 40), (0.9, 10), (0.5, 1)])
def test_learning_rate_in_closed_form(warmup: float, total: int) -> None:
    options: dict[str, float] = {"lr": 0.2, "warmup": warmup, "min_lr": 0.1}
    rise = math.ceil(warmup * total)
    rates = [AdamW(**options).learning_rate(step, total) for step in range(total)]
    assert rates[:rise] == pytest.approx([0.2 * (step + 1) / rise for step in range(rise)])
    fall = [0.02 + 0.18 * math.cos(math.pi / 2 * k / (total - rise)) ** 2 for k in range(total - rise)]
    assert rates[rise:] == pytest.approx(fall)
    line = [AdamW(**options, schedule="linear").learning_rate(step, total) for step in range(total)]
    assert line[rise:] == pytest.approx([0.2 - 0.18 * k / (total - rise) for k in range(total - rise)])
    flat = [AdamW(**options, schedule="constant").learning_rate(step, total) for step in range(total)]
    assert flat == pytest.approx(rates[:rise] + [0.2] * (total - rise))
