"""The least time that a piece of work can take on this machine, and the share of it that was reached.

least time = max(FLOPs / best rate of matrix products, least bytes / best rate of copying so many bytes):
the roofline (Williams, Waterman & Patterson 2009) turned into seconds. A share above one breaks physics.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from swarmformer.contracts import Embedding, Model
from swarmformer.contracts.model import token_tables
from swarmformer.cost.machine import Limits
from swarmformer.errors import SwarmformerError
from swarmformer.records import LIMIT_TOLERANCE


class LimitError(SwarmformerError, ArithmeticError):
    """A model that seems to compute faster than the machine can."""


@dataclass(frozen=True)
class Work:
    """What must be done at least: ``flops`` (multiply-adds × 2) and ``least_bytes`` moved.

    ``computed_flops``, where a fast path saves operations, are those that are left: the least time is theirs.
    """

    flops: int
    least_bytes: int
    computed_flops: int | None = None

    @property
    def computed(self) -> int:
        return self.flops if self.computed_flops is None else self.computed_flops


def forward_work(model: Model, ids_BN: Tensor, flops: int) -> Work:
    """A forward pass over ``ids_BN`` that computes ``flops``.

    Least bytes: ids read, every weight read once, of the token table the rows that are looked up,
    logits written (one row per text). What an embedding adds to the rows (positions) is left out.
    """
    looked_up = int(ids_BN.unique().numel())
    tables = sum(looked_up * table[0].nbytes for table in token_tables(model))
    logits = len(ids_BN) * model.dims.num_classes * next(model.parameters()).element_size()
    return Work(flops, ids_BN.nbytes + _weight_bytes(model) + tables + logits)


def _weight_bytes(model: Model) -> int:
    embeddings = [module for module in model.modules() if isinstance(module, Embedding)]
    left_out = {id(weight) for module in embeddings for weight in module.parameters()}
    left_out |= {id(table) for table in token_tables(model)}
    return sum(weight.nbytes for weight in model.parameters() if id(weight) not in left_out)


def judge(name: str, work: Work, median_s: float, limits: Limits) -> dict[str, Any]:
    """The columns of ``records.Latency`` that hold a median against the least time its work needs.

    ``name`` is for the error.

    Raises:
        LimitError: faster than the machine can be, by more than ``LIMIT_TOLERANCE``.
    """
    compute_s = work.computed / limits.matmul_flops_per_s
    bytes_per_s = limits.copy_rate(work.least_bytes)
    least_s = max(compute_s, work.least_bytes / bytes_per_s)
    if least_s > LIMIT_TOLERANCE * median_s:
        raise LimitError(_beyond(name, work, median_s, limits, compute_s >= least_s))
    return {
        "flops": work.flops,
        "computed_flops": work.computed,
        "least_bytes": work.least_bytes,
        "limit_flops_per_s": limits.matmul_flops_per_s,
        "limit_bytes_per_s": bytes_per_s,
        "least_s": least_s,
        "share_of_limit": compute_s / median_s,
        "share_of_least": least_s / median_s,
    }


def _beyond(name: str, work: Work, median_s: float, limits: Limits, computing: bool) -> str:
    if computing:
        done, rate, best = f"{work.computed:.3g} FLOPs", work.computed / median_s, limits.matmul_flops_per_s
        limit = f"matrix-product rate of this machine, {best:.3g} FLOP/s at {limits.precision} precision"
    else:
        done, rate, best = (
            f"{work.least_bytes:.3g} bytes",
            work.least_bytes / median_s,
            limits.copy_rate(work.least_bytes),
        )
        limit = f"rate of copying so many bytes on this machine, {best:.3g} bytes/s"
    return (
        f"{name}: {done} in {median_s:.3g} s would be {rate / best:.2f} times the best {limit}. That breaks physics: "
        "the timer does not wait for the device, the model's flops() is wrong (compare cost.operations."
        "counted_flops), or the limit was measured while the machine was busy"
    )
