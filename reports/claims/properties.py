"""``properties.json`` of ``experiments.properties``, as strict models: what of the models was measured or counted."""

from __future__ import annotations

from pathlib import Path

from ..errors import ReportError, UnreadableFileError
from ..schema import Count, Positive, Record, load

SOURCE = "properties/properties.json"


class Order(Record):
    """Largest change of a logit where the order of the tokens is changed."""

    variant: str
    precision: str
    length: Count
    change: str
    difference: float


class Gate(Record):
    """Of a model's feedback, all layers; the change of a logit where the gates are held open."""

    variant: str
    parameters: Count
    mean_opening: float
    difference_held_open: float


class Leak(Record):
    """Change of the logits at earlier positions, and at the last, with the last token."""

    variant: str
    length: Count
    least_earlier: float
    largest_earlier: float
    last: float
    earlier_changed: Count


class Pads(Record):
    """Change of the logits of ``real`` tokens where pads follow, and the mask says so."""

    variant: str
    real: Count
    padded: Count
    difference: float


class SlotFlops(Record):
    """Forward pass of one text, multiply-adds × 2."""

    variant: str
    length: Count
    total: Count
    by_slot: dict[str, int]


class Size(Record):
    variant: str
    total: Count
    without_embedding: Count


class Clusters(Record):
    """By layer."""

    variant: str
    layers: Count
    length: Count
    clusters: tuple[int, ...]


class Scores(Record):
    """A score matrix of all clusters for all clusters, one layer, one text, fp32."""

    variant: str
    length: Count
    clusters: Count
    bytes: Count


class Longest(Record):
    """The longest text whose score matrix alone fits into ``memory_bytes``."""

    variant: str
    memory_bytes: Count
    length: Count


class PeakMemory(Record):
    """Of a fresh process; ``growth_bytes`` beyond the built model. ``fast``: with the fast paths of the CPU."""

    variant: str
    mode: str
    fast: bool
    batch: Count
    length: Count
    precision: str
    peak_bytes: Positive
    growth_bytes: Count


class Properties(Record):
    """The whole file."""

    device: str
    code_revision: str
    order: tuple[Order, ...]
    gates: tuple[Gate, ...]
    leaks: tuple[Leak, ...]
    pads: tuple[Pads, ...]
    flops: tuple[SlotFlops, ...]
    parameters: tuple[Size, ...]
    bert: tuple[Size, ...]
    pyramids: tuple[Clusters, ...]
    scores: tuple[Scores, ...]
    longest: tuple[Longest, ...]
    memory: tuple[PeakMemory, ...]

    def changed(self, variant: str, change: str, precision: str) -> float:
        """Raises KeyError where it was not measured."""
        return {(row.variant, row.change, row.precision): row.difference for row in self.order}[
            variant, change, precision
        ]


def read_properties(results: Path) -> Properties | None:
    """None where there are none below ``results``; raises ReportError where the file cannot be used."""
    path = results / SOURCE
    if not path.exists():
        return None
    try:
        return load(path, Properties)
    except UnreadableFileError as error:
        raise ReportError(f"{error}; measure it with python -m experiments.properties") from error
