"""Variants, factors and grids of folders of one's own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from experiments.planned import grid_path
from swarmformer.catalogue import find_item, list_items
from swarmformer.errors import SpecError
from swarmformer.variants import list_variants, load_factors, load_variant, resolve_run


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "own"
    (folder / "grids").mkdir(parents=True)
    (folder / "tiny.yaml").write_text("description: mine\nbase: base\nmodel: {dims: {d_model: 8}}\n")
    (folder / "tinier.yaml").write_text("base: tiny\nfactors: [narrow]\n")
    (folder / "factors.yaml").write_text("narrow: {description: narrow, patch: {model: {dims: {d_model: 4}}}}\n")
    (folder / "grids" / "mine.yaml").write_text("arms: [tiny]\nseeds: [0]\n")
    monkeypatch.setenv("SWARMFORMER_VARIANTS", str(folder))
    return folder


def test_a_folder_that_the_setting_names_is_as_good_as_the_shipped_one(own: Path) -> None:
    assert {"tiny", "tinier", "base"} <= set(list_variants())
    assert load_variant("tiny+layer_norm").model_spec().dims.d_model == 8
    assert load_variant("tinier").model_spec().dims.d_model == 4
    assert load_variant("enhanced+narrow").model_spec().dims.d_model == 4
    assert load_factors()["narrow"]["description"] == "narrow"
    assert grid_path("mine") == own / "grids" / "mine.yaml"
    assert find_item("factor", "narrow").origin.startswith("SWARMFORMER_VARIANTS: ")


def test_a_factor_and_its_patch_written_out_have_one_key(own: Path) -> None:
    task = ({"data": {"task": "listops"}}, "here")
    patch = ({"model": {"dims": {"d_model": 4}}}, "here")
    assert resolve_run("base+narrow", [task]).run_key == resolve_run("base", [task, patch]).run_key


def test_several_folders_are_searched_and_one_named_twice_is_one(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = own.parent / "other"
    other.mkdir()
    (other / "more.yaml").write_text("base: tiny\n")
    monkeypatch.setenv("SWARMFORMER_VARIANTS", os.pathsep.join([str(own), str(other), str(own)]))
    assert load_variant("more").model_spec().dims.d_model == 8
    (other / "tiny.yaml").write_text("base: base\n")
    with pytest.raises(SpecError, match=r"variant 'tiny' of .*own is also the name of one of .*other"):
        load_variant("tiny")
    assert load_variant("base").description


def test_a_folder_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWARMFORMER_VARIANTS", "/no/such/folder")
    with pytest.raises(SpecError, match=r"unknown variant 'mine'[\s\S]*cannot be read: no folder /no/such/folder"):
        load_variant("mine")
    assert load_variant("base")


@pytest.mark.parametrize("kind", ["variant", "factor", "grid"])
def test_an_unknown_name_says_how_to_bring_ones_own(kind: str) -> None:
    with pytest.raises(SpecError) as caught:
        find_item(kind, "mine")  # type: ignore[arg-type]
    for words in ("Available: ", "SWARMFORMER_VARIANTS", "entry-point group 'swarmformer.variants'"):
        assert words in str(caught.value)
    assert ("path of a .yaml file" in str(caught.value)) == (kind != "factor")


def test_everything_shipped_can_be_used() -> None:
    for kind in ("variant", "factor", "grid"):
        shipped = [item for item in list_items(kind) if item.origin == "built-in"]  # type: ignore[arg-type]
        assert shipped and [item for item in shipped if item.fault] == []
