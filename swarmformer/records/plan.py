"""``plan.json`` and ``registered.json``: what a grid is to run, and what was planned before the first run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from .base import Count, Document, Positive, Record, RunKey, digest_of


class Parameters(Record):
    """``channel`` are those of a channel beside the model, which ``total`` leaves out."""

    total: Count
    without_embedding: Count
    channel: Count = 0


class Flops(Record):
    """Of one example at the padded ``length`` in tokens, multiply-adds × 2; ``training`` is a step's share of it."""

    forward: Count
    training: Count | None = None
    length: Count


class PlannedArm(Record):
    """``run_key`` is empty where values are to be chosen first; see ``TuningPlan``."""

    arm: str
    variant: str
    run_key: RunKey
    parameters: Parameters
    flops: Flops
    remarks: tuple[str, ...] = ()
    """What cannot act as it is meant to in this arm."""


class Identity(Record):
    """What says which cell a file belongs to."""

    run_key: RunKey
    arm: str
    seed: int


class PlannedCell(Identity):
    """``cell`` is the name of its folder; where values are to be chosen first, what it begins with, and no run key."""

    cell: str


Value = str | int | float | bool
"""Of an option that is tuned."""
TrialMetric = Literal["accuracy", "f1"]


class PlannedTrial(PlannedCell):
    """A trial: values of the tuned options, by their dotted names, with a seed of its own."""

    values: dict[str, Value]


class TuningPlan(Record):
    """Options that are tried alike for every arm before the seeds that count, by the validation split alone.

    ``epochs`` of a trial; None: as many as the runs that count.
    """

    options: dict[str, tuple[Value, ...]]
    seeds: tuple[int, ...]
    metric: TrialMetric
    epochs: int | None = None
    trials: tuple[PlannedTrial, ...]


DesignKind = Literal["one_in", "one_out", "factorial", "fractional"]
FACTORIALS: tuple[DesignKind, ...] = ("factorial", "fractional")
"""Kinds that main effects are estimated from."""


class Design(Record):
    """Arms that differ by factors. ``levels`` says for each arm which factors are on; ``base`` is what they are held
    against: the arm without any for one_in and factorials, the arm with all for one_out. ``resolution`` of a
    fraction; None where nothing is aliased."""

    kind: DesignKind
    base: str
    factors: tuple[str, ...]
    levels: dict[str, tuple[str, ...]]
    generators: str = ""
    resolution: int | None = None


class Matched(Record):
    """Two arms that are to cost the same; ``ratio`` is arm over control, None where only runs can tell (seconds)."""

    arm: str
    control: str
    quantity: Literal["parameters", "flops", "seconds"]
    tolerance: Positive
    ratio: Positive | None = None


class Primary(Record):
    """What the grid is to decide by: a metric of the test split, and the margin within which arms are equivalent."""

    metric: TrialMetric
    margin_points: Positive


class Plan(Document):
    """``plan.json``. ``hash`` is over what it decides; plans older than it have none.

    ``source``: SHA-256 over the files that it was made of (grid, variants, factors); empty in older plans.
    """

    grid: str
    description: str = ""
    base: str | None
    seeds: tuple[int, ...] = ()
    designs: tuple[Design, ...] = ()
    matched: tuple[Matched, ...] = ()
    primary: Primary | None = None
    tuning: TuningPlan | None = None
    arms: tuple[PlannedArm, ...]
    cells: tuple[PlannedCell, ...]
    hash: str = ""
    source: str = ""

    @model_validator(mode="after")
    def _names_agree(self) -> Plan:
        names = [arm.arm for arm in self.arms]
        if len(set(names)) < len(names):
            raise ValueError("two arms have the same name")
        unknown = ({cell.arm for cell in self.cells} | {self.base} - {None}) - set(names)
        if unknown:
            raise ValueError(f"not among its arms: {', '.join(sorted(map(str, unknown)))}")
        counting = {*self.seeds, *(cell.seed for cell in self.cells)}
        if self.tuning is not None and (shared := counting & {*self.tuning.seeds}):
            raise ValueError(f"seeds that tune must not count: {', '.join(map(str, sorted(shared)))}")
        return self

    def hashed(self) -> Plan:
        """The same plan with the hash of what it decides."""
        return self.model_copy(update={"hash": plan_hash(self.model_dump(mode="json"))})

    def decides_as(self, other: Plan) -> bool:
        """Whether both decide the same, whatever version named their keys and folders."""
        return self._decided() == other._decided()

    def extends(self, before: Plan) -> bool:
        """Whether it gives every arm the same further seeds, and decides all else as the plan before it."""
        ours, theirs = self._decided(), before._decided()
        seeds, known = set(ours.pop("seeds")), set(theirs.pop("seeds"))
        cells, planned = set(ours.pop("cells")), set(theirs.pop("cells"))
        further = {(arm, seed, key) for arm, _, key in planned for seed in seeds - known}
        return known < seeds and cells == planned | further and ours == theirs

    def _decided(self) -> dict[str, Any]:
        decided = {key: getattr(self, key) for key in DECIDED}
        trials = [(one.arm, one.seed, one.run_key, one.values) for one in self.tuning.trials] if self.tuning else []
        decided[TUNED] = self.tuning and (self.tuning.model_copy(update={"trials": ()}), trials)
        return {**decided, "cells": [(cell.arm, cell.seed, cell.run_key) for cell in self.cells]}


DECIDED = ("grid", "base", "seeds", "designs", "matched", "primary", "cells")
"""What a plan decides; its hash is over these, and over ``TUNED`` where the plan has it."""
TUNED = "tuning"


def plan_hash(raw: Mapping[str, Any]) -> str:
    """SHA-256 over the JSON values of what a plan decides as they stand in its file; a missing key counts as null."""
    decided = {key: raw.get(key) for key in DECIDED} | ({TUNED: raw[TUNED]} if raw.get(TUNED) is not None else {})
    text = json.dumps(decided, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return digest_of(text.encode("utf-8", "surrogatepass"))


class Registration(Document):
    """``registered.json``: the plan as it was before the first run, or before the first run of further seeds."""

    hash: Annotated[str, Field(min_length=1)]
    registered_at: str
    code_revision: str
    code_hash: str = ""
    plan: Plan


class Extensions(Document):
    """``extended.json``: the registrations of further seeds of a grid that had begun, the oldest first; each plan has
    all seeds of those before it."""

    registrations: tuple[Registration, ...]
