"""What the experiments that measure cost share: arms at a length, timed rows, what is missing and why."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

import psutil
import torch

from swarmformer.assembly import assemble, assemble_without_weights
from swarmformer.contracts import Model
from swarmformer.cost.limits import Work, judge
from swarmformer.cost.machine import Limits
from swarmformer.cost.parts import count_parameters
from swarmformer.cost.passes import Mode
from swarmformer.cost.report import work_of
from swarmformer.cost.rounds import Samples
from swarmformer.data.files import json_hash
from swarmformer.records import MissingRow, Record
from swarmformer.rehearsal import check_lengths
from swarmformer.spec import ModelSpec
from swarmformer.variants import Variant

RowT = TypeVar("RowT", bound=Record)
MEMORY_SHARE = 0.8
"""Of the memory that is free, what a measurement may take before it is called too large."""


@dataclass(frozen=True, eq=False)
class CostArm:
    """A variant at a length. ``raised_from`` is its own seq_len where that was shorter."""

    variant: str
    length: int
    spec: ModelSpec
    raised_from: int | None

    @property
    def key(self) -> str:
        """Hash of the model alone: cost does not depend on data and training."""
        return json_hash(self.spec.to_dict())[:16]

    def build(self) -> Model:
        torch.manual_seed(0)
        return assemble(self.spec)

    def work(self, batch: int, mode: Mode, device: torch.device) -> Work:
        return work_of(self.build(), batch, self.length, mode, device)

    def build_without_weights(self) -> Model:
        return assemble_without_weights(self.spec)

    def columns(self) -> dict[str, Any]:
        return {
            "run_key": self.key,
            "variant": self.variant,
            "length": self.length,
            "seq_len_raised_from": self.raised_from,
            "parameters": count_parameters(self.build_without_weights()),
        }


@dataclass(frozen=True)
class Timed:
    """A row before the limits are known; ``place`` names it in errors."""

    place: str
    columns: dict[str, Any]
    samples: Samples
    work: Work

    def judged(self, kind: type[RowT], limits: Limits, **same: Any) -> RowT:
        """The finished row, with columns that ``same`` adds.

        Raises:
            LimitError: it is faster than the machine.
            ValidationError: it is no row of this kind.
        """
        held = judge(self.place, self.work, self.samples.p50, limits)
        return kind(**{**self.columns, **same, **self.samples.to_dict(), **held})


def arm_at(variant: Variant, length: int) -> CostArm | MissingRow:
    """The variant ready for texts of ``length`` tokens, or why it cannot take them."""
    spec = variant.model_spec()
    limit = spec.dims.seq_len
    if length > limit:
        spec = spec.model_copy(update={"dims": spec.dims.model_copy(update={"seq_len": length})})
    try:
        check_lengths(assemble_without_weights(spec), [length])
    except ValueError as error:
        return MissingRow(variant=variant.name, length=length, reason=str(error))
    return CostArm(variant.name, length, spec, limit if length > limit else None)


def split_missing(found: Iterable[CostArm | MissingRow]) -> tuple[list[CostArm], list[MissingRow]]:
    found = list(found)
    arms = [arm for arm in found if isinstance(arm, CostArm)]
    return arms, [arm for arm in found if isinstance(arm, MissingRow)]


def free_memory() -> int:
    """Bytes that a measurement may take."""
    return int(MEMORY_SHARE * psutil.virtual_memory().available)
