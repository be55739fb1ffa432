"""Mixers of clusters: masks and signals."""

from __future__ import annotations

import torch

from swarmformer.testing.case import Case
from swarmformer.testing.check import check
from swarmformer.testing.drive import inputs, lengths_for, masks
from swarmformer.testing.require import NotApplicableError, assert_close, require, require_finite

NEVER = float("-inf")


@check("cluster", of_mask=True)
def masked_clusters_come_out_zero(case: Case) -> None:
    """Wherever they stand."""
    component = case.build()
    for C in lengths_for(case):
        for words, mask in masks(3, C):
            with torch.no_grad():
                out = component(inputs("cluster", 3, C), mask)
            require(bool((out[~mask] == 0).all()), f"{C} clusters, {words}: a masked cluster comes out as not zero")


@check("cluster")
def a_signal_of_zero_changes_nothing(case: Case) -> None:
    """Signals are log weights: zero is the weight one."""
    component = case.build()
    for C in lengths_for(case):
        c = inputs("cluster", 2, C)
        with torch.no_grad():
            assert_close("signal of zero", component(c), component(c, signal_BC=torch.zeros(2, C)), atol=1e-5)


@check("cluster")
def a_signal_weighs_clusters(case: Case) -> None:
    """Finite signals, also beside masks, keep everything finite and make a difference to others."""
    component = case.build()
    for C in lengths_for(case):
        c, signal = inputs("cluster", 3, C), 3 * inputs("cluster", 3, C, seed=4)[..., 0]
        for words, mask in masks(3, C):
            with torch.no_grad():
                out = component(c, mask, signal_BC=signal)
            require_finite(f"{C} clusters, {words}, with signals", out)
        with torch.no_grad():
            moved = not torch.allclose(component(c), component(c, signal_BC=signal), atol=1e-5)
        require(moved or C == 1, f"signals make no difference between {C} clusters")


@check("cluster", of_mask=True)
def a_signal_of_minus_infinity_is_a_mask_to_others(case: Case) -> None:
    """exp(−∞) = 0: the others see the cluster as little as a masked one."""
    component = case.build()
    several = [C for C in lengths_for(case) if C > 1]
    if not several:
        raise NotApplicableError("takes no more than one cluster")
    for C in several:
        c, silent = inputs("cluster", 2, C), torch.arange(C).expand(2, C) == C // 2
        with torch.no_grad():
            masked = component(c, ~silent)
            signalled = component(c, signal_BC=torch.zeros(2, C).masked_fill(silent, NEVER))
        require_finite(f"{C} clusters, one of them silent", signalled)
        assert_close(f"{C} clusters: the others", masked[~silent], signalled[~silent], atol=1e-5)
