"""Objectives: a number to minimise, by way of the model."""

from __future__ import annotations

import torch

from swarmformer.seeding import seed_all
from swarmformer.testing.case import Case
from swarmformer.testing.check import check
from swarmformer.testing.require import NotApplicableError, assert_close, require, require_finite
from swarmformer.testing.training import copy_of, passes, require_untouched, rows_of, small_batch, small_model


@check("objective")
def loss_is_a_finite_scalar(case: Case) -> None:
    """Of fp32, in fp32 and in bf16, and so is every part of it that has a name."""
    for precision in ("fp32", "bf16"):
        loss = case.build().train().loss(passes(small_model().train(), precision), small_batch())
        require(loss.total.dtype == torch.float32, f"{precision}: the loss is {loss.total.dtype}, not float32")
        for name, value in {"the loss": loss.total, **loss.parts}.items():
            require(value.shape == (), f"{precision}: {name} has shape {tuple(value.shape)}, expected a scalar")
            require_finite(f"{precision}: {name}", value)


@check("objective")
def a_gradient_reaches_the_model_and_its_own_parameters(case: Case) -> None:
    """Something of the model, and everything of its own."""
    objective, model = case.build().train(), small_model().train()
    total = objective.loss(passes(model), small_batch()).total
    require(total.requires_grad, "the loss has no gradient")
    total.backward()
    reached = [p.grad for p in model.parameters() if p.grad is not None and bool(p.grad.any())]
    require(bool(reached), "no parameter of the model gets a gradient")
    for name, parameter in objective.named_parameters():
        got = parameter.grad is not None and bool(parameter.grad.any())
        require(got or not parameter.requires_grad, f"its parameter {name} gets no gradient")
    for gradient in reached:
        require_finite("a gradient of the model", gradient)


@check("objective")
def pieces_add_up(case: Case) -> None:
    """In evaluation: the loss of a batch is the mean of that of its pieces, by their answers."""
    objective, forward, batch = case.build(), passes(small_model().eval()), small_batch()
    if not objective.in_pieces:
        raise NotApplicableError("says in_pieces = False: it is given whole batches")
    cut = torch.arange(len(batch.labels_M)).split(4)
    losses = [objective.loss(forward, rows_of(batch, rows)).total * len(rows) for rows in cut]
    whole = objective.loss(forward, batch).total
    assert_close("the loss of the pieces", whole, torch.stack(losses).sum() / len(batch.labels_M), atol=1e-5)


@check("objective")
def loss_in_evaluation_is_deterministic(case: Case) -> None:
    """The random state is neither read nor moved, so that epochs can be compared."""
    objective, forward = case.build(), passes(small_model().eval())
    losses = []
    for seed in (1, 2):
        state = seed_all(seed).get_state()
        losses.append(objective.loss(forward, small_batch()).total)
        require(torch.equal(state, torch.get_rng_state()), "evaluation draws random numbers")
    require(torch.equal(*losses), "two evaluations of one batch differ")


@check("objective")
def objective_leaves_its_batch_alone(case: Case) -> None:
    """It is passed again: by the next pass, or to another objective."""
    batch = small_batch()
    before = copy_of(batch)
    case.build().train().loss(passes(small_model().train()), batch)
    require_untouched("the loss", before, batch)


@check("objective")
def objective_builds_without_weights(case: Case) -> None:
    """On the meta device, as a plan does."""
    with torch.device("meta"):
        objective = case.make()
    solid = [name for name, tensor in objective.state_dict().items() if not tensor.is_meta]
    require(not solid, f"made on a fixed device instead of the current one: {', '.join(solid)}")
