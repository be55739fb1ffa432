"""What the registry and ``variants/factors.yaml`` know of a component and of a factor."""

from __future__ import annotations

import inspect
import re
from functools import cache
from typing import Any

from docs.cells import code
from swarmformer import registry
from swarmformer.catalogue import variants_dir
from swarmformer.cost.variants import spec_of
from swarmformer.registry import SLOTS, Entry, PlugIn
from swarmformer.spec import ComponentSpec
from swarmformer.variants import load_factors, load_variant
from swarmformer.yaml import read_yaml

ROOT = "../.."
"""The repository, seen from a page."""


@cache
def factors() -> dict[str, dict[str, Any]]:
    return load_factors()


@cache
def eight() -> list[str]:
    """The enhancements, in the order of their claims."""
    return list(read_yaml(variants_dir() / "enhanced.yaml")["factors"])


def slot_of(factor: str) -> str:
    """The slot that a factor patches."""
    return next(slot for slot in factors()[factor]["patch"]["model"] if slot in SLOTS)


def description(variant: str) -> str:
    """Of the factor that was added or taken out last, or else of the variant."""
    last = re.split("[+-]", variant)[-1]
    return str(factors()[last]["description"]) if last in factors() else load_variant(variant).description


def in_variant(slot: str, variant: str) -> ComponentSpec:
    return spec_of(variant).slots[slot]


def entry_of(slot: str, name: str) -> Entry:
    return next(entry for entry in builtins(slot) if entry.name == name)


@cache
def builtins(slot: str) -> tuple[Entry, ...]:
    """Those of this project, whatever else is installed or has registered itself."""
    entries = registry.list_components(slot)
    return tuple(e for e in entries if e.origin.startswith("swarmformer.") and not isinstance(e, PlugIn))


def source(entry: Entry) -> str:
    """A link to the file of a component."""
    module = entry.origin.partition(":")[0].replace(".", "/")
    return f"[{code(f'{entry.slot}.{entry.name}')}]({ROOT}/{module}.py)"


def meanings(entry: Entry) -> dict[str, str]:
    """Option → what the docstring's section "Options:" says of it; names may share a line."""
    _, _, section = (inspect.getdoc(entry.load()) or "").partition("\nOptions:\n")
    found: dict[str, str] = {}
    for names, text in re.findall(r"^    (\w+(?:, \w+)*): (.*(?:\n {8}.*)*)", section, flags=re.MULTILINE):
        found |= dict.fromkeys(names.split(", "), " ".join(text.split()))
    return found
