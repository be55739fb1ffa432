"""Measure groups of figures, each in a fresh process, between two looks at the machine's limits."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from multiprocessing import get_context

import torch

from swarmformer.cost.machine import Limits, measure_limits
from swarmformer.cost.rounds import time_arms
from swarmformer.ops.memory import keep_freed_memory
from swarmformer.records import SpeedRatio, TimedArm, UntimedArm

from ..speed.depth import DEPTHS, GROUPS
from ..speed.figure import PRODUCTS, arm_row, figure_row, judged, worth_timing

logger = logging.getLogger("swarmformer.speed")
CPU = torch.device("cpu")
LIMIT_S = 4.0


@dataclass
class GroupSpeeds:
    """Of one group or of several: arms, figures, and what is missing with its reason; ``limits`` by precision."""

    arms: list[TimedArm] = field(default_factory=list)
    figures: list[SpeedRatio] = field(default_factory=list)
    missing: list[UntimedArm] = field(default_factory=list)
    limits: dict[str, Limits] = field(default_factory=dict)


def measure_groups(depth: str, threads: int, keep_memory: bool, titles: Iterable[str] = ()) -> GroupSpeeds:
    """Time group after group (all, where none is named); the arms of a group are interleaved in random order.

    Every group has a process of its own: what the memory allocator does depends on what went before, and costs
    the published code half its time where large tensors are mapped anew.

    Raises:
        ViolationError: arms that do not agree; they are not timed.
        LimitError: an arm that seems faster than the machine.
    """
    found, before = GroupSpeeds(), _limits()
    for title in titles or GROUPS:
        logger.info("measuring: %s", title)
        with get_context("spawn").Pool(1) as process:  # left on any exception, it ends the process
            part = process.apply(measure_group, (title, depth, threads, keep_memory))
        found.arms += part.arms
        found.figures += part.figures
        found.missing += part.missing
    found.limits = {word: before[word].raised_by(after) for word, after in _limits().items()}
    found.arms = [judged(row, found.limits) for row in found.arms]
    return found


def measure_group(title: str, depth: str, threads: int, keep_memory: bool) -> GroupSpeeds:
    """Build and time one group in this process."""
    torch.set_num_threads(threads)
    if keep_memory:
        keep_freed_memory()
    chosen = DEPTHS[depth]
    group = worth_timing(GROUPS[title](chosen))
    missing = [UntimedArm(group=title, arm=name, reason=why) for name, why in group.missing.items()]
    if not group.arms:
        return GroupSpeeds(missing=missing)
    calls = {name: arm.call for name, arm in group.arms.items()}
    samples = time_arms(calls, device=CPU, budget_s=chosen.budget_s, min_repeats=chosen.min_repeats)
    return GroupSpeeds(
        arms=[arm_row(title, name, arm, samples[name]) for name, arm in group.arms.items()],
        figures=[figure_row(figure, group.arms, samples) for figure in group.figures],
        missing=missing,
    )


def _limits() -> dict[str, Limits]:
    dtypes = {"fp32": torch.float32, "bf16": torch.bfloat16}
    return {word: measure_limits(CPU, PRODUCTS, LIMIT_S, dtype=dtype) for word, dtype in dtypes.items()}
