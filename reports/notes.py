"""The small print under a table: what its columns mean, and what all its rows have in common."""

from __future__ import annotations

from .columns import PROVENANCE, shared
from .costs import CEILING_TOLERANCE
from .rows import Table
from .sheet import MISSING
from .words import engineering, plural


def notes(table: Table) -> list[str]:
    """What the columns mean and what all rows have in common, one sentence or two each."""
    parts = (_meaning, _common, _floors, _ceilings, _cost, _cut)
    return [note for note in (part(table) for part in parts) if note]


def _meaning(table: Table) -> str:
    base = f" Differences are to {table.base}, paired by seed." if table.base else " No base is named."
    return (
        "Arms: mean ± 95 % Student-t interval over seeds (n); intervals are not corrected for the number of "
        f"comparisons.{base} FLOPs: forward pass, multiply-adds × 2, at the padded length. {MISSING}: not measured."
    )


def _common(table: Table) -> str:
    common = {title: shared(table, key) for key, title in PROVENANCE.items()}
    said = [f"{title} {value}" for title, value in common.items() if value]
    return f"All finished arms: {'; '.join(said)}." if said else ""


def _floors(table: Table) -> str:
    if not table.floors:
        return ""
    details = [f"{row.name}: {row.detail}" for row in table.floors if row.detail]
    listed = f" {'; '.join(details)}." if details else ""
    left_out = f" Left out: {'; '.join(table.left_out)}." if table.left_out else ""
    return f"Floors: one predictor, 95 % Wilson binomial interval over the examples.{listed}{left_out}"


def _ceilings(table: Table) -> str:
    if not table.ceilings:
        return ""
    return (
        "Ceilings: a predictor that knows how the examples are made, the best there can "
        "be on average, with the same kind of interval."
    )


def _cost(table: Table) -> str:
    used = [found for row in table.arms for found in row.latency.values()]
    if not used or table.costs is None:
        return ""
    ceilings, top = table.costs.ceilings, max(found.share_of_ceiling for found in used)
    return (
        f"Latency: model only, whole batch, {table.costs.device}, {plural(table.costs.threads, 'thread')}; the "
        f"machine's measured ceilings: {engineering(ceilings.matmul_flops_per_s)}FLOP/s in matrix products, "
        f"{engineering(ceilings.copy_bytes_per_s)}B/s in copies; highest share of the first that was reached: "
        f"{top:.0%} (refused above {CEILING_TOLERANCE:.0%})."
    )


def _cut(table: Table) -> str:
    splits = ("train", "validation", "test")
    most = {split: max((row.truncated.get(split, 0) for row in table.arms), default=0) for split in splits}
    if not any(most.values()):
        return ""
    return f"Examples cut at the length limit (most in any row): {', '.join(f'{k} {v:,}' for k, v in most.items())}."
