"""What a component keeps: weights, buffers, randomness."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor

from swarmformer.seeding import seed_all
from swarmformer.testing.case import Case
from swarmformer.testing.check import check, explain
from swarmformer.testing.drive import TENSOR_SLOTS, apply, dropouts_of, inputs, prefix_mask, usual_length
from swarmformer.testing.require import NotApplicableError, ViolationError, require


def _result(case: Case, component: Any, seed: int = 0) -> Tensor:
    """Of the usual input, after seeding torch."""
    x, mask = _usual(case)
    seed_all(seed)
    with torch.no_grad():
        return apply(case.slot, component, x, mask)


def _usual(case: Case) -> tuple[Tensor, Tensor]:
    N = usual_length(case)
    return inputs(case.slot, 2, N), prefix_mask([N, max(1, N // 2)], N)


@check(*TENSOR_SLOTS)
def eval_is_deterministic(case: Case) -> None:
    """In evaluation the random state is neither read nor moved."""
    component = case.build()
    first, second = _result(case, component, seed=1), _result(case, component, seed=2)
    require(torch.equal(first, second), "two evaluations of one input differ")
    moved = torch.get_rng_state()
    require(torch.equal(moved, seed_all(2).get_state()), "evaluation draws random numbers")


@check(*TENSOR_SLOTS)
def every_dropout_acts_in_training(case: Case) -> None:
    """Each option called ``dropout`` or ``…_dropout``, alone at 0.5, makes two training passes differ."""
    dropouts = dropouts_of(case)
    if not dropouts:
        raise NotApplicableError("no option called dropout")
    for name in dropouts:
        rates: dict[str, Any] = {**dict.fromkeys(dropouts, 0.0), name: 0.5}
        component = case.build(**rates).train()
        first, second = _result(case, component, seed=1), _result(case, component, seed=2)
        require(not torch.equal(first, second), f"{name} = 0.5 makes no difference in training")


@check(*TENSOR_SLOTS)
def state_dict_round_trip(case: Case) -> None:
    """One with other weights gives the same after it loaded the state of one that trained, schedules included."""
    first, second = case.build(seed=1), case.build(seed=2)
    _trained_a_little(case, first)
    second.load_state_dict(first.state_dict(), strict=True)
    require(
        torch.equal(_result(case, first.eval()), _result(case, second)),
        "the same state gives another result in evaluation: something that matters is not in the state dict "
        "(keep it, and what training changes of it, in a persistent buffer)",
    )
    same = torch.equal(_result(case, first.train(), seed=1), _result(case, second.train(), seed=1))
    require(
        same,
        "the same state and random seed give another result in training (keep what training changes in a persistent "
        "buffer; draw from torch alone)",
    )


def _trained_a_little(case: Case, component: Any) -> None:
    """Passes in training over other inputs, as a schedule goes on: what they leave behind is state."""
    component.train()
    _, mask = _usual(case)
    B, N = mask.shape
    for step, done in enumerate((0.2, 0.5, 0.7)):
        component.set_progress(done)
        apply(case.slot, component, inputs(case.slot, B, N, seed=5 + step), mask)


@check(*TENSOR_SLOTS, "objective")
def constants_are_buffers(case: Case) -> None:
    """The constructor keeps no tensors as plain attributes, which neither move with the component nor are saved."""
    for path, module in case.make().named_modules():
        for name, value in vars(module).items():
            where = f"{path}.{name}" if path else name
            require(
                not isinstance(value, Tensor),
                f"{where} is no buffer, so that it neither moves with the component nor is saved: "
                f'self.register_buffer("{name}", …)',
            )


@check(*TENSOR_SLOTS)
def parameters_are_there_from_the_start(case: Case) -> None:
    """Nothing is created, and no parameter changed, by a forward pass in evaluation."""
    component = case.build()
    before = {name: tensor.clone() for name, tensor in component.state_dict().items()}
    _result(case, component)
    after = component.state_dict()
    require(before.keys() == after.keys(), f"a forward pass adds {', '.join(sorted(after.keys() ^ before.keys()))}")
    for name, tensor in before.items():
        require(torch.equal(tensor, after[name]), f"a forward pass in evaluation changes {name}")


@check(*TENSOR_SLOTS)
def builds_without_weights(case: Case) -> None:
    """On the meta device: the same shapes, no memory, and a forward pass."""
    real, usual = case.build(), _usual(case)
    with torch.device("meta"):
        component = case.make()
    out = _meta_result(case, component, *(torch.empty_like(tensor, device="meta") for tensor in usual))
    state = component.state_dict()
    solid = [name for name, tensor in (*component.named_parameters(), *component.named_buffers()) if not tensor.is_meta]
    require(not solid, f"made on a fixed device instead of the current one: {', '.join(solid)}")
    shapes = {name: tensor.shape for name, tensor in real.state_dict().items()}
    require({name: t.shape for name, t in state.items()} == shapes, "shapes differ from those built with weights")
    require(out.is_meta and out.shape == _result(case, real).shape, "a forward pass gives another shape or device")


def _meta_result(case: Case, component: Any, x: Tensor, mask: Tensor) -> Tensor:
    """Where meta is not the current device: what is made there without a device is made on the CPU, as with a GPU."""
    try:
        return apply(case.slot, component, x, mask)
    except RuntimeError as error:
        if not any(words in str(error) for words in ("same device", "expected device")):
            raise
        words = "a tensor is on the CPU wherever the input is: make it with device=x.device, or a constant as a buffer"
        raise ViolationError(f"{words}; {explain(error, case)}") from error


@check(*TENSOR_SLOTS)
def can_be_copied(case: Case) -> None:
    """A deep copy after a training step gives the same and shares no weights (moving averages need it)."""
    component = case.build().train()
    out = apply(case.slot, component, *_usual(case))
    if out.requires_grad:
        out.sum().backward()
    twin = copy.deepcopy(component)
    require(torch.equal(_result(case, component.eval()), _result(case, twin.eval())), "the copy gives another result")
    shared = {id(p) for p in component.parameters()} & {id(p) for p in twin.parameters()}
    require(not shared, "the copy shares parameters with the original")


@check(*TENSOR_SLOTS)
def follows_the_training(case: Case) -> None:
    """``set_progress`` is taken at the start, the middle and the end."""
    component = case.build()
    for done in (0.0, 0.5, 1.0):
        component.set_progress(done)
        for mode in (component.train(), component.eval()):
            out = _result(case, mode)
            require(bool(torch.isfinite(out).all()), f"not finite at progress {done}")
