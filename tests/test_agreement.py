"""The published variants reproduce the published arithmetic, number for number."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

import swarmformer
from swarmformer import hub
from swarmformer.errors import SpecError
from swarmformer.hub.published import our_name
from swarmformer.testing.drive import without_dropout
from tests.helpers import assert_close
from tests.reference import ReferenceSwarmFormer

PUBLISHED = {
    "original_small": {"vocab_size": 30522, "width": 128, "layers": 2, "T_local": 3, "cluster_size": 8},
    "original_base": {"vocab_size": 30522, "width": 192, "layers": 2, "T_local": 3, "cluster_size": 4},
}


def reference(variant: str, seed: int) -> ReferenceSwarmFormer:
    torch.manual_seed(seed)
    model = ReferenceSwarmFormer(**PUBLISHED[variant])
    with torch.no_grad():  # move the gates and biases away from their tame initial values
        for name, parameter in model.named_parameters():
            if "embed" not in name:
                parameter.add_(torch.randn_like(parameter) * 0.05)
    return model


@pytest.mark.parametrize("variant", PUBLISHED)
@pytest.mark.parametrize("length", [8, 64, 256])
def test_logits_equal_the_reference_in_eval(variant: str, length: int) -> None:
    oracle = reference(variant, seed=length).eval()
    model = hub.from_published(oracle.state_dict())
    ids = torch.randint(0, 30522, (3, length))
    with torch.inference_mode():
        assert_close("logits", oracle(ids), model(ids), atol=1e-5)


def test_logits_equal_the_reference_at_full_length_of_base() -> None:
    oracle = reference("original_base", seed=5).eval()
    model = hub.from_published(oracle.state_dict())
    ids = torch.randint(0, 30522, (2, 768))
    with torch.inference_mode():
        assert_close("logits", oracle(ids), model(ids), atol=1e-5)


def test_mask_is_ignored_as_published() -> None:
    oracle = reference("original_small", seed=1).eval()
    model = hub.from_published(oracle.state_dict())
    ids = torch.randint(0, 30522, (2, 64))
    mask = torch.zeros(2, 64, dtype=torch.bool)
    mask[:, :10] = True
    with torch.inference_mode():
        assert_close("logits", oracle(ids), model(ids, mask), atol=1e-5)


@pytest.mark.parametrize("variant", PUBLISHED)
def test_gradients_equal_the_reference_in_train(variant: str) -> None:
    oracle = reference(variant, seed=2)
    model = hub.from_published(oracle.state_dict())
    without_dropout(oracle)
    without_dropout(model)
    ids, labels = torch.randint(0, 30522, (2, 32)), torch.tensor([0, 1])
    for module in (oracle.train(), model.train()):
        F.cross_entropy(module(ids), labels).backward()
    ours = {name: p.grad for name, p in model.named_parameters()}
    theirs = {our_name(name): p.grad for name, p in oracle.named_parameters()}
    assert ours.keys() == theirs.keys()
    for name, expected in theirs.items():
        assert expected is not None and ours[name] is not None
        assert expected.abs().max() > 0, f"{name} gets no gradient in the reference"
        assert_close(name, expected, ours[name], atol=1e-7, rtol=1e-4)


def test_parameter_counts_are_the_published_ones() -> None:
    counts = {v: sum(p.numel() for p in swarmformer.build_model(v).parameters()) for v in PUBLISHED}
    assert {v: round(n / 1e6, 1) for v, n in counts.items()} == {"original_small": 4.3, "original_base": 6.7}


def test_flops_are_the_published_arithmetic() -> None:
    """Per token and layer: 15 D² local, 0.75 D² + 2CD/4·… clusters, 4 D² broadcast; FACTS: 1.147 G multiply-adds."""
    D, N, C = 192, 768, 192
    multiply_adds = 2 * (N * 15 * D * D + C * 3 * D * D + 2 * C * C * D + N * 4 * D * D) + 2 * D
    assert swarmformer.build_model("original_base").flops(1, N) == 2 * multiply_adds
    assert round(multiply_adds / 1e9, 3) == 1.147


def test_published_length_must_divide() -> None:
    model = swarmformer.build_model("original_small").eval()
    with pytest.raises(ValueError, match=r"clusters of 8.*pad_to_max"):
        model(torch.zeros(1, 12, dtype=torch.long))


@pytest.mark.parametrize("fault", ["unknown name", "missing tensor", "wrong width"])
def test_from_published_refuses_what_does_not_fit(fault: str) -> None:
    state = dict(ReferenceSwarmFormer(50, 128).state_dict())
    if fault == "unknown name":
        state["layers.0.extra.weight"] = torch.zeros(1)
    elif fault == "missing tensor":
        del state["layers.1.broadcast.linear.bias"]
    else:
        state = dict(ReferenceSwarmFormer(50, 96).state_dict())
    with pytest.raises(SpecError, match=r"extra|feedback\.linear\.bias|width 96"):
        hub.from_published(state)
