"""The generated regions of the index."""

from __future__ import annotations

from docs.cells import change, code, mega, plain, shown, table
from docs.costs import LENGTHS, flops, parameters
from docs.facts import builtins, description, eight, in_variant, slot_of, source
from swarmformer.registry import SLOTS

COSTS = ("parameters", *(f"FLOPs, {length}" for length in LENGTHS))


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
    for length in (256, 768, 4096, 16384):
        own = flops(measure, length)
        others = [f"{mega(flops(v, length))} ({change(flops(v, length), own)})" for v in variants]
        rows.append([f"{length:,}", mega(own), *others])
    return table(["tokens", *map(code, (measure, *variants))], rows)


def components(_page: str) -> str:
    """Every built-in component by slot."""
    return "\n\n".join(f"### {slot}\n\n{slot_table(slot)}" for slot in SLOTS)


def slot_table(slot: str) -> str:
    rows = []
    for entry in builtins(slot):
        listing = ", ".join(code(f"{option.name}: {shown(option.default)}") for option in entry.options)
        rows.append([source(entry), plain(entry.summary), listing])
    return table(["component", "in one line", "options with defaults"], rows)
