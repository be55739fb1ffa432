"""What every component promises, whatever it does: the kit over the whole registry, and random sizes beyond it."""

from __future__ import annotations

import socket
import typing
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor

from swarmformer import registry
from swarmformer.cost.operations import counting
from swarmformer.testing import DIMS, Case, parametrize_with_checks
from swarmformer.testing.case import LENGTHS, choices_of
from swarmformer.testing.drive import MASKED_SLOTS, MOST_CLUSTERS, apply, inputs, real_rows, usual_length
from swarmformer.testing.require import NotApplicableError
from swarmformer.training.fast import products_in_tf32
from tests.components.cases import cases, prefix_mask
from tests.helpers import assert_close

ENTRIES = registry.list_components()
HONEST = [e for e in ENTRIES if e.fault is None and getattr(e.load(), "honours_mask", True)]
"""Components that pads do not touch, or not with every option; the kit holds the others to their word."""
MASKED = pytest.mark.parametrize("entry", [e for e in HONEST if e.slot in MASKED_SLOTS], ids=lambda e: e.name)


def test_every_slot_has_a_component() -> None:
    assert {entry.slot for entry in ENTRIES} == set(registry.SLOTS)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda e: f"{e.slot}.{e.name}")
def test_every_component_is_sound(entry: registry.Entry) -> None:
    assert entry.fault is None
    cls: Any = entry.load()
    assert (cls.slot, cls.registered_name) == (entry.slot, entry.name)


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is downloaded for a test: a task without local data does not apply."""

    def refuse(*address: object, **options: object) -> None:
        raise OSError("tests do not use the network")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.mark.usefixtures("no_network")
@parametrize_with_checks([entry.load() for entry in ENTRIES if entry.fault is None])
def test_contract(check: Callable[[], None]) -> None:
    check()


@st.composite
def a_case(draw: st.DrawFn, entry: registry.Entry) -> Case:
    """A component with any combination of its choices that it does not refuse, and with which pads do not touch it."""
    hints = typing.get_type_hints(entry.load().__init__, include_extras=True)  # type: ignore[misc]
    choices = {option.name: choices_of(hints[option.name]) for option in entry.options}
    options = {name: draw(st.sampled_from(values)) for name, values in choices.items() if values}
    case = Case(entry.load(), entry.slot, options, implied=True)
    try:
        assume(case.honours_mask)
    except NotApplicableError:
        assume(False)
    return case


def a_length(entry: registry.Entry) -> st.SearchStrategy[int]:
    return st.integers(1, MOST_CLUSTERS if entry.slot == "cluster" else DIMS.seq_len)


def run(case: Case, x: Tensor, mask: Tensor | None) -> Tensor:
    component = case.build()
    with torch.no_grad():
        out = apply(case.slot, component, x, mask)
    return out if mask is None else real_rows(case.slot, component, out, mask)


@MASKED
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_pads_do_not_touch_real_tokens(entry: registry.Entry, data: st.DataObject) -> None:
    """Any options, any length, any mask, also amid the text."""
    case, N = data.draw(a_case(entry)), data.draw(a_length(entry))
    mask = torch.tensor(data.draw(st.lists(st.lists(st.booleans(), min_size=N, max_size=N), min_size=2, max_size=2)))
    x, other = inputs(case.slot, 2, N), inputs(case.slot, 2, N, seed=9)
    changed = torch.where(mask if x.dim() == 2 else mask.unsqueeze(-1), x, other)
    ours, theirs = run(case, x, mask), run(case, changed, mask)
    if ours.numel():
        assert_close(str(case), ours, theirs, atol=1e-5)


@MASKED
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_a_text_gives_the_same_alone_and_padded(entry: registry.Entry, data: st.DataObject) -> None:
    case, N = data.draw(a_case(entry)), data.draw(a_length(entry))
    length = data.draw(st.integers(1, N))
    x = inputs(case.slot, 3, N)
    alone = run(case, x[:1, :length], prefix_mask([length], length))
    padded = run(case, x, prefix_mask([length, N, 1], N))
    assert_close(str(case), alone, padded[: alone.shape[0]], atol=1e-5)


@pytest.mark.parametrize("entry", [e for e in HONEST if e.slot in ("local", "cluster", "model")], ids=lambda e: e.name)
@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_flops_equal_the_counted(entry: registry.Entry, data: st.DataObject) -> None:
    case, B, N = data.draw(a_case(entry)), data.draw(st.integers(1, 3)), data.draw(a_length(entry))
    component = case.build()
    with counting(component) as counter:
        apply(case.slot, component, inputs(case.slot, B, N), torch.ones(B, N, dtype=torch.bool))
    assert component.flops(B, N) == counter.get_total_flops()


def test_lengths_of_the_kit_reach_beyond_every_window() -> None:
    """A check at lengths shorter than a window would see one block alone."""
    windows = [case.build().window for case in cases("local") if hasattr(case.build(), "window")]
    assert windows and max(LENGTHS) > 2 * max(windows)


@pytest.mark.gpu
@pytest.mark.parametrize("case", cases(*MASKED_SLOTS, "embedding", "norm"), ids=str)
def test_agrees_on_the_gpu(case: Case) -> None:
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    component, N = case.build(), usual_length(case)
    x, mask = inputs(case.slot, 2, N), prefix_mask([N, 5], N)
    with torch.no_grad(), products_in_tf32(torch.device("cuda"), False):  # convolutions round to TF32 by default
        expected = apply(case.slot, component, x, mask)
        out = apply(case.slot, component.cuda(), x.cuda(), mask.cuda())
    assert_close(str(case), expected, out.cpu(), atol=1e-4)
