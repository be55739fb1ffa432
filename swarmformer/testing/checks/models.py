"""Whole models, beside what they share with components."""

from __future__ import annotations

import torch

from swarmformer.contracts import ModelOutput
from swarmformer.testing.case import Case
from swarmformer.testing.check import check
from swarmformer.testing.drive import inputs, lengths_for, masks, usual_length
from swarmformer.testing.require import require, require_finite


@check("model")
def detailed_output_is_what_training_needs(case: Case) -> None:
    """A ModelOutput: logits, losses and telemetry that are finite scalars, states of tokens where ``gives_states``."""
    model = case.build().train()
    for N in lengths_for(case):
        for words, mask in masks(2, N):
            output = model.detailed(inputs("model", 2, N), mask)
            require(isinstance(output, ModelOutput), f"detailed gives {type(output).__name__}, not a ModelOutput")
            named = [*output.losses.items(), *(item for layer in output.telemetry for item in layer.items())]
            for name, value in named:
                require(value.shape == (), f"{name} has shape {tuple(value.shape)}, expected a scalar")
                require_finite(f"{N} tokens, {words}: {name}", value)
            states = output.states_BND
            require((states is not None) == model.gives_states, f"gives_states = {model.gives_states} is untrue")
            if states is not None:
                require(states.shape == (2, N, case.dims.d_model), f"{N} tokens: states of {tuple(states.shape)}")


@check("model")
def keeps_its_sizes(case: Case) -> None:
    """``dims`` is what it was built with."""
    model = case.build()
    require(model.dims == case.dims, f"dims is {model.dims!r}")


@check("model")
def slots_share_its_flops(case: Case) -> None:
    """``flops_by_slot`` names slots of the model, and together they are no more than ``flops``."""
    model = case.build()
    for N in lengths_for(case):
        parts = model.flops_by_slot(2, N)
        require(parts.keys() <= set(model.slots), f"flops_by_slot names {', '.join(parts.keys() - set(model.slots))}")
        require(min(parts.values(), default=0) >= 0, f"flops_by_slot is negative: {parts}")
        require(sum(parts.values()) <= model.flops(2, N), f"flops_by_slot adds up to more than flops: {parts}")


@check("model")
def sees_its_input(case: Case) -> None:
    """Other token ids give other logits."""
    model, N = case.build(), usual_length(case)
    with torch.no_grad():
        same = torch.allclose(model(inputs("model", 2, N)), model(inputs("model", 2, N, seed=1)), atol=1e-7)
    require(not same, "two different texts give the same logits")
