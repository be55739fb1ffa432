"""What a table is made of: rows of arms, floors and ceilings."""

from __future__ import annotations

from dataclasses import dataclass, field

from .schema import Costs, Flops, Latency, Parameters
from .statistics.interval import Interval


@dataclass(frozen=True)
class Row:
    """One line of a table. None, or n = 0, is missing and is shown as missing, never as zero."""

    kind: str  # "arm", "floor" or "ceiling"
    name: str
    n: int = 0  # arms: seeds; floors and ceilings: test examples
    accuracy: Interval | None = None
    is_base: bool = False
    difference: Interval | None = None
    run_key: str = ""
    data_key: str = ""
    code_revision: str = ""
    device: str = ""
    variant: str = ""
    seeds: tuple[int, ...] = ()
    means: dict[str, float] = field(default_factory=dict)  # of every name in MEASURES
    parameters: Parameters | None = None
    flops: Flops | None = None
    latency: dict[int, Latency] = field(default_factory=dict)  # by batch size
    test_examples: int | None = None
    truncated: dict[str, int] = field(default_factory=dict)  # examples cut, by split
    detail: str = ""
    sources: tuple[str, ...] = ()
    """Runs, or the file of the grid that the row is made of."""
    base_sources: tuple[str, ...] = ()
    """Runs of the base that its runs were paired with."""

    @property
    def is_arm(self) -> bool:
        return self.kind == "arm"


@dataclass(frozen=True)
class Table:
    grid: str
    folder: str  # its name, which sources begin with
    task: str
    base: str | None
    rows: tuple[Row, ...]
    warnings: tuple[str, ...]
    costs: Costs | None
    left_out: tuple[str, ...] = ()  # floors that the task cannot have: "name: reason"

    @property
    def arms(self) -> list[Row]:
        return [row for row in self.rows if row.is_arm]

    @property
    def floors(self) -> list[Row]:
        return [row for row in self.rows if row.kind == "floor"]

    @property
    def ceilings(self) -> list[Row]:
        return [row for row in self.rows if row.kind == "ceiling"]
