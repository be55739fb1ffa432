"""Latencies of ``costs.json``: looked up by configuration, and held against the machine's ceiling."""

from __future__ import annotations

from .errors import ReportError
from .read import Grid
from .schema import Costs, Latency

# Above 1 a figure beats the measured matrix-product rate. The tolerance is for the noise of the two timings.
CEILING_TOLERANCE = 1.05


def check_ceilings(grid: Grid) -> None:
    """Raise ReportError where a latency of the grid is faster than its machine: see ``check_costs``."""
    if grid.costs is not None:
        check_costs(grid.costs, f"costs.json of grid {grid.name!r}")


def check_costs(costs: Costs, name: str) -> None:
    """Raise ReportError where a row implies more FLOP/s, or more bytes/s, than the machine can do.

    The shares are worked out anew, so that a file whose stated share does not follow from its own
    figures does not pass.
    """
    for row in costs.rows:
        share = max(row.share_of_ceiling, row.share_of_floor, _reached(row, costs))
        if share > CEILING_TOLERANCE:
            raise ReportError(
                f"{name}: {row.variant} at batch {row.batch}, length {row.length} "
                f"reaches {share:.2f} of the machine's ceiling (at most {CEILING_TOLERANCE} is accepted). "
                "A figure above physics is an error of measurement, not a result: look for a missing "
                "synchronisation or a wrong FLOP count, measure again, then build the report again."
            )


def _reached(row: Latency, costs: Costs) -> float:
    """The larger share of the row's own ceilings, or else of the file's."""
    flops_per_s = row.ceiling_flops_per_s or costs.ceilings.matmul_flops_per_s
    bytes_per_s = row.ceiling_bytes_per_s or costs.ceilings.copy_bytes_per_s
    computed = row.flops if row.computed_flops is None else row.computed_flops
    return max(computed / flops_per_s, row.least_bytes / bytes_per_s) / row.median_s


def latency_at(costs: Costs | None, run_key: str, batch: int, length: int) -> Latency | None:
    """The latency of this configuration's forward pass in fp32 at this batch size.

    At ``length`` tokens where that was measured, else at the longest length that was; None where the
    configuration was not timed at this batch size.
    """
    wanted = (run_key, batch, "forward", "fp32")
    known = costs.rows if costs else ()
    rows = [row for row in known if (row.run_key, row.batch, row.mode, row.precision) == wanted]
    return max(rows, key=lambda row: (row.length == length, row.length), default=None)
