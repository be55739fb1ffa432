"""Every component: options, origin, parameters and FLOPs at the sizes of a variant; a broken plug-in with its fault."""

from __future__ import annotations

from collections.abc import Sequence

from swarmformer import registry
from swarmformer.cli.command import command_parser, words_of
from swarmformer.cli.sizes import WITHOUT_SIZE, describe_size
from swarmformer.spec import ModelSpec
from swarmformer.variants import load_variant


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line."""
    parser = command_parser("components", __doc__)
    parser.add_argument("slot", nargs="?", help="only those of this slot")
    parser.add_argument("--variant", default="base", help="whose sizes count (base)")
    options = parser.parse_args(words_of(arguments))
    print_components(options.slot, options.variant)
    return 0


def print_components(slot: str | None, variant: str) -> None:
    """One block per component; a broken plug-in is listed with its fault."""
    entries = registry.list_components(slot)
    spec = load_variant(variant).model_spec()
    sizes = ", ".join(f"{name} {size}" for name, size in spec.dims.model_dump().items())
    print(f"# sizes of {variant}: {sizes}")
    print("# default options; FLOPs of one text, multiply-adds × 2; for a router one pool and one broadcast of d_model")
    for entry in entries:
        _print_entry(entry, spec)


def _print_entry(entry: registry.Entry, spec: ModelSpec) -> None:
    print(f"{entry.slot}.{entry.name}  [{entry.origin}]")
    fault = entry.fault
    if fault is not None:
        print(f"    CANNOT BE USED: {fault}")
        return
    print(f"    {entry.summary}")
    for option in entry.options:
        print(f"    - {option}")
    if entry.slot not in WITHOUT_SIZE:
        print(f"    {describe_size(entry, spec)}")
