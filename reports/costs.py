"""Latencies of ``costs.json``: looked up by configuration, and held against the machine's ceiling."""

from __future__ import annotations

from .errors import ReportError
from .read import Grid
from .schema import Costs, Latency

# Above 1 a figure beats the measured matrix-product rate. The tolerance is for the noise of the two timings.
CEILING_TOLERANCE = 1.05


def check_ceilings(grid: Grid) -> None:
    """Raise ReportError where a latency implies more FLOP/s than the machine can do.

    The share is worked out anew, so that a file whose stated share does not follow from its own
    figures does not pass.
    """
    if grid.costs is None:
        return
    for row in grid.costs.rows:
        reached = row.flops / row.median_s / grid.costs.ceilings.matmul_flops_per_s
        share = max(row.share_of_ceiling, reached)
        if share > CEILING_TOLERANCE:
            raise ReportError(
                f"costs.json of grid {grid.name!r}: {row.variant} at batch {row.batch}, length {row.length} "
                f"reaches {share:.2f} of the machine's ceiling (at most {CEILING_TOLERANCE} is accepted). "
                "A figure above physics is an error of measurement, not a result: look for a missing "
                "synchronisation or a wrong FLOP count, measure again, then build the report again."
            )


def latency_at(costs: Costs | None, run_key: str, batch: int, length: int) -> Latency | None:
    """The latency of this configuration at this batch size.

    At ``length`` tokens where that was measured, else at the longest length that was; None where the
    configuration was not timed at this batch size.
    """
    rows = [row for row in (costs.rows if costs else ()) if (row.run_key, row.batch) == (run_key, batch)]
    return max(rows, key=lambda row: (row.length == length, row.length), default=None)
