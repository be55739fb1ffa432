"""Variant files, factors and YAML: what is read and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from swarmformer import load_variant
from swarmformer.errors import SpecError
from swarmformer.yaml import read_yaml


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)

    def write(**contents: str) -> None:
        for name, text in contents.items():
            (tmp_path / f"{name}.yaml").write_text(text)

    return write


def test_a_variant_of_ones_own(files) -> None:
    files(mine="description: Mine\nbase: base\nmodel: {local: {T_local: 1}}\n", child="base: mine.yaml\n")
    for name in ("mine.yaml", "child.yaml+windowed"):
        assert load_variant(name).model_spec().dims.num_layers == 3
    assert load_variant("mine.yaml").model_spec().slots["local"].options["T_local"] == 1
    with pytest.raises(SpecError, match=r"mine\.yaml: model\.local\.heads: unknown option"):
        files(mine="base: base\nmodel: {local: {heads: 1}}\n")
        load_variant("mine.yaml").model_spec()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("bose", "unknown variant 'bose'.*Did you mean 'base'"),
        ("factors", "unknown variant 'factors'"),
        ("nowhere.yaml", r"no variant file nowhere\.yaml"),
        ("base+windwed", "unknown factor 'windwed'.*Did you mean 'windowed'"),
        ("base+", "unknown factor ''"),
        ("base+tied_qkv+tied_kv", r"factors 'tied_qkv' and 'tied_kv' both set model\.cluster\.tie"),
        ("base+multi_head+out_proj", r"factors 'multi_head' and 'out_proj' both set model\.cluster\.heads"),
    ],
)
def test_names_that_do_not_resolve(name: str, words: str) -> None:
    with pytest.raises(SpecError, match=words):
        load_variant(name)


def test_cycles_of_bases_are_found(files) -> None:
    files(a="base: b.yaml\n", b="base: c.yaml\n", c="base: b.yaml\n", own="base: own.yaml\n")
    with pytest.raises(SpecError, match=r"cycle: .*b\.yaml → c\.yaml → b\.yaml"):
        load_variant("a.yaml")
    with pytest.raises(SpecError, match=r"own\.yaml: base: .*cycle"):
        load_variant("own.yaml")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("model: {a: 1, a: 2}\n", "line 1: key 'a' is given twice"),
        ("model:\n  a: 1\nmodel:\n  b: 1\n", "line 3: key 'model' is given twice"),
        ("model: !!python/object/apply:os.getcwd []\n", "line 1: could not determine a constructor"),
        ("model: !mine 1\n", "line 1: could not determine a constructor"),
        ("model: {[a, b]: 1}\n", "line 1: a key must be plain text"),
        ("model: &m {a: *m}\n", "line 1: an alias of what it stands in"),
        ("model: {a: 1\n", "line 2: "),
        ("- a\n", "expected a mapping"),
        ("", "expected a mapping"),
        ("1: 2\n", "expected a mapping with text keys"),
        ("mod: {a: 1}\n", "mod: unknown section.*'model'"),
        ("descripton: x\n", "descripton: unknown section.*'description'"),
        ("base: [a]\n", "base: expected the name of a variant"),
        ("model: 3\n", "model: expected a mapping"),
    ],
)
def test_broken_variant_files_are_refused_with_file_and_line(files, text: str, words: str) -> None:
    files(broken=text)
    with pytest.raises(SpecError, match=rf"broken\.yaml: {words}"):
        load_variant("broken.yaml")


def test_a_file_that_is_not_text(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(b"description: \xff\xfe\n")
    with pytest.raises(SpecError, match=r"x\.yaml: not UTF-8 text"):
        read_yaml(path)
    with pytest.raises(SpecError, match="cannot be read: Is a directory"):
        read_yaml(tmp_path)
