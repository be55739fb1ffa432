"""On what the verdicts on enhancements were measured: tasks, sizes, and whether the published sizes are among them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..recipes import spec_of, value_at
from ..schema import FACTORIALS
from ..view import View
from ..words import plural
from .finding import Context

PUBLISHED = ("original_base", "original_small")
TASK, SIZES = "imdb", ("d_model", "num_layers", "seq_len")
DECIDING = ("d_model", "seq_len")
"""The layers are not: the base of the ablation has three, so that the pyramid can show."""


def scale_notes(context: Context) -> tuple[str, ...]:
    """What the runs of every factorial design were, and whether they are of the published sizes."""
    seen = [one for one in context.views if _has_factorial(one)]
    if not seen:
        return ("No factorial or fractional design with completed runs is among this evidence.",)
    said = "; ".join(f"{one.grid.name} ({_words(one)})" for one in seen)
    whole = any(_is_published(context, one) for one in seen)
    tested = "are among them" if whole else "were not tested: whether the verdicts on accuracy hold there is open"
    return (f"Measured on: {said}. The published sizes on the whole of IMDb {tested}.",)


def _has_factorial(seen: View) -> bool:
    designs = seen.grid.plan.designs if seen.grid.plan else ()
    return any(design.kind in FACTORIALS and len(seen.of(*design.levels)) for design in designs)


def _words(seen: View) -> str:
    """Of the first run: sizes and data are those of all arms of a grid; what its spec does not say is left out."""
    spec = _spec(seen)
    of_task = {key: value for key, value in (value_at(spec, "data.task") or {}).items() if key != "name" and value}
    sizes = {key: value_at(spec, f"model.dims.{key}") for key in SIZES}
    known = [f"{key} {value}" for key, value in (of_task | sizes).items() if value is not None]
    return ", ".join([f"task {seen.task}", *known, plural(len(seen.runs), "run")])


def _is_published(context: Context, seen: View) -> bool:
    spec = _spec(seen)
    numbers = [context.published.of(variant) for variant in PUBLISHED]
    same = any(
        all(value_at(spec, f"model.dims.{key}") == of[key].plain for key in ("d_model", "seq_len")) for of in numbers
    )
    return same and seen.task == TASK and not value_at(spec, "data.task.limit")


def _spec(seen: View) -> dict[str, Any]:
    return spec_of(seen.grid.folder / Path(seen.runs["where"].iloc[0]).name)
