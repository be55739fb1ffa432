"""Optimisers: all parameters, a learning rate for every step, and a state to go on from."""

from __future__ import annotations

import json
import math
from collections import Counter
from typing import Any

import torch

from swarmformer.contracts import Model
from swarmformer.testing.case import Case
from swarmformer.testing.check import check
from swarmformer.testing.require import NotApplicableError, require
from swarmformer.testing.training import small_model
from swarmformer.training.state_tensors import joined_state, split_state

CPU = torch.device("cpu")
TOTAL = 6


@check("optimiser")
def every_parameter_is_in_one_group(case: Case) -> None:
    """None is left out, none is updated twice."""
    model = small_model()
    built = case.make().build([model], CPU)
    counted = Counter(id(parameter) for group in built.param_groups for parameter in group["params"])
    for name, parameter in model.named_parameters():
        require(counted[id(parameter)] == 1, f"{name} is in {counted[id(parameter)]} groups")
    require(len(counted) == len(list(model.parameters())), "there are parameters that are not the model's")


@check("optimiser")
def what_takes_no_decay_gets_none(case: Case) -> None:
    """Of what the components say (``Component.undecayed``)."""
    model, optimiser = small_model(), case.make()
    if not optimiser.honours_undecayed:
        raise NotApplicableError("says honours_undecayed = False: all is decayed alike")
    spared = {id(model.get_parameter(name)): name for name in model.undecayed()}
    for group in optimiser.build([model], CPU).param_groups:
        wrong = [spared[id(p)] for p in group["params"] if id(p) in spared and group.get("weight_decay", 0.0)]
        require(not wrong, f"decays {', '.join(wrong[:3])}")


@check("optimiser")
def a_learning_rate_for_every_step(case: Case) -> None:
    """Finite, from 0 up, above 0 at some step; set before the step."""
    optimiser = case.make()
    for total in (1, 2, 7, 100):
        rates = [optimiser.learning_rate(step, total) for step in range(total)]
        sound = all(math.isfinite(rate) and rate >= 0 for rate in rates) and max(rates) > 0
        require(sound, f"learning rates of {total} steps: {rates[:5]} …")


@check("optimiser")
def steps_change_the_weights(case: Case) -> None:
    """Every parameter with a gradient, none without; to finite values."""
    model = small_model()
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    _steps(case.make(), case.make().build([model], CPU), model, 0, TOTAL)
    for name, parameter in model.named_parameters():
        require(bool(parameter.isfinite().all()), f"{name} is not finite after {TOTAL} steps")
        require(not torch.equal(before[name], parameter), f"{name} has not changed after {TOTAL} steps")


@check("optimiser")
def a_stopped_run_goes_on_from_the_state(case: Case) -> None:
    """Stored as JSON and tensors between any two steps, it ends bit by bit as without a stop."""
    optimiser, whole = case.make(), small_model()
    _steps(optimiser, optimiser.build([whole], CPU), whole, 0, TOTAL)
    for stop in (1, TOTAL // 2):
        model = small_model()
        built = optimiser.build([model], CPU)
        _steps(optimiser, built, model, 0, stop)
        plain, tensors = split_state(built.state_dict())
        state = joined_state(json.loads(json.dumps(plain)), {name: t.clone() for name, t in tensors.items()})
        again = case.make()
        resumed = again.build([model], CPU)
        resumed.load_state_dict(state)
        _steps(again, resumed, model, stop, TOTAL)
        for (name, expected), parameter in zip(whole.named_parameters(), model.parameters(), strict=True):
            require(torch.equal(expected, parameter), f"stopped after step {stop}, {name} ends otherwise")


def _steps(optimiser: Any, built: torch.optim.Optimizer, model: Model, first: int, end: int) -> None:
    """Steps with gradients that depend on the number of the step alone."""
    for step in range(first, end):
        generator = torch.Generator().manual_seed(step)
        for parameter in model.parameters():
            parameter.grad = torch.randn(parameter.shape, generator=generator)
        optimiser.before_step(built, step, TOTAL)
        built.step()
