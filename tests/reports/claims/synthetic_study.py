"""Studies made by hand: grids whose contrasts say what a test needs, without any run folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from reports.claims.judgement import Finding
from reports.claims.measurements import Measurements
from reports.published import Claim, Published, read_published
from reports.statistics.interval import Interval
from reports.statistics.verdict import Verdict
from reports.study.contrasts import Contrast, Design, Family
from reports.study.model import GridStudy, Study
from reports.study.registration import Followed
from reports.study.subjects import Arm, Reference

NONE = Measurements()


def contrast(name: str, verdict: Verdict | None, *, reason: str = "", simple: tuple[Contrast, ...] = ()) -> Contrast:
    """A main effect of 2 points with a verdict that the study gave it."""
    interval = Interval(0.02, 0.01, 0.03, 16)
    return Contrast(
        "main", name, "", "main effects", interval, 0.01, 0.02, verdict, reason, 16, (f"grid/{name}-s0",),
        simple=simple, terms=(name,), tests=2,
    )  # fmt: skip


def grid(name: str, *effects: Contrast, **changes: Any) -> GridStudy:
    """With a design whose main effects are these, or without one."""
    main, interactions = Family("main effects", None, effects), Family("interactions", None, ())
    factors = tuple(effect.name for effect in effects)
    levels = {"base": (), "base+all": factors}
    design = Design("factorial", factors, levels, "", None, main, interactions, "")
    fields: dict[str, Any] = {
        "name": name, "folder": Path(name), "home": Path(name), "task": "imdb", "base": "base", "metric": "accuracy",
        "margin": 0.01, "arms": (), "others": (), "references": (), "left_out": (), "families": (),
        "effects": (design,) if effects else (), "data_key": "", "followed": Followed(""),
    }  # fmt: skip
    return GridStudy(**{**fields, **changes})


def arm(name: str, accuracies: Mapping[int, float], interval: Interval | None = None) -> Arm:
    """One that was run with these seeds; its variant has its name."""
    runs = pd.DataFrame({
        "where": [f"grid/{name}-s{seed}" for seed in accuracies], "accuracy": list(accuracies.values()),
        "test_examples": 1000,
    })  # fmt: skip
    return Arm(
        name=name, variant=name, run_key="", is_base=False, runs=runs, planned=len(runs), accuracy=interval,
        value=interval, validation=None, values=accuracies, means={}, size=None, speeds={},
        sources=tuple(runs["where"]),
    )  # fmt: skip


def reference(name: str, accuracy: Interval, kind: Any = "baseline", split: str = "test") -> Reference:
    return Reference(name, kind, split, accuracy, "", ("grid/floors.json",))


def study(*grids: GridStudy) -> Study:
    return Study(grids, pd.DataFrame())


def judged(
    decide: Mapping[str, Any],
    evidence: Study | None = None,
    measurements: Measurements = NONE,
    published: Published | None = None,
    numbers: tuple[str, ...] = (),
) -> Finding:
    """What a rule says, of a claim that states these published numbers."""
    known = published or read_published()
    claim = Claim(key="key", document="000", claim="A claim", published=numbers, decide=decide)  # type: ignore[arg-type]
    return claim.decide.judge(claim, evidence or study(), known, measurements)
