"""A variant resolved: its sections as YAML, then every slot with origin, options, parameters and FLOPs, and the totals.

VARIANT is a name, a .yaml file, or either with factors added ('+') or taken out ('-'): base+windowed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import yaml

from swarmformer import registry
from swarmformer.assembly import assemble_without_weights
from swarmformer.cli.command import command_parser, words_of
from swarmformer.cli.sizes import LENGTHS, describe_flops
from swarmformer.contracts import Component, Model
from swarmformer.contracts.component import CLOSED
from swarmformer.cost.counted import remarks_of
from swarmformer.cost.parts import count_parameters, parameters_of, parts_of
from swarmformer.spec import ComponentSpec, ModelSpec
from swarmformer.variants import load_variant


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line."""
    parser = command_parser("show", __doc__)
    parser.add_argument("variant")
    print_variant(parser.parse_args(words_of(arguments)).variant)
    return 0


def print_variant(variant: str) -> None:
    """The resolved sections as YAML; then, as comments, every slot and the totals."""
    loaded = load_variant(variant)
    spec = loaded.model_spec()
    with loaded.tree.located():
        model = assemble_without_weights(spec)
    print(f"# {loaded.description}")
    sections = {"model": spec.to_dict(), **{k: v for k, v in loaded.tree.values.items() if k != "model"}}
    print(yaml.safe_dump(sections, sort_keys=False, default_flow_style=None).rstrip())
    for line in _slot_lines(model, spec):
        print(f"# {line}")
    count = count_parameters(model)
    beside = f"; of the channel {count.channel:,}" if count.channel else ""
    print(f"# parameters: {count.total:,}, without the embedding table {count.without_embedding:,}{beside}")
    for length in sorted({*LENGTHS, spec.dims.seq_len}):
        print(f"# forward FLOPs of one example at {length} tokens: {model.flops(1, length):,}")
        print(f"# forward and backward, in a training step: {model.training_flops(1, length):,}")
    print("\n".join(f"# {line}" for line in (f"FLOPs: {model.flops_source}", *remarks_of(model))))


def _slot_lines(model: Model, spec: ModelSpec) -> Iterator[str]:
    """Four lines per slot: name and summary, origin, options, size over all layers."""
    by_length = [model.flops_by_slot(1, length) for length in LENGTHS]
    sources = {part.slot: part.flops_source for part in model.modules() if isinstance(part, Component)}
    beside = {"channel": spec.channel} if spec.channel else {}
    for slot, chosen in {**spec.slots, **beside}.items():
        origin, summary = _origin(slot, chosen)
        parts = parts_of(model, slot)
        options = ", ".join(f"{key}: {value}" for key, value in chosen.options.items())
        yield f"{slot}.{chosen.name}: {summary}"
        yield f"    from {origin}"
        yield f"    options: {options or 'none'}"
        places = f" in {len(parts)} place{'s' * (len(parts) != 1)}" if parts else ""
        counts = [flops.get(slot, 0) for flops in by_length]
        yield f"    {parameters_of(parts):,} parameters{places}{describe_flops(counts, sources.get(slot, CLOSED))}"


def _origin(slot: str, chosen: ComponentSpec) -> tuple[str, str]:
    entries = [entry for entry in registry.list_components(slot) if entry.name == chosen.name]
    if entries:
        return entries[0].origin, entries[0].summary
    return chosen.name, registry.summary_of(chosen.part)
