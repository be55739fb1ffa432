"""Every variant, factor and grid that can be named, with its origin; what cannot be used is listed with its fault.

Factors are added to a variant with '+' and taken out with '-': base+windowed, enhanced-routing.
"""

from __future__ import annotations

from collections.abc import Sequence

from swarmformer.catalogue import BUILT_IN, Item, Kind, folders, list_items
from swarmformer.cli.command import command_parser, words_of
from swarmformer.errors import SwarmformerError
from swarmformer.variants import load_variant
from swarmformer.yaml import read_yaml

HEADS: dict[Kind, str] = {
    "variant": "variants",
    "factor": "factors, added with '+', as in base+windowed",
    "grid": "grids, as in swarmformer grid plan demo",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line."""
    command_parser("variants", __doc__).parse_args(words_of(arguments))
    for kind, head in HEADS.items():
        print(f"{head}:")
        for item in list_items(kind):
            _print_item(item)
        print()
    for folder in folders():
        if folder.fault is not None:
            print(f"CANNOT BE READ: {folder.origin}: {folder.fault}")
    return 0


def _print_item(item: Item) -> None:
    origin = "" if item.origin == BUILT_IN else f"  [{item.origin}]"
    try:
        words = f"CANNOT BE USED: {item.fault}" if item.fault else _description(item)
    except SwarmformerError as error:
        words = f"CANNOT BE USED: {error}"
    print(f"{item.name:20} {words}{origin}")


def _description(item: Item) -> str:
    """What the item says of itself; raises where a variant or a grid cannot be read."""
    if item.kind == "variant":
        variant = load_variant(item.name)
        variant.model_spec()
        return variant.description
    return str((item.factor or read_yaml(item.path)).get("description", ""))
