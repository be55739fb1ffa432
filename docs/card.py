"""The generated regions of a card; its file has the name of its factor."""

from __future__ import annotations

import yaml

from docs.cells import code, mega, plain, shown, table
from docs.costs import slot_costs
from docs.facts import description, entry_of, factors, in_variant, meanings, slot_of, source
from swarmformer.cli.sizes import LENGTHS
from swarmformer.cost.variants import flops, parameters

COSTS = ("parameters", *(f"MFLOP, {length} tokens" for length in LENGTHS))


def summary(factor: str) -> str:
    """What the factor puts in the place of what, and its patch."""
    slot, patch, alone = slot_of(factor), factors()[factor]["patch"], f"base+{factor}"
    on, off = (entry_of(slot, in_variant(slot, variant).name) for variant in (alone, "base"))
    shown_in = [(code(alone), on), (code("base"), off)] if on != off else [(f"{code(alone)}, {code('base')}", on)]
    rows = [[variants, source(entry), plain(entry.summary)] for variants, entry in shown_in]
    words = f"Factor {code(factor)}: {description(f'base+{factor}')}."
    written = yaml.safe_dump(patch, sort_keys=False, default_flow_style=None)
    return f"{words}\n\n{table(['variant', 'component', 'in one line'], rows)}\n\n```yaml\n{written}```"


def options(factor: str) -> str:
    """Options of the component that is put in, and their values in the base where it has the same component."""
    slot = slot_of(factor)
    entry = entry_of(slot, in_variant(slot, f"base+{factor}").name)
    variants = [v for v in (f"base+{factor}", "base") if in_variant(slot, v).name == entry.name]
    says, rows = meanings(entry), []
    for option in entry.options:
        values = [option.default, *(in_variant(slot, variant).options[option.name] for variant in variants)]
        shown_values = [code(shown(value)) for value in values]
        rows.append([code(option.name), plain(option.annotation), *shown_values, plain(says.get(option.name, ""))])
    return table(["option", "type", "default", *map(code, variants), "meaning"], rows) if rows else "It has no options."


def cost(factor: str) -> str:
    """Slots whose cost changes, then whole models: the factor alone, and all eight with and without it."""
    alone = f"base+{factor}"
    before, after = slot_costs("base"), slot_costs(alone)
    rows = []
    for slot in before:
        if before[slot] != after[slot]:
            rows.append([f"slot {code(slot)} of {code('base')}", *cells(*before[slot])])
            rows.append([f"slot {code(slot)} of {code(alone)}", *cells(*after[slot])])
    rows += [[code(variant), *costs(variant)] for variant in ("base", alone, f"enhanced-{factor}", "enhanced")]
    return table(["", *COSTS], rows)


def cells(count: int, *operations: int) -> list[str]:
    return [f"{count:,}", *map(mega, operations)]


def costs(variant: str) -> list[str]:
    """The cells of a whole model."""
    return cells(parameters(variant), *(flops(variant, length) for length in LENGTHS))


def beside(factor: str, *variants: str) -> str:
    """Other variants to hold the factor against."""
    rows = [[code(v), plain(description(v)), *costs(v)] for v in ("base", f"base+{factor}", *variants)]
    return table(["variant", "what it is", *COSTS], rows)


def run(factor: str) -> str:
    """Commands: the factor alone, and all eight without it."""
    train = "swarmformer train with variant={} data.task=listops data.task.size=lite seed=0"
    alone, without = f"base+{factor}", f"enhanced-{factor}"
    return f"```bash\nswarmformer show {alone}\n{train.format(alone)}\n{train.format(without)}\n```"
