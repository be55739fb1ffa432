"""Hold components to the contracts of their slots: the conformance kit (``swarmformer.testing``) from the shell.

NAME is slot.name (router.learned), package.module:Class, which may lie in the current folder, or a variant, which is
held to the contract of a model (base+windowed).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from typing import Any

from swarmformer import registry
from swarmformer.cli.command import command_parser, words_of
from swarmformer.errors import ComponentError, SpecError
from swarmformer.extras import can_be_imported, imported
from swarmformer.testing import Outcome, Report, Status, check_component, check_variant
from swarmformer.variants import list_variants


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; 1 where a check failed."""
    parser = command_parser("check", __doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="what to check")
    parser.add_argument("--all", dest="everything", action="store_true", help="every known component")
    parser.add_argument("--slot", help="the slot of a package.module:Class; found from its base class if left out")
    options = parser.parse_args(words_of(arguments))
    if bool(options.names) == options.everything:
        parser.error("name what to check, or give --all; not both")
    if options.slot is not None:
        registry.interface(options.slot)
        if known := [name for name in options.names or ["--all"] if ":" not in name]:
            parser.error(f"--slot is of a package.module:Class; {known[0]} has one of its own: leave --slot out")
    return run_checks(options.names, options.everything, options.slot)


def run_checks(names: Sequence[str], everything: bool, slot: str | None) -> int:
    """Print a report per component or variant, and last a line that counts; 1 where something failed or nothing ran."""
    total = Report()
    for report in _all() if everything else (_named(name, slot) for name in names):
        total += report
        print("\n".join(str(report).splitlines()[:-1]), flush=True)
    print(total.summary)
    return 0 if total.ok else 1


def _all() -> Iterator[Report]:
    for entry in registry.list_components():
        yield _report(entry)


def _report(entry: registry.Entry) -> Report:
    """Of a registered component; one that cannot be loaded has failed."""
    fault, name = entry.fault, f"{entry.slot}.{entry.name}"
    if fault is not None:
        return Report((Outcome(name, name, {}, "can_be_loaded", Status.FAILED, f"{entry.origin}: {fault}"),))
    return check_component(entry.load(), entry.slot)


def _named(name: str, slot: str | None) -> Report:
    if ":" in name:
        return check_component(_imported(name), slot)
    try:
        return _known(name)
    except (SpecError, ComponentError) as error:
        if not can_be_imported(name):
            raise
        raise SpecError(f"{name!r} is a module: name a class of it, {name}:Class. Otherwise: {error}") from error


def _known(name: str) -> Report:
    """Of a variant or a registered component."""
    if "." not in name or re.match(r"[^+]*\.ya?ml\b", name):
        return _variant(name)
    own_slot, _, component = name.partition(".")
    entries = [entry for entry in registry.list_components(own_slot) if entry.name == component]
    if not entries:
        registry.get(own_slot, component)  # raises, with the nearest names
    return Report(tuple(outcome for entry in entries for outcome in _report(entry).outcomes))


def _variant(name: str) -> Report:
    try:
        return check_variant(name)
    except SpecError as error:
        near = difflib.get_close_matches(name, {entry.name for entry in registry.list_components()}, n=2, cutoff=0.8)
        meant = [f"{slot}.{one}" for one in near for slot in registry.slots_with(one)]
        if not meant or name in list_variants():
            raise
        offer = f"did you mean {' or '.join(meant)}? A component is named with its slot"
        raise SpecError(f"{name!r} is no variant: {offer}. Otherwise: {error}") from error


def _imported(path: str) -> Any:
    try:
        return imported(path)
    except SpecError as error:
        raise SpecError(f"{path!r} cannot be imported: {error}") from error
