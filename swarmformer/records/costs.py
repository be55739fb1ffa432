"""``costs.json``: seconds of a grid's arms beside the machine's limits; ``floors.json``: what predictors without a
network reach on its task."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Literal

from .base import Count, Document, Natural, NotNegative, Positive, Record, RunKey, Share
from .environment import Start

FORMER_WORDS = {
    "ceilings": "limits",
    "ceilings_by": "limits_by",
    "ceiling_flops_per_s": "limit_flops_per_s",
    "ceiling_bytes_per_s": "limit_bytes_per_s",
    "floor_s": "least_s",
    "share_of_ceiling": "share_of_limit",
    "share_of_floor": "share_of_least",
}
"""Keys of measured files of schema 1, and what they are called now."""
LIMIT_TOLERANCE = 1.05
"""How far above the machine's limit a share may be before it is called impossible: noise of both timings."""


def renamed(value: Any) -> Any:
    """A JSON value of schema 1 under the words of today."""
    if isinstance(value, dict):
        return {FORMER_WORDS.get(key, key): renamed(part) for key, part in value.items()}
    return [renamed(part) for part in value] if isinstance(value, list) else value


class CostDocument(Document):
    """Base of files with measured costs: those of schema 1 called the machine's limits ceilings and floors."""

    SCHEMA: ClassVar[int] = 3
    SEALED: ClassVar[int] = 3

    @classmethod
    def upgraded(cls, raw: dict[str, Any], schema: int) -> dict[str, Any]:
        return dict(renamed(raw)) if schema == 1 else raw


class Measurement(CostDocument):
    """What a command measured, whole in one file: what was asked for, and the code, packages, machine and device at the
    start."""

    settings: dict[str, Any]
    start: Start


class MachineLimits(Record):
    """The machine's best rates: operations (multiply-adds × 2), and bytes copied (read + written) per second.

    best_product: M, K, N of the matrix product that reached the rate, in ``precision``.
    """

    matmul_flops_per_s: Positive
    copy_bytes_per_s: Positive
    best_product: tuple[int, ...] = ()
    precision: str = ""


def highest(limits: Iterable[MachineLimits]) -> MachineLimits:
    """Of several measurements of a machine the best product, with the highest rate of copies."""
    found = list(limits)
    copies = max(one.copy_bytes_per_s for one in found)
    return max(found, key=lambda one: one.matmul_flops_per_s).model_copy(update={"copy_bytes_per_s": copies})


class Latency(Record):
    """Seconds of one call on a whole batch, model only: a forward pass, unless ``mode`` says otherwise.

    Rows of a benchmark have limits of their own: those of their precision and number of threads. ``flops`` are of
    the whole batch; ``computed_flops`` what fast paths leave of them; ``least_s`` the least time that the machine
    needs for them, and ``share_of_least`` the share of the median that it makes up. ``load_average``: of the machine,
    over a minute, when the calls began and when they ended; None in rows from before it was kept.
    """

    run_key: RunKey
    variant: str
    mode: str = "forward"
    precision: str = "fp32"
    threads: Natural | None = None
    batch: Natural
    length: Count
    repeats: Count = 0
    median_s: Positive
    p20_s: Positive | None = None
    p80_s: Positive | None = None
    p90_s: Positive | None = None
    p95_s: Positive
    flops: Count
    computed_flops: Count | None = None
    least_bytes: Count = 0
    limit_flops_per_s: Positive | None = None
    limit_bytes_per_s: Positive | None = None
    least_s: NotNegative = 0.0
    share_of_limit: NotNegative
    share_of_least: NotNegative = 0.0
    load_average: tuple[NotNegative, NotNegative] | None = None


TimedCall = tuple[str, str, int]
"""What a row of a grid is of: run key, mode, texts in the batch."""


class Gap(Record):
    """A row that was asked for and is not there."""

    variant: str
    reason: str


class Costs(CostDocument):
    """``costs.json`` of a grid, and the rows of a benchmark that compare with it."""

    machine: dict[str, Any] = {}
    device: str
    threads: int
    precision: str = "fp32"
    limits: MachineLimits
    rows: tuple[Latency, ...]
    missing: tuple[Gap, ...] = ()

    def has(self, wanted: Iterable[TimedCall]) -> bool:
        """Whether there is a row of each."""
        return {*wanted} <= {(row.run_key, row.mode, row.batch) for row in self.rows}


class Floor(Record):
    """A baseline, which a model must beat; or an oracle, which knows how the examples are made.

    perplexity, bits_per_byte: where it predicts the next token, as ``Metrics`` have them.
    detail: how it was made: C chosen on the validation split, number of features …
    """

    name: str
    kind: Literal["baseline", "oracle"] = "baseline"
    accuracy: Share
    perplexity: float | None = None
    bits_per_byte: float | None = None
    n: Natural
    split: str
    detail: dict[str, str | int | float] = {}


class FloorsElsewhere(Record):
    """What the baselines answer to the test split of another task. ``data_key``: of its texts; ``copies``: how many of
    these also stand in the source's train, after normalisation."""

    data_key: str
    copies: Count
    floors: tuple[Floor, ...]


class Floors(Document):
    """``left_out``: predictors that the task cannot have, with the reason. ``splits``: how many draws of training and
    validation the accuracies are means over; ``seeds``: of these draws, where every run has its own, and files are not
    older. ``out_of_domain``: of other tasks, by what each is called."""

    SCHEMA: ClassVar[int] = 3
    SEALED: ClassVar[int] = 3

    task: str
    data_key: str
    splits: Count = 1
    seeds: tuple[int, ...] = ()
    floors: tuple[Floor, ...]
    left_out: dict[str, str] = {}
    out_of_domain: dict[str, FloorsElsewhere] = {}

    def are_on(self, seeds: Sequence[int]) -> bool:
        """Whether they are means over the splits that these seeds draw; with none, of the one that all runs have."""
        return self.seeds == tuple(seeds) if self.seeds else self.splits == max(1, len(seeds))

    @classmethod
    def upgraded(cls, raw: dict[str, Any], schema: int) -> dict[str, Any]:
        """Schema 1 called a baseline a floor, and an oracle a ceiling."""
        if schema > 1:
            return raw
        words = {"floor": "baseline", "ceiling": "oracle"}
        rows = [{**row, "kind": words[row.get("kind", "floor")]} for row in raw["floors"]]
        return {**raw, "floors": rows}
