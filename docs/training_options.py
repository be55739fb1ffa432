"""The generated regions of ``training.md``."""

from __future__ import annotations

from docs.cells import code, plain, shown, table
from docs.facts import builtins, meanings
from swarmformer.registry import Entry
from swarmformer.sections.budget import TrainBudget
from swarmformer.sections.short_names import USUAL


def budget(_page: str) -> str:
    """Keys of the section ``train`` that belong to no ingredient."""
    fields = TrainBudget.model_fields.items()
    rows = [[code(name), code(shown(field.default)), plain(str(field.description))] for name, field in fields]
    return table(["key", "default", "what it does"], rows)


def ingredients(_page: str, slot: str) -> str:
    """Every built-in ingredient of a slot with its options."""
    return "\n\n".join(_ingredient(entry, entry.name == USUAL.get(slot)) for entry in builtins(slot))


def _ingredient(entry: Entry, usual: bool) -> str:
    said = {name: text.replace("``", "`").rstrip(".") for name, text in meanings(entry).items()}
    head = f"{code(entry.name)}{' (default)' if usual else ''}: {plain(entry.summary)}"
    rows = [[code(option.name), code(shown(option.default)), plain(said[option.name])] for option in entry.options]
    return f"{head}\n\n{table(['option', 'default', 'what it does'], rows)}" if rows else head
