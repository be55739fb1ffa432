"""What several models draw in one pass is what each draws alone, to the bit."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from swarmformer.assignment.sampling import gumbel_noise
from swarmformer.ops.attention import attend
from swarmformer.ops.dropout import dropout
from swarmformer.ops.stacked import Streams, by_each, in_stack, stacked
from swarmformer.ops.switch import applies
from swarmformer.seeding import Draws, seed_all

CPU = torch.device("cpu")
MODELS, SHAPE = 3, (2, 2, 8, 4)


def attended(x: Tensor) -> Tensor:
    return attend(x, x, x, window=2, dropout_p=0.3)


DRAWING: dict[str, Callable[[Tensor], Tensor]] = {
    "dropout": lambda x: dropout(x, 0.4),
    "PyTorch's dropout": lambda x: F.dropout(x, 0.4),
    "dropout of a GPU": lambda x: torch.native_dropout(x, 0.4, True)[0],
    "windowed attention": attended,
    "full attention": lambda x: attend(x, x, x, dropout_p=0.3),
    "PyTorch's attention": lambda x: F.scaled_dot_product_attention(x, x, x, dropout_p=0.3),
    "Gumbel noise": lambda x: x + gumbel_noise(x),
    "like": lambda x: x + torch.rand_like(x) + torch.randn_like(x) * torch.randint_like(x, 5),
    "by size": lambda x: x + torch.rand(SHAPE) + torch.randn(SHAPE[-1]) * torch.randint(5, SHAPE),
    "in place": lambda x: x + torch.empty_like(x).exponential_() + torch.zeros_like(x).bernoulli_(0.5),
    "by chance": lambda x: x + torch.bernoulli(x.sigmoid()),
    "one after the other": lambda x: dropout(F.dropout(x, 0.2) + torch.rand_like(x), 0.1) + torch.rand(()),
}


def streams() -> list[Draws]:
    states = []
    for seed in range(MODELS):
        seed_all(100 + seed)
        states.append(Draws.on(CPU))
    return states


@pytest.mark.parametrize("name", DRAWING)
def test_each_draws_as_alone(name: str) -> None:
    inputs = torch.randn(MODELS, *SHAPE, generator=torch.Generator().manual_seed(1))
    alone, ends = [], []
    for x, draws in zip(inputs.clone().requires_grad_(), streams(), strict=True):
        draws.restore()
        alone.append(DRAWING[name](x))
        ends.append(Draws.on(CPU).states["cpu"])
    together, drawn = inputs.clone().requires_grad_(), Streams(streams())
    with stacked(drawn):
        found = torch.func.vmap(DRAWING[name], randomness="different")(together)
    torch.testing.assert_close(found, torch.stack(alone), rtol=1e-6, atol=1e-6)
    assert all(torch.equal(draws.states["cpu"], end) for draws, end in zip(drawn.draws, ends, strict=True))
    if name == "dropout":  # nothing of it is rounded
        assert torch.equal(found, torch.stack(alone)) and not torch.equal(found[0] == 0, found[1] == 0)


def test_gradients_pass_what_is_computed_one_by_one() -> None:
    inputs = torch.randn(MODELS, *SHAPE, requires_grad=True)
    gradients = []
    for number, draws in enumerate(streams()):
        draws.restore()
        gradients.append(torch.autograd.grad(attended(inputs[number]).square().sum(), inputs)[0][number])
    with stacked(Streams(streams())):
        total = torch.func.vmap(lambda x: attended(x).square().sum(), randomness="different")(inputs).sum()
    torch.testing.assert_close(torch.autograd.grad(total, inputs)[0], torch.stack(gradients))


def test_fast_paths_are_of_one_model() -> None:
    """In a stack their tensors would have a hidden dimension."""
    seen = []

    def look(x: Tensor) -> Tensor:
        seen.append((in_stack(), applies(x)))
        return x

    with stacked(Streams(streams())):
        torch.func.vmap(lambda x: by_each(look, look(x)))(torch.ones(MODELS, 2))
    look(torch.ones(2))
    assert seen == [(True, False), *[(False, True)] * MODELS, (False, True)]


def test_what_cannot_be_parted_is_said() -> None:
    words = r"randperm\.default draws in a way that cannot be parted"
    with stacked(Streams(streams())), pytest.raises(RuntimeError, match=words):
        torch.func.vmap(lambda x: x[torch.randperm(2)], randomness="different")(torch.ones(MODELS, 2))
    assert not in_stack()
