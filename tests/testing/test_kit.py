"""The kit itself: what it tries, what it says, how pytest sees it."""

from __future__ import annotations

import os
import re
import textwrap
from pathlib import Path
from typing import Annotated, Literal

import pytest
import torch

from swarmformer import registry
from swarmformer.components.local.rolling_shift import RollingShift
from swarmformer.contracts import Dims
from swarmformer.errors import ComponentError, SpecError
from swarmformer.testing import (
    CHECKS,
    DIMS,
    Report,
    Status,
    ViolationError,
    cases_of,
    check_component,
    check_variant,
    parametrize_with_checks,
)
from swarmformer.testing.case import choices_of
from swarmformer.testing.variant import checks_of_variant
from swarmformer.variants import load_variant
from tests.processes import run_forked
from tests.testing import broken
from tests.testing.broken import LeaksPads, Sound

FIVE = Annotated[int, "five"]


class Optioned(Sound):
    """Has options of many kinds."""

    test_options = ({"window": 3}, {"window": 2, "kind": "b"})

    def __init__(
        self, dims: Dims, *, kind: Literal["a", "b", "c"] = "a", flag: bool = False, window: int = 1,
        also: Literal["x"] | None = None,
    ) -> None:  # fmt: skip
        super().__init__(dims)
        if kind == "c":
            raise ValueError("c needs window 7")


def test_cases_are_defaults_named_sets_and_every_other_choice() -> None:
    assert [dict(case.options) for case in cases_of(Optioned, "local")] == [
        {}, {"window": 3}, {"window": 2, "kind": "b"}, {"kind": "b"}, {"kind": "c"}, {"flag": True}, {"also": "x"},
    ]  # fmt: skip


def test_choices_of_types() -> None:
    assert choices_of(bool) == (False, True)
    assert choices_of(Annotated[Literal[1, 2], "said"]) == (1, 2)
    assert choices_of(Literal["a"] | None) == ("a", None)
    assert choices_of(int) == choices_of(FIVE) == choices_of(float) == ()


def test_a_combination_that_is_refused_does_not_apply_but_one_that_is_asked_for_fails() -> None:
    report = check_component(Optioned)
    refused = [outcome for outcome in report.outcomes if outcome.options == {"kind": "c"}]
    assert report.ok, report
    assert {outcome.status for outcome in refused if outcome.check != "options_can_be_stored"} == {
        Status.NOT_APPLICABLE
    }
    assert "c needs window 7" in refused[-1].detail
    assert check_component(Optioned, options={"kind": "c"}).of(Status.FAILED)


def test_only_the_options_asked_for_are_tried() -> None:
    report = check_component(RollingShift, "local", options={"masked": False, "T_local": 2})
    assert {tuple(outcome.options.items()) for outcome in report.outcomes} == {(("masked", False), ("T_local", 2))}
    assert report.ok and len(report.of(Status.EXPECTED_FAILURE)) == 2


def test_the_random_state_of_the_caller_stays() -> None:
    torch.manual_seed(11)
    state = torch.get_rng_state()
    check_component(Sound, options={"dropout": 0.3})
    assert torch.equal(torch.get_rng_state(), state)


def test_nothing_ran_is_a_failure() -> None:
    assert not Report().ok
    with pytest.raises(ViolationError, match="nothing ran"):
        Report().raise_for_failures()
    with pytest.raises(ComponentError, match="nothing would run"):
        parametrize_with_checks([])
    idle = Report(tuple(check_component(Optioned, options={}).of(Status.NOT_APPLICABLE)))
    assert idle.outcomes and not idle.ok and "nothing ran" in str(idle)


def test_a_report_prints_what_ran_what_does_not_apply_and_what_failed() -> None:
    report = check_component(LeaksPads, options={})
    lines = [" ".join(line.split()) for line in str(report).splitlines()]
    assert lines[0] == "local.tests.testing.broken:LeaksPads"
    assert any(line.startswith("passed constructor_is_a_schema, docstring_has_a_summary") for line in lines)
    assert any(line.startswith("FAILED pads_do_not_touch_real_tokens: length") for line in lines)
    assert lines[-1] == report.summary
    with pytest.raises(ViolationError, match=r"(?s)pads_do_not_touch_real_tokens: length.*2 failed"):
        report.raise_for_failures()
    sound = check_component(Sound, options={})
    sound.raise_for_failures()
    both = report + sound
    assert both.ran == report.ran + sound.ran and "on 2 components" in both.summary


def said_of(cls: type) -> str:
    return " ".join(str(check_component(cls, options={})).split())


def test_what_fails_alike_is_said_once_and_the_signature_of_the_slot_with_it() -> None:
    said = said_of(broken.WrongSignature)
    words = "WrongSignature.forward() takes 2 positional arguments but 4 were given; forward of the slot local takes"
    taken = "(x_BND: Tensor, mask_BN: Tensor | None = None, norm: nn.Module | None = None) -> Tensor"
    assert re.search(rf"FAILED \d\d checks, all (with|like): TypeError: {re.escape(f'{words} {taken}')} \(", said)
    assert said.count("FAILED") == 1


def test_an_error_is_placed_in_the_file_of_the_component() -> None:
    said = said_of(broken.WrongProduct)
    assert re.search(r"all like: RuntimeError: mat1 and mat2 shapes .* \(\S+tests/testing/broken.py:\d+\)", said)
    assert "torch/nn" not in said


def test_what_cannot_be_built_is_said_once_for_each_set_of_options() -> None:
    report = check_component(broken.CannotBeBuilt)
    failed = [(outcome.case.partition("[")[2], outcome.check) for outcome in report.of(Status.FAILED)]
    assert failed == [("", "builds"), ("wide=False]", "builds")]
    assert "'Dims' object has no attribute 'width' (" in report.outcomes[-1].detail
    assert "tests/testing/broken.py:" in report.outcomes[-1].detail


def test_remedies_of_padded_lengths_and_half_precision_are_named() -> None:
    said = said_of(broken.Spectral)
    depends = "the result depends on the padded length; if that is meant, set honours_mask = False"
    assert f"(allowed 1e-05); {depends}" in said
    remedy = "compute in .float() (parameters too) and give back .to(x.dtype)"
    assert f"exist in bf16: Unsupported dtype BFloat16; {remedy}" in said
    failed = {outcome.check for outcome in check_component(broken.MeantSpectral).of(Status.FAILED)}
    assert failed == {"right_shape_and_finite_in_bf16"}, "what it says of the mask is true, and no pad has to reach it"


def test_a_class_or_slot_that_is_none_is_refused() -> None:
    with pytest.raises(ComponentError, match="fills no slot"):
        check_component(dict)
    with pytest.raises(ComponentError, match=r"unknown slot 'locla'.*'local'"):
        check_component(Sound, "locla")
    [wrong] = check_component(Sound, "cluster").outcomes
    assert (wrong.check, wrong.status) == ("constructor_is_a_schema", Status.FAILED)


def test_a_variant_is_held_to_the_contract_of_a_model() -> None:
    report = check_variant("bag_of_embeddings")
    report.raise_for_failures()
    assert {outcome.component for outcome in report.outcomes} == {"bag_of_embeddings"} and report.ran > 20
    assert {outcome.check for outcome in report.outcomes} == {check.name for check in CHECKS if "model" in check.slots}
    with pytest.raises(SpecError, match="unknown variant 'bagg"):
        check_variant("bagg_of_embeddings")


def test_a_fault_of_a_part_is_a_fault_of_the_variant() -> None:
    overrides = {"model": {"local": f"{LeaksPads.__module__}:LeaksPads"}}
    spec = load_variant("base", [(overrides, "test")]).model_spec()
    failed = {outcome.check for outcome in check_variant(spec).of(Status.FAILED)}
    assert failed == {"pads_do_not_touch_real_tokens", "one_text_is_the_same_alone_and_padded"}


def test_a_variant_keeps_its_width_where_its_heads_need_it() -> None:
    spec = load_variant("transformer", [({"model": {"heads": 12, "dims": {"d_model": 24}}}, "test")]).model_spec()
    sizes = {case.dims.d_model for _, case in checks_of_variant(spec)}
    assert sizes == {24} and {case.dims.d_model for _, case in checks_of_variant("transformer")} == {DIMS.d_model}


def test_checks_have_names_of_their_own_and_words() -> None:
    names = [check.name for check in CHECKS]
    assert len(set(names)) == len(names)
    assert all(check.about.endswith((".", ")")) for check in CHECKS)


def run_pytest(folder: Path, module: str, component: str) -> str:
    """The output of pytest on a test that holds a class of ``tests.testing.<module>`` to its contract."""
    (folder / "test_it.py").write_text(
        textwrap.dedent(f"""
        from swarmformer.testing import parametrize_with_checks
        from tests.testing.{module} import {component}

        @parametrize_with_checks([{component}])
        def test_contract(check):
            check()
        """)
    )
    root = Path(__file__).resolve().parents[2]
    words = ("-rA", "-p", "no:cacheprovider", "--rootdir", folder, folder)
    return run_forked("python", "-m", "pytest", *words, env=_environment(root)).stdout


def _environment(root: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}


def test_pytest_sees_passes_failures_skips_and_expected_failures(tmp_path: Path) -> None:
    out = run_pytest(tmp_path, "broken", "LeaksPads")
    case = re.escape("test_it.py::test_contract[local.tests.testing.broken:LeaksPads-")
    assert re.search(rf"PASSED \S*{case}flops_equal_the_counted\]", out)
    assert re.search(rf"FAILED \S*{case}pads_do_not_touch_real_tokens\]", out)
    assert "Whatever stands in masked places" in out, "a failure says what was promised"
    assert "2 failed" in out
    out = run_pytest(tmp_path, "broken_slots", "MeanOverPads")
    assert "3 xfailed" in out and "2 skipped" in out and " failed" not in out.replace("xfailed", "")
    assert "no option called dropout" in out and "nothing to learn" in out


def test_every_slot_has_checks_beyond_those_of_all() -> None:
    count = {slot: [c.name for c in CHECKS if slot in c.slots] for slot in registry.SLOTS}
    shared = {check.name for check in CHECKS if set(check.slots) == set(registry.SLOTS)}
    assert all(set(names) - shared for names in count.values()), count
