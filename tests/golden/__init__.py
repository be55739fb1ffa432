"""What must not change unseen: keys of shipped variants, defaults of all parts, aliases of committed runs.

``python -m tests.golden`` writes ``keys.yaml``, ``defaults.yaml`` and ``swarmformer/records/aliases.yaml`` anew: for a
change of the specification's form, never to silence a failing test.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from swarmformer import registry
from swarmformer.once import once
from swarmformer.records.aliases import ALIASES
from swarmformer.run_key import content_of
from swarmformer.schema import default_options
from swarmformer.spec import SPEC_VERSION, DataSpec, RunSpec, TrainSpec
from swarmformer.variants import list_variants, load_factors, resolve_run
from tests import committed

HERE = Path(__file__).parent
KEYS, DEFAULTS = HERE / "keys.yaml", HERE / "defaults.yaml"
GRIDS = HERE.parents[1] / "experiments" / "grids"
TASK = {"data": {"task": {"name": "listops", "size": "lite"}}}


def shipped_keys() -> dict[str, str]:
    """Variant, or base with a factor → run key on one small task."""
    names = [*list_variants(), *(f"base+{factor}" for factor in load_factors())]
    with once():
        return {name: resolve_run(name, [(TASK, "golden")]).run_key for name in names}


def shipped_defaults() -> dict[str, Any]:
    """Part → its version and the defaults of its options. Plug-ins are their owners' concern."""
    parts = {}
    for entry in registry.list_components():
        cls = entry.load()
        if cls.__module__.startswith("swarmformer."):
            version = getattr(cls, "VERSION", 1)
            parts[f"{entry.slot}.{entry.name}"] = {"version": version, "options": default_options(cls)}
    for section, spec in (("data", DataSpec), ("train", TrainSpec)):
        fields = {name: field for name, field in spec.model_fields.items() if not field.is_required()}
        plain = {name: field.get_default(call_default_factory=True) for name, field in fields.items()}
        parts[section] = {"version": SPEC_VERSION, "options": json.loads(json.dumps(plain, default=_as_json))}
    return parts


def _as_json(value: Any) -> Any:
    """Of an ingredient its name: its options are those of a part of its own."""
    return content_of(value, versions=False)


def committed_runs() -> Iterator[tuple[Path, str, RunSpec]]:
    """The config.json of every committed run, with the key it was written with and its specification of today."""
    for path in committed.every("config.json"):
        config = json.loads(path.read_text())
        given = {"variant": config["variant"], "seed": config["seed"], **config["spec"]}
        yield path, config["run_key"], RunSpec.from_dict(given)


def committed_aliases() -> dict[str, str]:
    """Key of a committed run → key of the same configuration today, where they differ."""
    keys = {old: spec.run_key for _, old, spec in committed_runs()}
    return {old: new for old, new in sorted(keys.items()) if old != new}


def write_all() -> None:
    for path, content in ((KEYS, shipped_keys()), (DEFAULTS, shipped_defaults()), (ALIASES, committed_aliases())):
        path.write_text(yaml.safe_dump(content, width=120), encoding="utf-8")
