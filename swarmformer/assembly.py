"""From a checked specification to a model, and to what trains it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from swarmformer import registry
from swarmformer.contracts import Augmentation, Dims, Model, Objective, Optimiser
from swarmformer.data.encoded import UNLABELLED
from swarmformer.models.parts import Parts
from swarmformer.models.with_channel import WithChannel
from swarmformer.once import kept_by
from swarmformer.places import told_at
from swarmformer.sections.short_names import USUAL
from swarmformer.spec import ComponentSpec, ModelSpec, StageSpec, TrainSpec


def assemble(spec: ModelSpec) -> Model:
    """Build the model; its initial weights depend on torch's global seed and the specification.

    Raises:
        SpecError: sizes that do not fit together; the error's ``path`` names the key.
    """
    family = registry.get("model", spec.name)
    parts = Parts(spec.dims, spec.slots) if spec.slots else None  # which draws from the global stream
    leading = (spec.dims,) if parts is None else (spec.dims, parts)
    with told_at("model"):
        model: Model = family(*leading, **spec.options)
        if spec.channel is not None:
            model = WithChannel(model, spec.channel.make(spec.dims))
    held = {id(module) for module in model.modules()}
    model.let_go = tuple(part for part in (parts.built if parts else ()) if id(part) not in held)
    model.spec = spec
    return model


@dataclass(frozen=True)
class Ingredients:
    """What a section ``train``, its stages aside, is made of."""

    objective: Objective
    optimiser: Optimiser
    augmentation: Augmentation


def make_ingredients(train: TrainSpec, dims: Dims) -> Ingredients:
    """Build them; initial weights of an objective depend on torch's global seed.

    Raises:
        SpecError: options that do not fit together or to the sizes; the error's ``path`` names the key.
    """
    return Ingredients(*(make_ingredient(slot, getattr(train, slot), dims) for slot in USUAL))


def make_ingredient(slot: str, spec: ComponentSpec, dims: Dims) -> Any:
    """Build one of them, alone."""
    with told_at("train", slot):
        return spec.make(*(dims,)[: len(registry.leading_of(slot, spec.part))])


@kept_by(lambda spec: spec.model_dump_json())
def assemble_without_weights(spec: ModelSpec) -> Model:
    """The same model on the meta device: shapes, parameters and FLOPs without memory for weights.

    torch's global random state stays as it was.
    """
    with without_weights():
        return assemble(spec)


@contextmanager
def without_weights() -> Iterator[None]:
    """Modules made meanwhile are on the meta device; torch's global random state stays as it was."""
    with torch.random.fork_rng(devices=[]), torch.device("meta"), _NoDraws():
        yield


DRAWS = (Tensor.normal_, nn.init.normal_, Tensor.uniform_, nn.init.uniform_, nn.init.kaiming_uniform_)
DRAWN = (torch.randn, torch.rand)


class _NoDraws(TorchFunctionMode):
    """Leaves out draws, and what scales them: without values they do nothing, but on the meta device they are a third
    of the time that a model takes, and import torch's compiler (1 s)."""

    def __torch_function__(
        self, function: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        named = kwargs or {}
        if function in DRAWS:
            return args[0] if args else named["tensor"]
        if function in DRAWN:
            return torch.empty(*args, **{name: value for name, value in named.items() if name != "generator"})
        if function is Tensor.mul and _is_drawn(args[0]) and isinstance(args[1], float):
            return args[0]
        return function(*args, **named)


def _is_drawn(tensor: Tensor) -> bool:
    return tensor.is_meta and tensor.is_floating_point() and not tensor.requires_grad


def trains_on_unlabelled(chosen: StageSpec) -> bool:
    """Whether a stage is given texts without labels."""
    return UNLABELLED in chosen.make().trains_on.split("+")
