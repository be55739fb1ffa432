"""Whole models, beside what they share with components."""

from __future__ import annotations

import torch

from swarmformer.contracts import Model, ModelOutput
from swarmformer.testing.case import Case
from swarmformer.testing.check import check
from swarmformer.testing.drive import inputs, lengths_for, masks, usual_length
from swarmformer.testing.require import NotApplicableError, require, require_finite


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
def knows_no_later_token(case: Case) -> None:
    """Where it is ``causal``: a later token changes no earlier state; going on from a cache gives what it gives."""
    model, N = case.build(), usual_length(case)
    if not model.causal:
        raise NotApplicableError("it does not say that it is causal")
    ids_BN, other_BN = inputs("model", 2, N), inputs("model", 2, N, seed=1)
    with torch.no_grad():
        for place in (1, N // 2, N - 1):
            mixed_BN = torch.cat([ids_BN[:, :place], other_BN[:, place:]], dim=1)
            for before, after in zip(_at_tokens(model, ids_BN), _at_tokens(model, mixed_BN), strict=True):
                same = torch.equal(before[:, :place], after[:, :place])
                require(same, f"tokens from {place} on are known before they come")
        cache = model.new_cache()
        if cache is not None:
            parts = [model.continued(ids_BN[:, :end], cache) for end in (N // 2, N // 2 + 1, N)]
            apart = (torch.cat(parts, dim=1) - model(ids_BN)).abs().max()
            require(bool(apart <= 1e-4), f"what it gives from a cache is {float(apart):.1e} from what it gives anew")


def _at_tokens(model: Model, ids_BN: torch.Tensor) -> list[torch.Tensor]:
    """States, and logits where it answers at tokens."""
    output = model.detailed(ids_BN)
    return [one for one in (output.states_BND, output.logits_BK if model.per_token else None) if one is not None]


@check("model")
def sees_its_input(case: Case) -> None:
    """Other token ids give other logits."""
    model, N = case.build(), usual_length(case)
    with torch.no_grad():
        same = torch.allclose(model(inputs("model", 2, N)), model(inputs("model", 2, N, seed=1)), atol=1e-7)
    require(not same, "two different texts give the same logits")
