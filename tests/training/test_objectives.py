"""Objectives against sums written out, closed forms of a linear model, and plain twins that pass by hand."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from swarmformer.assembly import assemble
from swarmformer.contracts import Model, ModelOutput, Objective
from swarmformer.data.batching import Batch
from swarmformer.errors import SpecError
from swarmformer.rehearsal import rehearse
from swarmformer.training.evaluate import Passes
from swarmformer.training.objectives.adversarial import Adversarial
from swarmformer.training.objectives.cross_entropy import CrossEntropy
from swarmformer.training.objectives.r_drop import RDrop
from tests.helpers import assert_close
from tests.training.test_loop import smoothed
from tests.training.toys import VOCABULARY, toy_run

LENGTHS = (9, 1, 4, 7)
EPSILON = 0.7


def batch_of(pad: int = 0, longest: int = 9) -> Batch:
    ids = torch.randint(1, VOCABULARY, (4, 12), generator=torch.Generator().manual_seed(5))[:, :longest]
    mask = torch.arange(longest) < torch.tensor(LENGTHS)[:, None]
    return Batch(ids.masked_fill(~mask, pad), mask, torch.tensor([0, 1, 1, 0]), torch.arange(4))


def model_of(variant: str, **model: Any) -> Model:
    """Without dropout, its weights no longer tame."""
    torch.manual_seed(1)
    built = assemble(toy_run(variant, model=model).model)
    for module in built.modules():
        for name in ("p", "dropout", "weight_dropout", "word_dropout"):
            if isinstance(getattr(module, name, None), float):
                setattr(module, name, 0.0)
    return built.train()


def passes(model: Model) -> Passes:
    return Passes(model, model.detailed, "fp32")


class Given:
    """A ``Forward`` that gives these logits, one table a pass."""

    def __init__(self, *tables: Tensor) -> None:
        self.model, self.tables = nn.Linear(1, 1), iter(tables)

    def __call__(self, batch: Batch) -> ModelOutput:
        return ModelOutput(next(self.tables))


def kl_by_hand(p_logits: Tensor, q_logits: Tensor) -> float:
    p, q = (torch.distributions.Categorical(logits=logits.double()) for logits in (p_logits, q_logits))
    return float(torch.distributions.kl_divergence(p, q).mean())


# R-Drop.


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_r_drop_is_the_formula_of_the_paper(smoothing: float) -> None:
    first, second = torch.randn(4, 3), torch.randn(4, 3)
    objective: Any = RDrop(None, weight=0.7, label_smoothing=smoothing).train()  # type: ignore[arg-type]
    loss = objective.loss(Given(first, second), batch_of())
    labels = batch_of().labels_M
    truth = (smoothed(first, labels, smoothing) + smoothed(second, labels, smoothing)) / 2
    apart = (kl_by_hand(first, second) + kl_by_hand(second, first)) / 2
    assert loss.total.item() == pytest.approx(float(truth) + 0.7 * apart, rel=1e-5)
    assert loss.parts["apart"].item() == pytest.approx(apart, rel=1e-5)


def test_r_drop_in_evaluation_is_cross_entropy_of_one_pass() -> None:
    logits = torch.randn(4, 3)
    loss = RDrop(None).eval().loss(Given(logits), batch_of())  # type: ignore[arg-type]
    assert torch.equal(loss.total, nn.functional.cross_entropy(logits, batch_of().labels_M))


# Adversarial: the mean of embeddings and a linear layer has everything in closed form.


def linear_parts(model: Any, batch: Batch) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Table rows x_BND, lengths, mean states and the deviation of features over real tokens."""
    x = model.embedding.embed.weight[batch.ids_BN].detach()
    real = x[batch.mask_BN]
    lengths = torch.tensor(LENGTHS).float()[:, None]
    mean = torch.stack([row[: int(n)].mean(0) for row, n in zip(x, lengths, strict=True)])
    return x, lengths, mean, real.std(0, unbiased=False)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_the_adversarial_step_of_a_linear_model(smoothing: float) -> None:
    """g of each of n tokens is W ᵀ(p − t) / n, so that the mean moves by ε σ σ W ᵀ(p − t) / (√n ‖σ W ᵀ(p − t)‖)."""
    model: Any = model_of("bag_of_embeddings")
    batch = batch_of()
    _, lengths, mean, deviation = linear_parts(model, batch)
    W, b = model.classifier.weight.detach(), model.classifier.bias.detach()
    target = nn.functional.one_hot(batch.labels_M, 2) * (1 - smoothing) + smoothing / 2
    uphill = ((mean @ W.T + b).softmax(-1) - target) @ W * deviation
    moved = mean + EPSILON * deviation * uphill / uphill.norm(dim=1, keepdim=True) / lengths.sqrt()
    before, after = (smoothed(state @ W.T + b, batch.labels_M, smoothing) for state in (mean, moved))
    objective: Any = Adversarial(model.dims, weight=0.5, epsilon=EPSILON, label_smoothing=smoothing).train()
    loss = objective.loss(passes(model), batch)
    assert loss.parts["truth"].item() == pytest.approx(float(before), rel=1e-5)
    assert loss.parts["moved"].item() == pytest.approx(float(after), rel=1e-5)
    assert loss.total.item() == pytest.approx(float(before + 0.5 * after), rel=1e-5)
    assert after > before


def test_the_virtual_step_of_a_linear_model() -> None:
    """With two classes the divergence rises along σ (w₁ − w₀) alone: whatever the random step, up or down that line."""
    model: Any = model_of("bag_of_embeddings")
    batch = batch_of()
    _, lengths, mean, deviation = linear_parts(model, batch)
    W, b = model.classifier.weight.detach(), model.classifier.bias.detach()
    uphill = deviation * (W[1] - W[0])
    step = EPSILON * deviation * uphill / uphill.norm() / lengths.sqrt()
    logits = mean @ W.T + b
    ways = ((mean + sign * step) @ W.T + b for sign in (-1, 1))
    down, up = ([kl_by_hand(logits[[text]], way[[text]]) for text in range(4)] for way in ways)
    expected = [sum(choice) / 4 for choice in itertools.product(*zip(down, up, strict=True))]
    objective: Any = Adversarial(model.dims, epsilon=EPSILON, virtual=True).train()
    for seed in range(3):
        torch.manual_seed(seed)
        moved = float(objective.loss(passes(model), batch).parts["moved"].detach())
        assert min(abs(moved - value) for value in expected) < 2e-5


class Stub(nn.Module):
    """Takes the place of an embedding in a plain twin."""

    def __init__(self, x_BND: Tensor) -> None:
        super().__init__()
        self.x_BND = x_BND

    def forward(self, ids_BN: Tensor) -> Tensor:
        return self.x_BND


def rest_of(model: Any, x_BND: Tensor, batch: Batch) -> Tensor:
    """The model from its embedding's output on, without any hook."""
    embedding, model.embedding = model.embedding, Stub(x_BND)
    try:
        return model.detailed(batch.ids_BN, batch.mask_BN).logits_BK
    finally:
        model.embedding = embedding


WINDOWED = "base+windowed+layer_norm+positions"
FAMILIES = ("base", "original", WINDOWED, "transformer", "lumenspark", "cnn", "deep_averaging")


@pytest.mark.parametrize("variant", FAMILIES)
def test_gradients_are_those_of_a_plain_twin(variant: str) -> None:
    """Gradient of the input in a pass of its own, the step a constant, two more passes by hand."""
    model: Any = model_of(variant)
    batch = batch_of(longest=8 if variant == "original" else 9)  # the published chunks need a divisible length
    objective: Any = Adversarial(model.dims, epsilon=EPSILON).train()
    objective.loss(passes(model), batch).total.backward()
    ours = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    entropy = nn.CrossEntropyLoss()
    x = model.embedding(batch.ids_BN).detach().requires_grad_()
    (gradient,) = torch.autograd.grad(entropy(rest_of(model, x, batch), batch.labels_M), x)
    deviation = x.detach()[batch.mask_BN].std(0, unbiased=False)
    uphill = gradient * deviation * batch.mask_BN[..., None]
    step = EPSILON * deviation * uphill / uphill.norm(dim=(1, 2), keepdim=True)
    x = model.embedding(batch.ids_BN)
    sum(entropy(rest_of(model, state, batch), batch.labels_M) for state in (x, x + step)).backward()  # type: ignore[union-attr]
    for name, parameter in model.named_parameters():
        if parameter.grad is not None:
            assert_close(name, parameter.grad, ours[name], atol=1e-5)


def moved_inputs(model: Any, batch: Batch, **options: Any) -> Iterator[Tensor]:
    """What the first layer is given, in each pass."""
    seen: list[Tensor] = []
    handle = model.layers[0].register_forward_pre_hook(lambda module, given: seen.append(given[0].detach()))
    Adversarial(model.dims, epsilon=EPSILON, **options).train().loss(passes(model), batch)
    handle.remove()
    assert not model.embedding._forward_hooks
    yield from seen


@pytest.mark.parametrize("virtual", [False, True])
@pytest.mark.parametrize("variant", ["base", "original_small"])
def test_a_text_moves_by_epsilon_deviations_and_pads_do_not(variant: str, virtual: bool) -> None:
    """Also where the model itself takes pads for tokens."""
    model, batch = model_of(variant), batch_of(longest=8)
    first, *_, last = moved_inputs(model, batch, virtual=virtual)
    deviation = first[batch.mask_BN].std(0, unbiased=False)
    assert_close("length", torch.full((4,), EPSILON), ((last - first) / deviation).norm(dim=(1, 2)), atol=1e-4)
    assert torch.equal(first[~batch.mask_BN], last[~batch.mask_BN])


@pytest.mark.parametrize("virtual", [False, True])
@pytest.mark.parametrize("margin", [20.0, 45.0, 60.0, 75.0, 100.0, 300.0])
def test_a_text_that_the_model_is_sure_of_moves_no_farther(margin: float, virtual: bool) -> None:
    """Squares of its gradient are below what fp32 holds; where the gradient itself is, the text stays where it is."""
    model: Any = model_of("base")
    batch = replace(batch_of(longest=8), labels_M=torch.zeros(4, dtype=torch.long))
    with torch.no_grad():
        model.classifier.bias.copy_(torch.tensor([margin, 0.0]))
    first, *_, last = moved_inputs(model, batch, virtual=virtual)
    deviation = first[batch.mask_BN].std(0, unbiased=False)
    for length in ((last - first) / deviation).norm(dim=(1, 2)).tolist():
        assert length == pytest.approx(EPSILON, abs=1e-3) or length == 0.0


def test_larger_token_vectors_do_not_escape_the_step() -> None:
    """Times ten, with a classifier of a tenth: the same model of the normalised vectors, and the same loss."""
    model: Any = model_of("bag_of_embeddings")
    objective: Any = Adversarial(model.dims, epsilon=EPSILON).train()
    before = objective.loss(passes(model), batch_of()).total
    with torch.no_grad():
        model.embedding.embed.weight.mul_(10)
        model.classifier.weight.div_(10)
    assert_close("loss", before, objective.loss(passes(model), batch_of()).total, atol=1e-5)


@pytest.mark.parametrize("virtual", [False, True])
def test_losses_of_the_model_survive_the_passes(virtual: bool) -> None:
    """A router's losses are a mean over the passes: all of their graphs are still there."""
    model: Any = model_of("base+routing")
    forward = passes(model)
    loss = Adversarial(model.dims, virtual=virtual).train().loss(forward, batch_of())
    sum((sum(output.losses.values()) for output in forward.outputs), loss.total).backward()  # type: ignore[union-attr]
    gradients = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    assert all(bool(grad.isfinite().all()) for grad in gradients.values())
    routers = {name for name, _ in model.named_parameters() if ".router." in name}
    assert routers and routers <= gradients.keys() and any(bool(gradients[name].any()) for name in routers)


@pytest.mark.parametrize("build", [CrossEntropy, RDrop, Adversarial])
def test_label_smoothing_in_evaluation(build: type[Objective]) -> None:
    logits = torch.randn(4, 3)
    objective: Any = build(None, label_smoothing=0.3).eval()  # type: ignore[call-arg, arg-type]
    expected = smoothed(logits, batch_of().labels_M, 0.3)
    assert_close("loss", expected, objective.loss(Given(logits), batch_of()).total, atol=1e-6)


def test_what_would_do_nothing_is_refused_before_it_runs() -> None:
    with pytest.raises(SpecError, match="'adversarial' hooks into the model, which a compiled"):
        rehearse(toy_run(objective="adversarial", compile=True))
    rehearse(toy_run(objective="adversarial"))

    class Bare(nn.Module):
        pass

    with pytest.raises(SpecError, match="one component of the slot 'embedding', this one has 0"):
        Adversarial(None).check_model(Bare())  # type: ignore[arg-type]
