"""``swarmformer``: look at what there is.

swarmformer components [SLOT]   every component with its options, origin and faults
swarmformer variants            every shipped variant and factor
swarmformer show VARIANT        a variant resolved, with its parameters and FLOPs
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import yaml

from swarmformer import registry
from swarmformer.assembly import assemble_without_weights
from swarmformer.cost.parameters import count_parameters
from swarmformer.errors import SwarmformerError
from swarmformer.variants import list_variants, load_factors, load_variant


def print_components(slot: str | None) -> None:
    """One block per component; a broken plug-in is listed with its fault."""
    if slot is not None:
        registry.interface(slot)
    for entry in registry.list_components(slot):
        fault = entry.fault
        print(f"{entry.slot}.{entry.name}  [{entry.origin}]")
        print(f"    {entry.summary if fault is None else f'CANNOT BE USED: {fault}'}")
        for option in entry.options if fault is None else ():
            print(f"    - {option}")


def print_variants() -> None:
    """Names and descriptions; factors are added with '+'."""
    for name in list_variants():
        print(f"{name:20} {load_variant(name).description}")
    print("\nfactors, added with '+', as in base+windowed:")
    for name, factor in load_factors().items():
        print(f"{name:20} {factor['description']}")


def print_variant(name: str) -> None:
    """The resolved sections, then parameters and FLOPs of one example at several lengths."""
    variant = load_variant(name)
    spec = variant.model_spec()
    with variant.tree.located():
        model = assemble_without_weights(spec)
    print(f"# {variant.description}")
    sections = {"model": spec.to_dict(), **{k: v for k, v in variant.tree.values.items() if k != "model"}}
    print(yaml.safe_dump(sections, sort_keys=False, default_flow_style=None).rstrip())
    count = count_parameters(model)
    print(f"# parameters: {count['total']:,}, without the embedding table {count['without_embedding']:,}")
    for length in sorted({256, 768, spec.dims.seq_len}):
        print(f"# forward FLOPs of one example at {length} tokens: {model.flops(1, length):,}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; 0, or 2 with a message where something is wrong."""
    parser = argparse.ArgumentParser(
        prog="swarmformer", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("components", help="every component").add_argument("slot", nargs="?")
    commands.add_parser("variants", help="every shipped variant and factor")
    commands.add_parser("show", help="a variant, resolved").add_argument("variant")
    options = parser.parse_args(arguments)
    try:
        if options.command == "components":
            print_components(options.slot)
        elif options.command == "variants":
            print_variants()
        else:
            print_variant(options.variant)
    except SwarmformerError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
