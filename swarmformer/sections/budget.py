"""The keys of the section ``train`` that belong to no ingredient."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from swarmformer.contracts import Strict


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
        "auto",
        description="of the forward and backward pass; auto: the faster one here, in a grid for its first run; "
        "weights stay in fp32",
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
