"""What gated updates are made of: what clusters say to their tokens, a layer of two inputs, and the update itself."""

from __future__ import annotations

from torch import Tensor

from swarmformer.contracts.router import Assignment
from swarmformer.ops.gating import cpu, plain
from swarmformer.ops.gating.plain import Said
from swarmformer.ops.switch import applies

__all__ = ["Said", "add", "move", "pair_linear", "said"]


def said(assignment: Assignment, c_BCX: Tensor) -> Said:
    """``broadcast(c_BCX)`` to compute with: held per cluster where every token gets a copy of one, else per token."""
    if assignment.copies and applies(c_BCX):
        return cpu.SaidByCluster(assignment, c_BCX)
    return Said(assignment.broadcast(c_BCX))


def pair_linear(x: Tensor, u: Tensor | Said, weight: Tensor, bias: Tensor) -> Tensor:
    """W [x; u] + b for x and u of [..., D] and a weight of [..., 2D]."""
    heard = Said(u) if isinstance(u, Tensor) else u
    return (cpu if applies(x) else plain).pair_linear(x, heard, weight, bias)


def move(x: Tensor, u: Tensor, gate: Tensor) -> Tensor:
    """x + gate · (u − x)."""
    return (cpu if applies(x) else plain).move(x, u, gate)


def add(x: Tensor, u: Tensor, gate: Tensor) -> Tensor:
    """x + gate · u."""
    return (cpu if applies(x) else plain).add(x, u, gate)
