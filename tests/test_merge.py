"""Layers of configuration: what replaces, what merges, and which source is named."""

from __future__ import annotations

from typing import Any

import pytest

from swarmformer import build_model, load_variant
from swarmformer.merge import Tree, nest


def test_naming_another_component_replaces_the_slot_whole_and_options_alone_are_merged() -> None:
    slots = load_variant("base", [({"model": {"local": {"T_local": 5}}}, "x")]).model_spec().slots
    assert (slots["local"].options["T_local"], slots["local"].options["dropout"]) == (5, 0.3)
    other = load_variant("base", [({"model": {"local": {"name": "windowed_attention", "window": 5}}}, "x")])
    options = other.model_spec().slots["local"].options
    assert (options["window"], options["dropout"]) == (5, 0.0), "the dropout of the old component does not leak"
    assert "T_local" not in options


@pytest.mark.parametrize(
    ("below", "above", "merged"),
    [
        ({"name": "a", "x": 1}, {"x": 2}, {"name": "a", "x": 2}),
        ({"name": "a", "x": 1}, {"name": "a", "y": 2}, {"name": "a", "x": 1, "y": 2}),
        ({"name": "a", "x": 1}, {"name": "b", "y": 2}, {"name": "b", "y": 2}),
        ({"name": "a", "x": 1}, "b", {"name": "b"}),
        ({"name": "a", "x": 1}, "a", {"name": "a", "x": 1}),
        ("a", {"x": 1}, {"name": "a", "x": 1}),
        ("a", {"name": "b", "x": 1}, {"name": "b", "x": 1}),
        ("a", "b", "b"),
        ({"x": 1}, {"name": "b"}, {"x": 1, "name": "b"}),
        ([1, 2], [3], [3]),
        ({"x": 1}, None, None),
    ],
)
def test_merge(below: Any, above: Any, merged: Any) -> None:
    tree = Tree()
    tree.merge({"slot": below}, "low")
    tree.merge({"slot": above}, "high")
    assert tree.values == {"slot": merged}


def test_every_key_knows_where_it_was_written() -> None:
    tree = Tree()
    tree.merge({"model": {"local": {"name": "a", "x": 1, "y": 1}, "norm": "n"}}, "low")
    tree.merge({"model": {"local": {"y": 2}, "norm": {"eps": 1}}}, "middle")
    sources = {path[-1]: tree.source(("model", *path)) for path in (("local", "x"), ("local", "y"), ("norm", "eps"))}
    assert sources == {"x": "low", "y": "middle", "eps": "middle"}
    assert tree.source(("model", "norm", "name")) == "low"
    assert tree.source(("model", "local", "unwritten")) == "low", "the nearest key above it"
    tree.merge({"model": {"local": {"name": "b"}}}, "high")
    assert tree.source(("model", "local", "y")) == "high"


def test_merging_leaves_the_patch_alone() -> None:
    tree, patch = Tree(), {"a": {"b": [1]}}
    tree.merge(patch, "")
    tree.merge({"a": {"b": [2], "c": 3}}, "")
    assert patch == {"a": {"b": [1]}}


@pytest.mark.parametrize(
    "spelling",
    [
        {"local": {"name": "windowed_attention", "window": 8}, "dims": {"d_model": 64}},
        {"local.name": "windowed_attention", "local.window": 8, "dims.d_model": 64},
        {"local.window": 8, "local.name": "windowed_attention", "dims.d_model": 64},
        {"local": "windowed_attention", "local.window": 8, "dims": {"d_model": 64}},
        {"local.window": 8, "local": "windowed_attention", "dims": {"d_model": 64}},
    ],
    ids=str,
)
def test_overrides_of_build_model_in_every_spelling(spelling: dict[str, Any]) -> None:
    spec = build_model("base", **spelling).spec
    local = spec.slots["local"].to_dict()
    assert (local["name"], local["window"], local["heads"]) == ("windowed_attention", 8, 4)
    assert spec.dims.d_model == 64
    assert nest({"a.b": 1, "a.c.d": 2, "e": 3}) == {"a": {"b": 1, "c": {"d": 2}}, "e": 3}
