"""What a reader of the judged claims must know: how verdicts come about, and on what they were measured."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..published import Published
from ..recipes import spec_of, value_at
from ..study.model import GridStudy, Study
from ..words import plural

RULES = (
    "Accuracy: verdicts of each grid are those of its other tables. A claim that something is better is confirmed "
    "where it is better in every grid, refuted where it is worse or equivalent in every grid. A claim that accuracy is "
    "kept: confirmed where it is better or equivalent in every grid, refuted where it is worse in every grid. Not "
    "confirmed: all else, so also where it depends on another enhancement. A grid whose plan was not registered before "
    "its runs decides nothing. Smallest found: the true difference, in points, that is found with 80 % power, after "
    "Holm's correction."
)
COST = (
    "Cost: ratios to base, one text, one thread on a CPU, 95 % interval of the seconds. FLOPs decide where a document "
    "speaks of computation, seconds where it speaks of speed; both are shown. Confirmed where every ratio is below one "
    "beyond its interval, refuted where every one is at least one, else not confirmed."
)
PUBLISHED = ("original_base", "original_small")
TASK, SIZES = "imdb", ("d_model", "num_layers", "seq_len")
DECIDING = ("d_model", "seq_len")
"""Sizes that make a run one of the published models. The layers do not: the base of the ablation has three, so that
the pyramid can show."""


def claim_notes(study: Study, published: Published) -> tuple[str, ...]:
    """Notes of the table of claims. Raises ReportError where a run's config.json cannot be read."""
    used = {claim.document for claim in published.claims}
    documents = "; ".join(f"{key}: {each.title}" for key, each in published.documents.items() if key in used)
    return RULES, scale_note(study, published), COST, f"Documents: {documents}."


def scale_note(study: Study, published: Published) -> str:
    """What the runs of every factorial design were, and whether they are of the published sizes."""
    designed = [(grid, _spec(grid)) for grid in study.grids if grid.effects and any(arm.n for arm in grid.arms)]
    if not designed:
        return "No factorial or fractional design with completed runs is among this evidence."
    words = "; ".join(f"{grid.name} ({_words(grid, spec)})" for grid, spec in designed)
    whole = any(_is_published(published, grid, spec) for grid, spec in designed)
    tested = "are among them" if whole else "were not tested: whether the verdicts on accuracy hold there is open"
    return f"Measured on: {words}. The published sizes on the whole of IMDb {tested}."


def _spec(grid: GridStudy) -> Mapping[str, Any]:
    """Of the first run: sizes and data are those of all arms of a grid."""
    first = next(str(arm.runs["where"].iloc[0]) for arm in grid.arms if arm.n)
    return spec_of(grid.folder / Path(first).name)


def _words(grid: GridStudy, spec: Mapping[str, Any]) -> str:
    """What the spec does not say is left out."""
    of_task = {key: value for key, value in (value_at(spec, "data.task") or {}).items() if key != "name" and value}
    sizes = {key: value_at(spec, f"model.dims.{key}") for key in SIZES}
    known = [f"{key} {value}" for key, value in (of_task | sizes).items() if value is not None]
    return ", ".join([f"task {grid.task}", *known, plural(sum(arm.n for arm in grid.arms), "run")])


def _is_published(published: Published, grid: GridStudy, spec: Mapping[str, Any]) -> bool:
    known = [numbers for variant in PUBLISHED if (numbers := published.of(variant)).keys() >= set(DECIDING)]
    sizes = [[numbers[key].plain for key in DECIDING] for numbers in known]
    ours = [value_at(spec, f"model.dims.{key}") for key in DECIDING]
    return ours in sizes and grid.task == TASK and not value_at(spec, "data.task.limit")
