"""Latencies of ``costs.json``: looked up by configuration, and held against the machine's limit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from swarmformer.records import LIMIT_TOLERANCE, Costs, Latency

from ..errors import ReportError
from ..words import engineering, plural
from .subjects import ArmLatency

Latencies = Mapping[str, Sequence[Latency]]


def check_costs(costs: Costs, name: str) -> None:
    """Raise ReportError where a row implies more FLOP/s, or more bytes/s, than the machine can do.

    The shares are worked out anew, so that a file whose stated share does not follow from its own
    figures does not pass.
    """
    for row in costs.rows:
        flops_per_s = row.limit_flops_per_s or costs.limits.matmul_flops_per_s
        bytes_per_s = row.limit_bytes_per_s or costs.limits.copy_bytes_per_s
        computed = row.flops if row.computed_flops is None else row.computed_flops
        reached = max(computed / flops_per_s, row.least_bytes / bytes_per_s) / row.median_s
        share = max(row.share_of_limit, row.share_of_least, reached)
        if share > LIMIT_TOLERANCE:
            raise ReportError(
                f"{name}: {row.variant} at batch {row.batch}, length {row.length} "
                f"reaches {share:.2f} of the machine's limit (at most {LIMIT_TOLERANCE} is accepted). "
                "A figure above physics is an error of measurement, not a result: look for a missing "
                "synchronisation or a wrong FLOP count, measure again, then build the report again."
            )


def latencies_of(costs: Costs | None) -> Latencies:
    """Run key → its rows in fp32, in the file's order."""
    found: dict[str, list[Latency]] = {}
    for row in costs.rows if costs else ():
        if row.precision == "fp32":
            found.setdefault(row.run_key, []).append(row)
    return found


def speeds_of(
    latencies: Latencies, run_key: str, length: int, file: str, runs: tuple[str, ...], mode: str = "forward"
) -> dict[int, ArmLatency]:
    """Batch size → seconds of this configuration's forward pass, or training step, in fp32.

    At ``length`` tokens where that was measured, else at the longest length that was. sources: the file, and the runs
    that say which configuration was timed.
    """
    best: dict[int, Latency] = {}
    rows = [row for row in latencies.get(run_key, ()) if row.mode == mode]
    for row in sorted(rows, key=lambda row: (row.length == length, row.length), reverse=True):
        best.setdefault(row.batch, row)
    return {
        batch: ArmLatency(batch, row.length, row.median_s, row.p95_s, row.share_of_limit, (file, *runs))
        for batch, row in sorted(best.items())
    }


def timing_note(costs: Costs | None, speeds: Iterable[ArmLatency]) -> str:
    """What the speeds were measured on, and how near they come to its limit; empty without speeds."""
    shares = [speed.share_of_limit for speed in speeds]
    if costs is None or not shares:
        return ""
    limits = costs.limits
    return (
        f"Latency: model only, whole batch, {costs.device}, {plural(costs.threads, 'thread')}; the machine's measured "
        f"limits: {engineering(limits.matmul_flops_per_s)}FLOP/s in matrix products, "
        f"{engineering(limits.copy_bytes_per_s)}B/s in copies; highest share of the first that was reached: "
        f"{100 * max(shares):.0f} % (refused above {100 * LIMIT_TOLERANCE:.0f} %)."
    )
