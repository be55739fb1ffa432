"""The generated region of ``architecture.md``: what norms do to the published step, as it was measured."""

from __future__ import annotations

from pathlib import Path

from docs.cells import table
from swarmformer.records import load_json

MEASURED = Path(__file__).resolve().parents[1] / "reports" / "results" / "properties" / "norms.json"
PLACES = {
    "none": "none", "all": "all, published step x + g·(u − x)", "all, residual": "all, residual step x + g·u",
}  # fmt: skip
STEPS = (0, 50, 250)


def norms(_page: str) -> str:
    """Spread of texts and gradient of the embedding after ``STEPS`` steps, by the places of the norms."""
    rows = load_json(MEASURED)["rows"]
    lines = []
    for place, words in PLACES.items():
        of_step = {row["step"]: row for row in rows if row["places"] == place}
        lines.append([words, *(", ".join(f"{of_step[step][key]:.2g}" for step in STEPS)
                               for key in ("tokens", "texts", "embedding"))])  # fmt: skip
    steps = f"{', '.join(map(str, STEPS[:-1]))} and {STEPS[-1]} steps"
    return table(["norms", f"spread of tokens after {steps}", "spread of texts", "gradient of the embedding"], lines)
