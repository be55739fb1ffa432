"""The section ``train`` as it is written: budget, ingredients, and options of ingredients in short.

``lr`` is short for ``optimiser.lr`` where the optimiser, and no other ingredient, has an option ``lr``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from swarmformer import registry
from swarmformer.contracts import Strict
from swarmformer.errors import SpecError
from swarmformer.schema import Locate, dotted, options_of

USUAL = {"objective": "cross_entropy", "optimiser": "adamw", "augmentation": "none"}
"""What is meant where no ingredient is named."""
STAGES = "stages"
Path = tuple[str, ...]


class TrainBudget(Strict):
    """How long, how much at once, how precisely: the same whatever is minimised, and by whom."""

    epochs: int = Field(8, ge=1, description="passes over the training texts; the learning rate ends with the last")
    max_steps: int = Field(0, ge=0, description="optimiser steps at most; 0: as many as the epochs have")
    batch_size: int = Field(64, ge=1, description="texts in a training batch")
    patience: int = Field(0, ge=0, description="epochs without a better score that end a stage; 0: none do")
    min_epochs: int = Field(0, ge=0, description="epochs of a stage before `patience` may end it")
    clip_norm: float = Field(1.0, ge=0, description="greatest norm of the gradient; 0: never clipped")
    ema_decay: float = Field(0.0, ge=0, lt=1, description="decay of a moving average of the weights; 0: no average")
    ema_warmup: bool = Field(False, description="the decay after t steps is at most (1 + t) / (10 + t)")
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto", description="of the forward and backward pass; auto: the faster one here; weights stay in fp32"
    )
    micro_batch: int = Field(
        0, ge=0, description="texts computed at once, 0: all of a batch; its gradient stays; halved where memory ends"
    )
    compile: bool | Literal["auto"] = Field(
        "auto", description="train through `torch.compile`; auto: on a GPU, where 1,000 steps or more are not replayed"
    )
    capture: bool | Literal["auto"] = Field(
        "auto", description="replay full batches as CUDA graphs; auto: on a GPU, in stages of 100 steps or more"
    )
    tf32: bool = Field(True, description="on a GPU, products of what stays in fp32 may round their operands to TF32")
    eval_batch_size: int = Field(256, ge=1, description="texts in a batch of validation and test")
    read_test_each_epoch: bool = Field(
        False, description="read test after each epoch as the authors did, into a figure of its own that is no result"
    )
    checkpoint_seconds: float = Field(60.0, ge=0, description="seconds between checkpoints amid an epoch")

    @field_validator("compile", "capture", mode="before")
    @classmethod
    def _one_fault(cls, value: object, info: ValidationInfo) -> object:
        """Instead of a fault for each thing that it could be."""
        if isinstance(value, bool) or value == "auto":
            return value
        raise PydanticCustomError(str(info.field_name), "Input should be true, false or 'auto'")


KEYS = (*TrainBudget.model_fields, *USUAL, STAGES)


def spread(given: Mapping[str, Any], below: Mapping[str, Any], path: Path, locate: Locate) -> dict[str, Any]:
    """The section in which every ingredient that is touched is named and has all of its options.

    Args:
        below: the section that ``given`` is laid over; its ingredients are meant where ``given`` names no other.

    Raises:
        SpecError: an option of two ingredients in short; or one in both ways with two values.
    """
    section, owners = dict(given), short_names(given, below, path, locate)
    for key in [key for key in given if key in owners and key not in KEYS]:
        if len(owners[key]) > 1:
            choice = " or ".join(dotted((*path, slot, key)) for slot in owners[key])
            raise SpecError(f"{_place((*path, key), locate)}: of which ingredient? Write {choice}")
        [slot] = owners[key]
        part = _named(slot, section, below)
        if part.get(key, given[key]) != given[key]:
            both = " and ".join(_place(place, locate) for place in ((*path, key), (*path, slot, key)))
            raise SpecError(f"{both}: one option, two values; leave one of them out")
        section[slot] = {**part, key: section.pop(key)}
    return {key: _named(key, section, below) if key in USUAL else value for key, value in section.items()}


def short_names(given: Mapping[str, Any], below: Mapping[str, Any], path: Path, locate: Locate) -> dict[str, list[str]]:
    """Option → the slots of those chosen ingredients that have it."""
    owners: dict[str, list[str]] = {}
    for slot in USUAL:
        part = _named(slot, given, below)
        if isinstance(part, dict) and isinstance(part["name"], str):
            cls = registry.get(slot, part["name"], f"{_place((*path, slot), locate)}: ")
            for option in options_of(cls, registry.leading_of(slot, cls)):
                owners.setdefault(option.name, []).append(slot)
    return owners


def departing(section: Mapping[str, Any], usual: Mapping[str, Any]) -> dict[str, Any]:
    """What of a complete section differs from another; all of an ingredient that is another one."""
    kept = {key: value for key, value in section.items() if key != STAGES and value != usual[key]}
    for slot in USUAL.keys() & kept.keys():
        if kept[slot]["name"] == usual[slot]["name"]:
            kept[slot] = {key: value for key, value in kept[slot].items() if value != usual[slot][key]}
    return kept


def _named(slot: str, section: Mapping[str, Any], below: Mapping[str, Any]) -> Any:
    """What a section says of an ingredient, with its name; what is neither text nor mapping stays, to be refused."""
    value = section.get(slot, {})
    if isinstance(value, str):
        return {"name": value}
    if not isinstance(value, Mapping):
        return value
    lower = below.get(slot)
    lower_name = lower.get("name") if isinstance(lower, Mapping) else lower
    return {"name": lower_name if isinstance(lower_name, str) else USUAL[slot], **value}


def _place(path: Path, locate: Locate) -> str:
    return f"{locate(path)}{dotted(path)}"
