"""``swarmformer``: look at what there is, and hold components to their contracts.

swarmformer components [SLOT] [--variant V]   every component: options, origin, parameters, FLOPs, faults
swarmformer variants                          every shipped variant and factor
swarmformer show VARIANT                      a variant resolved, by slot, with parameters and FLOPs
swarmformer check NAME… | --all               the conformance kit: router.learned, package.module:Class, base+windowed
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence

from swarmformer.cli.check import run_checks
from swarmformer.cli.components import print_components
from swarmformer.cli.variants import print_variant, print_variants
from swarmformer.errors import SwarmformerError


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; 0, 1 where a check failed, or 2 with a message where something is wrong."""
    chosen = vars(_parser().parse_args(arguments))
    command = chosen.pop("command")
    try:
        return int(COMMANDS[command](**chosen) or 0)
    except SwarmformerError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


COMMANDS: dict[str, Callable[..., int | None]] = {
    "components": print_components,
    "variants": print_variants,
    "show": print_variant,
    "check": run_checks,
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="swarmformer", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    components = commands.add_parser("components", help="every component")
    components.add_argument("slot", nargs="?", help="only those of this slot")
    components.add_argument("--variant", default="base", help="whose sizes count (base)")
    commands.add_parser("variants", help="every shipped variant and factor")
    commands.add_parser("show", help="a variant, resolved").add_argument("variant")
    check = commands.add_parser("check", help="hold components to the contracts of their slots")
    check.add_argument("names", nargs="*", metavar="NAME", help="slot.name, package.module:Class or a variant")
    check.add_argument("--all", dest="everything", action="store_true", help="every known component")
    check.add_argument("--slot", help="the slot of a package.module:Class; found from its base class if left out")
    return parser
