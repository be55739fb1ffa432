"""What a plan says of components of one's own that fail, have the wrong shape or break their contract."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from experiments.plan import load_plan
from swarmformer.errors import SpecError
from tests.experiments.conftest import TINY

Grid = Callable[..., Path]

FAULTY = """
from swarmformer.contracts import Local


class Faulty(Local):
    def __init__(self, dims):
        super().__init__()

    def forward(self, x_BND, mask_BN=None, norm=None):
        return x_BND @ x_BND

    def flops(self, B, N):
        return 0
"""


def test_a_component_that_raises_is_named_with_its_error_and_place(
    tiny_grid: Grid, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "faulty_part.py").write_text(FAULTY)
    monkeypatch.syspath_prepend(tmp_path)
    arm = {"name": "mine", "variant": "base", "model": {"local": "faulty_part:Faulty"}}
    words = r"\(mine\).* fails in a trial pass over \d+ tokens with RuntimeError: .*\(faulty_part\.py, line 10,"
    with pytest.raises(SpecError, match=words):
        load_plan(tiny_grid(arms=["base", arm]))


BROKEN_PART = """
from torch import nn
from swarmformer.contracts import Pooling


class Mean(Pooling):
    def forward(self, x_BND, mask_BN=None):
        return x_BND.mean(1)


class Keyed(Mean):
    def __init__(self, dims, *, kind: str = "a"):
        super().__init__()
        self.scale = {"a": 1.0}[kind + "x"]


class Asserted(Mean):
    def __init__(self, dims, *, kind: str = "a"):
        super().__init__()
        assert kind == "x", "no such kind"


class WithoutSuper(Mean):
    def __init__(self, dims, *, kind: str = "a"):
        self.linear = nn.Linear(2, 2)
"""


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Keyed", r"KeyError: 'ax' \(broken_part.py, line 14, in __init__\)"),
        ("Asserted", r"AssertionError: no such kind \(broken_part.py, line 20, in __init__\)"),
        ("WithoutSuper", r"AttributeError: cannot assign module before .* \(broken_part.py, line 25, in __init__\)"),
    ],
)
def test_a_constructor_that_fails_is_named_with_its_key_and_place(
    tiny_grid: Grid, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, words: str
) -> None:
    (tmp_path / "broken_part.py").write_text(BROKEN_PART)
    monkeypatch.syspath_prepend(tmp_path)
    arm = {"name": "mine", "variant": "base", "model": {"pooling": {"name": f"broken_part:{name}"}}}
    with pytest.raises(SpecError, match=rf"tiny.yaml: arms\[1\].*model.pooling.*cannot be built: {words}"):
        load_plan(tiny_grid(arms=["base", arm]))


SCANNING = """
from swarmformer.contracts import Local


class Scanning(Local):
    def __init__(self, dims):
        super().__init__()

    def forward(self, x_BND, mask_BN=None, norm=None):
        return x_BND + (x_BND if mask_BN is None else x_BND * mask_BN.unsqueeze(-1)).cumsum(dim=1)
"""
WRONG_SHAPES = {  # what comes out of a slot, and what is said: the width is 8, and 8 the first length that is tried
    "Turned": ("local", "x_BND.mT", "gave (2, 8, 16), expected (2, 16, 8)"),
    "Several": ("pooling", "(x_BND.mean(1), x_BND)", "gave a tuple, expected a tensor of (2, 8)"),
    "Kept": ("pooling", "x_BND", "gave (2, 8, 8), expected (2, 8)"),
    "Wide": ("embedding", "torch.zeros(*x_BND.shape, 9)", "gave (2, 8, 9), expected (2, 8, 8)"),
    "Short": ("cluster", "x_BND[:, 1:]", "gave (2, 1, 8), expected (2, 2, 8)"),
    "First": ("feedback", "x_BND[:, 0]", "gave (2, 8), expected (2, 8, 8)"),
    "Split": ("norm", "x_BND[..., :4]", "gave (2, 8, 4), expected (2, 8, 8)"),
}
WRONG_SHAPE = """
import torch
from swarmformer import contracts


class {name}(contracts.{base}):
    def __init__(self, dims):
        super().__init__()

    def forward(self, x_BND, *more):
        return {result}

    def flops(self, B, N, *more):
        return 0
"""


@pytest.mark.parametrize("name", WRONG_SHAPES)
def test_a_component_of_the_wrong_shape_is_named_with_both_shapes(
    tiny_grid: Grid, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    slot, result, words = WRONG_SHAPES[name]
    part = WRONG_SHAPE.format(name=name, base=slot.title(), result=result)
    (tmp_path / f"shape_{name}.py").write_text(part)
    monkeypatch.syspath_prepend(tmp_path)
    arm = {"name": "mine", "variant": "base", "model": {slot: f"shape_{name}:{name}"}}
    with pytest.raises(SpecError, match=r"\(mine\): variant 'base' fails in a trial pass over \d+ tokens: ") as told:
        load_plan(tiny_grid(arms=["base", arm]))
    assert str(told.value).endswith(f": {slot} shape_{name}:{name} {words}")


def test_what_flops_leave_out_is_said(tiny_grid: Grid, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "scanning_part.py").write_text(SCANNING)
    monkeypatch.syspath_prepend(tmp_path)
    arm = {"name": "scan", "variant": "base", "model": {"local": "scanning_part:Scanning"}}
    remarks = {arm.name: arm.remarks for arm in load_plan(tiny_grid(arms=["base", arm])).arms}
    said = (
        "local: its FLOPs are too low, as products of matrices alone are counted, and not cumsum; nothing is wrong "
        "with it, but judge its cost by latency"
    )
    assert remarks == {"base": (), "scan": (said,)}


OWN, PASSES = "tests.testing.broken:", "tests.testing.broken_passes:"
SLOTS, MODELS = "tests.testing.broken_slots:", "tests.testing.broken_models:"
FAILS, CHECK = "fails a check of its contract ", f"swarmformer check {PASSES}"
DEAF = (
    "local: fails 2 of its contract's checks (pads_do_not_touch_real_tokens, one_text_is_the_same_alone_and_padded): "
    f"swarmformer check {OWN}IgnoresTheMask"
)
NORMLESS = f"local: fails a check of its contract (norm_is_applied_inside): swarmformer check {OWN}ForgetsTheNorm"
WRITES = f"local: {FAILS}(inputs_are_left_alone): {CHECK}DropsTokensInPlace"
BROKEN = {
    "deaf": ({"local": OWN + "IgnoresTheMask"}, DEAF),
    "normless": ({"local": OWN + "ForgetsTheNorm"}, NORMLESS),
    "leaky": ({"pooling": SLOTS + "MeanOverPads"}, "pooling: pads reach its result, as it says (honours_mask = False)"),
    "sound": ({"local": OWN + "Sound"}, ""),
    "writes": ({"local": PASSES + "DropsTokensInPlace"}, WRITES),
    "sums": ({"router": PASSES + "GatedChunks"}, f"router: {FAILS}(losses_of_texts_add_up): {CHECK}GatedChunks"),
    "counts": ({"local": PASSES + "CountsSteps"}, f"local: {FAILS}(state_dict_round_trip): {CHECK}CountsSteps"),
}


def test_contracts_that_own_components_break_are_said(tiny_grid: Grid) -> None:
    arms = [{"name": name, "variant": "base", "model": parts} for name, (parts, _) in BROKEN.items()]
    planned = load_plan(tiny_grid(arms=["base", "original", *arms])).record(Path())
    remarks = {arm.arm: arm.remarks for arm in planned.arms}
    assert remarks == {"base": (), "original": ()} | {name: (said,) * bool(said) for name, (_, said) in BROKEN.items()}


def test_a_model_of_one_s_own_is_held_to_its_contract_too(tiny_grid: Grid) -> None:
    dims = {**TINY["model"]["dims"], "vocab_size": 16, "num_classes": 10}
    model = {"name": MODELS + "ModelThatSeesPads", "dims": dims}
    plan = load_plan(tiny_grid(arms=["cnn"], base=None, model=model))
    assert plan.arms[0].remarks[0].startswith("model: fails 2 of its contract's checks (pads_do_not_touch_real_tokens,")
