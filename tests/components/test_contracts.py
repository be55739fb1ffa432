"""What every component promises, whatever it does."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from swarmformer import registry
from tests.components.cases import DIMS, TENSOR_SLOTS, Case, apply, cases, inputs, pools, prefix_mask
from tests.helpers import assert_close

ALL = pytest.mark.parametrize("case", cases(*TENSOR_SLOTS), ids=str)
MIXERS = pytest.mark.parametrize("case", cases("local", "router", "cluster", "feedback", "pooling"), ids=str)
LENGTHS = st.lists(st.integers(0, 13), min_size=1, max_size=4)
DIVISIBLE = 12  # a published router takes no other length


def lengths_for(case: Case) -> tuple[int, ...]:
    return (1, 2, 3, 4, 5, 12) if case.build().honours_mask else (4, 12)


def test_every_slot_has_a_component() -> None:
    assert {entry.slot for entry in registry.list_components()} == set(registry.SLOTS)


@pytest.mark.parametrize("entry", registry.list_components(), ids=lambda e: f"{e.slot}.{e.name}")
def test_every_component_is_documented_and_sound(entry: registry.Entry) -> None:
    assert entry.fault is None
    cls: Any = entry.load()
    assert cls.__doc__ and entry.summary.endswith((".", ")")), "the first line of the docstring is the summary"
    assert (cls.slot, cls.registered_name) == (entry.slot, entry.name)


@ALL
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_shape_dtype_and_finite(case: Case, dtype: torch.dtype) -> None:
    component = case.build().to(dtype)
    for N in lengths_for(case):
        x = inputs(case.slot, 2, N)
        x = x.to(dtype) if x.is_floating_point() else x
        for mask in (None, prefix_mask([N, N // 2], N)):
            out = apply(component, x, mask)
            expected = (2, DIMS.d_model) if pools(component) else (2, N, DIMS.d_model)
            assert out.shape == expected
            assert out.dtype == dtype
            assert torch.isfinite(out).all()


@ALL
def test_autocast_stays_near_fp32(case: Case) -> None:
    component, x = case.build(), inputs(case.slot, 2, DIVISIBLE)
    mask = prefix_mask([DIVISIBLE, 5], DIVISIBLE)
    with torch.no_grad():
        exact = apply(component, x, mask)
        with torch.autocast("cpu", torch.bfloat16):
            rough = apply(component, x, mask)
    assert_close(str(case), exact, rough.float(), atol=0.05, rtol=0.03)


@ALL
def test_a_gradient_reaches_every_parameter(case: Case) -> None:
    component, x = case.build().train(), inputs(case.slot, 3, DIVISIBLE)
    learned = {name: p for name, p in component.named_parameters() if p.requires_grad}
    if x.is_floating_point():
        learned["input"] = x.requires_grad_()
    out = apply(component, x, prefix_mask([DIVISIBLE, 5, 1], DIVISIBLE))
    (out * torch.randn(out.shape, generator=torch.Generator().manual_seed(1))).sum().backward()
    for name, parameter in learned.items():
        assert parameter.grad is not None, f"{name} gets no gradient"
        assert torch.isfinite(parameter.grad).all(), f"the gradient of {name} is not finite"
        assert parameter.grad.abs().max() > 0, f"{name} gets a zero gradient"


@ALL
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_pads_do_not_touch_real_tokens(case: Case, data: st.DataObject) -> None:
    """Whatever stands in masked places, also amid the text, the result for real tokens is the same."""
    component = case.build()
    N = data.draw(st.integers(1, 13)) if component.honours_mask else DIVISIBLE
    mask = torch.tensor(data.draw(st.lists(st.lists(st.booleans(), min_size=N, max_size=N), min_size=2, max_size=2)))
    x, other = inputs(case.slot, 2, N), inputs(case.slot, 2, N, seed=9)
    keep = mask if x.dim() == 2 else mask.unsqueeze(-1)
    with torch.no_grad():
        out, changed = apply(component, x, mask), apply(component, torch.where(keep, x, other), mask)
    if not component.honours_mask:
        return
    if not pools(component):
        out, changed = out[mask], changed[mask]
    assert_close(str(case), out, changed, atol=1e-6) if out.numel() else None


@MIXERS
def test_honours_mask_is_stated_truly(case: Case) -> None:
    """A component that says that pads touch its result is right: otherwise it should not say so."""
    component, mask = case.build(), prefix_mask([DIVISIBLE - 2], DIVISIBLE)
    x = inputs(case.slot, 1, DIVISIBLE)
    other = torch.where(mask.unsqueeze(-1), x, x + 1)
    with torch.no_grad():
        out, changed = apply(component, x, mask), apply(component, other, mask)
    if not pools(component):
        out, changed = out[mask], changed[mask]
    assert torch.allclose(out, changed, atol=1e-6) == component.honours_mask


@ALL
@settings(max_examples=15, deadline=None)
@given(length=st.integers(1, 13), pads=st.integers(0, 9))
def test_a_text_gives_the_same_alone_and_padded(case: Case, length: int, pads: int) -> None:
    component = case.build()
    if not component.honours_mask:
        return
    x = inputs(case.slot, 3, length + pads)
    mask = prefix_mask([length, length + pads, 1], length + pads)
    with torch.no_grad():
        alone, padded = apply(component, x[:1, :length], None), apply(component, x, mask)[:1]
    if not pools(component):
        padded = padded[:, :length]
    assert_close(str(case), alone, padded, atol=1e-5)


@MIXERS
@pytest.mark.parametrize("N", [1, 2, 3, 4, 5, 12])
def test_texts_without_tokens_stay_finite(case: Case, N: int) -> None:
    """Forward and backward; a pooling gives zero, and so do clusters and what is pooled into them."""
    component = case.build()
    if N not in lengths_for(case):
        pytest.skip("a published fault: this length is refused")
    x = inputs(case.slot, 2, N).requires_grad_()
    out = apply(component, x, prefix_mask([0, N], N))
    out.sum().backward()
    assert torch.isfinite(out).all()
    for tensor in (x, *(p for p in component.parameters() if p.requires_grad)):
        assert tensor.grad is not None and torch.isfinite(tensor.grad).all()
    if component.honours_mask and case.slot in ("pooling", "cluster", "router"):
        assert (out[0] == 0).all()


@ALL
def test_eval_is_deterministic_and_dropout_acts_in_training(case: Case) -> None:
    has_dropout = "dropout" in {option.name for option in registry_entry(case).options}
    more: dict[str, Any] = {"dropout": 0.5} if has_dropout else {}
    component = case.build(**more)
    x = inputs(case.slot, 2, DIVISIBLE)
    with torch.no_grad():
        assert torch.equal(apply(component, x, None), apply(component, x, None))
        component.train()
        same = torch.equal(apply(component, x, None), apply(component, x, None))
    assert not (same and has_dropout)


def registry_entry(case: Case) -> registry.Entry:
    return next(e for e in registry.list_components(case.slot) if e.name == case.name)


@ALL
def test_state_dict_round_trip(case: Case) -> None:
    first, second = case.build(seed=1), case.build(seed=2)
    x = inputs(case.slot, 2, DIVISIBLE)
    second.load_state_dict(first.state_dict(), strict=True)
    with torch.no_grad():
        assert torch.equal(apply(first, x, None), apply(second, x, None))


@ALL
def test_builds_without_weights(case: Case) -> None:
    with torch.device("meta"):
        component = case.cls(DIMS, **case.options)
        x = inputs_on_meta(case.slot)
        out = apply(component, x, torch.ones(2, DIVISIBLE, dtype=torch.bool))
    assert all(tensor.is_meta for tensor in component.state_dict().values())
    real = case.build()
    assert {n: t.shape for n, t in component.state_dict().items()} == {n: t.shape for n, t in real.state_dict().items()}
    assert out.is_meta and out.shape == apply(real, inputs(case.slot, 2, DIVISIBLE), None).shape


def inputs_on_meta(slot: str) -> torch.Tensor:
    x = torch.zeros(2, DIVISIBLE, DIMS.d_model)
    return x[..., 0].long() if slot == "embedding" else x


@pytest.mark.parametrize("case", cases("local", "cluster", "feedback"), ids=str)
def test_norm_is_applied_inside(case: Case) -> None:
    component, x = case.build(), inputs(case.slot, 2, DIVISIBLE)
    norm = nn.LayerNorm(DIMS.d_model)
    with torch.no_grad():
        plain, identical = apply(component, x, None), apply(component, x, None, nn.Identity())
        normed = apply(component, 3 * x + 1, None, norm)
    assert torch.equal(plain, identical)
    assert not torch.allclose(normed, apply(component, 3 * x + 1, None), atol=1e-3)


@pytest.mark.parametrize("case", cases("router"), ids=str)
@pytest.mark.parametrize("N", [1, 3, 4, 5, 12])
def test_router_gives_the_clusters_of_its_contract(case: Case, N: int) -> None:
    component = case.build()
    if N not in lengths_for(case):
        pytest.skip("a published fault: this length is refused")
    x, mask = inputs("router", 2, N), prefix_mask([N, 1], N)
    assignment = component(x, mask, DIMS.cluster_size)
    C = -(-N // DIMS.cluster_size)
    assert assignment.pool(x).shape == (2, C, DIMS.d_model)
    if component.honours_mask:
        assert assignment.cluster_mask_BC is not None
        assert assignment.cluster_mask_BC.tolist() == [[True] * C, [True] + [False] * (C - 1)]
        assert (assignment.pool(x)[1, 1:] == 0).all()


@pytest.mark.parametrize("case", cases("pyramid"), ids=str)
def test_pyramid_gives_a_size_for_every_layer(case: Case) -> None:
    sizes = [case.build().cluster_size(layer) for layer in range(DIMS.num_layers)]
    assert all(isinstance(size, int) and size >= 1 for size in sizes)
    assert sizes[0] == DIMS.cluster_size, "a pyramid starts from the cluster size of the model"


@pytest.mark.gpu
@ALL
def test_agrees_on_the_gpu(case: Case) -> None:
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    component, x = case.build(), inputs(case.slot, 2, DIVISIBLE)
    mask = prefix_mask([DIVISIBLE, 5], DIVISIBLE)
    with torch.no_grad():
        expected = apply(component, x, mask)
        out = apply(component.cuda(), x.cuda(), mask.cuda())
    assert_close(str(case), expected, out.cpu(), atol=1e-4)
