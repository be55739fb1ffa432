"""``swarmformer grid plan``: what a plan asks for, and what its comparisons must not overlook."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

from .arms import Arm
from .data import Found, read_data
from .plan import Plan, load_plan
from .registration import register
from .tune import TuneSpec

FEW_SEEDS = {1: "1 seed: there is no interval, so that nothing can be decided",
             2: "2 seeds: hardly any difference can be decided"}  # fmt: skip


def plan_grid(grid: Path, folder: Path) -> None:
    """Resolve and build every cell of a grid, read own files, print all of it, and register the plan in ``folder``.

    Raises:
        SpecError, DataError: a cell that cannot be built, or data that cannot be read.
        UnreadableFileError: what is registered already cannot be read.
    """
    plan = load_plan(grid)
    for line in (*_arms(plan), *remarks(plan), *_tuning(plan), *_comparisons(plan)):
        print(line)
    found = read_data(plan)
    for line in (*found.lines, *warnings(plan, found)):
        print(line)
    print(f"registered as {register(plan, folder)[:12]} in {folder}")


def warnings(plan: Plan, found: Found) -> Iterator[str]:
    """Of keys that do nothing, and of own data."""
    yield from _of_some(plan, lambda arm: arm.spec.idle())
    yield from (f"warning: {words}" for words in found.warnings)


def remarks(plan: Plan) -> Iterator[str]:
    """What a comparison of these arms must not overlook, and which they are."""
    said = _arms_by_words(plan, lambda arm: arm.remarks)
    for remark, arms in said.items():
        yield f"warning: {', '.join(arms)}: {remark}"
    if said:
        yield ("Unless its line says that nothing is wrong, such an arm is at a disadvantage for its size or task, or "
               "breaks its contract, so that a comparison with it may say little of the mechanism: mend it, change its "
               "options or sizes (model: in the file), or leave the arm out")  # fmt: skip


def _arms_by_words(plan: Plan, said_of: Callable[[Arm], Iterable[str]]) -> dict[str, list[str]]:
    """What is said of arms → those that it is said of."""
    found = dict[str, list[str]]()
    for arm in plan.arms:
        for words in said_of(arm):
            found.setdefault(words, []).append(arm.name)
    return found


def _of_some(plan: Plan, said_of: Callable[[Arm], Iterable[str]]) -> Iterator[str]:
    """The same as warnings, which name their arms unless it is all of them."""
    for words, arms in _arms_by_words(plan, said_of).items():
        whose = "" if len(arms) == len(plan.arms) else f"{', '.join(arms)}: "
        yield f"warning: {whose}{words}"


def _arms(plan: Plan) -> Iterator[str]:
    """Arms with their price, and how many cells there are."""
    yield f"{'arm':40} {'run key':16} {'parameters':>12} {'not embedding':>14} {'MFLOP/example':>14}"
    for arm in plan.arms:
        total, rest, flops = arm.parameters.total, arm.parameters.without_embedding, arm.flops.forward
        key = "to be chosen" if arm.is_open else arm.run_key
        yield f"{arm.name:40} {key:16} {total:12,} {rest:14,} {flops / 1e6:14.2f}"
    yield f"{len(plan.arms)} arms × {len(plan.grid.seeds)} seeds = {plan.size} cells; all of them build"
    if (seeds := len(plan.grid.seeds)) in FEW_SEEDS:
        yield f"{FEW_SEEDS[seeds]}; see docs/grids.md, 'How many seeds, which margin'"


def _tuning(plan: Plan) -> Iterator[str]:
    """The trials that come first, where there are any."""
    tune = plan.grid.tune
    if tune is None:
        return
    tried = "; ".join(f"{key} {', '.join(map(str, values))}" for key, values in tune.values.items())
    each = len(list(tune.combinations())) * len(tune.seeds)
    epochs = f", {tune.epochs} epoch{'s' * (tune.epochs > 1)} each" if tune.epochs else ""
    yield (f"tuned first, for every arm: {tried}; seeds {', '.join(map(str, tune.seeds))}: {each} trials an arm, "
           f"{each * len(plan.arms)} in all{epochs}; chosen by {plan.metric} on validation")  # fmt: skip
    yield from _of_some(plan, partial(_short_trials, tune))


def _short_trials(tune: TuneSpec, arm: Arm) -> Iterator[str]:
    """What is to be said where trials of an arm have fewer epochs than its runs."""
    train = arm.spec.train
    last = train.of_stage(train.stages[-1])
    epochs = last.epochs
    if tune.epochs is not None and tune.epochs < epochs and not last.max_steps:
        yield (f"tune.epochs {tune.epochs} is less than the {epochs} of a run that counts: a rate that suits few "
               "epochs may be too high for more; leave tune.epochs out unless such trials cost too much")  # fmt: skip


def _comparisons(plan: Plan) -> Iterator[str]:
    """What all arms share, designs, matched pairs, and what decides."""
    for design in plan.designs:
        resolution = f" of resolution {design.resolution}" if design.resolution else ""
        yield (f"{design.kind} design{resolution}: {len(design.levels)} arms, base {design.base}, "
               f"factors {', '.join(design.factors)}")  # fmt: skip
    for pair in plan.matched:
        ratio = "known after the runs" if pair.ratio is None else f"{pair.ratio:.4f}"
        yield f"matched in {pair.quantity}: {pair.arm} / {pair.control} = {ratio} (±{pair.tolerance:g})"
    if plan.grid.primary is not None:
        margin = f"equivalent within ±{plan.grid.primary.margin:g} points"
        yield f"decided by test {plan.grid.primary.metric}{_of_classes(plan, plan.grid.primary.metric)}, {margin}"


def _of_classes(plan: Plan, metric: str) -> str:
    """Whose F1 it is."""
    if metric != "f1":
        return ""
    task = plan.arms[0].spec.data.task.make()
    if task.next_token:
        return " (mean over tokens)"
    names = task.class_names
    return f" of class {names[1]!r}" if len(names) == 2 else f" (mean over {len(names)} classes)"
