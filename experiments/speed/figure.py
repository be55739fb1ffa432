"""Figures: what is compared with what, by how much it ought to be faster, and what was measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import torch

from swarmformer.cost.limits import LimitError
from swarmformer.cost.machine import Limits
from swarmformer.cost.precision import GAIN, product_rates
from swarmformer.cost.rounds import Samples
from swarmformer.modes import Precision
from swarmformer.records import LIMIT_TOLERANCE, SpeedRatio, TimedArm


@dataclass(frozen=True)
class Arm:
    """Something to time. Seconds are compared per text: ``texts`` is how many a call takes.

    ``flops`` of a call as the arithmetic is written (multiply-adds × 2), whatever a fast path saves; None where
    nothing is claimed.
    """

    call: Callable[[], Any]
    texts: int
    flops: int | None = None
    precision: Precision = "fp32"


@dataclass(frozen=True)
class Target:
    """``ours`` against the fastest of ``references``: how many times faster it must be, and is hoped to be.

    ``growth`` turns it round: how many times more seconds per call ``ours`` may take, at most.
    """

    title: str
    references: tuple[str, ...]
    ours: str
    least: float
    aim: float
    growth: bool = False


@dataclass(frozen=True)
class Group:
    """Arms that are timed side by side, and the figures that come of them.

    ``missing`` says why an arm cannot be timed here.
    """

    arms: Mapping[str, Arm]
    figures: tuple[Target, ...]
    missing: Mapping[str, str] = field(default_factory=dict)


PRODUCTS = [(rows, inner, 192) for rows in (768, 1536, 3072, 6144) for inner in (192, 384)]
"""Shapes of SwarmFormer-Base's own products, in pieces of a batch."""


@cache
def slow_bf16() -> str:
    """Why bf16 is not worth timing on this machine, with both rates; empty where it is."""
    rates = product_rates(PRODUCTS, torch.device("cpu"))
    if rates["bf16"] * GAIN >= rates["fp32"]:
        return ""
    capability = torch.backends.cpu.get_cpu_capability()
    return (
        f"bf16 has no fast units here ({capability}): products run at {rates['bf16'] / 1e9:.3g} GFLOP/s, in fp32 at "
        f"{rates['fp32'] / 1e9:.3g}"
    )


def worth_timing(group: Group) -> Group:
    """The group without its arms in bf16 where that is slow: they would take all the time, and tell what is known."""
    reason = slow_bf16() if any(arm.precision != "fp32" for arm in group.arms.values()) else ""
    if not reason:
        return group
    arms = {name: arm for name, arm in group.arms.items() if arm.precision == "fp32"}
    figures = tuple(figure for figure in group.figures if figure.ours in arms)
    return Group(arms, figures, {**group.missing, **dict.fromkeys(group.arms.keys() - arms.keys(), reason)})


def arm_row(group: str, name: str, arm: Arm, samples: Samples) -> TimedArm:
    """What was measured of one arm."""
    return TimedArm(
        group=group,
        arm=name,
        texts=arm.texts,
        precision=arm.precision,
        flops=arm.flops,
        seconds=samples.seconds,
        **samples.to_dict(),
    )


def judged(row: TimedArm, limits: Mapping[str, Limits]) -> TimedArm:
    """The row of an arm with its share of the machine's best rate of matrix products in its precision.

    Raises:
        LimitError: it seems to compute faster than that.
    """
    if row.flops is None:
        return row
    limit = limits["fp32" if row.precision == "fp32" else "bf16"]
    share = row.flops / row.median_s / limit.matmul_flops_per_s
    if share > LIMIT_TOLERANCE:
        raise LimitError(f"{row.arm}: {share:.2f} times the machine's best rate of matrix products; not reported")
    return row.model_copy(update={"share_of_limit": share})


def figure_row(target: Target, arms: Mapping[str, Arm], samples: Mapping[str, Samples]) -> SpeedRatio:
    """The median of the ratio, and its 20th and 80th percentile, over the rounds, in which the arms were neighbours."""
    known = [name for name in target.references if name in samples]
    reference = min(known, key=lambda name: samples[name].p50 / arms[name].texts)
    pairs = [_ratio(target, arms, {n: s.seconds[i] for n, s in samples.items()}, reference) for i in _rounds(samples)]
    p20, p50, p80 = (float(value) for value in np.percentile(pairs, (20, 50, 80)))
    return judged_figure(target, reference, p50, (p20, p80), len(pairs))


def judged_figure(
    target: Target, reference: str, ratio: float, spread: tuple[float | None, float | None], rounds: int
) -> SpeedRatio:
    """The row of a figure; ``spread`` is the 20th and 80th percentile of the ratio."""
    return SpeedRatio(
        figure=target.title,
        reference=reference,
        ours=target.ours,
        ratio=ratio,
        ratio_p20=spread[0],
        ratio_p80=spread[1],
        rounds=rounds,
        least=target.least,
        aim=target.aim,
        growth=target.growth,
        reached=ratio <= target.least if target.growth else ratio >= target.least,
    )


def _rounds(samples: Mapping[str, Samples]) -> range:
    return range(min(found.n for found in samples.values()))


def _ratio(target: Target, arms: Mapping[str, Arm], seconds: Mapping[str, float], reference: str) -> float:
    if target.growth:
        return seconds[target.ours] / seconds[reference]
    return (seconds[reference] / arms[reference].texts) / (seconds[target.ours] / arms[target.ours].texts)
