"""The ``swarmformer`` command."""

from __future__ import annotations

import math
import re
import sys
from pathlib import Path

import pytest
import yaml

from swarmformer import list_components, registry
from swarmformer.assembly import assemble_without_weights
from swarmformer.cli import main
from swarmformer.cost.operations import counted_flops
from swarmformer.cost.parts import count_parameters
from swarmformer.variants import load_variant


def shown(capsys: pytest.CaptureFixture[str], *words: str, status: int = 0) -> str:
    assert main(words) == status
    return capsys.readouterr().out


def test_components_lists_all_with_options(capsys: pytest.CaptureFixture[str]) -> None:
    out = shown(capsys, "components")
    for entry in list_components():
        assert f"{entry.slot}.{entry.name}  [" in out
        assert entry.summary in out
    assert "- window: int = 16" in out


def block(out: str, component: str) -> str:
    """The lines about one component."""
    return re.split(r"\n(?=\S)", out[out.index(f"{component}  [") :])[0]


def test_components_of_one_slot_at_the_sizes_of_a_variant(capsys: pytest.CaptureFixture[str]) -> None:
    out = shown(capsys, "components", "norm", "--variant", "original_base")
    assert "norm.layer_norm" in out and "local." not in out
    assert "384 parameters; no matrix products" in block(out, "norm.layer_norm"), "two vectors of width 192"


def test_components_shows_parameters_and_flops(capsys: pytest.CaptureFixture[str]) -> None:
    """Against arithmetic: gate of 2D → D → D, message D → D, at D = 128 and 32 or 96 clusters."""
    out, D = shown(capsys, "components"), 128
    gated = block(out, "feedback.gated_linear")
    assert f"{D * D + D + (2 * D * D + D) + (D * D + D):,} parameters" in gated
    assert f"{2 * 256 * 4 * D * D:,} at 256 tokens, {2 * 768 * 4 * D * D:,} at 768 tokens" in gated
    attention = block(out, "cluster.attention")
    assert f"{2 * 32 * 3 * D * D + 4 * 32 * 32 * D:,} at 256 tokens" in attention
    power = math.log((96 * 3 * D + 2 * 96**2) / (32 * 3 * D + 2 * 32**2), 3)
    assert gated.endswith(", growing as N^1.00 (closed form)")
    assert attention.endswith(f", growing as N^{power:.2f} (closed form)")
    assert "0 parameters; no matrix products" in block(out, "router.fixed_chunk")
    assert "refuses" not in out


def test_variants_and_factors(capsys: pytest.CaptureFixture[str]) -> None:
    out = shown(capsys, "variants")
    assert "original_base" in out and "windowed" in out


def test_show_prints_published_figures(capsys: pytest.CaptureFixture[str]) -> None:
    out = shown(capsys, "show", "original_base")
    assert "without the embedding table 888,962" in out
    assert "at 768 tokens: 2,293,236,480" in out
    assert f"in a training step: {3 * 2_293_236_480:,}" in out, "every operand wants a gradient"
    assert "# FLOPs: closed form" in out


@pytest.mark.parametrize("variant", ["original_base", "enhanced", "transformer", "bag_of_embeddings"])
def test_show_is_a_variant_and_says_what_each_slot_has(variant: str, capsys: pytest.CaptureFixture[str]) -> None:
    out = shown(capsys, "show", variant)
    spec = load_variant(variant).model_spec()
    assert yaml.safe_load(out)["model"]["name"] == spec.name
    for slot, part in spec.slots.items():
        assert f"# {slot}.{part.name}: " in out
    total = count_parameters(assemble_without_weights(spec)).total
    parts = [int(number.replace(",", "")) for number in re.findall(r"#     ([\d,]+) parameters", out)]
    assert sum(parts) <= total
    if spec.name == "swarmformer":
        classifier = (spec.dims.d_model + 1) * spec.dims.num_classes
        assert sum(parts) == total - classifier


def test_flops_of_the_slots_add_up_to_what_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    out = shown(capsys, "show", "enhanced")
    spec = load_variant("enhanced").model_spec()
    parts = [int(number.replace(",", "")) for number in re.findall(r"FLOPs: ([\d,]+) at 256", out)]
    classifier = 2 * spec.dims.d_model * spec.dims.num_classes
    assert sum(parts) + classifier == counted_flops(assemble_without_weights(spec), 1, 256)


@pytest.mark.parametrize(
    "words", [["show", "bse"], ["components", "locl"], ["check", "locl.identity"], ["check", "local.identty"]]
)
def test_faults_end_with_a_message(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 1
    assert "Did you mean" in capsys.readouterr().err


@pytest.mark.parametrize(("name", "meant"), [
    ("windowed_attention", "local.windowed_attention?"), ("windowed_atention", "local.windowed_attention?"),
    ("attention", "cluster.attention or pooling.attention?"),
])  # fmt: skip
def test_check_knows_a_component_without_its_slot(name: str, meant: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", name]) == 1
    assert f"error: {name!r} is no variant: did you mean {meant} A component" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["check"], ["check", "norm.none", "--all"], ["check", "no_such_module:Thing"]])
def test_check_needs_something_it_can_find(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == (1 if "no_such_module:Thing" in words else 2)
    assert "error: " in capsys.readouterr().err


def test_check_prints_what_ran_and_counts_last(capsys: pytest.CaptureFixture[str]) -> None:
    out = shown(capsys, "check", "norm.rms_norm", "pooling.mean_all")
    assert "eval_is_deterministic" in out
    assert re.search(r"not applicable +every_dropout_acts_in_training: no option called dropout", out)
    assert re.search(r"expected failure pads_do_not_touch_real_tokens: says honours_mask = False", out)
    last = out.splitlines()[-1]
    assert re.fullmatch(
        r"\d+ checks ran on 2 components: \d+ passed, [1-9] failed as expected, 0 failed; \d+ did not apply", last
    )


def test_check_takes_variants_by_name_and_by_path(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text("base: bag_of_embeddings\nmodel: {dropout: 0.2}\n", encoding="utf-8")
    out = shown(capsys, "check", "bag_of_embeddings", str(mine), "pyramid.constant")
    assert out.startswith("bag_of_embeddings\n") and f"\n{mine}\n" in out
    assert "checks ran on 3 components" in out.splitlines()[-1]


def test_check_all_tries_everything_known(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    known = registry.list_components("norm")
    monkeypatch.setattr(registry, "list_components", lambda slot=None: known)
    out = shown(capsys, "check", "--all")
    assert f"checks ran on {len(known)} components" in out.splitlines()[-1]

    def broken() -> type:
        raise ImportError("no module named wheel_of_fortune")

    known.append(registry.Entry("norm", "broken", "a-plug-in 1.0", broken))
    out = shown(capsys, "check", "--all", status=1)
    assert re.search(r"FAILED +can_be_loaded: a-plug-in 1\.0: ImportError: no module named wheel_of_fortune", out)
    assert f"ran on {len(known)} components" in out.splitlines()[-1] and "1 failed" in out.splitlines()[-1]


LEAKY = '''
from swarmformer.contracts import Dims, Local
class Leaky(Local):
    """x + mean over all positions, pads included."""
    def __init__(self, dims: Dims) -> None:
        super().__init__()
    def forward(self, x_BND, mask_BN=None, norm=None):
        return x_BND + x_BND.mean(dim=1, keepdim=True)
    def flops(self, B: int, N: int) -> int:
        return 0
class Shapeless(Leaky):
    """Takes anything."""
    def __init__(self, dims: Dims, **options) -> None:
        super().__init__(dims)
class Nothing:
    """Fills no slot."""
'''


@pytest.fixture
def stranger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module in the current folder, as a person has it who writes a component."""
    (tmp_path / "strange_locals.py").write_text(LEAKY)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return "strange_locals"


def test_check_finds_the_slot_of_a_class_by_its_base(stranger: str, capsys: pytest.CaptureFixture[str]) -> None:
    out = shown(capsys, "check", f"{stranger}:Leaky", status=1)
    assert out.startswith(f"local.{stranger}:Leaky")
    assert re.search(r"FAILED +pads_do_not_touch_real_tokens: length", out)
    assert re.search(r"[1-9]\d* failed; \d+ did not apply$", out.splitlines()[-1])
    assert main(["check", f"{stranger}:Leaky", "--slot", "norm"]) == 1
    assert "must subclass swarmformer.contracts.norm.Norm" in " ".join(capsys.readouterr().out.split())


def test_check_of_a_module_asks_for_a_class_of_it_and_imports_nothing(
    stranger: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("pack").mkdir()
    for module in ("pack/__init__.py", "pack/inner.py"):
        Path(module).write_text("raise SystemExit(7)")
    for name in (stranger, "pack", "pack.inner"):
        assert main(["check", name]) == 1
        assert f"{name!r} is a module: name a class of it, {name}:Class. Otherwise: unknown" in capsys.readouterr().err
    assert not {"pack", "pack.inner"} & {*sys.modules}
    assert main(["check", "pack.other"]) == 1
    assert "is a module" not in capsys.readouterr().err


def test_check_reports_a_constructor_that_is_no_schema(stranger: str, capsys: pytest.CaptureFixture[str]) -> None:
    out = shown(capsys, "check", f"{stranger}:Shapeless", status=1)
    assert "FAILED           constructor_is_a_schema" in out and "**options" in out
    assert out.splitlines()[-1].startswith("1 check ran on 1 component: 0 passed, 0 failed as expected, 1 failed")
    assert main(["check", f"{stranger}:Nothing"]) == 1
    assert "fills no slot" in capsys.readouterr().err
