"""The generated regions of the index."""

from __future__ import annotations

import math
from collections.abc import Sequence

from docs.cells import change, code, mega, plain, shown, table
from docs.facts import builtins, description, eight, in_variant, slot_of, source
from swarmformer.cli.sizes import LENGTHS
from swarmformer.cost.variants import LENGTHS as FAR
from swarmformer.cost.variants import OWN, flops, flops_by_slot, model_of, parameters
from swarmformer.registry import SLOTS

COSTS = ("parameters", *(f"FLOPs, {length}" for length in LENGTHS))

SIZES = {
    "N": "tokens of a text",
    "C": "clusters of the first layer, ⌈N / S⌉",
    "D": "width, `dims.d_model`",
    "T": "steps of the rolling shift, `T_local`",
    "W": "radius of the window",
    "X": "width of keys and queries of a router",
    "r": "radius of a router's neighbourhood, in clusters",
    "F": "width of a hidden layer",
    "B": "texts",
    "S": "tokens per cluster, `dims.cluster_size`",
    "M": "tokens a model is built for, `dims.seq_len`",
    "L": "layers, `dims.num_layers`",
    "H": "heads",
    "E": "columns that a feedback sends back",
}
"""What the formulas of the cards name."""


def cards(_page: str) -> str:
    """The eight with links, and what each alone changes in the base."""
    rows = []
    for number, factor in enumerate(eight(), start=1):
        slot, alone, link = slot_of(factor), f"base+{factor}", f"[{factor}]({factor}.md)"
        component = code(f"{slot}.{in_variant(slot, alone).name}")
        rows.append([str(number), link, plain(description(alone)), component, *changes(alone, "base")])
    return table(["", "card", "what it does", "component", *COSTS], rows)


def left_out(_page: str) -> str:
    """What leaving out each one changes in all eight."""
    rows = [[code(f"enhanced-{factor}"), *changes(f"enhanced-{factor}", "enhanced")] for factor in eight()]
    return table(["variant", *COSTS], rows)


def changes(variant: str, base: str) -> list[str]:
    operations = [change(flops(variant, length), flops(base, length)) for length in LENGTHS]
    return [change(parameters(variant), parameters(base)), *operations]


def lengths(_page: str, measure: str, *variants: str) -> str:
    """MFLOP of whole models far beyond the length of the base, beside the first of them."""
    rows = []
    for length in FAR:
        own = flops(measure, length)
        others = [f"{mega(flops(v, length))} ({change(flops(v, length), own)})" for v in variants]
        rows.append([f"{length:,}", mega(own), *others])
    return table(["tokens", *map(code, (measure, *variants))], rows)


def slots(_page: str, *variants: str) -> str:
    """MFLOP of every slot with products and how they grow, variant beside variant; of the whole, and in training."""
    counted = {(row["variant"], row["slot"], row["length"]): row for row in flops_by_slot(variants)}
    named, rows = {slot for _, slot, _ in counted} - {OWN}, []
    for slot in filter(named.__contains__, SLOTS):
        for variant in variants:
            forward = [counted[place]["forward"] if (place := (variant, slot, N)) in counted else 0 for N in FAR]
            rows.append([code(slot), code(variant), *map(mega, forward), growth(forward)])
    for what, count in (("forward", "flops"), ("training step", "training_flops")):
        for variant in variants:
            whole = [getattr(model_of(variant, N), count)(1, N) for N in FAR]
            rows.append([f"whole, {what}", code(variant), *map(mega, whole), growth(whole)])
    return table(["", "variant", *(f"{length:,} tokens" for length in FAR), "grows as"], rows)


def growth(counts: Sequence[int]) -> str:
    """The power of N between the two longest lengths."""
    if not all(counts):
        return "–"
    return f"N^{math.log(counts[-1] / counts[-2]) / math.log(FAR[-1] / FAR[-2]):.2f}"


def sizes(_page: str) -> str:
    """Every letter of the formulas."""
    return table(["name", "size"], [[code(name), meaning] for name, meaning in SIZES.items()])


def components(_page: str) -> str:
    """Every built-in component by slot."""
    return "\n\n".join(f"### {slot}\n\n{slot_table(slot)}" for slot in SLOTS)


def slot_table(slot: str) -> str:
    rows = []
    for entry in builtins(slot):
        listing = ", ".join(code(f"{option.name}: {shown(option.default)}") for option in entry.options)
        rows.append([source(entry), plain(entry.summary), listing])
    return table(["component", "in one line", "options with defaults"], rows)
