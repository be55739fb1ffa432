"""The generated region of ``architecture.md``: what norms do to the published step, as it was measured."""

from __future__ import annotations

from pathlib import Path

from docs.cells import table
from swarmformer.records import Norms, NormsReading, load

MEASURED = Path(__file__).resolve().parents[1] / "reports" / "results" / "properties" / "norms.json"
PLACES = {
    "none": "none", "all": "all, published step x + g·(u − x)", "all, one step": "all, one local step instead of three",
    "all, closed gate": "all, gates g that start closed", "all, residual": "all, residual step x + g·u",
}  # fmt: skip
STEPS = (0, 50, 250)
LEARNED = 0.6
"""Training loss of a batch below which a model of two classes is no longer at the guess, 0.693."""


def norms(_page: str) -> str:
    """Spreads and gradient of the embedding after ``STEPS`` steps, and when the loss falls, by the norms' places."""
    rows = load(MEASURED, Norms).rows
    lines = []
    for place, words in PLACES.items():
        read = [row for row in rows if row.places == place]
        of_step = {row.step: row for row in read}
        values = (", ".join(f"{getattr(of_step[step], key):.2g}" for step in STEPS)
                  for key in ("tokens", "texts", "embedding"))  # fmt: skip
        lines.append([words, *values, _learns(read)])
    steps = f"{', '.join(map(str, STEPS[:-1]))} and {STEPS[-1]} steps"
    head = ["norms", f"spread of tokens after {steps}", "spread of texts", "gradient of the embedding",
            f"loss below {LEARNED:g} after"]  # fmt: skip
    return table(head, lines)


def _learns(read: list[NormsReading]) -> str:
    first = next((row.step for row in read if row.loss is not None and row.loss < LEARNED), None)
    return f"not in {read[-1].step:,} steps" if first is None else f"{first:,} steps"
