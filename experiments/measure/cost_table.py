"""A costs.json as a table in the terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from swarmformer.records import load_json

from ..progress import print_tables

Row = Mapping[str, Any]


def _ms(key: str) -> Callable[[Row], str]:
    return lambda row: f"{1e3 * row[key]:.4g}"


def _optional(key: str, text: Callable[[Any], str]) -> Callable[[Row], str]:
    return lambda row: "" if row.get(key) is None else text(row[key])


COLUMNS: dict[str, Callable[[Row], str]] = {
    "variant": lambda row: row["variant"],
    "mode": lambda row: row["mode"] + (" + tokenising" if row.get("tokenised") else ""),
    "precision": lambda row: row["precision"],
    "threads": lambda row: str(row["threads"]),
    "batch": lambda row: str(row["batch"]),
    "length": lambda row: str(row["length"]) + ("*" if row["seq_len_raised_from"] else ""),
    "median, ms": _ms("median_s"),
    "p20": _ms("p20_s"),
    "p80": _ms("p80_s"),
    "p90": _ms("p90_s"),
    "p95": _ms("p95_s"),
    "n": lambda row: str(row["repeats"]),
    "texts/s": _optional("texts_per_s", lambda rate: f"{rate:.4g}"),
    "tokens/s": _optional("tokens_per_s", lambda rate: f"{rate:,.0f}"),
    "CPU µs a token": _optional("cpu_us_per_token", lambda cost: f"{cost:.3g}"),
    "GFLOP": lambda row: f"{row['flops'] / 1e9:.4g}",
    "of least": lambda row: f"{100 * row['share_of_least']:.1f} %",
    "peak, MiB": _optional("peak_bytes", lambda size: f"{size / 2**20:.0f}"),
    "against first": _optional("of_first", lambda found: _interval(found)),
    "of calls": _optional("growth_bytes", lambda size: f"{size / 2**20:.0f}"),
    "GPU, MiB": _optional("device_allocated_bytes", lambda size: f"{size / 2**20:.0f}"),
    "compile, s": _optional("compile_s", lambda seconds: f"{seconds:.1f}"),
}
"""Heading → text; a column that is empty in every row is left out."""


def print_costs(path: Path) -> None:
    """Print the rows, the machine's limits, the load meanwhile, and what is missing with its reason."""
    costs = load_json(path)
    texts = {head: [text(row) for row in costs["rows"]] for head, text in COLUMNS.items()}
    shown = {head: column for head, column in texts.items() if any(column)}
    print_tables([(list(shown), zip(*shown.values(), strict=True))], [*notes(costs), str(path)])


def notes(costs: Mapping[str, Any]) -> list[str]:
    """What a reader of the rows must know."""
    lines = [costs["device"]]
    lines += [_limit(found) for found in costs["limits_by"]]
    loads = [load for row in costs["rows"] for load in row["load_average"]]
    if loads:
        lines.append(f"load average meanwhile: {min(loads):.2f} to {max(loads):.2f}")
    if any(row["seq_len_raised_from"] for row in costs["rows"]):
        lines.append("* longer than the variant's own seq_len, which was raised for the measurement")
    lines += _scaled_down([row for row in costs["rows"] if "mlperf_least_s" in row])
    for gap in costs["missing"]:
        where = ", ".join(f"{key} {value}" for key, value in gap.items() if key not in ("variant", "reason"))
        lines.append(f"missing: {gap['variant']} ({where}): {gap['reason']}")
    return lines


def _limit(found: Row) -> str:
    rate, copy = found["matmul_flops_per_s"] / 1e9, found["copy_bytes_per_s"] / 1e9
    product = " × ".join(map(str, found["best_product"]))
    where = f"threads {found['threads']}, {found['measured_for']}"
    return f"limit ({where}): {rate:.0f} GFLOP/s at {product}, copying {copy:.1f} GB/s"


def _scaled_down(rows: list[Row]) -> list[str]:
    lines = []
    for mode in dict.fromkeys(row["mode"] for row in rows):
        same = [row for row in rows if row["mode"] == mode]
        texts, measured = min(row["texts"] for row in same), min(row["measured_s"] for row in same)
        least = same[0]["mlperf_least_s"]
        lines.append(f"{mode}: {texts} texts and {measured:.1f} s a row or more (MLPerf asks for {least} s)")
    return lines


def print_growth(path: Path) -> None:
    """Print the exponents of every variant, fitted over all lengths and from each length to the next."""
    head = ("variant", "FLOPs ∝ N^", "seconds ∝ N^", "memory ∝ N^", "seconds, length by length")
    rows = []
    for found in load_json(path)["growth"]:
        steps = [f"{step['from']}–{step['to']}: {_interval(step)}" for step in found.get("local_seconds", [])]
        fits = [_interval(found[kind]) for kind in ("flops", "seconds", "memory")]
        rows.append((found["variant"], *fits, ", ".join(steps)))
    words = "95 % intervals: of fits, how far the lengths are from one power law; of steps, timing alone."
    print_tables([(head, rows)], [words])


def _interval(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return "—"
    if found["low"] is None:
        return f"{found['value']:.2f}"
    return f"{found['value']:.2f} [{found['low']:.2f}, {found['high']:.2f}]"
